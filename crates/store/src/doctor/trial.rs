//! The trials themselves: each answers `None` if all is well, or what was seen.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{join, join_all};
use uuid::Uuid;

use super::{Latency, WRITERS};
use crate::{Error, ErrorKind, Expect, Key, Store, Version, Wait, Written};

/// How long a change may take to be noticed.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often each operation is timed.
const SAMPLES: usize = 5;

/// What a trial saw that it should not have, if anything.
type Seen = Result<Option<String>, Error>;

/// Two clients of one store, and a place in it for the trials alone.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    one: &'a dyn Store,
    other: &'a dyn Store,
    place: String,
}

impl<'a> Trial<'a> {
    pub(super) fn new(one: &'a dyn Store, other: &'a dyn Store) -> Self {
        Self { one, other, place: Uuid::new_v4().simple().to_string() }
    }

    fn key(&self, name: &str) -> Key {
        Key::new(["doctor", &self.place, name])
    }

    /// Returns each client in turn, as many as there are writers.
    fn clients(&self) -> impl Iterator<Item = &'a dyn Store> + use<'a> {
        [self.one, self.other].into_iter().cycle().take(WRITERS)
    }

    pub(super) async fn shared(&self) -> Seen {
        let key = self.key("shared");
        let written = self.one.write(&key, "here".into(), Expect::Absent).await?;
        let Written::Stored(version) = written else {
            return seen("a record that nobody can have made is already there");
        };
        match self.other.read(&key).await? {
            None => seen("the second client finds nothing"),
            Some(record) if record.value != "here" => seen("the second client reads other bytes"),
            Some(record) if record.version != version => {
                seen("the version that was given for a write is not the one that is read")
            }
            Some(_) => Ok(None),
        }
    }

    pub(super) async fn double_create(&self) -> Seen {
        for round in ["create-1", "create-2"] {
            let key = self.key(round);
            let creates = self.clients().enumerate().map(|(number, client)| {
                client.write(&key, number.to_string().into(), Expect::Absent)
            });
            let ends = tally(join_all(creates).await)?;
            if ends.won > 1 || (ends.won == 0 && ends.unknown == 0) {
                return seen(format!("{} of {WRITERS} were told that they had won", ends.won));
            }
        }
        let key = self.key("create-1");
        match self.one.write(&key, "late".into(), Expect::Absent).await? {
            Written::Conflict => Ok(None),
            Written::Stored(_) => seen("a record that was there was created again"),
        }
    }

    pub(super) async fn stale_swap(&self) -> Seen {
        let key = self.key("stale");
        let first = self.put(&key, "first", Expect::Absent).await?;
        let second = self.put(&key, "second", Expect::At(first.clone())).await?;
        if let Written::Stored(_) =
            self.other.write(&key, "ghost".into(), Expect::At(first)).await?
        {
            return seen("a write over a newer version was accepted");
        }
        let nowhere = self.key("nowhere");
        let end = self.other.write(&nowhere, "ghost".into(), Expect::At(second.clone())).await?;
        if let Written::Stored(_) = end {
            return seen("a swap of a record that does not exist was accepted");
        }
        let record = self.one.read(&key).await?;
        match record {
            Some(record) if record.value == "second" && record.version == second => Ok(None),
            _ => seen("a write that was refused changed the record"),
        }
    }

    pub(super) async fn lost_update(&self) -> Seen {
        let key = self.key("count");
        self.put(&key, "0", Expect::Absent).await?;
        let (mut kept, mut unknown) = (0, 0);
        for end in join_all(self.clients().map(|client| increment(client, &key))).await {
            match end {
                Ok(true) => kept += 1,
                Ok(false) => {}
                Err(error) if error.kind == ErrorKind::Unknown => unknown += 1,
                Err(error) => return Err(error),
            }
        }
        let count = self.one.read(&key).await?.and_then(|record| number(&record.value));
        match count {
            Some(count) if (kept..=kept + unknown).contains(&count) => Ok(None),
            Some(count) => seen(format!("{kept} changes were acknowledged and {count} were kept")),
            None => seen("the record holds what nobody wrote"),
        }
    }

    pub(super) async fn repeated_version(&self) -> Seen {
        let key = self.key("repeated");
        let mut versions = Vec::new();
        let mut expect = Expect::Absent;
        for value in ["a", "b", "a"] {
            let version = self.put(&key, value, expect).await?;
            versions.push(version.clone());
            expect = Expect::At(version);
        }
        let (first, last) = (&versions[0], &versions[2]);
        if first == last {
            return seen("equal bytes were given an equal version");
        }
        match self.one.write(&key, "ghost".into(), Expect::At(first.clone())).await? {
            Written::Conflict => Ok(None),
            Written::Stored(_) => seen("a version of long ago was accepted"),
        }
    }

