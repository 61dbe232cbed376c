//! The clean-up: what is dead goes, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::error::Error;
use crate::lock::{self, Want};
use crate::owner::{Owner, lock_path};
use crate::usage;
use crate::workdirs::{DEPTH, Workdirs};
use crate::{overlay, removal};

/// One directory as a person would want to know it.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Where it is.
    pub path: PathBuf,
    /// Whose it is.
    pub owner: Owner,
    /// Whether it lives.
    pub state: State,
    /// How many bytes it has on disk.
    pub bytes: u64,
    /// How long ago it was made, in seconds.
    pub age: u64,
}

/// Whether a directory lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum State {
    /// A process holds its lock.
    Live,
    /// A process of the job holds its lock, but whoever started the job is gone.
    Orphaned,
    /// It is kept.
    Kept {
        /// Until when; without an end if nobody said one.
        until: Option<Timestamp>,
    },
    /// Nobody uses it and nobody wants it.
    Dead,
}

/// What a clean-up may leave of the dead.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Leaves those that are younger.
    pub age: Option<Duration>,
    /// Leaves so many, the youngest.
    pub count: Option<usize>,
    /// Leaves the youngest up to so many bytes in all.
    pub bytes: Option<u64>,
    /// Treats those that are kept as dead.
    pub kept: bool,
    /// Only says what would be done.
    pub dry_run: bool,
}

/// What a clean-up did with one directory.
#[derive(Clone, Debug, Serialize)]
pub struct Swept {
    /// Where it is or was.
    pub path: PathBuf,
    /// Whose it is; absent for remains of a crash.
    pub owner: Option<Owner>,
    /// How many bytes it has or had on disk; 0 if it is spared for other reasons than its size.
    pub bytes: u64,
    /// What became of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What became of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "reason")]
pub enum Verdict {
    /// It is gone.
    Removed,
    /// It would be gone, were this not a rehearsal.
    WouldRemove,
    /// It stays, for this reason.
    Spared(String),
    /// It should be gone and is not, for this reason.
    Failed(String),
}

impl Workdirs {
    /// Lists the directories that carry our record, in the order of their paths.
    pub fn list(&self, now: Timestamp) -> Result<Vec<Entry>, Error> {
        let mut entries = self.entries(now)?;
        for entry in &mut entries {
            entry.bytes = usage::bytes(&entry.path);
        }
        Ok(entries)
    }

    /// Lists the directories without their sizes, which take a walk over all files.
    fn entries(&self, now: Timestamp) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        for path in self.candidates()? {
            // What is removed meanwhile, or carries a record that does not read, is not ours to show.
            let Ok(Some(owner)) = Owner::read(&path) else { continue };
            let is_free = lock::try_lock(&lock_path(&path), Want::Shared)?.is_some();
            let state = state(&owner, is_free, now);
            entries.push(Entry {
                bytes: usage::bytes(&path),
                age: age(&owner, now).as_secs(),
                path,
                owner,
                state,
            });
        }
        Ok(entries)
    }

    /// Removes directories whose lock is free and whose time has come, and reports on each one.
    pub fn gc(&self, policy: &Policy, now: Timestamp) -> Result<Vec<Swept>, Error> {
        let mut report = self.sweep_remains(policy)?;
        let mut entries = self.entries(now)?;
        // The youngest come first, as they are the ones that a policy leaves.
        entries.sort_by(|one, other| {
            other.owner.created.cmp(&one.owner.created).then(one.path.cmp(&other.path))
        });
        let (mut count, mut bytes) = (0, 0);
        for mut entry in entries {
            let mut spared = spared(&entry, policy);
            if spared.is_none() {
                entry.bytes = usage::bytes(&entry.path);
                (count, bytes) = (count + 1, entry.bytes.saturating_add(bytes));
                spared = left(&entry, policy, count, bytes);
            }
            let verdict = match spared {
                Some(reason) => Verdict::Spared(reason),
                None if policy.dry_run => Verdict::WouldRemove,
                None => self.sweep(&entry),
            };
            report.push(Swept {
                path: entry.path,
                owner: Some(entry.owner),
                bytes: entry.bytes,
                verdict,
            });
        }
        report.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(report)
    }

