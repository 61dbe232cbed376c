//! The embedded store: one `SQLite` file on one machine, shared by many processes.
//!
//! `SQLite` makes a write whole and durable. It does not make writers take turns: its busy-waiting
//! starves some of them, so writers here queue on an OS lock before they begin. Waiters are woken after
//! each commit, by a touch of a file that they watch, and then read: the touch proves nothing.

mod bells;
mod clock;
mod database;
mod place;
mod turn;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::error::check_size;
use crate::exclusive::Weight;
use crate::{
    Error, ErrorKind, Exclusive, Expect, Key, Record, Store, StoreTime, Version, Wait, Written,
};

use bells::Bells;
use clock::Clock;
use database::{Change, Database, Fault};
use place::{Lock, Place};
use turn::{Turn, Waiting};

const NAME: &str = "file";
/// How long to queue behind other writers before saying that one of them hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long one writer may keep its turn without using it.
const HOLD: Duration = Duration::from_secs(1);

/// A store in one file of this machine.
#[derive(Debug)]
pub struct File {
    inner: Arc<Inner>,
    // One of each: more would only queue inside SQLite, where nobody keeps order.
    readers: Arc<Semaphore>,
    writers: Arc<Semaphore>,
    patience: Duration,
}

#[derive(Debug)]
struct Inner {
    place: Place,
    clock: Clock,
    bells: Bells,
    // Held only by blocking tasks that have the semaphore's permit.
    reader: Mutex<Option<Database>>,
    writer: Mutex<Option<(Database, Lock)>>,
}

