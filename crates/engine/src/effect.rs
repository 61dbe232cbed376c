//! The effect: what a run wants done.

use std::sync::Arc;
use std::time::Duration;

use expr::Value;
use serde::{Deserialize, Serialize};
use workflow::Workflow;

use crate::conclusion::Conclusion;
use crate::event::Member;
use crate::key::{JobKey, RunId};
use crate::spec::Contexts;

/// Asks for one thing to be done.
///
/// Effects come in the order in which they are to be performed.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A member wants into a group; answer with `Entered` or `Refused`.
    Enter {
        /// The member.
        member: Member,
        /// The group.
        group: GroupRequest,
    },
    /// A member is done with its group; comes exactly once after each `Enter`, also when the
    /// member was refused, and then there may be nothing left to do.
    Leave {
        /// The member.
        member: Member,
    },
    /// A job is to be run; answer with `JobStarted` and `JobEnded`.
    StartJob(Box<JobPlan>),
    /// A job that was started is to be cancelled; `JobEnded` still follows.
    CancelJob {
        /// The job.
        job: JobKey,
        /// Why, as a sentence.
        reason: String,
    },
    /// A job ends without having been started: skipped, cancelled, or failed because it
    /// could not be evaluated.
    JobSkipped {
        /// The job.
        job: JobKey,
        /// Its name, as shown.
        name: String,
        /// How it ended.
        conclusion: Conclusion,
        /// Why, as a sentence.
        reason: String,
    },
    /// The run has ended; nothing follows.
    Finished {
        /// How it ended.
        conclusion: Conclusion,
    },
    /// Something a person should see.
    Notice(Notice),
}

/// Says how grave a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Notice,
    /// Not as it should be, and not fatal.
    Warning,
    /// The reason for a failure.
    Error,
}

/// Tells people something about a run or one of its jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// How grave it is.
    pub severity: Severity,
    /// The job it is about, if it is about one.
    pub job: Option<JobKey>,
    /// One sentence.
    pub message: String,
}

/// Says how many members may wait for a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Queue {
    /// One; a newcomer replaces it.
    #[default]
    Single,
    /// Up to a hundred, in order of arrival.
    Max,
}

/// Describes what a member asks of a concurrency group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GroupRequest {
    /// The group's name as written; names differ by more than case.
    pub name: String,
    /// Whether the one in progress is to be cancelled.
    pub cancel_in_progress: bool,
    /// How waiting members are kept.
    pub queue: Queue,
}

impl GroupRequest {
    /// Returns whether this is the same group as another.
    pub fn is_same_group(&self, other: &Self) -> bool {
        self.name.to_lowercase() == other.name.to_lowercase()
    }
}

/// Describes one job that is to be run now.
#[derive(Clone, Debug)]
pub struct JobPlan {
    /// The run it belongs to.
    pub run: RunId,
    /// The run's attempt.
    pub attempt: u32,
    /// The job's key.
    pub key: JobKey,
    /// The job's name, as shown (`caller / build (ubuntu, 18)`).
    pub name: String,
    /// The workflow it stands in.
    pub workflow: Arc<Workflow>,
    /// The job's id in that workflow.
    pub job_id: String,
    /// The contexts of that workflow.
    pub contexts: Contexts,
    /// The `needs` context.
    pub needs: Value,
    /// The `strategy` context.
    pub strategy: Value,
    /// The `matrix` context; null without a matrix.
    pub matrix: Value,
    /// The job's `timeout-minutes`.
    pub timeout: Duration,
    /// Whether a failure is to count as a success, visible as a warning.
    pub continue_on_error: bool,
    /// The labels of `runs-on`.
    pub runs_on: Vec<String>,
    /// The name of the job's own concurrency group, if it has one.
    pub group: Option<String>,
}

impl JobPlan {
    /// Returns the job as it is written.
    pub fn job(&self) -> &workflow::Job {
        &self.workflow.jobs[&self.job_id]
    }
}
