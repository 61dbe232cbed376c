//! Runs the plan once, or once for each boundary that a value has crossed.

use std::time::Duration;

use coord::milestone::Claimed;
use runner::interrupt::Interrupts;
use runner::process::Token;

use super::execute::{Occasion, execute};
use super::files::Files;
use super::flags::PlanFlags;
use super::plan::Plan;
use super::summary::{Overall, Summary};
use crate::command::milestone::claims::{Claims, not_ours};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::keeper::Lost;
use crate::session::Session;

/// How long a claim lasts if this process dies; it is renewed while the jobs run.
const TTL: Duration = Duration::from_secs(90);

/// Everything that is the same for all occasions.
struct Call<'a> {
    plan: &'a Plan,
    files: &'a Files,
    run: &'a Token,
    session: &'a Session,
    interrupts: Interrupts,
}

/// Runs the plan as often as there is reason to.
pub(crate) fn run(
    flags: &PlanFlags,
    plan: &Plan,
    files: &Files,
    run: &Token,
    session: &Session,
) -> Result<Summary, Failure> {
    let unavailable = |error: std::io::Error| Failure::from_error(Exit::Unavailable, &error);
    // One thread is enough: the work is done by the jobs, and the printer has its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(unavailable)?.block_on(async {
        let interrupts = Interrupts::listen().map_err(unavailable)?;
        let mut call = Call { plan, files, run, session, interrupts };
        match &flags.on_milestone {
            None => call.once().await,
            Some(key) => Box::pin(call.for_each_milestone(key, flags)).await,
        }
    })
}

impl Call<'_> {
    async fn once(&mut self) -> Result<Summary, Failure> {
        let occasion = Occasion {
            plan: self.plan,
            logs: &self.files.logs,
            order: self.files.order,
            run: self.run,
            environment: &[],
        };
        execute(occasion, &mut self.interrupts, std::future::pending(), self.session).await
    }

    async fn for_each_milestone(
        &mut self,
        key: &str,
        flags: &PlanFlags,
    ) -> Result<Summary, Failure> {
        let taken = Claims::take(key, &flags.question, TTL, self.session).await?;
        let mut whole = self.nothing();
        let Some(claims) = taken else {
            whole.note = Some("no milestone: there is no store to count in".to_owned());
            return Ok(whole);
        };
        let claimed = &claims.report.claimed;
        whole.note = Some(note(&claims));
        for (place, milestone) in claimed.iter().enumerate() {
            if whole.result == Overall::Cancelled || whole.lost.is_some() {
                // Nobody works for it now: the next call shall have it at once.
                claims.failed(milestone).await?;
                continue;
            }
            let summary = self.for_milestone(&claims, &claimed[place..]).await?;
            whole.absorb(summary);
        }
        Ok(whole)
    }

    /// Works for the first of these, keeps the others, and reports how it went.
    async fn for_milestone(
        &mut self,
        claims: &Claims,
        kept: &[Claimed],
    ) -> Result<Summary, Failure> {
        let milestone = kept[0];
        let several = claims.report.claimed.len() > 1;
        let own = self.files.logs.join(milestone.milestone.to_string());
        let logs = if several { &own } else { &self.files.logs };
        std::fs::create_dir_all(logs).map_err(|error| {
            let what = format!("cannot create the directory of logs {}: {error}", logs.display());
            Failure::new(Exit::Unavailable, what)
        })?;
        let environment = [
            ("INTERLOCK_MILESTONE", milestone.milestone.to_string()),
            ("INTERLOCK_FENCE", milestone.fence.to_string()),
        ];
        let occasion = Occasion {
            plan: self.plan,
            logs,
            order: self.files.order,
            run: self.run,
            environment: &environment,
        };
        let mut taken = None;
        let lost = async { taken = Some(claims.keep(kept).await) };
        let mut summary = execute(occasion, &mut self.interrupts, lost, self.session).await?;
        summary.log_dir.clone_from(&self.files.logs);
        summary.milestones = vec![milestone.milestone];
        for row in &mut summary.jobs {
            row.milestone = several.then_some(milestone.milestone);
        }
        let closing = match (taken, summary.result) {
            (Some(how), _) => {
                summary.lost = Some(why(&how, milestone));
                claims.failed(&milestone).await?
            }
            (None, Overall::Passed) => claims.done(&milestone).await?,
            (None, _) => claims.failed(&milestone).await?,
        };
        summary.lost = summary.lost.or(not_ours(&milestone, &closing));
        Ok(summary)
    }

    fn nothing(&self) -> Summary {
        Summary {
            result: Overall::NoMilestone,
            duration_ms: 0,
            log_dir: self.files.logs.clone(),
            milestones: Vec::new(),
            note: None,
            lost: None,
            log_errors: Vec::new(),
            jobs: Vec::new(),
        }
    }
}

fn note(claims: &Claims) -> String {
    let (value, report) = (claims.value, &claims.report);
    if let Some(first) = report.claimed.first() {
        let more = report.claimed.len() - 1;
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        return format!("milestone {}{more}, at {value}", first.milestone);
    }
    if !report.elsewhere.is_empty() {
        return format!("no milestone: others work for {:?}", report.elsewhere);
    }
    format!("no milestone at {value} (before: {})", report.previous)
}

fn why(how: &Lost<Claimed>, milestone: Claimed) -> String {
    let number = milestone.milestone;
    match how {
        Lost::Taken(taken) => {
            format!("milestone {} was taken over by another call", taken.milestone)
        }
        Lost::NotRenewed(error) => {
            format!("the claim of milestone {number} could not be kept: {error}")
        }
    }
}