impl File {
    /// Opens the store at a path, and makes it if there is nothing.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        let place = Place::new(path);
        let inner = Arc::new(Inner {
            place,
            clock: Clock::of_this_boot(),
            bells: Bells::new(bells::directory(path)),
            reader: Mutex::default(),
            writer: Mutex::default(),
        });
        let [readers, writers] = [(), ()].map(|()| Arc::new(Semaphore::new(1)));
        let store = Self { inner, readers, writers, patience: PATIENCE };
        store.read_with("open", &path.display().to_string(), |_| Ok(())).await?;
        Ok(store)
    }

    /// Reads, one at a time: here if that is a matter of microseconds, and otherwise in a blocking task.
    async fn read_with<R: Send + 'static>(
        &self,
        action: &'static str,
        key: &str,
        doing: impl Fn(&Database) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Error> {
        let permit = Arc::clone(&self.readers).acquire_owned().await;
        if let Some(done) = self.inner.read_at_once(&doing) {
            return done.map_err(|fault| fault.into_error(action, key));
        }
        let inner = Arc::clone(&self.inner);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            inner.read_patiently(doing)
        });
        let done = task.await.unwrap_or_else(|panic| Err(Fault::unknown(panic)));
        done.map_err(|fault| fault.into_error(action, key))
    }

    async fn differs(&self, key: &Key, since: Option<&Version>) -> Result<bool, Error> {
        let owned = key.clone();
        let version = move |database: &Database| database.version(&owned);
        Ok(self.read_with("watch", key.as_str(), version).await?.as_ref() != since)
    }

    /// Waits for any change of a record.
    async fn rewritten(&self, key: &Key, since: Option<&Version>) -> Result<bool, Error> {
        loop {
            // Listening before looking, so that a write in between is not missed.
            let ear = self.inner.bells.listen(key.as_str());
            if self.differs(key, since).await? {
                return Ok(true);
            }
            self.inner.bells.rings(ear).await;
        }
    }

    /// Waits for a bell, and looks by itself now and then: who rings may have died before.
    async fn rung(&self, key: &Key, since: Option<&Version>, bell: &str) -> Result<bool, Error> {
        let bells = &self.inner.bells;
        let (ear, is_known) = bells.go_on(bell);
        if !is_known && self.differs(key, since).await? {
            return Ok(true);
        }
        loop {
            if bells.rings(ear).await {
                bells.answer(bell);
                return Ok(true);
            }
            if self.differs(key, since).await? {
                return Ok(true);
            }
        }
    }

    /// Writes in a blocking task that waits for its turn among all processes.
    async fn write_with(
        &self,
        action: &'static str,
        key: &Key,
        doing: impl FnOnce(&mut Database, &Clock) -> Result<Written, Fault> + Send + 'static,
    ) -> Result<Written, Error> {
        let end = |fault: Fault| fault.into_error(action, key.as_str());
        let (mut waiting, mut task) = self.queue_up(key, doing).await.map_err(end)?;
        let Ok(done) = timeout(self.patience, &mut task).await else {
            return Err(end(self.give_up(&mut waiting, task).await));
        };
        done.unwrap_or_else(|panic| Err(Fault::unknown(panic))).map_err(end)
    }

    /// Begins a blocking task that waits for its turn, and does in it what is to be done.
    async fn queue_up(
        &self,
        key: &Key,
        doing: impl FnOnce(&mut Database, &Clock) -> Result<Written, Fault> + Send + 'static,
    ) -> Result<(Waiting, JoinHandle<Result<Written, Fault>>), Fault> {
        let permit = Arc::clone(&self.writers).acquire_owned();
        let Ok(permit) = timeout(self.patience, permit).await else {
            return Err(Fault::hanging(self.patience));
        };
        let (waiting, turn) = turn::pair();
        let (inner, key) = (Arc::clone(&self.inner), key.clone());
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            inner.write(turn, key.as_str(), doing)
        });
        Ok((waiting, task))
    }

    async fn put(
        &self,
        key: &Key,
        value: Bytes,
        expect: Expect,
        weight: Weight,
    ) -> Result<Written, Error> {
        check_size(NAME, key, value.len())?;
        let owned = key.clone();
        let write = move |database: &mut Database, clock: &Clock| {
            let change = Change { key: &owned, value: &value, expect: &expect, weight };
            database.write(&change, &clock.now())
        };
        self.write_with("write", key, write).await
    }

    /// Waits for a turn among all processes, and reads in it.
    async fn begin_turn(&self, key: &Key) -> Result<Exclusive, Error> {
        let owned = key.clone();
        let end = move |fault: Fault| fault.into_error("write", owned.as_str());
        let (tell, mut told) = oneshot::channel();
        let (value, values) = mpsc::sync_channel::<(Bytes, Weight)>(1);
        let owned = key.clone();
        let turn = move |database: &mut Database, clock: &Clock| {
            let record = database.read(&owned)?;
            let expect = record.as_ref().map(|record| Expect::At(record.version.clone()));
            if tell.send(record).is_err() {
                return Ok(Written::Conflict);
            }
            // If nothing comes, the owner has left, or forgets that others wait.
            let Ok((value, weight)) = values.recv_timeout(HOLD) else {
                return Ok(Written::Conflict);
            };
            check_size(NAME, &owned, value.len()).map_err(Fault::from_error)?;
            let expect = &expect.unwrap_or(Expect::Absent);
            let change = Change { key: &owned, value: &value, expect, weight };
            database.write(&change, &clock.now())
        };
        let (mut waiting, task) = match self.queue_up(key, turn).await {
            Ok(queued) => queued,
            Err(fault) => return Err(end(fault)),
        };
        match timeout(self.patience, &mut told).await {
            Ok(Ok(record)) => {
                let done = async move {
                    task.await.unwrap_or_else(|panic| Err(Fault::unknown(panic))).map_err(end)
                };
                Ok(Exclusive::new(record, value, Box::pin(done)))
            }
            Ok(Err(_)) => match task.await.unwrap_or_else(|panic| Err(Fault::unknown(panic))) {
                Err(fault) => Err(end(fault)),
                Ok(_) => Err(end(Fault::hanging(self.patience))),
            },
            Err(_) => Err(end(self.give_up(&mut waiting, task).await)),
        }
    }

    /// Ends the wait for a turn that does not come. One that came but does not end may still write.
    async fn give_up(
        &self,
        waiting: &mut Waiting,
        task: JoinHandle<Result<Written, Fault>>,
    ) -> Fault {
        if waiting.abandon() {
            return Fault::hanging(self.patience);
        }
        match timeout(self.patience, task).await {
            Ok(Ok(Err(fault))) => fault,
            _ => Fault::new(ErrorKind::Unknown, "the disk has not answered yet"),
        }
    }
}

