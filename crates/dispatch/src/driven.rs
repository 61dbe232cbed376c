//! One run that the dispatcher drives: the engine's value beside what belongs to this process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use coord::group::Hold;
use engine::{Conclusion, JobKey, JobPlan, JobReport, Member, Run, StepReport};
use expr::Value;
use jiff::Timestamp;
use runner::Order;
use tokio::sync::{mpsc, oneshot};

use crate::hands::RunFacts;
use crate::record::Record;
use crate::result::{JobResult, RunResult, StepResult};

/// A run, and what hangs on it.
#[derive(Debug)]
pub(crate) struct Driven {
    pub(crate) run: Run,
    pub(crate) record: Record,
    pub(crate) facts: Arc<RunFacts>,
    pub(crate) story: Story,
    /// The jobs that have room, with the way to reach them.
    pub(crate) working: BTreeMap<JobKey, Working>,
    /// The groups it is in or waits for, with the way to leave them.
    pub(crate) memberships: BTreeMap<Member, Seat>,
}

/// A place in a group, asked for or taken.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Dropping it gives the place back.
    pub(crate) _leave: oneshot::Sender<()>,
    /// Whether the group has answered.
    pub(crate) is_answered: bool,
    /// What is shown to other groups while this place is taken.
    pub(crate) hold: Hold,
}

/// A job that runs.
#[derive(Debug)]
pub(crate) struct Working {
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) began: Timestamp,
    pub(crate) name: String,
    pub(crate) matrix: Value,
    pub(crate) continue_on_error: bool,
    pub(crate) log: PathBuf,
}

/// What will be told about a run when it has ended.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) delivery: usize,
    pub(crate) workflow: String,
    /// What `run-name` comes to, where the workflow has one.
    pub(crate) title: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) source: String,
    pub(crate) created: Timestamp,
    pub(crate) reason: Option<String>,
    pub(crate) superseded: bool,
    /// Whether it never had to run, which is not the same as being cancelled.
    pub(crate) was_not_needed: bool,
    jobs: Vec<(JobKey, JobResult)>,
}

impl Driven {
    /// Returns the places that stay taken while a member of the run waits: the run's, and its callers'.
    pub(crate) fn holds(&self, member: &Member) -> Vec<Hold> {
        let (Member::Job(key) | Member::Called(key)) = member else { return Vec::new() };
        let above = |other: &Member| match other {
            Member::Run => true,
            Member::Called(caller) => {
                caller.path.len() < key.path.len() && key.path.starts_with(&caller.path)
            }
            Member::Job(_) => false,
        };
        let seats = self.memberships.iter().filter(|(other, _)| *other != member && above(other));
        seats.map(|(_, seat)| seat.hold.clone()).collect()
    }
}

impl Story {
    /// Begins with what is known when the run is made.
    pub(crate) fn new(
        delivery: usize,
        workflow: String,
        source: String,
        created: Timestamp,
    ) -> Self {
        let (title, group, reason, superseded) = (None, None, None, false);
        let was_not_needed = false;
        Self {
            delivery,
            workflow,
            title,
            group,
            source,
            created,
            reason,
            superseded,
            was_not_needed,
            jobs: Vec::new(),
        }
    }

    /// Adds a job that ended without having been started.
    pub(crate) fn skipped(
        &mut self,
        job: &JobKey,
        name: &str,
        conclusion: Conclusion,
        about: (&str, serde_json::Value),
    ) {
        let (reason, matrix) = about;
        self.jobs.push((
            job.clone(),
            JobResult {
                id: written_id(job),
                name: name.to_owned(),
                matrix,
                conclusion: conclusion.to_string(),
                warning: false,
                outputs: indexmap::IndexMap::new(),
                reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
                log: None,
                duration_ms: 0,
                steps: Vec::new(),
            },
        ));
    }

    /// Adds a job that ran, and returns it.
    pub(crate) fn ended(
        &mut self,
        job: &JobKey,
        working: &Working,
        report: &JobReport,
        now: Timestamp,
    ) -> &JobResult {
        let failed = report.conclusion == Conclusion::Failure;
        self.jobs.push((
            job.clone(),
            JobResult {
                id: written_id(job),
                name: working.name.clone(),
                matrix: working.matrix.to_json(),
                conclusion: report.conclusion.to_string(),
                warning: failed && working.continue_on_error,
                outputs: report.outputs.clone(),
                reason: report.error.clone(),
                log: Some(working.log.clone()),
                duration_ms: milliseconds(working.began, now),
                steps: report.steps.iter().map(step).collect(),
            },
        ));
        &self.jobs.last().expect("one was pushed just now").1
    }

    /// Makes the result of the run.
    pub(crate) fn result(&self, facts: &RunFacts, conclusion: &str, now: Timestamp) -> RunResult {
        RunResult {
            id: facts.id.to_string(),
            workflow: self.workflow.clone(),
            path: facts.path.clone(),
            name: self.title.clone(),
            event: facts.event.clone(),
            delivery: self.delivery,
            conclusion: conclusion.to_owned(),
            group: self.group.clone(),
            reason: self.reason.clone().or_else(|| self.reason_of_jobs(conclusion)),
            superseded: self.superseded,
            source: Some(self.source.clone()),
            directory: facts.directory.clone(),
            duration_ms: milliseconds(self.created, now),
            jobs: self.jobs.iter().map(|(_, job)| job.clone()).collect(),
        }
    }

    /// Says why the first of the jobs has this conclusion, where that made it the run's.
    fn reason_of_jobs(&self, conclusion: &str) -> Option<String> {
        if conclusion == Conclusion::Success.to_string() {
            return None;
        }
        self.jobs.iter().filter(|(_, job)| job.conclusion == conclusion).find_map(|(_, job)| {
            job.reason.as_ref().map(|reason| format!("job {}: {reason}", job.name))
        })
    }

    /// Says that nothing was cancelled, where nothing had to be done.
    pub(crate) fn settle(&mut self, conclusion: Conclusion) -> Conclusion {
        if conclusion != Conclusion::Cancelled || !self.was_not_needed {
            return conclusion;
        }
        for (_, job) in &mut self.jobs {
            job.conclusion = Conclusion::Skipped.to_string();
        }
        Conclusion::Skipped
    }

    /// Puts the jobs into the order of the workflow, whatever the order in which they ended.
    pub(crate) fn sort(&mut self, order: &[JobKey]) {
        let place =
            |key: &JobKey| order.iter().position(|other| other == key).unwrap_or(usize::MAX);
        self.jobs.sort_by_key(|(key, _)| place(key));
    }
}

impl Working {
    /// Describes a job that gets room now.
    pub(crate) fn new(
        plan: &JobPlan,
        orders: mpsc::Sender<Order>,
        log: PathBuf,
        began: Timestamp,
    ) -> Self {
        Self {
            orders,
            began,
            name: plan.name.clone(),
            matrix: plan.matrix.clone(),
            continue_on_error: plan.continue_on_error,
            log,
        }
    }
}

/// Returns the id of a job as the workflow has it: without the leg, callers first.
fn written_id(job: &JobKey) -> String {
    job.path.join("/")
}

fn step(report: &StepReport) -> StepResult {
    StepResult {
        name: report.name.clone(),
        id: report.id.clone(),
        outcome: report.outcome.to_string(),
        conclusion: report.conclusion.to_string(),
        duration_ms: u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Returns the milliseconds between two times, none if the clock went backward.
pub(crate) fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}
