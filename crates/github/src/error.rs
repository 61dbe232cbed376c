//! What can go wrong with a request, told apart by status codes and headers, never by message.

use std::time::Duration;

/// Says what kind of trouble it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// 404 or 410: it is not there, or the token may not know.
    NotFound,
    /// 401, or 403 without a sign of a rate limit.
    Denied,
    /// A primary or secondary rate limit: 429, or 403 or 422 with a sign of one.
    RateLimited {
        /// How long to wait, where the answer says.
        retry_after: Option<Duration>,
    },
    /// 409: the state is not what the request takes for granted.
    Conflict,
    /// 422 or another 4xx: the request will never be accepted as it is.
    Refused,
    /// 5xx, or nobody answered, and the request had no effect that could matter.
    Unavailable,
    /// A request that changes something was sent and its answer was lost: it may have taken effect.
    Lost,
    /// An answer that makes no sense.
    Nonsense,
}

/// A request did not succeed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{method} {path} failed{}: {message}", status.map(|status| format!(" ({status})")).unwrap_or_default())]
pub struct Error {
    /// What kind of trouble it is.
    pub kind: ErrorKind,
    /// The method.
    pub method: &'static str,
    /// The path, without host and query.
    pub path: String,
    /// The status code, if there was an answer.
    pub status: Option<u16>,
    /// What the answer or the transport says.
    pub message: String,
}

impl Error {
    /// Says whether waiting may help.
    pub fn is_passing(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::RateLimited { .. } | ErrorKind::Unavailable | ErrorKind::Lost
        )
    }
}
