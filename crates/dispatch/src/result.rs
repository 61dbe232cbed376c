//! The result of a run, as files and the summary line show it.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a run ended, with its jobs and steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The id of the run, in decimal.
    pub id: String,
    /// The display name of the workflow.
    pub workflow: String,
    /// The path of the workflow in the repository.
    pub path: String,
    /// The name of the run, where the workflow has `run-name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The event.
    pub event: String,
    /// The index of the delivery in its call.
    pub delivery: usize,
    /// `success`, `failure`, `cancelled`, `skipped` or `interrupted`.
    pub conclusion: String,
    /// The group of the run, if it has one.
    pub group: Option<String>,
    /// Why it was cancelled, skipped or interrupted, as a sentence.
    pub reason: Option<String>,
    /// True if a newer run took its place: such a run does not count against the call.
    #[serde(default)]
    pub superseded: bool,
    /// What the jobs got to see: a commit, or the working tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Where logs, events and this result are.
    #[serde(default)]
    pub directory: PathBuf,
    /// How long it took.
    #[serde(default)]
    pub duration_ms: u64,
    /// Its jobs, in order.
    pub jobs: Vec<JobResult>,
}

impl RunResult {
    /// Begins the result of a run whose driver died.
    pub(crate) fn interrupted(id: u64, directory: &Path, reason: &str) -> Self {
        Self {
            id: id.to_string(),
            workflow: String::new(),
            path: String::new(),
            name: None,
            event: String::new(),
            delivery: 0,
            conclusion: "interrupted".to_owned(),
            group: None,
            reason: Some(reason.to_owned()),
            superseded: false,
            source: None,
            directory: directory.to_owned(),
            duration_ms: 0,
            jobs: Vec::new(),
        }
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobResult {
    /// The id of the job in the workflow; of a called one, `caller/id`.
    pub id: String,
    /// Its display name.
    pub name: String,
    /// The values of its matrix, or null.
    pub matrix: Value,
    /// `success`, `failure`, `cancelled` or `skipped`.
    pub conclusion: String,
    /// True if it failed and was allowed to.
    #[serde(default)]
    pub warning: bool,
    /// Its outputs.
    pub outputs: IndexMap<String, String>,
    /// Why it was cancelled, skipped or failed before its steps, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The file with the whole log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
    /// How long it took.
    #[serde(default)]
    pub duration_ms: u64,
    /// Its steps, in order.
    pub steps: Vec<StepResult>,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// Its display name.
    pub name: String,
    /// Its id, if it has one.
    pub id: Option<String>,
    /// How it ended before `continue-on-error`.
    pub outcome: String,
    /// How it counts.
    pub conclusion: String,
    /// How long it took.
    pub duration_ms: u64,
}
