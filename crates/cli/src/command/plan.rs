//! `interlock plan`: what events would start, and why or why not, without running anything.

use std::fmt::Write as _;

use clap::Args;
use dispatch::planner::{Planner, Seed, Verdict};
use engine::{Plan as RunPlan, PlannedGroup, PlannedJob, PlannedLeg, PlannedLegs, Queue, RunId};
use serde_json::{Value, json};
use workdir::{Mirrors, Repository};

use crate::command::diagnostics;
use crate::command::run::refusal;
use crate::command::stimulus::{self, Stimulus};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Session};

/// The arguments of `interlock plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    stimulus: Stimulus,
}

impl Plan {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(self.work(session))?
    }

    async fn work(self, session: &Session) -> Result<Exit, Failure> {
        let mirrors = Mirrors::open(session.state_directory()?.join("mirrors"));
        let mirrors = mirrors.map_err(|error| stimulus::advise(&error))?;
        let repository = Repository::discover(&session.directory)
            .await
            .map_err(|error| stimulus::advise(&error))?;
        let planner = self.stimulus.planner(session, &repository, &mirrors).await?;
        let mut faults = report_faults(session, &planner);
        for index in 0..planner.deliveries.len() {
            if session.format == Format::Human && planner.deliveries.len() > 1 {
                let delivery = &planner.deliveries[index];
                session.line(&format!(
                    "delivery {index}: {} after {} ms",
                    delivery.event,
                    delivery.delay.as_millis()
                ));
            }
            for verdict in planner.verdicts(index) {
                faults |= show(session, index, verdict);
            }
        }
        if planner.project.files.is_empty() && session.format == Format::Human {
            session.note(&format!(
                "there are no workflows in {}",
                repository.root().join(dispatch::project::FOLDER).display()
            ));
        }
        Ok(if faults { Exit::Usage } else { Exit::Done })
    }
}

fn report_faults(session: &Session, planner: &Planner) -> bool {
    let mut found = false;
    for file in planner.project.files.iter().filter(|file| planner.is_wanted(&file.path)) {
        for diagnostic in file.errors() {
            session.note(&diagnostics::render(&file.source, diagnostic));
            found = true;
        }
    }
    found
}

/// Shows what a delivery means for one workflow. Returns whether it cannot be planned.
fn show(session: &Session, delivery: usize, verdict: Verdict) -> bool {
    match verdict {
        Verdict::Ignored { event, path, reason } => {
            let answer = json!({ "delivery": delivery, "event": event, "path": path, "runs": false, "reason": reason });
            print(session, &answer, &format!("- {path}\n    does not run: {reason}"));
            false
        }
        Verdict::Run(seed) => match engine::plan(&seed.spec(RunId(0), 1)) {
            Ok(plan) => {
                let unsupported = refusal::show(session, &seed) > 0;
                print(session, &machine(delivery, &seed, &plan), &human(&seed, &plan));
                unsupported
            }
            Err(error) => {
                session.note(&format!("{}: {error}", seed.path));
                true
            }
        },
    }
}

fn print(session: &Session, answer: &Value, human: &str) {
    match session.format {
        Format::Json => session.line(&answer.to_string()),
        Format::Human => session.line(human),
    }
}

fn machine(delivery: usize, seed: &Seed, plan: &RunPlan) -> Value {
    json!({
        "delivery": delivery,
        "event": seed.event,
        "path": seed.path,
        "workflow": seed.workflow.display_name(),
        "runs": true,
        "sees": { "sha": seed.tree.sha, "content": seed.tree.content.to_string() },
        "group": plan.group,
        "jobs": plan.jobs,
    })
}

fn human(seed: &Seed, plan: &RunPlan) -> String {
    let mut text = format!(
        "✓ {} ({})\n    runs for {} on {}",
        seed.path,
        seed.workflow.display_name(),
        seed.event,
        seed.reference
    );
    let put = |text: &mut String, line: String| {
        write!(text, "\n{line}").expect("a string takes all that is written");
    };
    let short = seed.tree.sha.get(..10).unwrap_or(&seed.tree.sha);
    put(&mut text, format!("    jobs see: {} {short}", seed.tree.content));
    if let Some(group) = &plan.group {
        put(&mut text, format!("    group: {}", group_text(group)));
    }
    for job in &plan.jobs {
        put(&mut text, job_text(job));
        match &job.legs {
            PlannedLegs::One(leg) => {
                legs_text(std::slice::from_ref(leg), false, &mut |line| put(&mut text, line));
            }
            PlannedLegs::Known(legs) => legs_text(legs, true, &mut |line| put(&mut text, line)),
            PlannedLegs::Later => {
                put(&mut text, "        matrix: known when its needs have ended".to_owned());
            }
            PlannedLegs::Broken(why) => put(&mut text, format!("        matrix: {why}")),
        }
    }
    text
}

fn job_text(job: &PlannedJob) -> String {
    let depth = "  ".repeat(job.key.path.len() - 1);
    let mut text = format!("    {depth}{}", job.name);
    if !job.needs.is_empty() {
        write!(text, "  after {}", job.needs.join(", "))
            .expect("a string takes all that is written");
    }
    if let Some(calls) = &job.calls {
        write!(text, "  calls {calls}").expect("a string takes all that is written");
    }
    if job.skipped {
        text.push_str("  (is certain to be skipped)");
    }
    text
}

fn legs_text(legs: &[PlannedLeg], named: bool, put: &mut dyn FnMut(String)) {
    for leg in legs {
        if named {
            put(format!("        {}", leg.name));
        }
        if let Some(group) = &leg.group {
            put(format!("        group: {}", group_text(group)));
        }
    }
}

fn group_text(group: &PlannedGroup) -> String {
    match group {
        PlannedGroup::Known(request) => {
            let cancel =
                if request.cancel_in_progress { ", cancels the one in progress" } else { "" };
            let queue = if request.queue == Queue::Max { ", everybody waits in line" } else { "" };
            format!("{}{cancel}{queue}", request.name)
        }
        PlannedGroup::Later => "known when its needs have ended".to_owned(),
        PlannedGroup::Broken(why) => why.clone(),
    }
}
