//! The place: what an expression outside a step can see.

use expr::{Scope, Value};

use crate::spec::Contexts;

/// Answers for the contexts and status functions of a workflow's and a job's keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) contexts: &'a Contexts,
    /// The `needs` context, where it is known.
    pub(crate) needs: Option<&'a Value>,
    pub(crate) strategy: Option<&'a Value>,
    pub(crate) matrix: Option<&'a Value>,
    /// The `jobs` context, for the outputs of a called workflow.
    pub(crate) jobs: Option<&'a Value>,
    /// Whether `secrets` may be seen; what is judged before a run has none.
    pub(crate) with_secrets: bool,
    /// Whether `inputs` are known.
    pub(crate) with_inputs: bool,
    pub(crate) standing: Standing,
}

/// Answers the status functions of a job; `None` where it is not known yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) success: Option<bool>,
    pub(crate) failure: Option<bool>,
    pub(crate) cancelled: Option<bool>,
}

impl<'a> Place<'a> {
    /// Creates the place of a workflow's own keys, before any job.
    pub(crate) fn of_workflow(contexts: &'a Contexts) -> Self {
        Self {
            contexts,
            needs: None,
            strategy: None,
            matrix: None,
            jobs: None,
            with_secrets: true,
            with_inputs: true,
            standing: Standing::default(),
        }
    }

    /// Creates the place in which a workflow is judged before it runs.
    pub(crate) fn before(contexts: &'a Contexts) -> Self {
        Self { with_secrets: false, ..Self::of_workflow(contexts) }
    }
}

impl Scope for Place<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        match name {
            "github" => Some(self.contexts.github.clone()),
            "inputs" if self.with_inputs => Some(self.contexts.inputs.clone()),
            "vars" => Some(self.contexts.vars.clone()),
            "secrets" if self.with_secrets => Some(self.contexts.secrets.clone()),
            "needs" => self.needs.cloned(),
            "strategy" => self.strategy.cloned(),
            "matrix" => self.matrix.cloned(),
            "jobs" => self.jobs.cloned(),
            _ => None,
        }
    }

    fn call(&self, function: &str, _arguments: &[Value]) -> Option<Result<Value, String>> {
        let answer = match function {
            "success" => self.standing.success,
            "failure" => self.standing.failure,
            "cancelled" => self.standing.cancelled,
            "always" => Some(true),
            _ => None,
        };
        answer.map(|answer| Ok(Value::Bool(answer)))
    }
}
