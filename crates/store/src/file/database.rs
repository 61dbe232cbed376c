//! The `SQLite` database of an embedded store: one row per record, one counter for versions.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, TransactionBehavior};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::exclusive::Weight;
use crate::{Error, ErrorKind, Expect, Key, Record, StoreTime, Version, Written};

/// Tells our files from other people's: "ILCK".
const APPLICATION: i32 = 0x494c_434b;
/// Counts up when the tables change.
const SCHEMA: i32 = 1;

const TABLES: &str = "
    CREATE TABLE store (instance TEXT NOT NULL, counter INTEGER NOT NULL);
    CREATE TABLE record (
        key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL, counter INTEGER NOT NULL,
        epoch TEXT NOT NULL, nanos INTEGER NOT NULL, digest BLOB NOT NULL
    );
";

/// How long to wait for other programs, and for a repair after a crash.
const BUSY: Duration = Duration::from_secs(5);

/// Replaces in place: the index of keys is not written again.
const UPSERT: &str = "
    INSERT INTO record VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key) DO UPDATE SET
        value = ?2, counter = ?3, epoch = ?4, nanos = ?5, digest = ?6
";

/// An open database, and which file it is.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    /// Makes versions differ from those of a file that was here before.
    instance: String,
    identity: (u64, u64),
    /// What the connection does with a transaction, if that is known.
    weight: Option<Weight>,
}

/// A record that is to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) key: &'a Key,
    pub(super) value: &'a Bytes,
    pub(super) expect: &'a Expect,
    pub(super) weight: Weight,
}

/// What went wrong below, before it is known who asked.
#[derive(Debug)]
pub(super) struct Fault {
    kind: ErrorKind,
    is_busy: bool,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Database {
    /// Opens a database that has been made, or returns `None` if there is none yet.
    pub(super) fn open_ready(path: &Path) -> Result<Option<Self>, Fault> {
        let facts = match std::fs::metadata(path) {
            Ok(facts) => facts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::io(&format!("examine `{}`", path.display()), error)),
        };
        if !facts.is_file() {
            let why = format!("`{}` is not a file", path.display());
            return Err(Fault::new(ErrorKind::Unsupported, why));
        }
        let connection = connect(path)?;
        if is_empty(&connection)? {
            return Ok(None);
        }
        check_schema(&connection, path)?;
        let instance = connection.query_row("SELECT instance FROM store", [], |row| row.get(0))?;
        let identity = (facts.dev(), facts.ino());
        Ok(Some(Self { connection, instance, identity, weight: None }))
    }

