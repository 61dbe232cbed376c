//! The model: a workflow as its jobs and steps.

use expr::Condition;
use indexmap::IndexMap;

use crate::{
    source::Source,
    span::{Span, Spanned},
    token::Token,
    trigger::Triggers,
};

/// A workflow file.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// The file.
    pub source: Source,
    /// `name`.
    pub name: Option<Spanned<String>>,
    /// `run-name`.
    pub run_name: Option<Spanned<Token>>,
    /// `on`.
    pub on: Triggers,
    /// `env`.
    pub env: Option<Spanned<Token>>,
    /// `defaults`: a mapping `{run: {shell, working-directory}}`.
    pub defaults: Option<Spanned<Token>>,
    /// `concurrency`: a text, or a mapping `{group, cancel-in-progress, queue}`.
    pub concurrency: Option<Spanned<Token>>,
    /// `permissions`: `read-all`, `write-all`, or a mapping.
    pub permissions: Option<Spanned<Token>>,
    /// `jobs`, by id, in the order they are written.
    pub jobs: IndexMap<String, Job>,
}

impl Workflow {
    /// Returns the name, or the path where there is none, as GitHub shows it.
    pub fn display_name(&self) -> &str {
        match &self.name {
            Some(name) if !name.is_empty() => name,
            _ => &self.source.path,
        }
    }

    /// Returns the last part of the path.
    pub fn file_name(&self) -> &str {
        self.source.file_name()
    }
}

/// A job.
#[derive(Clone, Debug)]
pub struct Job {
    /// The key of the job.
    pub id: Spanned<String>,
    /// `name`.
    pub name: Option<Spanned<Token>>,
    /// `needs`.
    pub needs: Vec<Spanned<String>>,
    /// `if`.
    pub condition: Option<Spanned<Condition>>,
    /// `strategy`.
    pub strategy: Option<Strategy>,
    /// `env`.
    pub env: Option<Spanned<Token>>,
    /// `defaults`: a mapping `{run: {shell, working-directory}}`.
    pub defaults: Option<Spanned<Token>>,
    /// `concurrency`: a text, or a mapping `{group, cancel-in-progress, queue}`.
    pub concurrency: Option<Spanned<Token>>,
    /// `outputs`.
    pub outputs: Option<Spanned<Token>>,
    /// `continue-on-error`.
    pub continue_on_error: Option<Spanned<Token>>,
    /// `timeout-minutes`.
    pub timeout_minutes: Option<Spanned<Token>>,
    /// `cancel-timeout-minutes`.
    pub cancel_timeout_minutes: Option<Spanned<Token>>,
    /// `permissions`: `read-all`, `write-all`, or a mapping.
    pub permissions: Option<Spanned<Token>>,
    /// `environment`: a text, or a mapping `{name, url, deployment}`.
    pub environment: Option<Spanned<Token>>,
    /// `container`.
    pub container: Option<Spanned<Token>>,
    /// `services`.
    pub services: Option<Spanned<Token>>,
    /// `snapshot`.
    pub snapshot: Option<Spanned<Token>>,
    /// What the job does.
    pub body: Body,
}

/// What a job does.
#[derive(Clone, Debug)]
pub enum Body {
    /// It runs steps.
    Steps {
        /// `runs-on`: a text, a sequence, or a mapping `{group, labels}`.
        runs_on: Spanned<Token>,
        /// `steps`.
        steps: Vec<Step>,
    },
    /// It calls another workflow.
    Call {
        /// `uses`.
        uses: Spanned<String>,
        /// `with`.
        with: Option<Spanned<Token>>,
        /// `secrets`: the text `inherit`, or a mapping.
        secrets: Option<Spanned<Token>>,
    },
}

/// How a job multiplies.
#[derive(Clone, Debug)]
pub struct Strategy {
    /// `matrix`: a mapping, or an expression that gives one.
    pub matrix: Option<Spanned<Token>>,
    /// `fail-fast`.
    pub fail_fast: Option<Spanned<Token>>,
    /// `max-parallel`.
    pub max_parallel: Option<Spanned<Token>>,
}

/// A step of a job or of a composite action.
#[derive(Clone, Debug)]
pub struct Step {
    /// The place of the whole step.
    pub span: Span,
    /// `id`.
    pub id: Option<Spanned<String>>,
    /// `name`.
    pub name: Option<Spanned<Token>>,
    /// `if`.
    pub condition: Option<Spanned<Condition>>,
    /// `env`.
    pub env: Option<Spanned<Token>>,
    /// `continue-on-error`.
    pub continue_on_error: Option<Spanned<Token>>,
    /// `timeout-minutes`.
    pub timeout_minutes: Option<Spanned<Token>>,
    /// `background`.
    pub background: bool,
    /// What the step does.
    pub action: StepAction,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum StepAction {
    /// It runs a script.
    Run {
        /// `run`.
        run: Spanned<Token>,
        /// `shell`.
        shell: Option<Spanned<Token>>,
        /// `working-directory`.
        working_directory: Option<Spanned<Token>>,
    },
    /// It uses an action.
    Uses {
        /// `uses`.
        uses: Spanned<String>,
        /// `with`.
        with: Option<Spanned<Token>>,
    },
    /// It waits for background steps.
    Wait {
        /// The ids of the steps.
        steps: Vec<Spanned<String>>,
    },
    /// It waits for every background step before it.
    WaitAll,
    /// It cancels a background step.
    Cancel {
        /// The id of the step.
        step: Spanned<String>,
    },
    /// It runs steps at the same time.
    Parallel {
        /// The steps.
        steps: Vec<Step>,
    },
}
