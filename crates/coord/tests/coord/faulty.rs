//! A store that loses requests, loses replies, answers twice and is away now and then.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use store::{
    Error, ErrorKind, Expect, Key, Memory, Record, Store, StoreTime, Version, Wait, Written,
};

/// What goes wrong, in percent of the writes (reads are only unavailable).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Not written, and nobody can tell.
    pub(crate) lost_request: u32,
    /// Written, and nobody can tell.
    pub(crate) lost_reply: u32,
    /// Written, and then the client's own retry says that somebody else was first.
    pub(crate) lied_conflict: u32,
    /// Not written, and it says so.
    pub(crate) unavailable: u32,
}

/// The store.
#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Arc<Memory>,
    faults: Faults,
    dice: Mutex<StdRng>,
    /// How many reads were answered.
    pub(crate) reads: AtomicUsize,
    /// How many writes reached the store.
    pub(crate) writes: AtomicUsize,
}

impl Faulty {
    pub(crate) fn new(inner: Memory, faults: Faults, seed: u64) -> Arc<Self> {
        let dice = Mutex::new(StdRng::seed_from_u64(seed));
        let [reads, writes] = [(), ()].map(|()| AtomicUsize::new(0));
        Arc::new(Self { inner: Arc::new(inner), faults, dice, reads, writes })
    }

    fn roll(&self) -> u32 {
        self.dice.lock().unwrap().random_range(0..100)
    }

    async fn delay(&self) {
        let ms = self.dice.lock().unwrap().random_range(0..40);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

fn failure(kind: ErrorKind, key: &Key) -> Error {
    Error::new(kind, "faulty", "write", key.as_str(), "it was decided by a dice")
}

#[async_trait]
impl Store for Faulty {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        self.delay().await;
        if self.roll() < self.faults.unavailable {
            return Err(failure(ErrorKind::Unavailable, key));
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.read(key).await
    }

    async fn write(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Written, Error> {
        self.delay().await;
        let (faults, mut roll) = (self.faults, self.roll());
        let mut falls = |percent: u32| {
            let falls = roll < percent;
            roll = roll.saturating_sub(percent);
            falls
        };
        if falls(faults.unavailable) {
            return Err(failure(ErrorKind::Unavailable, key));
        }
        if falls(faults.lost_request) {
            return Err(failure(ErrorKind::Unknown, key));
        }
        let (loses, lies) = (falls(faults.lost_reply), falls(faults.lied_conflict));
        let written = self.inner.write(key, value, expect).await;
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.delay().await;
        match written {
            Ok(_) if loses => Err(failure(ErrorKind::Unknown, key)),
            Ok(_) if lies => Ok(Written::Conflict),
            written => written,
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Key>, Error> {
        self.inner.list(prefix).await
    }

    async fn changed(&self, key: &Key, wait: &Wait<'_>) -> Result<bool, Error> {
        self.inner.changed(key, wait).await
    }

    async fn remove(&self, key: &Key, at: &Version) -> Result<Written, Error> {
        self.inner.remove(key, at).await
    }

    async fn now(&self) -> Result<Option<StoreTime>, Error> {
        self.inner.now().await
    }
}
