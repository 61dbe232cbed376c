//! What can go wrong between a writer and what people see.

/// A row could not be stored, or a picture not be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed: the row may not be stored.
    #[error(transparent)]
    Record(#[from] coord::Error),
    /// The API failed for good: the row is stored and not shown.
    #[error(transparent)]
    Api(#[from] github::Error),
    /// It is not known whose comments are ours.
    #[error("the API does not say which login this token writes as")]
    NoAuthor,
    /// There is nothing that a comment could be written on.
    #[error("a commit has no comments to keep a status in")]
    NoPlace,
}

impl Error {
    /// Says whether waiting may help.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Api(error) => error.is_passing(),
            Self::Record(error) => error.kind() == coord::ErrorKind::Unavailable,
            Self::NoAuthor | Self::NoPlace => false,
        }
    }
}
