//! What a store says when the world is broken.

use std::fmt;

use crate::{Key, MAX_VALUE};

/// The store could not be reached, or broke its contract.
#[derive(Debug, thiserror::Error)]
#[error("{store} failed to {action} `{key}`: {kind}")]
pub struct Error {
    /// What it means for the caller.
    pub kind: ErrorKind,
    /// Which kind of store this was.
    pub store: &'static str,
    /// What it was asked to do, as a verb.
    pub action: &'static str,
    /// The key it was asked about, or the prefix, or the URL it was to be opened by.
    pub key: String,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What a failure means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The store cannot be reached or cannot work now. Nothing was written.
    Unavailable,
    /// The store refuses us: credentials, permissions. Nothing was written.
    Denied,
    /// The store or the record is damaged. It never means "free".
    Corrupt,
    /// The reply was lost: it may have been written, now or soon.
    Unknown,
    /// The store cannot do this, whoever asks: a URL, a size, a file system.
    Unsupported,
}

impl Error {
    /// Says what failed, at what, and why.
    pub fn new(
        kind: ErrorKind,
        store: &'static str,
        action: &'static str,
        key: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, store, action, key: key.into(), source: source.into() }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "unavailable",
            Self::Denied => "denied",
            Self::Corrupt => "corrupt",
            Self::Unknown => "the answer was lost",
            Self::Unsupported => "unsupported",
        })
    }
}

/// Refuses a value that no store would take.
pub(crate) fn check_size(store: &'static str, key: &Key, length: usize) -> Result<(), Error> {
    if length <= MAX_VALUE {
        return Ok(());
    }
    let why = format!("{length} bytes are more than the {MAX_VALUE} a record may have");
    Err(Error::new(ErrorKind::Unsupported, store, "write", key.as_str(), why))
}
