//! What can go wrong in the dispatcher itself, as opposed to in a run.

use std::io;

/// The dispatcher cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A record of a run could not be written or read.
    #[error("cannot keep the records of runs")]
    Record(#[from] io::Error),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] store::Error),
    /// A task of the dispatcher broke down.
    #[error("a task broke down: {what}")]
    Task {
        /// What it said.
        what: String,
    },
}
