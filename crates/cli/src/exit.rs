//! Exit codes, the same for every command.

use std::process::ExitCode;

/// How a command ended, as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// The work failed, or a check found faults.
    Failed,
    /// Wrong usage, or a file that cannot be run.
    Usage,
    /// Not ours: held, duplicate, stale, no milestone. The outcome word says which.
    NotOurs,
    /// It was ours and was lost while working.
    Lost,
    /// The store or the API is unavailable.
    Unavailable,
    /// The state is corrupt or unknown.
    Unknown,
    /// Somebody pressed Ctrl-C or sent a signal.
    Interrupted,
    /// A wrapped command's own code, passed on.
    Passed(u8),
}

impl Exit {
    /// Returns the number that the process ends with.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotOurs => 3,
            Self::Lost => 4,
            Self::Unavailable => 5,
            Self::Unknown => 6,
            Self::Interrupted => 130,
            Self::Passed(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
