//! The way to the ledger of one key.

use std::sync::Arc;

use jiff::Timestamp;
use store::{Key, Store};

use super::{Check, Claimed, Closing, Direction, Ledger, Past, Report};
use crate::{Clock, Error, Fence, Register, Step};

/// One key's ledger in a store.
#[derive(Debug)]
pub struct Book {
    register: Register<Ledger>,
}

impl Book {
    /// Names a key within a scope, such as a host and a repository.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, scope: &str, key: &str) -> Self {
        let key = Key::new(["milestone", &scope.to_lowercase(), key]);
        Self { register: Register::new(store, clock, key) }
    }

    /// Returns the register behind it, for reading and repairing.
    pub fn register(&self) -> &Register<Ledger> {
        &self.register
    }

    /// Crosses what there is to cross up to a value, and claims it.
    pub async fn check(&self, check: &Check) -> Result<Report, Error> {
        let checked = self.register.update(|ledger, now| match ledger.check(check, now) {
            Ok(report) => Step::Write(Ok(report)),
            Err(error) => Step::Keep(Err(error)),
        });
        checked.await?
    }

    /// Lets claims last another length. Returns those that are not ours any more.
    pub async fn renew(&self, claims: &[Claimed]) -> Result<Vec<Claimed>, Error> {
        let renewed = self.register.update(|ledger, _| {
            let lost = ledger.renew(claims);
            if lost.len() == claims.len() { Step::Keep(lost) } else { Step::Write(lost) }
        });
        renewed.await
    }

    /// Accepts a boundary as done, if the fence is that of its claim.
    pub async fn done(
        &self,
        milestone: i64,
        fence: Fence,
        at: Timestamp,
    ) -> Result<Closing, Error> {
        self.close(|ledger| ledger.done(milestone, fence, at)).await
    }

    /// Opens a boundary again, if the fence is that of its claim.
    pub async fn failed(&self, milestone: i64, fence: Fence) -> Result<Closing, Error> {
        self.close(|ledger| ledger.failed(milestone, fence)).await
    }

    /// Takes over what was done elsewhere. Returns how much of it is new.
    pub async fn import(&self, past: &[Past], direction: Direction) -> Result<usize, Error> {
        let imported = self.register.update(|ledger, _| match ledger.import(past, direction) {
            Ok(0) => Step::Keep(Ok(0)),
            Ok(count) => Step::Write(Ok(count)),
            Err(error) => Step::Keep(Err(error)),
        });
        imported.await?
    }

    async fn close(
        &self,
        close: impl Fn(&mut Ledger) -> Closing + Send + Sync,
    ) -> Result<Closing, Error> {
        let closed = self.register.update(|ledger, _| {
            let before = ledger.clone();
            let closing = close(ledger);
            if *ledger == before { Step::Keep(closing) } else { Step::Write(closing) }
        });
        closed.await
    }
}
