//! `milestone run`: claims, runs a command for each boundary, renews meanwhile, and reports.

use std::time::Duration;

use clap::Args;
use coord::margin;
use coord::milestone::Claimed;
use serde_json::{Value, json};

use super::check::answer;
use super::claims::{Claims, not_ours};
use super::question::Question;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::keeper::Lost;
use crate::session::{Level, Session};
use crate::settings::duration;
use crate::wrapped::{self, Ended, WrappedFlags};

/// The arguments of `interlock milestone run`.
#[derive(Debug, Args)]
pub(super) struct Wrap {
    /// What is counted, such as `nodes`.
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    question: Question,
    /// How long a claim lasts if this process dies; it is renewed while the command runs.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "90s")]
    ttl: Duration,
    #[command(flatten)]
    wrapped: WrappedFlags,
}

/// How it went for one boundary.
struct Done {
    word: &'static str,
    exit: Exit,
    reason: Option<String>,
}

impl Wrap {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        // What cannot be read is said before anything is split.
        self.question.value(session)?;
        if let Some(exit) = wrapped::split(session)? {
            return Ok(exit);
        }
        session.block_on(self.perform(session))?
    }

    async fn perform(&self, session: &Session) -> Result<Exit, Failure> {
        let taken = tokio::select! {
            taken = Claims::take(&self.key, &self.question, self.ttl, session) => taken?,
            interrupt = wrapped::interrupted() => return interrupt.map(|_| Exit::Interrupted),
        };
        let Some(claims) = taken else {
            session.note("disabled: there is no store to count in, and nothing was run");
            let answer = json!({ "outcome": "disabled", "key": self.key, "is_milestone": false });
            return self.finish(answer, Exit::NotOurs, session);
        };
        let mut fields = answer(&self.key, claims.value, &claims.report);
        if claims.report.claimed.is_empty() {
            session.note(&format!("no milestone at {}", claims.value));
            return self.finish(fields, Exit::NotOurs, session);
        }
        let mut last = Done { word: "done", exit: Exit::Passed(0), reason: None };
        let claimed = &claims.report.claimed;
        for (place, milestone) in claimed.iter().enumerate() {
            if matches!(last.exit, Exit::Lost | Exit::Interrupted) {
                // Nobody works for it now: the next call shall have it at once.
                claims.failed(milestone).await?;
                continue;
            }
            let done = self.for_milestone(&claims, &claimed[place..], session).await?;
            if let Some(reason) = &done.reason {
                let title =
                    format!("milestone {} of {}: {}", milestone.milestone, self.key, done.word);
                session.annotate(Level::Error, &title, reason);
            }
            // The first failure is the exit code of all, unless something worse follows.
            if last.word == "done" || matches!(done.exit, Exit::Lost | Exit::Interrupted) {
                last = done;
            }
        }
        fields["outcome"] = json!(last.word);
        fields["reason"] = json!(last.reason);
        self.finish(fields, last.exit, session)
    }

    /// Works for the first of these and keeps the others.
    async fn for_milestone(
        &self,
        claims: &Claims,
        kept: &[Claimed],
        session: &Session,
    ) -> Result<Done, Failure> {
        let milestone = kept[0];
        let environment = [
            ("INTERLOCK_MILESTONE", milestone.milestone.to_string()),
            ("INTERLOCK_FENCE", milestone.fence.to_string()),
        ];
        let margin = margin(self.ttl);
        let keeper = claims.keep(kept);
        let ended = wrapped::run(&self.wrapped, session, &environment, margin, keeper).await?;
        let closing = match ended {
            Ended::Exited(0) => claims.done(&milestone).await?,
            _ => claims.failed(&milestone).await?,
        };
        let (word, exit, reason) = match ended {
            Ended::Exited(0) => match not_ours(&milestone, &closing) {
                None => ("done", Exit::Passed(0), None),
                late => ("lost", Exit::Lost, late),
            },
            Ended::Exited(code) => {
                ("failed", Exit::Passed(code), Some(format!("the command exited with {code}")))
            }
            Ended::CouldNotStart(why) => ("failed", Exit::Passed(127), Some(why)),
            Ended::Interrupted => ("interrupted", Exit::Interrupted, None),
            Ended::Lost(Lost::Taken(taken)) => {
                let why = format!("milestone {} was taken over by another call", taken.milestone);
                ("lost", Exit::Lost, Some(why))
            }
            Ended::Lost(Lost::NotRenewed(error)) => {
                ("lost", Exit::Lost, Some(format!("the claim could not be renewed: {error}")))
            }
        };
        Ok(Done { word, exit, reason })
    }

    fn finish(&self, answer: Value, exit: Exit, session: &Session) -> Result<Exit, Failure> {
        session.step_outputs(&answer)?;
        wrapped::write_outcome(self.wrapped.outcome_file.as_deref(), &answer)?;
        Ok(exit)
    }
}
