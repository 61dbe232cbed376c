//! The spec: everything a run is made from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use expr::Value;
use workflow::Workflow;

use crate::key::RunId;

/// Holds the values of the contexts that a whole workflow shares.
#[derive(Clone, PartialEq)]
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

impl fmt::Debug for Contexts {
    /// Shows the names of secrets and never their values, since this may reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets: Vec<&str> =
            self.secrets.as_object().into_iter().flat_map(expr::Object::names).collect();
        f.debug_struct("Contexts")
            .field("github", &self.github)
            .field("inputs", &self.inputs)
            .field("vars", &self.vars)
            .field("secrets", &secrets)
            .finish()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let secrets = Value::from_json(&serde_json::json!({"KEY": "hunter2"}));
        let shown = format!("{:?}", Contexts { secrets, ..Contexts::default() });
        assert!(shown.contains("KEY") && !shown.contains("hunter2"), "{shown}");
    }
}