#[async_trait]
impl Store for File {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        let owned = key.clone();
        self.read_with("read", key.as_str(), move |database| database.read(&owned)).await
    }

    async fn write(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Written, Error> {
        self.put(key, value, expect, Weight::Durable).await
    }

    async fn write_lightly(
        &self,
        key: &Key,
        value: Bytes,
        expect: Expect,
    ) -> Result<Written, Error> {
        self.put(key, value, expect, Weight::Light).await
    }

    async fn exclusive(&self, key: &Key) -> Result<Option<Exclusive>, Error> {
        self.begin_turn(key).await.map(Some)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Key>, Error> {
        let owned = prefix.to_owned();
        self.read_with("list", prefix, move |database| database.list(&owned)).await
    }

    async fn changed(&self, key: &Key, wait: &Wait<'_>) -> Result<bool, Error> {
        let changed = async {
            match wait.bell {
                Some(bell) => self.rung(key, wait.since, bell).await,
                None => self.rewritten(key, wait.since).await,
            }
        };
        timeout(wait.timeout, changed).await.unwrap_or(Ok(false))
    }

    async fn ring(&self, bell: &str) {
        self.inner.bells.ring(bell);
    }

    async fn remove(&self, key: &Key, at: &Version) -> Result<Written, Error> {
        let (owned, at) = (key.clone(), at.clone());
        let remove = move |database: &mut Database, _: &Clock| database.remove(&owned, &at);
        self.write_with("remove", key, remove).await
    }

    async fn now(&self) -> Result<Option<StoreTime>, Error> {
        Ok(Some(self.inner.clock.now()))
    }
}

impl Inner {
    /// Reads from a database that is open and that nobody repairs at this moment.
    fn read_at_once<R>(
        &self,
        doing: impl Fn(&Database) -> Result<R, Fault>,
    ) -> Option<Result<R, Fault>> {
        let mut slot = locked(&self.reader);
        let database = slot.as_mut().filter(|database| self.place.is_current(database))?;
        match doing(database) {
            Err(fault) if fault.is_busy() => None,
            done => Some(done),
        }
    }

    /// Opens the database if need be, and waits for whoever repairs it after a crash.
    fn read_patiently<R>(&self, doing: impl Fn(&Database) -> Result<R, Fault>) -> Result<R, Fault> {
        let mut slot = locked(&self.reader);
        let database = self.place.current(slot.take())?;
        let database = slot.insert(database);
        database.be_patient(true)?;
        let done = doing(database);
        database.be_patient(false)?;
        done
    }

    fn write(
        &self,
        turn: Turn,
        key: &str,
        doing: impl FnOnce(&mut Database, &Clock) -> Result<Written, Fault>,
    ) -> Result<Written, Fault> {
        let mut slot = locked(&self.writer);
        // Out of the slot while it is locked: a panic drops it, and that unlocks.
        let (mut database, lock) = self.place.current_locked(slot.take())?;
        let done = if turn.begin() {
            doing(&mut database, &self.clock)
        } else {
            Err(Fault::new(ErrorKind::Unavailable, "nobody waits for it any more"))
        };
        lock.unlock()?;
        *slot = Some((database, lock));
        // The commit is over: whoever is woken now sees what was written.
        if matches!(done, Ok(Written::Stored(_))) {
            self.bells.ring(key);
        }
        done
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
