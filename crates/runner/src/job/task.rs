//! The task: one step that is running, with everything it may look at.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::steps::{Decision, Status, decide};
use expr::{Condition, Scope as _, Value};
use indexmap::IndexMap;
use tokio::time::Instant;

use super::Job;
use super::frame::Frame;
use super::signal::Signal;
use crate::context::{StepScope, variables};
use crate::environment::Environment;
use crate::files::StepFiles;
use crate::process::{Orders, orders};
use crate::shell::Search;

/// Where a step stands in its job.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    /// Its place in the report; the steps of an action have that of the step that uses it.
    pub(super) step: usize,
    /// The value of `GITHUB_ACTION`.
    pub(super) action: String,
    /// When the steps around it run out of time.
    pub(super) deadline: Option<Deadline>,
    /// Hears when this step alone is cancelled.
    pub(super) cancel: Orders,
    /// Whether it runs in the background; then nothing protects it from a cancel of the job.
    pub(super) background: bool,
}

impl Spot {
    /// Returns a spot that nobody cancels.
    pub(super) fn new(step: usize, action: String) -> Self {
        let (_, cancel) = orders();
        Self { step, action, deadline: None, cancel, background: false }
    }
}

/// When time runs out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    /// What was asked for, for the message.
    pub(super) minutes: f64,
}

/// A step that is running.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) job: Arc<Job>,
    pub(super) frame: Frame,
    pub(super) spot: Spot,
    pub(super) condition: Option<Condition>,
    /// The contexts, the step's own `env` included.
    pub(super) scope: StepScope,
    /// The `env` of the steps around it and of itself.
    pub(super) overrides: IndexMap<String, String>,
    /// The files it writes to.
    pub(super) files: Option<StepFiles>,
    /// Its name, as shown.
    pub(super) name: String,
}

impl Task {
    pub(super) fn new(job: &Arc<Job>, frame: Frame, spot: Spot) -> Self {
        let scope = job.scope(&frame, &spot.action);
        let overrides = frame.overrides.clone();
        let (job, name) = (Arc::clone(job), String::new());
        let mut task =
            Self { job, frame, spot, condition: None, scope, overrides, files: None, name };
        task.refresh_env();
        task
    }

    /// Adds the step's own `env`.
    pub(super) fn add_env(&mut self, env: Option<&workflow::Token>) -> Result<(), expr::Error> {
        if let Some(env) = env {
            self.overrides.extend(texts(&env.evaluate(&self.scope)?));
        }
        self.refresh_env();
        Ok(())
    }

    fn refresh_env(&mut self) {
        let mut all = self.frame.env.clone();
        all.extend(self.overrides.iter().map(|(k, v)| (k.clone(), v.clone())));
        self.scope.set("env", variables(&all));
    }

    /// Creates the files that the step writes to, and tells its expressions where they are.
    pub(super) fn create_files(&mut self) -> std::io::Result<()> {
        let directory = self.job.place.directories.temp.join("_runner_file_commands");
        let files = StepFiles::create(&directory, &uuid::Uuid::new_v4().to_string())?;
        for (_, name, path) in files.all() {
            self.scope.set_in("github", name, path.to_string_lossy().into_owned());
        }
        self.files = Some(files);
        Ok(())
    }

    /// Decides whether the step runs.
    pub(super) fn decide(&self) -> Result<Decision, expr::Error> {
        let mut standing = self.frame.standing();
        if self.job.ear.now() >= Signal::Cancel {
            standing.job = Status::Cancelled;
        }
        decide(self.condition.as_ref(), standing, &self.scope)
    }

    /// Tells whether the step goes on although the job was cancelled.
    pub(super) fn outlives_cancel(&self) -> bool {
        !self.spot.background && matches!(self.decide(), Ok(Decision::Run))
    }

    /// Returns a variable that the user, the workflow or a step has set.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let env = self.scope.context("env").unwrap_or(Value::Null);
        let set = env.get(name).map(Value::to_text);
        set.or_else(|| self.job.place.environment.get(name).cloned())
    }

    /// Returns the environment for a process of the step.
    pub(super) fn environment(&self, more: &IndexMap<String, String>) -> Environment {
        let mut environment = Environment::new(&self.job.place.environment);
        environment.extend(&self.frame.env);
        environment.extend(&self.overrides);
        environment.extend(more);
        let context = |name| self.scope.context(name).unwrap_or(Value::Null);
        environment.define(&context("github"), &context("runner"));
        environment.prepend(&self.frame.paths);
        environment
    }

    /// Finds programs as a process of the step would.
    pub(super) fn with_search<T>(&self, find: impl FnOnce(&Search<'_>) -> T) -> T {
        let environment = self.environment(&IndexMap::new());
        let directory: &Path = &self.job.place.directories.workspace;
        find(&Search { path: environment.get("PATH").unwrap_or_default(), directory })
    }

    /// Returns how long the step may still run.
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.spot.deadline.map(|deadline| deadline.at.saturating_duration_since(Instant::now()))
    }

    pub(super) fn is_late(&self) -> bool {
        self.time_left().is_some_and(|left| left.is_zero())
    }

    /// Returns what is said of a step that ran out of time.
    pub(super) fn lateness(&self) -> String {
        let minutes = self.spot.deadline.map_or(0.0, |deadline| deadline.minutes);
        format!("The action '{}' has timed out after {minutes} minutes.", self.name)
    }

    pub(super) fn say(&self, text: &str) {
        self.job.desk.say(Some(self.spot.step), text);
    }

    pub(super) fn error(&self, message: impl Into<String>) {
        self.job.desk.error(Some(self.spot.step), message);
    }

    pub(super) fn warning(&self, message: impl Into<String>) {
        self.job.desk.warning(Some(self.spot.step), message);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(files) = &self.files {
            files.remove();
        }
    }
}

/// Returns the fields of an object as texts.
pub(super) fn texts(value: &Value) -> IndexMap<String, String> {
    let fields = value.as_object().into_iter().flat_map(expr::Object::iter);
    fields.map(|(name, value)| (name.to_owned(), value.to_text())).collect()
}