    pub(super) async fn stale_removal(&self) -> Seen {
        let key = self.key("removal");
        let first = self.put(&key, "a", Expect::Absent).await?;
        let second = self.put(&key, "b", Expect::At(first.clone())).await?;
        if let Written::Stored(_) = self.other.remove(&key, &first).await? {
            return seen("a record was removed by somebody who had seen an older one");
        }
        if self.other.remove(&key, &second).await? == Written::Conflict {
            return seen("a record could not be removed");
        }
        match self.one.read(&key).await? {
            None => Ok(None),
            Some(_) => seen("a record that was removed is still there"),
        }
    }

    pub(super) async fn list_after_write(&self) -> Seen {
        let key = self.key("listed");
        self.put(&key, "x", Expect::Absent).await?;
        let keys = self.other.list(&format!("doctor/{}/", self.place)).await?;
        if keys.contains(&key) { Ok(None) } else { seen("the newest record is not listed") }
    }

    pub(super) async fn waiting(&self) -> Seen {
        let key = self.key("waiting");
        let first = self.put(&key, "a", Expect::Absent).await?;
        let began = Instant::now();
        let change = async {
            // The wait begins first.
            let moment = Wait { timeout: Duration::from_millis(50), ..Wait::default() };
            self.one.changed(&self.key("quiet"), &moment).await?;
            self.put(&key, "b", Expect::At(first.clone())).await
        };
        let wait = Wait { since: Some(&first), timeout: PATIENCE, ..Wait::default() };
        let (woken, written) = join(self.other.changed(&key, &wait), change).await;
        written?;
        if woken? && began.elapsed() < PATIENCE {
            return Ok(None);
        }
        seen(format!("nothing was noticed for {} s", PATIENCE.as_secs()))
    }

    /// Times each operation a few times, one after the other.
    pub(super) async fn latencies(&self) -> Result<Vec<Latency>, Error> {
        let key = self.key("time");
        let mut expect = Expect::Absent;
        let [mut writes, mut reads, mut lists] = [(); 3].map(|()| Vec::new());
        for _ in 0..SAMPLES {
            let began = Instant::now();
            expect = Expect::At(self.put(&key, "x", expect).await?);
            writes.push(began.elapsed());
            let began = Instant::now();
            self.one.read(&key).await?;
            reads.push(began.elapsed());
            let began = Instant::now();
            self.one.list("doctor/").await?;
            lists.push(began.elapsed());
        }
        let timed = [("read", reads), ("write", writes), ("list", lists)];
        Ok(timed.map(|(operation, times)| latency(operation, times)).into())
    }

    /// Removes what the trials wrote, as far as that is possible.
    pub(super) async fn clean_up(&self) {
        let prefix = format!("doctor/{}/", self.place);
        let Ok(keys) = self.one.list(&prefix).await else { return };
        for key in keys {
            if let Ok(Some(record)) = self.one.read(&key).await
                && let Err(error) = self.one.remove(&key, &record.version).await
            {
                tracing::debug!(%key, %error, "a record of a trial stays");
            }
        }
    }

    /// Writes what nobody else is writing.
    async fn put(&self, key: &Key, value: &'static str, expect: Expect) -> Result<Version, Error> {
        match self.one.write(key, Bytes::from_static(value.as_bytes()), expect).await? {
            Written::Stored(version) => Ok(version),
            Written::Conflict => {
                let why = "a write that nobody contends was refused";
                Err(Error::new(ErrorKind::Corrupt, "store", "write", key.as_str(), why))
            }
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    won: usize,
    unknown: usize,
}

fn tally(ends: Vec<Result<Written, Error>>) -> Result<Tally, Error> {
    let mut tally = Tally::default();
    for end in ends {
        match end {
            Ok(Written::Stored(_)) => tally.won += 1,
            Ok(Written::Conflict) => {}
            Err(error) if error.kind == ErrorKind::Unknown => tally.unknown += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(tally)
}

/// Adds one, and returns false if others were faster too often.
async fn increment(client: &dyn Store, key: &Key) -> Result<bool, Error> {
    for _ in 0..2 * WRITERS {
        let Some(record) = client.read(key).await? else { return Ok(false) };
        let Some(count) = number(&record.value) else { return Ok(false) };
        let next = (count + 1).to_string().into();
        // All have read before the first writes, also where nothing takes time.
        tokio::task::yield_now().await;
        if let Written::Stored(_) = client.write(key, next, Expect::At(record.version)).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn number(value: &[u8]) -> Option<usize> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn latency(operation: &'static str, mut times: Vec<Duration>) -> Latency {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let slowest = times.last().copied().unwrap_or_default();
    Latency { operation, median, slowest }
}

#[expect(clippy::unnecessary_wraps, reason = "each trial ends with it, or with `Ok(None)`")]
fn seen(what: impl Into<String>) -> Seen {
    Ok(Some(what.into()))
}
