//! Workflow runs, their jobs, and commit statuses.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::{Client, segment_text};
use crate::error::{Error, ErrorKind};

/// One workflow run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Run {
    /// Its id.
    pub id: u64,
    /// The attempt, from 1.
    #[serde(default)]
    pub run_attempt: Option<u64>,
    /// The name of the workflow.
    #[serde(default)]
    pub name: Option<String>,
    /// The path of the workflow, perhaps with `@ref` behind it.
    #[serde(default)]
    pub path: Option<String>,
    /// The event.
    #[serde(default)]
    pub event: String,
    /// The commit.
    #[serde(default)]
    pub head_sha: String,
    /// `queued`, `in_progress`, `completed`, …
    #[serde(default)]
    pub status: Option<String>,
    /// `success`, `failure`, …, once it is completed.
    #[serde(default)]
    pub conclusion: Option<String>,
    /// Where people see it.
    #[serde(default)]
    pub html_url: String,
}

/// One job of a run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: u64,
    /// The attempt of the run it belongs to.
    #[serde(default)]
    pub run_attempt: Option<u64>,
    /// Its name as shown, with the values of its matrix.
    #[serde(default)]
    pub name: String,
    /// `queued`, `in_progress`, `completed`, …
    #[serde(default)]
    pub status: String,
    /// `success`, `failure`, …, once it is completed.
    #[serde(default)]
    pub conclusion: Option<String>,
    /// When it started, RFC 3339.
    #[serde(default)]
    pub started_at: Option<String>,
    /// When it ended, RFC 3339.
    #[serde(default)]
    pub completed_at: Option<String>,
    /// Where people see it.
    #[serde(default)]
    pub html_url: Option<String>,
}

/// The state of a commit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CommitState {
    /// Not known yet.
    Pending,
    /// Good.
    Success,
    /// Bad.
    Failure,
    /// Something else broke.
    Error,
}

impl Client {
    /// Reads a run.
    pub async fn run(&self, id: u64) -> Result<Run, Error> {
        self.get(&self.path(&["actions", "runs", &id.to_string()])).await
    }

    /// Lists the runs of a commit.
    pub async fn runs_of(&self, sha: &str) -> Result<Vec<Run>, Error> {
        let path = format!("{}?head_sha={}", self.path(&["actions", "runs"]), segment_text(sha));
        self.pages(&path, Some("workflow_runs")).await
    }

    /// Lists the jobs of the latest attempt of a run.
    pub async fn jobs_of(&self, run: u64) -> Result<Vec<Job>, Error> {
        let path =
            format!("{}?filter=latest", self.path(&["actions", "runs", &run.to_string(), "jobs"]));
        self.pages(&path, Some("jobs")).await
    }

    /// Cancels a run. Returns false if it cannot be cancelled any more.
    pub async fn cancel_run(&self, id: u64) -> Result<bool, Error> {
        match self.post_empty(&self.path(&["actions", "runs", &id.to_string(), "cancel"])).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind == ErrorKind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Sets a status of a commit; a later one with the same `context` replaces it.
    pub async fn set_commit_status(
        &self,
        sha: &str,
        context: &str,
        state: CommitState,
        about: (&str, Option<&str>),
    ) -> Result<(), Error> {
        let (description, target) = about;
        // GitHub refuses a description of more than 140 characters.
        let description: String = description.chars().take(140).collect();
        let mut body = json!({ "state": state, "context": context, "description": description });
        if let (Some(target), Some(fields)) = (target, body.as_object_mut()) {
            fields.insert("target_url".into(), json!(target));
        }
        self.post::<serde_json::Value>(&self.path(&["statuses", sha]), &body).await.map(drop)
    }
}
