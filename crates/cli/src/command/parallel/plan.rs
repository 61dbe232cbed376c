//! What is to be run, from flags and a file, checked as a whole.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use runner::fanout::{Job, OnFailure, Schedule, Window};

use super::flags::{NamedCommand, PlanFlags};
use super::jobs_file;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The longest name of a job.
const LONGEST_NAME: usize = 100;

/// Jobs, and what holds for all of them.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) tasks: Vec<Task>,
    pub(crate) window: Window,
    /// The shell of jobs that name none.
    pub(crate) shell: Option<String>,
}

/// A job with everything that is needed to run it.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) job: Job,
    /// The text of its command.
    pub(crate) run: String,
    pub(crate) shell: Option<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) directory: PathBuf,
    pub(crate) timeout: Option<Duration>,
    /// The name of its log, below the directory of logs.
    pub(crate) log: String,
}

/// What a file says of all jobs.
#[derive(Debug, Default)]
pub(crate) struct Defaults {
    pub(crate) max_parallel: Option<NonZeroUsize>,
    pub(crate) fail_fast: bool,
    pub(crate) shell: Option<String>,
}

impl Plan {
    /// Reads flags and file; flags win, and their jobs come after those of the file.
    pub(crate) fn read(flags: &PlanFlags, session: &Session) -> Result<Self, Failure> {
        match &flags.on_milestone {
            // The value is read here, too, where a fault in it still ends everything.
            Some(_) => drop(flags.question.value(session)?),
            None if flags.question.is_put() => {
                let what = "a value and boundaries are only for --on-milestone KEY";
                return Err(Failure::new(Exit::Usage, what));
            }
            None => {}
        }
        let (mut tasks, defaults) = match &flags.file {
            Some(path) => jobs_file::read(path, session)?,
            None => (Vec::new(), Defaults::default()),
        };
        let named = flags.commands.0.iter().map(|named| Task::from_flag(named, session));
        tasks.extend(named);
        if tasks.is_empty() {
            let hint =
                "give a file, or jobs as --critical 'NAME=COMMAND' or --advisory 'NAME=COMMAND'";
            return Err(Failure::new(Exit::Usage, "there are no jobs").hinted(hint));
        }
        for task in &mut tasks {
            task.timeout = task.timeout.or(flags.timeout);
        }
        let stop = flags.fail_fast || defaults.fail_fast;
        let window = Window {
            max_parallel: flags.max_parallel.or(defaults.max_parallel),
            on_failure: if stop { OnFailure::Stop } else { OnFailure::Continue },
        };
        let plan = Self { tasks, window, shell: flags.shell.clone().or(defaults.shell) };
        plan.check()?;
        Ok(plan)
    }

    /// Returns the schedule of its jobs.
    pub(crate) fn schedule(&self) -> Result<Schedule, Failure> {
        let jobs = self.tasks.iter().map(|task| task.job.clone()).collect();
        Schedule::new(jobs, self.window).map_err(|fault| Failure::from_error(Exit::Usage, &fault))
    }

    /// Finds names and logs that are given twice: file systems and step outputs do not tell `a` from `A`.
    fn check(&self) -> Result<(), Failure> {
        let mut names: Vec<_> =
            self.tasks.iter().map(|task| task.job.name.to_lowercase()).collect();
        let mut logs: Vec<_> = self.tasks.iter().map(|task| task.log.to_lowercase()).collect();
        if let Some(name) = twice(&mut names) {
            return Err(Failure::new(Exit::Usage, format!("there are two jobs named `{name}`"))
                .hinted("names differ in more than case"));
        }
        if let Some(log) = twice(&mut logs) {
            return Err(Failure::new(Exit::Usage, format!("two jobs write the log `{log}`")));
        }
        self.schedule().map(drop)
    }
}

impl Task {
    fn from_flag(named: &NamedCommand, session: &Session) -> Self {
        let job = Job { critical: named.critical, ..Job::new(&named.name) };
        Self::new(job, named.command.clone(), session.directory.clone())
    }

    /// Returns a task with nothing special about it.
    pub(crate) fn new(job: Job, run: String, directory: PathBuf) -> Self {
        let log = format!("{}.log", job.name);
        Self { job, run, shell: None, env: Vec::new(), directory, timeout: None, log }
    }
}

/// Says what is wrong with the name of a job.
///
/// A name becomes part of a file name and of a step output.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let first = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let rest = |byte: &u8| first(byte) || matches!(byte, b'-' | b'.');
    let known = name.as_bytes().first().is_some_and(first) && name.bytes().all(|it| rest(&it));
    if known && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    Err(format!(
        "`{name}` cannot be the name of a job: at most {LONGEST_NAME} letters, digits, `_`, `-` \
         and `.`, beginning with a letter, a digit or `_`"
    ))
}

fn twice(words: &mut [String]) -> Option<String> {
    words.sort_unstable();
    words.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone())
}
