//! `interlock plan`: what events would start, and why or why not, without running anything.

use std::fmt::Write as _;

use std::time::Duration;

use clap::Args;
use dispatch::planner::{Planner, Seed, Verdict};
use dispatch::simulate::simulate;
use engine::{Plan as RunPlan, PlannedGroup, PlannedJob, PlannedLeg, PlannedLegs, Queue, RunId};
use serde_json::{Value, json};
use workdir::{Mirrors, Repository};

use crate::command::diagnostics;
use crate::command::run::refusal;
use crate::command::stimulus::{self, Stimulus};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Session};
use crate::settings::duration;
use crate::terminal::clean;

/// The arguments of `interlock plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    stimulus: Stimulus,
    /// With --deliveries: how long each run is taken to last in the timeline.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    each: Duration,
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
        if planner.deliveries.len() > 1 && !faults {
            timeline(session, &planner, self.each);
            return Ok(Exit::Done);
        }
        for index in 0..planner.deliveries.len() {
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

/// Shows what would happen to many deliveries in their groups, if every run took the same time.
fn timeline(session: &Session, planner: &Planner, each: Duration) {
    let moments = simulate(planner, each);
    if session.format == Format::Json {
        for moment in &moments {
            let mut line = json!(moment);
            line["type"] = json!("moment");
            session.line(&line.to_string());
        }
        return;
    }
    session.line(&format!("if every run takes {} s:", each.as_secs_f64()));
    for moment in &moments {
        let at = Duration::from_millis(moment.at_ms).as_secs_f64();
        let event =
            planner.deliveries.get(moment.delivery).map_or("", |delivery| delivery.event.as_str());
        let group =
            moment.group.as_ref().map(|group| format!("  group {group}")).unwrap_or_default();
        let why = moment.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let who = format!("delivery {} ({event})", moment.delivery);
        let line = format!("{at:>9.3}  {who:<28} {:<9} {}{group}{why}", moment.what, moment.path);
        session.line(&clean(&line));
    }
    let mut shown = std::collections::BTreeSet::new();
    for group in moments.iter().filter_map(|moment| moment.group.as_ref()) {
        if let Some(rule) = planner.policies.rule(group)
            && shown.insert(group)
        {
            session.line(&clean(&format!("group {group}: {}", rule.words)));
        }
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
            let human = [format!("- {path}"), format!("    does not run: {reason}")];
            let human = human.map(|line| clean(&line)).join("\n");
            let answer = json!({ "delivery": delivery, "event": event, "path": path, "runs": false, "reason": reason });
            print(session, &answer, &human);
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
    // Names from a payload move no cursor and begin no line, which could be a command in a log.
    let mut text = clean(&format!("✓ {} ({})", seed.path, seed.workflow.display_name()));
    let put = |text: &mut String, line: String| {
        write!(text, "\n{}", clean(&line)).expect("a string takes all that is written");
    };
    put(&mut text, format!("    runs for {} on {}", seed.event, seed.reference));
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
