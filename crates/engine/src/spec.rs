//! The spec: everything a run is made from.

use std::collections::BTreeMap;
use std::sync::Arc;

use expr::Value;
use workflow::Workflow;

use crate::key::RunId;

/// Holds the values of the contexts that a whole workflow shares.
#[derive(Clone, Debug, PartialEq)]
pub struct Contexts {
    /// The `github` context.
    pub github: Value,
    /// The `inputs` context, typed and with defaults.
    pub inputs: Value,
    /// The `vars` context.
    pub vars: Value,
    /// The `secrets` context.
    pub secrets: Value,
}

impl Default for Contexts {
    fn default() -> Self {
        let empty = || Value::from_json(&serde_json::json!({}));
        Self { github: empty(), inputs: empty(), vars: empty(), secrets: empty() }
    }
}

/// Describes a run before it begins.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// The run's number.
    pub id: RunId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The workflow to run.
    pub workflow: Arc<Workflow>,
    /// The reusable workflows it may call, by what `uses` says (`./.github/workflows/x.yml`).
    pub called: BTreeMap<String, Arc<Workflow>>,
    /// The contexts of the workflow itself.
    pub contexts: Contexts,
    /// The jobs that were asked for, with everything they need; all if empty.
    pub only: Vec<String>,
}
