//! Object stores: S3, Google Cloud Storage, Azure Blob Storage.
//!
//! A write is a conditional PUT. *Already exists* and *precondition failed* are questions, not
//! answers: the record is read again, and its nonce says whose it is. A removal leaves a mark in the
//! record's place, because a conditional delete is not portable.

mod answer;
mod envelope;
mod location;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{
    GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, UpdateVersion,
};
use tokio::time::sleep;

use crate::encoding::{decode, directory, encode};
use crate::error::check_size;
use crate::poll::{Pace, jittered};
use crate::{
    Error, ErrorKind, Expect, Key, MAX_VALUE, Record, Store, StoreTime, Surroundings, Version,
    Wait, Written,
};

use answer::{Refusal, is_absent, kind, noticing, refusal};
use envelope::{Envelope, HEADER};
use location::Location;

/// How often to try one write before saying that its end is unknown.
const ATTEMPTS: u32 = 6;
/// The object whose time stamp tells the store's time. No key has this path.
const CLOCK: &str = "=clock";

/// A store in a bucket.
#[derive(Debug)]
pub struct Objects {
    name: &'static str,
    // The same bucket twice: reads are repeated by the client, writes only by us, who look first.
    reads: Arc<dyn ObjectStore>,
    writes: Arc<dyn ObjectStore>,
    prefix: Path,
    pace: Pace,
}

/// An object as it was found.
#[derive(Debug)]
struct Found {
    envelope: Envelope,
    version: Version,
    written: StoreTime,
}

impl Objects {
    /// Opens the bucket that a URL such as `s3://bucket/prefix` names.
    pub fn open(url: &str, surroundings: &Surroundings) -> Result<Self, Error> {
        let location = Location::parse(url)?;
        let [reads, writes] = location.clients(&surroundings.variables)?;
        Ok(Self::new(location.name(), reads, writes, location.prefix))
    }

    fn new(
        name: &'static str,
        reads: Arc<dyn ObjectStore>,
        writes: Arc<dyn ObjectStore>,
        prefix: Path,
    ) -> Self {
        Self { name, reads, writes, prefix, pace: Pace::BUCKET }
    }

    fn path(&self, path: &str) -> Path {
        path.split('/').fold(self.prefix.clone(), Path::join)
    }

    fn error(&self, action: &'static str, key: &str, error: object_store::Error) -> Error {
        Error::new(kind(&error), self.name, action, key, error)
    }

    /// Reads an object, whether it is a record or the mark of a removed one.
    async fn find(&self, key: &Key, options: GetOptions) -> Result<Option<Found>, Error> {
        let found = match self.reads.get_opts(&self.path(&encode(key)), options).await {
            Ok(found) => found,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(self.error("read", key.as_str(), error)),
        };
        let corrupt =
            |why: String| Error::new(ErrorKind::Corrupt, self.name, "read", key.as_str(), why);
        let meta = found.meta.clone();
        if meta.size > (HEADER + MAX_VALUE) as u64 {
            return Err(corrupt(format!("{} bytes are more than we ever write", meta.size)));
        }
        let bytes = found.bytes().await.map_err(|error| self.error("read", key.as_str(), error))?;
        let envelope = Envelope::from_bytes(&bytes)
            .ok_or_else(|| corrupt("the object does not begin as ours do".to_owned()))?;
        let version = self
            .version(meta.e_tag.as_deref(), meta.version.as_deref())
            .ok_or_else(|| corrupt("the store gives its objects no version".to_owned()))?;
        Ok(Some(Found { envelope, version, written: time(&meta) }))
    }

    /// Returns what a later swap presents: the generation for Google, the `ETag` for others.
    fn version(&self, e_tag: Option<&str>, version: Option<&str>) -> Option<Version> {
        let token = if self.name == "gs" { version } else { e_tag };
        token.filter(|token| is_token(self.name, token)).map(Version::new)
    }

    fn update_mode(&self, version: &Version) -> PutMode {
        let token = Some(version.as_str().to_owned());
        PutMode::Update(match self.name {
            "gs" => UpdateVersion { e_tag: None, version: token },
            _ => UpdateVersion { e_tag: token, version: None },
        })
    }