    /// Makes the tables in an empty file. The caller holds the lock.
    pub(super) fn make(path: &Path) -> Result<Self, Fault> {
        let mut connection = connect(path)?;
        let mode: String =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            let why = format!("the file system cannot keep a write-ahead log (mode {mode})");
            return Err(Fault::new(ErrorKind::Unsupported, why));
        }
        let making = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        making.execute_batch(TABLES)?;
        let instance = Uuid::new_v4().simple().to_string();
        making.execute("INSERT INTO store VALUES (?1, 0)", [&instance])?;
        making.pragma_update(None, "application_id", APPLICATION)?;
        making.pragma_update(None, "user_version", SCHEMA)?;
        making.commit()?;
        Self::open_ready(path)?
            .ok_or_else(|| Fault::new(ErrorKind::Corrupt, "the file vanished as it was made"))
    }

    /// Says whether to wait for another program that has the database to itself for a moment.
    pub(super) fn be_patient(&self, patient: bool) -> Result<(), Fault> {
        Ok(self.connection.busy_timeout(if patient { BUSY } else { Duration::ZERO })?)
    }

    /// Returns the device and the number of the file.
    pub(super) fn identity(&self) -> (u64, u64) {
        self.identity
    }

    pub(super) fn read(&self, key: &Key) -> Result<Option<Record>, Fault> {
        let mut select = self.connection.prepare_cached(
            "SELECT value, counter, epoch, nanos, digest FROM record WHERE key = ?1",
        )?;
        let row = select.query_row([key.as_str()], |row| {
            let value: Vec<u8> = row.get(0)?;
            let nanos: i64 = row.get(3)?;
            let digest: Vec<u8> = row.get(4)?;
            Ok((value, row.get::<_, i64>(1)?, row.get::<_, String>(2)?, nanos, digest))
        });
        let Some((value, counter, epoch, nanos, kept)) = row.optional()? else { return Ok(None) };
        if digest(key, &value, counter)[..] != kept {
            let why = "the record is not what was written: its digest differs";
            return Err(Fault::new(ErrorKind::Corrupt, why));
        }
        let since = Duration::from_nanos(nanos.cast_unsigned());
        let written = Some(StoreTime { epoch, since });
        Ok(Some(Record { value: value.into(), version: self.version_of(counter), written }))
    }

    pub(super) fn version(&self, key: &Key) -> Result<Option<Version>, Fault> {
        let counter = counter(&self.connection, key)?;
        Ok(counter.map(|counter| self.version_of(counter)))
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<Key>, Fault> {
        let mut select = self.connection.prepare_cached(
            "SELECT key FROM record WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1 ORDER BY key",
        )?;
        let texts = select.query_map([prefix], |row| row.get::<_, String>(0))?;
        texts
            .map(|text| Key::parse(&text?).map_err(|bad| Fault::new(ErrorKind::Corrupt, bad)))
            .collect()
    }

    /// Writes one record if it is as expected. The caller holds the lock.
    pub(super) fn write(&mut self, change: &Change<'_>, now: &StoreTime) -> Result<Written, Fault> {
        let Change { key, value, expect, weight } = *change;
        // Most losers of a race are told so without a transaction; only inside one is it certain.
        if !is_as_expected(self.version(key)?, expect) {
            return Ok(Written::Conflict);
        }
        self.weigh(weight)?;
        let writing = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let current = counter(&writing, key)?.map(|counter| version(&self.instance, counter));
        if !is_as_expected(current, expect) {
            return Ok(Written::Conflict);
        }
        let next = next_counter(&writing)?;
        let nanos = i64::try_from(now.since.as_nanos()).unwrap_or(i64::MAX);
        let digest = digest(key, value, next);
        writing.prepare_cached(UPSERT)?.execute((
            key.as_str(),
            &value[..],
            next,
            &now.epoch,
            nanos,
            &digest[..],
        ))?;
        writing.commit().map_err(Fault::at_commit)?;
        Ok(Written::Stored(self.version_of(next)))
    }

    /// Says whether the next transaction waits for the disk.
    ///
    /// The log keeps its order: what is durable never lacks what was written before it.
    fn weigh(&mut self, weight: Weight) -> Result<(), Fault> {
        if self.weight != Some(weight) {
            self.weight = None;
            let synchronous = match weight {
                Weight::Durable => "FULL",
                Weight::Light => "NORMAL",
            };
            self.connection.pragma_update(None, "synchronous", synchronous)?;
            self.weight = Some(weight);
        }
        Ok(())
    }

    /// Removes one record if it is still at this version. The caller holds the lock.
    pub(super) fn remove(&mut self, key: &Key, at: &Version) -> Result<Written, Fault> {
        self.weigh(Weight::Durable)?;
        let writing = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let current = counter(&writing, key)?.map(|counter| version(&self.instance, counter));
        if current.as_ref() != Some(at) {
            return Ok(Written::Conflict);
        }
        let next = next_counter(&writing)?;
        writing.execute("DELETE FROM record WHERE key = ?1", [key.as_str()])?;
        writing.commit().map_err(Fault::at_commit)?;
        Ok(Written::Stored(self.version_of(next)))
    }

    fn version_of(&self, counter: i64) -> Version {
        version(&self.instance, counter)
    }
}

impl Fault {
    pub(super) fn new(
        kind: ErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, is_busy: false, source: source.into() }
    }

    /// Returns whether it is otherwise for whoever waits.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Takes an error that was found in the middle.
    pub(super) fn from_error(error: Error) -> Self {
        Self { kind: error.kind, is_busy: false, source: error.source }
    }

    /// Says that a blocking task ended without an answer.
    pub(super) fn unknown(panic: tokio::task::JoinError) -> Self {
        Self::new(ErrorKind::Unknown, panic)
    }

    pub(super) fn hanging(patience: Duration) -> Self {
        let why = format!(
            "another process has been writing for {} s: is one stopped in the middle?",
            patience.as_secs()
        );
        Self::new(ErrorKind::Unavailable, why)
    }

    pub(super) fn io(action: &str, error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                ErrorKind::Denied
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => ErrorKind::Unsupported,
            _ => ErrorKind::Unavailable,
        };
        Self::new(kind, format!("cannot {action}: {error}"))
    }

    /// A commit that failed on the disk may be found there later.
    fn at_commit(error: rusqlite::Error) -> Self {
        let lost = error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
        let fault = Self::from(error);
        if lost { Self { kind: ErrorKind::Unknown, ..fault } } else { fault }
    }

    pub(super) fn into_error(self, action: &'static str, key: &str) -> Error {
        Error::new(self.kind, super::NAME, action, key, self.source)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => ErrorKind::Denied,
            Some(ErrorCode::TooBig) => ErrorKind::Unsupported,
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::OutOfMemory,
            ) => ErrorKind::Unavailable,
            // Not a database, a damaged page, a row of another shape.
            _ => ErrorKind::Corrupt,
        };
        let is_busy = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        Self { is_busy, ..Self::new(kind, error) }
    }
}