    /// Removes one directory, if it is still the one that was looked at and nobody has its lock.
    fn sweep(&self, entry: &Entry) -> Verdict {
        let attempt = || -> Result<Verdict, Error> {
            let Some(_lock) = lock::try_lock(&lock_path(&entry.path), Want::Exclusive)? else {
                return Ok(Verdict::Spared(
                    "somebody has come to use it, or it is gone".to_owned(),
                ));
            };
            if Owner::read(&entry.path)?.is_none_or(|owner| owner != entry.owner) {
                return Ok(Verdict::Spared("it has changed hands".to_owned()));
            }
            overlay::end_below(&entry.path)?;
            let trash = self.move_to_trash(&entry.path)?;
            removal::remove(&trash)?;
            self.remove_empty_parents(&entry.path);
            Ok(Verdict::Removed)
        };
        attempt().unwrap_or_else(|error| Verdict::Failed(error.to_string()))
    }

    /// Removes what crashes left in the staging area, and what earlier clean-ups could not finish.
    fn sweep_remains(&self, policy: &Policy) -> Result<Vec<Swept>, Error> {
        let mut remains = children(&self.trash())?;
        // The lock is free if nobody is building a directory; then everything there is a crash's.
        let alone = lock::lock_file_at(&self.staging_lock())?;
        if alone.is_some() {
            remains.extend(children(&self.staging())?);
        }
        let sweep = |path: PathBuf| {
            let bytes = usage::bytes(&path);
            let owner = Owner::read(&path).ok().flatten();
            let verdict = if policy.dry_run {
                Verdict::WouldRemove
            } else {
                let removed = overlay::end_below(&path).and_then(|()| removal::remove(&path));
                removed
                    .map_or_else(|error| Verdict::Failed(error.to_string()), |()| Verdict::Removed)
            };
            Swept { path, owner, bytes, verdict }
        };
        Ok(remains.into_iter().map(sweep).collect())
    }

    /// Returns the directories at the depth of job directories. No link is followed.
    fn candidates(&self) -> Result<Vec<PathBuf>, Error> {
        let mut level = vec![self.root().to_owned()];
        for _ in 0..DEPTH {
            let mut next = Vec::new();
            for path in level {
                next.extend(children(&path)?.into_iter().filter(|path| !is_hidden(path)));
            }
            level = next;
        }
        level.sort();
        Ok(level)
    }
}

/// Says why a directory is not the clean-up's business, if so.
fn spared(entry: &Entry, policy: &Policy) -> Option<String> {
    match entry.state {
        State::Live => Some("its job is running".to_owned()),
        State::Orphaned => Some("a process of its job is still running".to_owned()),
        State::Kept { .. } if policy.kept => None,
        State::Kept { until: Some(until) } => Some(format!("kept until {until}")),
        State::Kept { until: None } => Some("kept until somebody asks for its removal".to_owned()),
        State::Dead => None,
    }
}

/// Says why a dead directory may stay, if so; `count` and `bytes` include it.
fn left(entry: &Entry, policy: &Policy, count: usize, bytes: u64) -> Option<String> {
    let Policy { age, count: most, bytes: most_bytes, kept: _, dry_run: _ } = policy;
    if age.is_none() && most.is_none() && most_bytes.is_none() {
        return None;
    }
    let is_left = age.is_none_or(|age| entry.age < age.as_secs())
        && most.is_none_or(|most| count <= most)
        && most_bytes.is_none_or(|most| bytes <= most);
    is_left.then(|| "within the limits that were given".to_owned())
}

fn state(owner: &Owner, is_free: bool, now: Timestamp) -> State {
    if !is_free {
        return if owner.process.is_alive() { State::Live } else { State::Orphaned };
    }
    match &owner.ended {
        Some(ended) if ended.kept_until.is_none_or(|until| until > now) => {
            State::Kept { until: ended.kept_until }
        }
        _ => State::Dead,
    }
}

fn age(owner: &Owner, now: Timestamp) -> Duration {
    now.duration_since(owner.created).try_into().unwrap_or_default()
}

/// Returns the directories in a directory; none if it is gone.
fn children(path: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("read", path))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