    /// Writes an envelope if the record is as expected, until it is known how that ended.
    async fn swap(
        &self,
        action: &'static str,
        key: &Key,
        envelope: Envelope,
        expect: Expect,
    ) -> Result<Written, Error> {
        let mut mode = match &expect {
            Expect::Absent => PutMode::Create,
            // Not one of ours, and some servers would not even read it.
            Expect::At(version) if !is_token(self.name, version.as_str()) => {
                return Ok(Written::Conflict);
            }
            Expect::At(version) => self.update_mode(version),
        };
        let path = self.path(&encode(key));
        let bytes = envelope.to_bytes();
        // Whether an answer was lost, so that the write may land at any time.
        let mut lost = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                pause(attempt).await;
            }
            let options = PutOptions { mode: mode.clone(), ..PutOptions::default() };
            let put = self.writes.put_opts(&path, bytes.clone().into(), options);
            let error = match noticing(put).await {
                (Ok(put), _) => match self.version(put.e_tag.as_deref(), put.version.as_deref()) {
                    Some(version) => return Ok(Written::Stored(version)),
                    // Stored, but not said under which version: the nonce will tell.
                    None => None,
                },
                (Err(error), sent) => match refusal(&error, sent) {
                    Refusal::Fatal(kind) if lost.is_none() => {
                        return Err(Error::new(kind, self.name, action, key.as_str(), error));
                    }
                    Refusal::Busy => continue,
                    Refusal::Condition => None,
                    Refusal::Lost | Refusal::Fatal(_) => Some(error),
                },
            };
            lost = error.or(lost);
            let found = match self.find(key, GetOptions::default()).await {
                Ok(found) => found,
                Err(_) if lost.is_some() => continue,
                Err(error) => return Err(error),
            };
            match judge(found, &envelope, &expect) {
                Judgement::Ours(version) => return Ok(Written::Stored(version)),
                Judgement::Unchanged(None) => {}
                Judgement::Unchanged(Some(mark)) => mode = self.update_mode(&mark),
                Judgement::Others if lost.is_none() => return Ok(Written::Conflict),
                Judgement::Others => break,
            }
        }
        let (kind, why): (_, Box<dyn std::error::Error + Send + Sync>) = match lost {
            Some(error) => (ErrorKind::Unknown, Box::new(error)),
            None => (ErrorKind::Unavailable, "it keeps refusing a condition that holds".into()),
        };
        Err(Error::new(kind, self.name, action, key.as_str(), why))
    }

    async fn current(&self, key: &Key, since: Option<&Version>) -> Result<Option<Version>, Error> {
        // A request that is answered "not modified" costs no transfer.
        let known = since.filter(|_| self.name != "gs").map(|since| since.as_str().to_owned());
        let options = GetOptions { if_none_match: known, ..GetOptions::default() };
        match self.find(key, options).await {
            Ok(found) => Ok(found.filter(|f| f.envelope.value.is_some()).map(|f| f.version)),
            Err(error) if is_not_modified(&error) => Ok(since.cloned()),
            Err(error) => Err(error),
        }
    }
}

/// What a record that was read again says about a write.
#[derive(Debug)]
enum Judgement {
    /// It was written.
    Ours(Version),
    /// The record is as it was expected to be; if it is a mark, it must be replaced at this version.
    Unchanged(Option<Version>),
    /// Somebody else has written.
    Others,
}

fn judge(found: Option<Found>, ours: &Envelope, expect: &Expect) -> Judgement {
    match (found, expect) {
        (Some(found), _) if found.envelope.nonce == ours.nonce => Judgement::Ours(found.version),
        (None, Expect::Absent) => Judgement::Unchanged(None),
        (Some(found), Expect::Absent) if found.envelope.value.is_none() => {
            Judgement::Unchanged(Some(found.version))
        }
        (Some(found), Expect::At(version)) if found.version == *version => {
            Judgement::Unchanged(None)
        }
        _ => Judgement::Others,
    }
}

