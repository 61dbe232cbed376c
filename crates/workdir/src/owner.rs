//! The record that makes a directory ours: whose it is, since when, and until when it is kept.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Identity;
use crate::error::Error;
use crate::regular;

/// Where the record is, below a job's directory.
const FILE: &str = ".interlock/owner.json";
/// The most bytes a record may have.
const MAX_BYTES: u64 = 64 << 10;
const SCHEMA: u32 = 1;

/// Whose a directory is. Written before anybody can see the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    schema: u32,
    /// The job.
    pub identity: Identity,
    /// The process that made the directory.
    pub process: Process,
    /// When the directory was made.
    pub created: Timestamp,
    /// Random, so that no two directories are taken for each other.
    pub token: String,
    /// How the job ended; absent while it runs and for ever after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// How a job ended whose directory is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// Until when the directory is kept; absent if nobody said an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<Timestamp>,
}

/// How a job ended, as far as its directory is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All went well.
    Success,
    /// Something failed: people may want to look.
    Failure,
    /// It was told to end.
    Cancelled,
}

/// One process of one boot of one machine: a process id alone is given again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The process id.
    pub id: u32,
    /// When it started, in clock ticks since the boot; 0 where the system does not say.
    pub started: u64,
    /// The boot; empty where the system does not say.
    pub boot: String,
}

impl Process {
    /// Returns the process that asks.
    pub fn current() -> Self {
        let id = std::process::id();
        Self { id, started: started(id).unwrap_or(0), boot: boot() }
    }

    /// Says whether the process still runs. A process that is given its id later is another one.
    pub fn is_alive(&self) -> bool {
        self.boot == boot() && started(self.id).is_some_and(|started| started == self.started)
    }
}

/// Returns the start time of a process, which is the 22nd field of its `stat`.
fn started(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name in parentheses, and may contain both.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    if fields.next() == Some("Z") {
        return None; // A zombie does nothing any more.
    }
    fields.nth(18)?.parse().ok()
}

fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

impl Owner {
    /// Makes the record of a directory that this process is about to make.
    pub(crate) fn new(identity: Identity, now: Timestamp) -> Self {
        let token = uuid::Uuid::new_v4().simple().to_string();
        Self {
            schema: SCHEMA,
            identity,
            process: Process::current(),
            created: now,
            token,
            ended: None,
        }
    }

    /// Reads the record of a directory; `None` if it carries none, and so is not ours.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, Error> {
        let path = directory.join(FILE);
        // A link in place of the record or of its directory is not a record.
        for part in [&directory.join(".interlock"), &path] {
            match fs::symlink_metadata(part) {
                Ok(metadata) if metadata.is_symlink() => return Ok(None),
                Ok(_) => {}
                Err(error) if is_absence(&error) => return Ok(None),
                Err(error) => return Err(Error::io("look at", part)(error)),
            }
        }
        let file = match regular::open(&path) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Ok(None),
            Err(error) => return Err(Error::io("open", &path)(error)),
        };
        let mut text = String::new();
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(Error::io("read", &path))?;
        Self::parse(&text).map(Some).map_err(|why| Error::Corrupt { path, why })
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.len() as u64 > MAX_BYTES {
            return Err(format!("more than {MAX_BYTES} bytes"));
        }
        let owner: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match owner.schema {
            SCHEMA => Ok(owner),
            other => Err(format!("schema {other} is not known to this version")),
        }
    }

    /// Writes the record; it appears whole or not at all.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(FILE);
        let parent = directory.join(".interlock");
        let text = serde_json::to_string_pretty(self).expect("a record is text and numbers");
        let written = tempfile::NamedTempFile::new_in(&parent).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(std::io::Error::from)
        });
        written.map(drop).map_err(Error::io("write", &path))
    }
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// Returns where the lock of a directory is.
pub(crate) fn lock_path(directory: &Path) -> PathBuf {
    directory.join(".interlock/lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_its_namesake_is_not() {
        let me = Process::current();
        assert!(me.is_alive());
        assert!(
            !Process { started: me.started + 1, ..me.clone() }.is_alive(),
            "same id, later start"
        );
        assert!(!Process { boot: "another".to_owned(), ..me }.is_alive(), "same id, other boot");
    }

    #[test]
    fn record_of_a_later_version_is_not_guessed_at() {
        assert!(Owner::parse("{}").is_err());
        let owner = Owner::new(crate::tests::identity("build", None), Timestamp::UNIX_EPOCH);
        let mut value = serde_json::to_value(owner).unwrap();
        value["schema"] = 2.into();
        assert!(Owner::parse(&value.to_string()).unwrap_err().contains("schema 2"));
    }
}
