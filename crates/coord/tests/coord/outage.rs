//! A store that is away, or does not answer, when a test says so.

use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use store::{
    Error, ErrorKind, Expect, Key, Memory, Record, Store, StoreTime, Version, Wait, Written,
};

/// The store.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    inner: Memory,
    mode: AtomicU8,
}

impl Outage {
    pub(crate) fn begin(&self) {
        self.mode.store(1, Ordering::Relaxed);
    }

    pub(crate) fn hang(&self) {
        self.mode.store(2, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.mode.store(0, Ordering::Relaxed);
    }

    async fn gate(&self) -> Result<(), Error> {
        match self.mode.load(Ordering::Relaxed) {
            0 => Ok(()),
            1 => Err(Error::new(ErrorKind::Unavailable, "outage", "ask", "", "it is away")),
            _ => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Store for Outage {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        self.gate().await?;
        self.inner.read(key).await
    }

    async fn write(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Written, Error> {
        self.gate().await?;
        self.inner.write(key, value, expect).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Key>, Error> {
        self.gate().await?;
        self.inner.list(prefix).await
    }

    async fn changed(&self, key: &Key, wait: &Wait<'_>) -> Result<bool, Error> {
        self.gate().await?;
        self.inner.changed(key, wait).await
    }

    async fn remove(&self, key: &Key, at: &Version) -> Result<Written, Error> {
        self.gate().await?;
        self.inner.remove(key, at).await
    }

    async fn now(&self) -> Result<Option<StoreTime>, Error> {
        self.inner.now().await
    }
}
