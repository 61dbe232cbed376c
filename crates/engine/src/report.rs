//! The report: what the runner says of a job when it has ended.

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::conclusion::Conclusion;

/// Says how one job ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobReport {
    /// How it ended, before `continue-on-error` is looked at.
    pub conclusion: Conclusion,
    /// The job's outputs.
    #[serde(default)]
    pub outputs: IndexMap<String, String>,
    /// The job's steps, in order.
    #[serde(default)]
    pub steps: Vec<StepReport>,
    /// What went wrong outside any step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the job's `timeout-minutes` ended it.
    #[serde(default)]
    pub timed_out: bool,
}

impl JobReport {
    /// Returns a report of a job without outputs and steps.
    pub fn new(conclusion: Conclusion) -> Self {
        Self {
            conclusion,
            outputs: IndexMap::new(),
            steps: Vec::new(),
            error: None,
            timed_out: false,
        }
    }

    /// Returns the report of a job that failed before its first step.
    pub fn broken(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::new(Conclusion::Failure) }
    }
}

/// Says how one step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// The step's name, as shown.
    pub name: String,
    /// The step's `id`, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How it ended.
    pub outcome: Conclusion,
    /// How it counts, after `continue-on-error`.
    pub conclusion: Conclusion,
    /// How long it took.
    #[serde(default)]
    pub duration: Duration,
    /// The exit code of its process, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why it failed, if not by its exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether the step's `timeout-minutes` ended it.
    #[serde(default)]
    pub timed_out: bool,
}