fn connect(path: &Path) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // Other tools may look into the file; among ourselves nobody is ever busy.
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

fn is_empty(connection: &Connection) -> Result<bool, Fault> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(tables == 0)
}

fn check_schema(connection: &Connection, path: &Path) -> Result<(), Fault> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if pragma("application_id")? != APPLICATION {
        let why = format!("`{}` is another program's database", path.display());
        return Err(Fault::new(ErrorKind::Unsupported, why));
    }
    match pragma("user_version")? {
        SCHEMA => Ok(()),
        other => {
            let why = format!(
                "`{}` has schema {other}; this Interlock knows {SCHEMA}: use one version everywhere",
                path.display()
            );
            Err(Fault::new(ErrorKind::Unsupported, why))
        }
    }
}

fn is_as_expected(current: Option<Version>, expect: &Expect) -> bool {
    match expect {
        Expect::Absent => current.is_none(),
        Expect::At(version) => current.as_ref() == Some(version),
    }
}

fn counter(connection: &Connection, key: &Key) -> Result<Option<i64>, Fault> {
    let mut select = connection.prepare_cached("SELECT counter FROM record WHERE key = ?1")?;
    Ok(select.query_row([key.as_str()], |row| row.get(0)).optional()?)
}

/// Counts every change, also removals, so that no version returns.
fn next_counter(connection: &Connection) -> Result<i64, Fault> {
    let mut update =
        connection.prepare_cached("UPDATE store SET counter = counter + 1 RETURNING counter")?;
    Ok(update.query_row([], |row| row.get(0))?)
}

fn version(instance: &str, counter: i64) -> Version {
    Version::new(format!("{instance}.{counter}"))
}

/// `SQLite` does not notice a flipped bit inside a value; a fence with one would be a catastrophe.
fn digest(key: &Key, value: &[u8], counter: i64) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(counter.to_be_bytes());
    hash.update(key.as_str().as_bytes());
    hash.update([0]);
    hash.update(value);
    let hash = hash.finalize();
    let (digest, _) = hash.split_at(16);
    digest.try_into().expect("a digest has more than 16 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_disk_is_unavailable_and_loses_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("store.db");
        std::fs::File::create(&path).expect("a file");
        let mut database = Database::make(&path).expect("make");
        let now = StoreTime { epoch: String::new(), since: Duration::ZERO };
        let key = Key::new(["a"]);
        let put = |database: &mut Database, value: &Bytes, expect: &Expect, weight| {
            database.write(&Change { key: &key, value, expect, weight }, &now)
        };
        let small = put(&mut database, &"small".into(), &Expect::Absent, Weight::Durable);
        let small = small.expect("write");
        let Written::Stored(version) = small else { panic!("conflict") };
        database.connection.pragma_update(None, "max_page_count", 20).expect("a limit");

        let large = Bytes::from(vec![b'x'; 1 << 20]);
        let expect = Expect::At(version.clone());
        for weight in [Weight::Durable, Weight::Light] {
            let fault = put(&mut database, &large, &expect, weight).expect_err("full");
            assert_eq!(fault.kind, ErrorKind::Unavailable);
            let why = fault.into_error("write", "a").source.to_string();
            assert!(why.contains("full"), "{why}");
        }
        let record = database.read(&key).expect("read").expect("record");
        assert_eq!((record.value, record.version), ("small".into(), version));
    }

    #[test]
    fn refusals_of_the_file_system_are_told_from_its_failures() {
        let kind = |error| Fault::io("open", io::Error::from(error)).kind;
        assert_eq!(kind(io::ErrorKind::ReadOnlyFilesystem), ErrorKind::Denied);
        assert_eq!(kind(io::ErrorKind::PermissionDenied), ErrorKind::Denied);
        assert_eq!(kind(io::ErrorKind::StorageFull), ErrorKind::Unavailable);
    }
}
