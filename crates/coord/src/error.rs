//! What is wrong when neither "yes" nor "no" can be said.

use store::Key;

/// The record could not be read, decided or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A write may have happened, and it could not be found out whether it did.
    #[error("it is not known whether `{key}` was changed")]
    Unknown {
        /// The record in question.
        key: Key,
        /// Why the question stayed open.
        source: store::Error,
    },
    /// The record is damaged. This never means that it is free.
    #[error("`{key}` is damaged: {why}")]
    Corrupt {
        /// The record in question.
        key: Key,
        /// What is wrong with it.
        why: String,
    },
    /// The record was written by a newer program, whose rules are not known here.
    #[error("`{key}` has schema {found}, and {known} is the newest known here")]
    Newer {
        /// The record in question.
        key: Key,
        /// Its schema.
        found: u64,
        /// Ours.
        known: u64,
    },
    /// The record would become too large.
    #[error("`{key}` would have {size} bytes, and {limit} are allowed")]
    TooLarge {
        /// The record in question.
        key: Key,
        /// The size it would have.
        size: usize,
        /// The size it may have.
        limit: usize,
    },
    /// Other writers won every time.
    #[error("lost the race for `{key}` {attempts} times")]
    Contended {
        /// The record in question.
        key: Key,
        /// How often it was tried.
        attempts: usize,
    },
    /// What was asked for contradicts itself.
    #[error("{0}")]
    Request(String),
}

/// What an error means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Nothing was changed, and it may work later.
    Unavailable,
    /// Credentials or permissions are missing. Nothing was changed.
    Denied,
    /// The record is damaged, or from a newer program.
    Corrupt,
    /// Something may have been changed.
    Unknown,
    /// What was asked for cannot be done.
    Unsupported,
}

impl Error {
    /// Returns what it means for the caller.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => match error.kind {
                store::ErrorKind::Unavailable => ErrorKind::Unavailable,
                store::ErrorKind::Denied => ErrorKind::Denied,
                store::ErrorKind::Corrupt => ErrorKind::Corrupt,
                store::ErrorKind::Unknown => ErrorKind::Unknown,
                store::ErrorKind::Unsupported => ErrorKind::Unsupported,
            },
            Self::Unknown { .. } => ErrorKind::Unknown,
            Self::Corrupt { .. } | Self::Newer { .. } => ErrorKind::Corrupt,
            Self::TooLarge { .. } | Self::Request(_) => ErrorKind::Unsupported,
            Self::Contended { .. } => ErrorKind::Unavailable,
        }
    }
}
