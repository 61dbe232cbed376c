//! The doctor finds each lie that a store can tell.

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::{ErrorKind, Expect, Key, Memory, Record, StoreTime, Version, Wait, Written};

/// A store that breaks one promise.
#[derive(Debug)]
struct Faulty {
    inner: Memory,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    IgnoresAbsent,
    IgnoresVersions,
    ChecksThenWrites,
    RepeatsVersions,
    RemovesAnything,
    ListsLate,
    NeverWakes,
    ClockIsOff,
    Denies,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        Self { inner: Memory::default(), fault }
    }

    /// Makes the condition that holds now, whatever was asked for.
    async fn whatever(&self, key: &Key) -> Result<Expect, Error> {
        let record = self.inner.read(key).await?;
        Ok(record.map_or(Expect::Absent, |record| Expect::At(record.version)))
    }

    async fn is(&self, key: &Key, expect: &Expect) -> Result<bool, Error> {
        Ok(self.whatever(key).await? == *expect)
    }

    /// Returns the version as a store whose versions are digests would name it.
    fn shown(&self, record: Record) -> Record {
        if self.fault != Fault::RepeatsVersions {
            return record;
        }
        let version = Version::new(String::from_utf8_lossy(&record.value));
        Record { version, ..record }
    }
}

#[async_trait]
impl Store for Faulty {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        if self.fault == Fault::Denies {
            return Err(Error::new(ErrorKind::Denied, "faulty", "read", key.as_str(), "no"));
        }
        Ok(self.inner.read(key).await?.map(|record| self.shown(record)))
    }

    async fn write(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Written, Error> {
        let expect = match (self.fault, expect) {
            (Fault::Denies, _) => {
                return Err(Error::new(ErrorKind::Denied, "faulty", "write", key.as_str(), "no"));
            }
            (Fault::IgnoresAbsent, Expect::Absent) | (Fault::IgnoresVersions, Expect::At(_)) => {
                self.whatever(key).await?
            }
            (Fault::ChecksThenWrites, expect) => {
                if !self.is(key, &expect).await? {
                    return Ok(Written::Conflict);
                }
                tokio::task::yield_now().await;
                self.whatever(key).await?
            }
            (Fault::RepeatsVersions, Expect::At(version)) => {
                let current = self.read(key).await?.map(|record| record.version);
                if current != Some(version) {
                    return Ok(Written::Conflict);
                }
                self.whatever(key).await?
            }
            (_, expect) => expect,
        };
        let shown = Version::new(String::from_utf8_lossy(&value));
        let written = self.inner.write(key, value, expect).await?;
        Ok(match written {
            Written::Stored(_) if self.fault == Fault::RepeatsVersions => Written::Stored(shown),
            written => written,
        })
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Key>, Error> {
        let mut keys = self.inner.list(prefix).await?;
        if self.fault == Fault::ListsLate {
            keys.clear();
        }
        Ok(keys)
    }

    async fn changed(&self, key: &Key, wait: &Wait<'_>) -> Result<bool, Error> {
        if self.fault == Fault::NeverWakes {
            tokio::time::sleep(wait.timeout).await;
            return Ok(false);
        }
        self.inner.changed(key, wait).await
    }

    async fn remove(&self, key: &Key, at: &Version) -> Result<Written, Error> {
        match (self.fault, self.inner.read(key).await?) {
            (Fault::RemovesAnything | Fault::RepeatsVersions, Some(record)) => {
                self.inner.remove(key, &record.version).await
            }
            _ => self.inner.remove(key, at).await,
        }
    }

    async fn now(&self) -> Result<Option<StoreTime>, Error> {
        let since = Duration::from_hours(if self.fault == Fault::ClockIsOff { 1 } else { 10 });
        Ok(Some(StoreTime { epoch: String::new(), since }))
    }
}

async fn examined(one: &dyn Store, other: &dyn Store) -> Report {
    examine(one, other, &|| Duration::from_hours(10)).await
}

/// A store with one fault fails at these checks, and is safe only if none of them is vital.
async fn check(fault: Fault, failing: &[Check]) {
    let store = Faulty::new(fault);
    let report = examined(&store, &store).await;
    let failed: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| matches!(finding.outcome, Outcome::Failed { .. }))
        .map(|finding| finding.check)
        .collect();
    assert_eq!(failed, failing, "{fault:?}: {report:#?}");
    assert_eq!(report.is_safe(), !failing.iter().any(|check| check.is_vital()), "{fault:?}");
}

#[tokio::test(start_paused = true)]
async fn each_broken_promise_is_found() {
    check(Fault::None, &[]).await;
    check(Fault::IgnoresAbsent, &[Check::DoubleCreate]).await;
    let ignores_versions = [Check::StaleSwap, Check::LostUpdate, Check::RepeatedVersion];
    check(Fault::IgnoresVersions, &ignores_versions).await;
    check(Fault::ChecksThenWrites, &[Check::DoubleCreate, Check::LostUpdate]).await;
    check(Fault::RepeatsVersions, &[Check::RepeatedVersion, Check::StaleRemoval]).await;
    check(Fault::RemovesAnything, &[Check::StaleRemoval]).await;
    check(Fault::ListsLate, &[Check::ListAfterWrite]).await;
    check(Fault::NeverWakes, &[Check::Waiting]).await;
    check(Fault::ClockIsOff, &[Check::Clock]).await;
}

#[tokio::test]
async fn stores_of_one_process_are_not_shared() {
    let [one, other] = [(), ()].map(|()| Memory::default());
    let report = examined(&one, &other).await;
    assert!(!report.is_safe());
    assert!(matches!(report.findings[0].outcome, Outcome::Failed { .. }));
}

#[tokio::test]
async fn store_that_refuses_us_is_not_safe() {
    let store = Faulty::new(Fault::Denies);
    let report = examined(&store, &store).await;
    assert!(!report.is_safe());
    let [Finding { check: Check::Shared, outcome: Outcome::Broken(error) }] = &report.findings[..]
    else {
        panic!("the first refusal is enough: {report:?}")
    };
    assert_eq!(error.kind, ErrorKind::Denied);
}

#[tokio::test]
async fn nothing_of_a_trial_stays() {
    let store = Memory::default();
    let report = examined(&store, &store).await;
    assert!(report.is_safe());
    assert_eq!(store.list("").await.expect("list"), []);
    let timed: Vec<_> = report.latencies.iter().map(|latency| latency.operation).collect();
    assert_eq!(timed, ["read", "write", "list"]);
}
