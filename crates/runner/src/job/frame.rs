//! The frame: what a sequence of steps has come to, be it the job's or that of a composite action.

use std::path::PathBuf;

use engine::Conclusion;
use engine::steps::{ActionStatus, JobStatus, Standing};
use expr::{Condition, Object, Value};
use indexmap::IndexMap;

use crate::context::step_entry;

/// What the next step of a sequence begins with. A background step has a copy, so that nothing of what
/// happens meanwhile reaches it.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    /// The variables of workflow and job, and what steps wrote to `GITHUB_ENV`.
    pub(super) env: IndexMap<String, String>,
    /// The `env` of the steps that use the actions around this sequence; stronger than `env`.
    pub(super) overrides: IndexMap<String, String>,
    /// What steps wrote to `GITHUB_PATH`.
    pub(super) paths: Vec<String>,
    /// The `steps` context.
    pub(super) steps: Object,
    /// The `inputs` context.
    pub(super) inputs: Value,
    /// Where the job stands.
    pub(super) status: JobStatus,
    /// The composite action that the sequence belongs to.
    pub(super) action: Option<InAction>,
    /// The shell where a step names none.
    pub(super) shell: Option<String>,
    /// The working directory where a step names none.
    pub(super) working_directory: Option<String>,
    /// How many actions are around this sequence.
    pub(super) depth: usize,
}

/// A composite action that is running.
#[derive(Clone, Debug)]
pub(super) struct InAction {
    /// Its directory.
    pub(super) path: PathBuf,
    /// Its file, to say where something is written.
    pub(super) source: workflow::Source,
    /// Where it stands.
    pub(super) status: ActionStatus,
}

impl Frame {
    /// Returns what conditions of the next step look at.
    pub(super) fn standing(&self) -> Standing {
        match &self.action {
            Some(action) => Standing::of_action(self.status, action.status),
            None => Standing::of_job(self.status),
        }
    }

    /// Takes in what a step has left behind, and how it counts.
    pub(super) fn absorb(&mut self, id: Option<&str>, done: &Done) {
        for (name, value) in &done.env {
            self.env.insert(name.clone(), value.clone());
        }
        for path in &done.paths {
            self.paths.retain(|known| known != path);
            self.paths.push(path.clone());
        }
        if let Some(id) = id {
            let (outcome, conclusion) = (done.outcome.as_str(), done.conclusion.as_str());
            self.steps.insert(id, step_entry(&done.outputs, outcome, conclusion));
        }
    }

    /// Counts a step's conclusion.
    pub(super) fn count(&mut self, conclusion: Conclusion) {
        match &mut self.action {
            Some(action) => action.status.record(conclusion),
            None => self.status.record(conclusion),
        }
    }
}

/// What a step has left behind.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) outcome: Conclusion,
    pub(super) conclusion: Conclusion,
    pub(super) outputs: IndexMap<String, String>,
    /// For the steps after it, in order.
    pub(super) env: Vec<(String, String)>,
    /// For the steps after it, in order.
    pub(super) paths: Vec<String>,
    /// For its own post step.
    pub(super) state: IndexMap<String, String>,
    /// What is to run when the job ends.
    pub(super) posts: Vec<Post>,
    pub(super) exit_code: Option<i32>,
    pub(super) error: Option<String>,
    pub(super) timed_out: bool,
}

impl Done {
    pub(super) fn new(outcome: Conclusion) -> Self {
        Self {
            outcome,
            conclusion: outcome,
            outputs: IndexMap::new(),
            env: Vec::new(),
            paths: Vec::new(),
            state: IndexMap::new(),
            posts: Vec::new(),
            exit_code: None,
            error: None,
            timed_out: false,
        }
    }

    pub(super) fn failed(error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::new(Conclusion::Failure) }
    }

    /// Sets how the step ended; `continue-on-error` is looked at later.
    pub(super) fn end(&mut self, outcome: Conclusion) {
        (self.outcome, self.conclusion) = (outcome, outcome);
    }
}

/// A part of an action that runs when the job's own steps have ended.
#[derive(Clone, Debug)]
pub(super) struct Post {
    /// The name of the step that used the action.
    pub(super) name: String,
    /// The value of `GITHUB_ACTION`.
    pub(super) action: String,
    /// The directory of the action.
    pub(super) directory: PathBuf,
    /// The script, from that directory.
    pub(super) script: String,
    /// Its condition; without one, it always runs.
    pub(super) condition: Option<Condition>,
    /// The `env` of the step.
    pub(super) overrides: IndexMap<String, String>,
    /// The variables for its inputs and its state.
    pub(super) variables: IndexMap<String, String>,
}
