//! Keeps something alive for as long as it is used, and says when it is lost.

use std::time::Duration;

use coord::{Clock, Error, ErrorKind, margin};

/// What is waited after a failure of the store.
const PAUSE: Duration = Duration::from_millis(500);

/// Why something is lost.
#[derive(Debug)]
pub(crate) enum Lost<L> {
    /// Somebody else has it.
    Taken(L),
    /// It could not be renewed, and ends within its margin.
    NotRenewed(Error),
}

/// Renews at a third of the length, counted from before each request, until that fails.
///
/// `since` is the time on `clock` before the request that took it. `renew` returns what took it away.
pub(crate) async fn keep<L>(
    clock: &dyn Clock,
    ttl: Duration,
    mut since: Duration,
    renew: impl AsyncFn() -> Result<Option<L>, Error>,
) -> Lost<L> {
    let reliable = ttl.saturating_sub(margin(ttl));
    loop {
        tokio::time::sleep((since + ttl / 3).saturating_sub(clock.now())).await;
        let before = clock.now();
        let left = (since + reliable).saturating_sub(before);
        // A request that hangs must not outlast what it is to renew.
        let error = match tokio::time::timeout(left, renew()).await {
            Ok(Ok(None)) => {
                since = before;
                continue;
            }
            Ok(Ok(Some(by))) => return Lost::Taken(by),
            Ok(Err(error)) => error,
            Err(_) => Error::Request("the store did not answer in time".to_owned()),
        };
        let left = (since + reliable).saturating_sub(clock.now());
        if left.is_zero() || matches!(error.kind(), ErrorKind::Unsupported) {
            return Lost::NotRenewed(error);
        }
        tracing::debug!(%error, "renewing again");
        tokio::time::sleep(PAUSE.min(left)).await;
    }
}
