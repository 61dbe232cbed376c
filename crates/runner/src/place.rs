//! The place of a job: its directories, its sources and what the machine lends it.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use workdir::{JobDir, Snapshot};

use crate::process::Token;

/// Where a job runs, and what it is given there.
#[derive(Clone, Debug)]
pub struct Place {
    /// The directories of the job.
    pub directories: Directories,
    /// What `actions/checkout` puts into the workspace; without it, a checkout fails.
    pub source: Option<Source>,
    /// The mark of the run's processes.
    pub run: Token,
    /// The file that takes the whole log.
    pub log: PathBuf,
    /// What is in the environment of every process, before the workflow's own `env`; see
    /// [`crate::environment::lent`].
    pub environment: BTreeMap<String, String>,
    /// The variables that the user asked for: they stand before the workflow's own `env`, also in its context.
    pub env: IndexMap<String, String>,
    /// Secrets that are in no context and must not be seen all the same.
    pub secrets: Vec<String>,
    /// Files that every process of the job keeps open, such as the job's lock.
    pub inherited: Vec<Arc<OwnedFd>>,
    /// The payload of the event as it came; without it, `github.event` is written down.
    pub payload: Option<Arc<serde_json::Value>>,
    /// The machine.
    pub machine: Machine,
    /// Whether `::debug::` is shown, as with the secret `ACTIONS_STEP_DEBUG`.
    pub debug: bool,
}

impl Place {
    /// Returns the place of a job in its directory.
    pub fn new(job: Arc<JobDir>, snapshot: Arc<Snapshot>, run: Token, log: PathBuf) -> Self {
        let environment = job.environment().into_iter();
        let environment =
            environment.map(|(name, path)| (name.to_owned(), path.display().to_string()));
        Self {
            directories: Directories::of(&job),
            environment: environment.collect(),
            inherited: vec![job.lock()],
            env: IndexMap::new(),
            source: Some(Source { snapshot, job }),
            run,
            log,
            secrets: Vec::new(),
            payload: None,
            machine: Machine::this(),
            debug: false,
        }
    }
}

/// The directories of a job; all of them exist when it starts.
#[derive(Clone, Debug)]
pub struct Directories {
    /// `GITHUB_WORKSPACE`, empty until a checkout.
    pub workspace: PathBuf,
    /// `RUNNER_TEMP`.
    pub temp: PathBuf,
    /// `RUNNER_TOOL_CACHE`.
    pub tool_cache: PathBuf,
    /// Where actions are put that are not in the workspace.
    pub actions: PathBuf,
}

impl Directories {
    fn of(job: &JobDir) -> Self {
        Self {
            workspace: job.workspace(),
            temp: job.temp(),
            tool_cache: job.tool_cache(),
            actions: job.actions(),
        }
    }
}

/// What a checkout needs.
#[derive(Clone, Debug)]
pub struct Source {
    /// What all jobs of the run check out.
    pub snapshot: Arc<Snapshot>,
    /// The directory of this job.
    pub job: Arc<JobDir>,
}

/// What a job is told of the machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Machine {
    /// `runner.name`.
    pub name: String,
    /// `runner.os`.
    pub os: &'static str,
    /// `runner.arch`.
    pub arch: &'static str,
}

impl Machine {
    /// Returns what there is to say of this machine.
    pub fn this() -> Self {
        let arch = match std::env::consts::ARCH {
            "aarch64" => "ARM64",
            "arm" => "ARM",
            "x86" => "X86",
            _ => "X64",
        };
        let os = if cfg!(target_os = "macos") { "macOS" } else { "Linux" };
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { name, os, arch }
    }
}

/// What the user asks of a job that runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// End as GitHub would: `always()` steps still run.
    Cancel {
        /// Why, as a sentence.
        reason: String,
    },
    /// End now.
    Kill,
}
