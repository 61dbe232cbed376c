//! Who did it, as people and programs find it again.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A run, or a job of it. Nothing is proved by it; see [`Token`](crate::Token).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The id of the run.
    pub run: String,
    /// The number of the attempt.
    pub attempt: u32,
    /// The key of the job, if the member is a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Where to look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl Who {
    /// Names an attempt of a run.
    pub fn new(run: impl Into<String>, attempt: u32) -> Self {
        Self { run: run.into(), attempt, job: None, link: None }
    }

    /// Returns whether the other is an earlier attempt of the same run or job, and therefore over.
    pub fn is_rerun_of(&self, other: &Self) -> bool {
        (&self.run, &self.job) == (&other.run, &other.job) && self.attempt > other.attempt
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {}", self.run)?;
        if self.attempt > 1 {
            write!(f, " (attempt {})", self.attempt)?;
        }
        match &self.job {
            Some(job) => write!(f, ", job {job}"),
            None => Ok(()),
        }
    }
}
