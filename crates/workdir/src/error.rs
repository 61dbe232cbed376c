//! What can be wrong with directories, repositories and checkouts.

use std::io;
use std::path::{Path, PathBuf};

/// A broken world: somebody must look.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system said no.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as an infinitive.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// A file that only Interlock writes does not read as it should.
    #[error("{} is not as it was written: {why}", path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// This very job has a directory already.
    #[error("this job has a directory already: {}", path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// The program `git` could not be started.
    #[error("cannot start git: {source}")]
    NoGit {
        /// What the system answered.
        source: io::Error,
    },
    /// Git ended with a failure.
    #[error("git {command} failed: {message}")]
    Git {
        /// The subcommand.
        command: String,
        /// What it wrote to standard error, shortened.
        message: String,
    },
    /// Git did not end in time and was killed.
    #[error("git {command} did not end within {seconds} s")]
    Timeout {
        /// The subcommand.
        command: String,
        /// How long it was given.
        seconds: u64,
    },
    /// Nothing in the repository has this name.
    #[error("no branch, tag or commit is called `{name}`")]
    NoSuchRevision {
        /// The name.
        name: String,
    },
    /// What was asked is not supported or not allowed.
    #[error("{message}")]
    Refused {
        /// What was asked and why it cannot be.
        message: String,
        /// What to do instead.
        hint: String,
    },
}

impl Error {
    /// Returns a function that wraps an I/O error, for `map_err`.
    pub(crate) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: source.into() }
    }

    pub(crate) fn refused(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), hint: hint.into() }
    }

    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(
                    "free some space; `interlock workspace gc` removes directories of ended jobs"
                        .to_owned(),
                ),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Some("set INTERLOCK_STATE_DIR to a directory you may write".to_owned())
                }
                _ => None,
            },
            Self::NoGit { .. } => Some("install git, or put it on PATH".to_owned()),
            Self::Occupied { .. } => Some("start the run again under a new attempt".to_owned()),
            Self::Refused { hint, .. } => Some(hint.clone()),
            Self::Git { message, .. } if is_damage(message) => Some(
                "remove the directory `mirrors` below the state directory: it is made anew"
                    .to_owned(),
            ),
            Self::Corrupt { .. }
            | Self::Git { .. }
            | Self::Timeout { .. }
            | Self::NoSuchRevision { .. } => None,
        }
    }
}

/// Says whether Git complains about objects that are damaged or gone.
fn is_damage(message: &str) -> bool {
    let signs = ["inflate", "corrupt", "loose object", "bad object", "unable to read tree"];
    signs.iter().any(|sign| message.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_mirror_has_a_remedy() {
        assert!(is_damage("error: inflate: data stream error (incorrect header check)"));
        assert!(is_damage("fatal: loose object 1234 is corrupt"));
        assert!(!is_damage("fatal: not a git repository"));
    }
}
