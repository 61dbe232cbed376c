//! Processes that end when they are told to, with everything they started.
//!
//! A job is a [`Tree`]: each command it runs is started in a process group of its own, marked in its
//! environment, and its orphans come to us, because we are a child subreaper. So what a job started can
//! be found and ended, also where it daemonised, changed its session or ignores signals.

mod capture;
mod command;
mod family;
mod lines;
mod orders;
mod table;
mod token;
mod tree;

use std::time::Duration;

use thiserror::Error;

pub use command::{Attachment, Command};
pub use family::{Stray, sweep};
pub use lines::{Chunk, Stream};
pub use orders::{Orders, Stopper, orders};
pub use token::Token;
pub use tree::{Attached, Tree};

pub(crate) use family::{adopt_orphans, end_descendants, start_no_more};
pub(crate) use table::children;

/// How long a command may take, and how it is ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// How long the command may run before it is ended as [`Cause::TimedOut`].
    pub timeout: Option<Duration>,
    /// How long it may clean up.
    pub grace: Grace,
    /// How many bytes of one line are kept together.
    pub line_limit: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { timeout: None, grace: Grace::default(), line_limit: 1 << 20 }
    }
}

/// How long a process that is being ended may clean up after each signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Grace {
    /// From SIGINT to SIGTERM.
    pub interrupt: Duration,
    /// From SIGTERM to SIGKILL.
    pub terminate: Duration,
}

impl Default for Grace {
    /// Returns GitHub's: 7.5 s and 2.5 s.
    fn default() -> Self {
        Self { interrupt: Duration::from_millis(7500), terminate: Duration::from_millis(2500) }
    }
}

/// What the kernel says of a process that ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// A signal killed it.
    Signal(i32),
}

/// How a command ended.
#[derive(Debug)]
pub enum Ending {
    /// It ran.
    Exited(Exit),
    /// It never ran.
    CouldNotStart(CouldNotStart),
}

/// Why we ended a command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// Somebody asked for it.
    Cancelled,
    /// It took too long.
    TimedOut,
}

/// The whole story of a command.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub ending: Ending,
    /// Why we ended it, if we did; it may have exited with 0 all the same.
    pub stopped: Option<Cause>,
    /// From its start to its end.
    pub duration: Duration,
}

impl Finished {
    /// Tells whether it exited with 0 and nobody ended it.
    pub fn succeeded(&self) -> bool {
        self.stopped.is_none() && matches!(self.ending, Ending::Exited(Exit::Code(0)))
    }
}

/// A command that never ran.
#[derive(Debug, Error)]
pub enum CouldNotStart {
    /// No such program.
    #[error("`{program}` was not found{}", if path.is_some() { " in PATH" } else { "" })]
    NotFound {
        /// As it was written.
        program: String,
        /// The directories that were searched, if any were.
        path: Option<String>,
    },
    /// The file is there and may not be executed.
    #[error("`{program}` is not executable")]
    NotExecutable {
        /// As it was written.
        program: String,
    },
    /// The directory it was to run in is not there.
    #[error("the working directory `{directory}` does not exist or is not a directory")]
    NoDirectory {
        /// As it was written.
        directory: String,
    },
    /// The system refused.
    #[error("`{program}` could not be started")]
    Refused {
        /// As it was written.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
}
