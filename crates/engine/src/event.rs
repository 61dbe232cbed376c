//! The event: what may happen to a run.

use serde::{Deserialize, Serialize};

use crate::key::JobKey;
use crate::report::JobReport;

/// Names what may be a member of a concurrency group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Member {
    /// The run, by its workflow's `concurrency`.
    Run,
    /// A job, by its own `concurrency`.
    Job(JobKey),
    /// A called workflow, by its own `concurrency`; the key is its caller's.
    Called(JobKey),
}

/// Tells a run what has happened.
///
/// A journal is a list of these: the same list makes the same run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run may begin.
    Start,
    /// A member's group lets it in.
    Entered {
        /// The member.
        member: Member,
    },
    /// A member's group turns it away while it waits, or tells it to end while it is in progress.
    Refused {
        /// The member.
        member: Member,
        /// Why, as a sentence.
        reason: String,
    },
    /// A job's first process is about to start.
    JobStarted {
        /// The job.
        job: JobKey,
    },
    /// A job has ended.
    JobEnded {
        /// The job.
        job: JobKey,
        /// How.
        report: JobReport,
    },
    /// The run is told to end, as by GitHub's cancel button.
    Cancel {
        /// Why, as a sentence.
        reason: String,
    },
}
