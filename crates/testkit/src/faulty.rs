//! A store through which everything goes wrong that does go wrong between a client and its bucket.
//!
//! Each client gets a [`Faulty`] of its own over the store that all share, so that each has its own bad
//! luck. All luck comes from a seed. Nothing here takes time by itself but the delays.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use store::{Error, ErrorKind, Expect, Key, Record, Store, StoreTime, Version, Wait, Written};

/// What goes wrong, each in a thousandth of all requests it can happen to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The request is lost: nothing was written, and the client cannot tell.
    pub lost_request: u32,
    /// The reply is lost: it was written, and the client cannot tell.
    pub lost_reply: u32,
    /// The request is held up, and overtaken by others: it arrives after the client was told that nobody
    /// knows what became of it.
    pub late: u32,
    /// The client's own second attempt meets the first: it was written, and the answer is a conflict (412).
    pub own_conflict: u32,
    /// Nothing was written, and the answer is a conflict although nobody else wrote (409).
    pub false_conflict: u32,
    /// The read after a conflict finds nothing (404 after 412).
    pub vanishing: u32,
    /// Too many requests, or no service (429, 503): nothing was done.
    pub busy: u32,
    /// The record that was written is damaged afterwards.
    pub corrupt: u32,
    /// The answer takes seconds.
    pub slow: u32,
}

/// A client's way to a store.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn Store>,
    faults: Faults,
    // Never held across an `.await`.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    dice: StdRng,
    calm: bool,
    /// Requests that are still on their way, and after how many others they arrive.
    on_the_way: Vec<(u32, Key, Bytes, Expect)>,
    /// The key whose last write met a conflict.
    conflicted: Option<Key>,
}

impl Faults {
    /// Draws how bad it is: each fault is absent, rare or frequent. Nothing is damaged.
    pub fn draw(dice: &mut StdRng) -> Self {
        let mut draw = |most: u32| match dice.random_range(0..3) {
            0 => 0,
            1 => most / 8,
            _ => most,
        };
        Self {
            lost_request: draw(150),
            lost_reply: draw(200),
            late: draw(100),
            own_conflict: draw(200),
            false_conflict: draw(200),
            vanishing: draw(300),
            busy: draw(150),
            corrupt: 0,
            slow: draw(150),
        }
    }
}

impl Faulty {
    /// Wraps a store. The same seed brings the same luck to the same requests.
    pub fn new(inner: Arc<dyn Store>, faults: Faults, seed: u64) -> Arc<Self> {
        let dice = StdRng::seed_from_u64(seed);
        let state = State { dice, calm: false, on_the_way: Vec::new(), conflicted: None };
        Arc::new(Self { inner, faults, state: Mutex::new(state) })
    }

    /// Lets everything go well from now on. What is on its way still arrives.
    pub fn calm_down(&self) {
        self.state().calm = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn falls(&self, thousandths: u32) -> bool {
        let mut state = self.state();
        !state.calm && state.dice.random_range(0..1000) < thousandths
    }

    /// Takes as long as a request takes: others may come in between, however fast it is.
    async fn travel(&self) {
        Pause::default().await;
        if self.falls(self.faults.slow) {
            let seconds = self.state().dice.random_range(1..20);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }

    /// Delivers the requests that have been on their way for long enough.
    async fn deliver(&self) -> Result<(), Error> {
        let due: Vec<_> = {
            let mut state = self.state();
            let calm = state.calm;
            for request in &mut state.on_the_way {
                request.0 = if calm { 0 } else { request.0.saturating_sub(1) };
            }
            state.on_the_way.extract_if(.., |(left, ..)| *left == 0).collect()
        };
        for (_, key, value, expect) in due {
            // Nobody waits for the answer any more.
            drop(self.inner.write(&key, value, expect).await?);
        }
        Ok(())
    }

    fn lose(&self, key: &Key, value: Bytes, expect: Expect) {
        let mut state = self.state();
        let after = state.dice.random_range(1..6);
        state.on_the_way.push((after, key.clone(), value, expect));
    }

    /// Damages a record as a crashed disk, a careless editor or a half-finished upload does.
    async fn damage(&self, key: &Key) -> Result<(), Error> {
        let Some(record) = self.inner.read(key).await? else { return Ok(()) };
        let (cut, garbage) = {
            let dice = &mut self.state().dice;
            (dice.random_range(0..=record.value.len()), dice.random_range(0..4))
        };
        let mut bytes = record.value[..cut].to_vec();
        match garbage {
            0 => bytes.extend(b"\0\0\0\0"),
            1 => bytes.extend(b"}}"),
            _ => {}
        }
        drop(self.inner.write(key, bytes.into(), Expect::At(record.version)).await?);
        Ok(())
    }
}

#[async_trait]
impl Store for Faulty {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        self.travel().await;
        self.deliver().await?;
        if self.falls(self.faults.busy) {
            return Err(failure(ErrorKind::Unavailable, "read", key.as_str()));
        }
        let after_conflict = self.state().conflicted.take_if(|it| it == key).is_some();
        if after_conflict && self.falls(self.faults.vanishing) {
            return Ok(None);
        }
        let record = self.inner.read(key).await;
        self.travel().await;
        record
    }

    async fn write(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Written, Error> {
        let unknown = || Err(failure(ErrorKind::Unknown, "write", key.as_str()));
        self.travel().await;
        self.deliver().await?;
        if self.falls(self.faults.busy) {
            return Err(failure(ErrorKind::Unavailable, "write", key.as_str()));
        }
        if self.falls(self.faults.lost_request) {
            return unknown();
        }
        if self.falls(self.faults.late) {
            self.lose(key, value, expect);
            return unknown();
        }
        if self.falls(self.faults.false_conflict) {
            return Ok(Written::Conflict);
        }
        let written = self.inner.write(key, value, expect).await;
        if matches!(written, Ok(Written::Conflict)) {
            self.state().conflicted = Some(key.clone());
        }
        if matches!(written, Ok(Written::Stored(_))) && self.falls(self.faults.corrupt) {
            self.damage(key).await?;
        }
        self.travel().await;
        match written {
            Ok(_) if self.falls(self.faults.lost_reply) => unknown(),
            Ok(_) if self.falls(self.faults.own_conflict) => Ok(Written::Conflict),
            written => written,
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Key>, Error> {
        self.travel().await;
        if self.falls(self.faults.busy) {
            return Err(failure(ErrorKind::Unavailable, "list", prefix));
        }
        self.inner.list(prefix).await
    }

    async fn changed(&self, key: &Key, wait: &Wait<'_>) -> Result<bool, Error> {
        if self.falls(self.faults.busy) {
            return Err(failure(ErrorKind::Unavailable, "watch", key.as_str()));
        }
        // A watch may wake for nothing; whoever is woken reads.
        if self.falls(self.faults.false_conflict) {
            return Ok(true);
        }
        self.inner.changed(key, wait).await
    }

    async fn remove(&self, key: &Key, at: &Version) -> Result<Written, Error> {
        self.travel().await;
        self.inner.remove(key, at).await
    }

    async fn now(&self) -> Result<Option<StoreTime>, Error> {
        self.travel().await;
        if self.falls(self.faults.busy) {
            return Err(failure(ErrorKind::Unavailable, "tell the time", ""));
        }
        self.inner.now().await
    }
}

fn failure(kind: ErrorKind, action: &'static str, key: &str) -> Error {
    Error::new(kind, "faulty", action, key, "so the dice fell")
}

/// Lets whoever polls do something else once.
#[derive(Debug, Default)]
struct Pause(bool);

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
