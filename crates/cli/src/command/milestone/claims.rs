//! The boundaries that are ours to do, from the check to the report.

use std::time::Duration;

use coord::Error;
use coord::milestone::{Book, Claimed, Closing, Report};
use jiff::Timestamp;

use super::question::Question;
use crate::caller::{Caller, StoreFlags};
use crate::failure::Failure;
use crate::keeper::{Lost, keep};
use crate::session::Session;

/// How often a report is tried before it is given up: the work has been done.
const ATTEMPTS: u32 = 5;

/// What a check claimed, and the way back to its ledger.
#[derive(Debug)]
pub(crate) struct Claims {
    book: Book,
    pub(crate) caller: Caller,
    ttl: Duration,
    /// On the caller's clock, before the check was sent.
    since: Duration,
    pub(crate) value: i64,
    pub(crate) report: Report,
}

impl Claims {
    /// Asks the ledger of a key, and claims what it hands out; nothing where there is no store.
    pub(crate) async fn take(
        key: &str,
        question: &Question,
        ttl: Duration,
        session: &Session,
    ) -> Result<Option<Self>, Failure> {
        let value = question.value(session)?;
        let caller = Caller::of(session).await;
        let Some(book) = open(key, &question.store, &caller, session).await? else {
            return Ok(None);
        };
        let since = caller.clock.now();
        let report = book.check(&question.check(value, &caller, ttl)).await?;
        Ok(Some(Self { book, caller, ttl, since, value, report }))
    }

    /// Renews these claims for as long as it is polled; ends when one of them is lost.
    pub(crate) async fn keep(&self, claims: &[Claimed]) -> Lost<Claimed> {
        let renew = async || Ok(self.book.renew(claims).await?.first().copied());
        // The check may be long ago, if other boundaries were worked for in between.
        let before = self.caller.clock.now();
        let is_renewed = self.book.renew(claims).await.is_ok_and(|lost| lost.is_empty());
        let since = if is_renewed { before } else { self.since };
        keep(&*self.caller.clock, self.ttl, since, renew).await
    }

    /// Reports a boundary as done; losing it to somebody else is an answer.
    pub(crate) async fn done(&self, claimed: &Claimed) -> Result<Closing, Failure> {
        let done =
            async || self.book.done(claimed.milestone, claimed.fence, Timestamp::now()).await;
        insist(done).await
    }

    /// Opens a boundary again, for the next who asks.
    pub(crate) async fn failed(&self, claimed: &Claimed) -> Result<Closing, Failure> {
        close_failed(&self.book, claimed).await
    }
}

/// Returns the ledger of a key; nothing where there is no store, and that is accepted.
pub(super) async fn open(
    key: &str,
    store: &StoreFlags,
    caller: &Caller,
    session: &Session,
) -> Result<Option<Book>, Failure> {
    let store = store.open(session).await?;
    Ok(store.map(|store| Book::new(store, caller.clock.clone(), &caller.scope(), key)))
}

/// Reports a boundary as done.
pub(super) async fn close_done(book: &Book, claimed: &Claimed) -> Result<Closing, Failure> {
    insist(async || book.done(claimed.milestone, claimed.fence, Timestamp::now()).await).await
}

/// Opens a boundary again.
pub(super) async fn close_failed(book: &Book, claimed: &Claimed) -> Result<Closing, Failure> {
    insist(async || book.failed(claimed.milestone, claimed.fence).await).await
}

/// Asks again for a while where the store does not answer.
async fn insist(ask: impl AsyncFn() -> Result<Closing, Error>) -> Result<Closing, Failure> {
    let mut attempt = 1;
    loop {
        match ask().await {
            Ok(closing) => return Ok(closing),
            Err(error) if attempt >= ATTEMPTS => return Err(error.into()),
            Err(error) => {
                tracing::debug!(%error, "reporting again");
                tokio::time::sleep(Duration::from_millis(300 * u64::from(attempt))).await;
                attempt += 1;
            }
        }
    }
}

/// Says in a sentence that a boundary is not ours any more, if that is so.
pub(crate) fn not_ours(claimed: &Claimed, closing: &Closing) -> Option<String> {
    let why = match closing {
        Closing::Closed => return None,
        Closing::Stale { by: Some(by) } => format!("it was handed to {by}"),
        Closing::Stale { by: None } => "it was handed to somebody else".to_owned(),
        Closing::NotClaimed => "nobody has claimed it".to_owned(),
    };
    Some(format!("milestone {} is not ours any more: {why}", claimed.milestone))
}