#[async_trait]
impl Store for Objects {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        let Some(found) = self.find(key, GetOptions::default()).await? else { return Ok(None) };
        let Some(value) = found.envelope.value else { return Ok(None) };
        Ok(Some(Record { value, version: found.version, written: Some(found.written) }))
    }

    async fn write(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Written, Error> {
        check_size(self.name, key, value.len())?;
        self.swap("write", key, Envelope::new(Some(value)), expect).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Key>, Error> {
        let below = match directory(prefix) {
            directory if directory.is_empty() => self.prefix.clone(),
            directory => self.path(&directory),
        };
        let objects = self.reads.list(Some(&below)).try_collect::<Vec<_>>().await;
        let objects = objects.map_err(|error| self.error("list", prefix, error))?;
        let ours = |object: ObjectMeta| {
            let path = object.location.prefix_match(&self.prefix)?;
            let path = path.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
            let key = decode(&path)?;
            let is_record = !Envelope::is_removed_by_size(object.size);
            (is_record && key.as_str().starts_with(prefix)).then_some(key)
        };
        let mut keys: Vec<_> = objects.into_iter().filter_map(ours).collect();
        keys.sort();
        Ok(keys)
    }

    async fn changed(&self, key: &Key, wait: &Wait<'_>) -> Result<bool, Error> {
        let waiting = self.pace.begin(wait);
        while self.current(key, wait.since).await?.as_ref() == wait.since {
            if !waiting.pause().await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn remove(&self, key: &Key, at: &Version) -> Result<Written, Error> {
        let end = self.swap("remove", key, Envelope::new(None), Expect::At(at.clone())).await?;
        Ok(match end {
            // Nobody may swap the mark itself; to create a record over it is another matter.
            Written::Stored(_) => Written::Stored(Version::new("removed")),
            Written::Conflict => Written::Conflict,
        })
    }

    /// Returns the time stamp of an object that is written for that purpose.
    async fn now(&self) -> Result<Option<StoreTime>, Error> {
        let path = self.path(CLOCK);
        let mut attempt = 1;
        loop {
            let put = noticing(self.writes.put(&path, Bytes::new().into())).await;
            let (Err(error), sent) = put else { break };
            match refusal(&error, sent) {
                // Google allows one write a second for each object: then somebody else has just written.
                Refusal::Busy => break,
                // To write it twice is as good as to write it once.
                Refusal::Lost | Refusal::Condition if attempt < ATTEMPTS => {}
                _ => return Err(self.error("read the clock of", CLOCK, error)),
            }
            pause(attempt).await;
            attempt += 1;
        }
        let meta = self.reads.head(&path).await;
        let meta = meta.map_err(|error| self.error("read the clock of", CLOCK, error))?;
        Ok(Some(time(&meta)))
    }
}

/// Waits before the next attempt to write.
async fn pause(attempt: u32) {
    sleep(jittered(Duration::from_millis(50) * 2u32.pow(attempt))).await;
}

fn time(meta: &ObjectMeta) -> StoreTime {
    let seconds = u64::try_from(meta.last_modified.timestamp()).unwrap_or_default();
    StoreTime { epoch: String::new(), since: Duration::from_secs(seconds) }
}

/// Returns whether a version may be one that this kind of store gives, and can stand in a header.
fn is_token(name: &str, token: &str) -> bool {
    if name == "gs" {
        return !token.is_empty() && token.bytes().all(|c| c.is_ascii_digit());
    }
    let strong = token.strip_prefix("W/").unwrap_or(token);
    match strong.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.bytes().all(|c| c.is_ascii_graphic() && c != b'"'),
        // Some servers forget the quotes around their digests.
        None => !strong.is_empty() && strong.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-'),
    }
}

fn is_not_modified(error: &Error) -> bool {
    let source = error.source.downcast_ref::<object_store::Error>();
    matches!(source, Some(object_store::Error::NotModified { .. }))
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::conformance;

    fn in_memory() -> (Arc<dyn ObjectStore>, Objects) {
        let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let [reads, writes] = [Arc::clone(&bucket), Arc::clone(&bucket)];
        (bucket, Objects::new("memory", reads, writes, Path::from("some/prefix")))
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        conformance::check(&in_memory().1).await;
    }

    #[tokio::test]
    async fn objects_of_others_are_corrupt_where_a_record_should_be() {
        let (bucket, store) = in_memory();
        let key = Key::new(["lock"]);
        bucket.put(&Path::from("some/prefix/lock"), "{}".into()).await.expect("put");
        assert_eq!(store.read(&key).await.expect_err("it is not ours").kind, ErrorKind::Corrupt);
        let error = store.write(&key, "a".into(), Expect::Absent).await.expect_err("not free");
        assert_eq!(error.kind, ErrorKind::Corrupt);
    }

    #[tokio::test]
    async fn objects_elsewhere_are_not_listed() {
        let (bucket, store) = in_memory();
        for path in ["lock", "some/prefix/a.txt", "some/prefix-of-another/lock", "some/prefix/a/b"]
        {
            bucket.put(&Path::from(path), "x".into()).await.expect("put");
        }
        store.now().await.expect("the clock's object is not a record");
        assert_eq!(store.list("").await.expect("list"), []);
    }

    #[test]
    fn versions_of_other_stores_are_told_from_ours() {
        assert!(is_token("s3", "\"d41d8cd98f00b204e9800998ecf8427e\""));
        assert!(is_token("s3", "d41d8cd98f00b204e9800998ecf8427e-1"));
        assert!(is_token("az", "\"0x8D4BCC2E4835CD0\""));
        assert!(is_token("gs", "1360887697105000"));
        for (name, token) in
            [("s3", "never-issued"), ("s3", "\"a\r\n\""), ("s3", ""), ("gs", "\"1\"")]
        {
            assert!(!is_token(name, token), "{name} {token}");
        }
    }
}
