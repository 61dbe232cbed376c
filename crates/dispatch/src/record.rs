//! The directory of one run: its journal, its result, its logs and the lock that says it is alive.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use runner::process::Token;
use serde::{Deserialize, Serialize};

use crate::notice::{News, Notice};
use crate::result::RunResult;

/// The file whose lock says that the process which drives the run is alive.
pub(crate) const LOCK: &str = "owner.lock";

/// How the directory of a run is named until it is whole.
const STAGING: &str = ".new-";

/// How many bytes of events are gathered before they are written.
const EVENTS: usize = 8 * 1024;

/// Longest journal line read back; a longer one is damage.
const MAX_LINE: u64 = 1024 * 1024;

/// What is written down before it is done, so that a later call can clean up after a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Entry {
    /// The run exists.
    Created {
        /// When.
        at: Timestamp,
        /// The path of the workflow in the repository.
        path: String,
        /// The display name of the workflow.
        workflow: String,
        /// The event that caused the run.
        event: String,
        /// The index of the delivery in its call.
        delivery: usize,
        /// In the environment of every process of the run.
        marker: String,
        /// The store that holds the run's groups.
        store: String,
    },
    /// The run, or a job of it, asks for a place in a group.
    Entering {
        /// When.
        at: Timestamp,
        /// The host of the repository.
        host: String,
        /// The owner and the name of the repository.
        repository: String,
        /// The name of the group.
        group: String,
        /// What proves the membership.
        token: String,
    },
    /// A job starts.
    JobStarting {
        /// When.
        at: Timestamp,
        /// The key of the job.
        job: String,
    },
    /// A job has ended, and its directory is dealt with.
    JobEnded {
        /// When.
        at: Timestamp,
        /// The key of the job.
        job: String,
    },
}

/// The directory of a run that this process drives.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    /// What is not in the file of events yet.
    events: Vec<u8>,
    // Held for as long as the record lives, and by nobody else: no child inherits it.
    _owner: File,
}

/// What is found of a run.
#[derive(Debug)]
pub struct Found {
    /// The id of the run, as the directory is named.
    pub id: u64,
    /// Where it is.
    pub path: PathBuf,
    /// Its state.
    pub state: State,
}

/// How far a run came.
#[derive(Debug)]
pub enum State {
    /// Some process drives it now.
    Live,
    /// It ended; its result is written.
    Ended,
    /// The process that drove it died. The file is the lock of the one who cleans up.
    Orphaned(File),
    /// Its files cannot be looked at.
    Damaged(String),
}

impl Record {
    /// Makes the directory of a new run; the id is the first free one from `id` on.
    ///
    /// It appears locked and with its first entry: a run without them would be taken for dead.
    pub fn create(root: &Path, mut id: u64, first: &Entry) -> io::Result<(u64, Self)> {
        DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(at(root))?;
        let staging = root.join(format!("{STAGING}{}", Token::random().as_str()));
        let made = Self::stage(&staging, first).and_then(|mut record| {
            loop {
                let path = root.join(id.to_string());
                match fs::rename(&staging, &path) {
                    Ok(()) => {
                        record.path = path;
                        return Ok((id, record));
                    }
                    Err(error) if is_taken(&error) => id += 1,
                    Err(error) => return Err(at(&path)(error)),
                }
            }
        });
        if made.is_err() {
            drop(fs::remove_dir_all(&staging));
        }
        made
    }

    fn stage(path: &Path, first: &Entry) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(path).map_err(at(path))?;
        let owner = open_lock(path).map_err(at(path))?;
        owner.lock()?;
        fs::create_dir(path.join("logs")).map_err(at(path))?;
        let mut record = Self { path: path.to_owned(), events: Vec::new(), _owner: owner };
        record.append(first)?;
        Ok(record)
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the directory of the logs.
    pub fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Writes an entry down. A crash of this process cannot undo it.
    pub fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        add(&self.path.join("journal.jsonl"), &line)
    }

    /// Keeps what observers were told, a line each. Lines of output are in the logs and not here.
    pub(crate) fn note(&mut self, notice: &Notice) -> io::Result<()> {
        if matches!(notice.news, News::Line { .. }) {
            return Ok(());
        }
        serde_json::to_writer(&mut self.events, notice)?;
        self.events.push(b'\n');
        if self.events.len() >= EVENTS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        add(&self.path.join("events.jsonl"), &std::mem::take(&mut self.events))
    }

    /// Writes the result, whole or not at all.
    pub fn finish(&mut self, result: &RunResult) -> io::Result<()> {
        self.flush()?;
        write_result(&self.path, result)
    }
}

/// Writes `result.json` so that it appears whole or not at all.
pub(crate) fn write_result(path: &Path, result: &RunResult) -> io::Result<()> {
    let temporary = path.join("result.json.new");
    let write = || {
        let mut options = OpenOptions::new();
        let mut file =
            options.create(true).write(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(result)?)?;
        file.sync_all()?;
        fs::rename(&temporary, path.join("result.json"))
    };
    write().map_err(|error| {
        drop(fs::remove_file(&temporary));
        at(&path.join("result.json"))(error)
    })
}

/// Adds to a file. It is not kept open: thousands of runs may wait at once, and files are few.
fn add(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let opened = options.create(true).append(true).mode(0o600).open(file);
    opened.and_then(|mut opened| opened.write_all(bytes)).map_err(at(file))
}

/// Says whether a name is that of an earlier run; its directory is never empty.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists)
}

/// Names the file that an error is about.
fn at(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join(LOCK))
}

/// Lists the runs under `root`, oldest first. What is not named by a number is not ours.
pub fn list(root: &Path) -> io::Result<Vec<Found>> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let id = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let (Some(id), true) = (id, entry.file_type()?.is_dir()) else { continue };
        found.push(Found { id, path: entry.path(), state: state(&entry.path()) });
    }
    found.sort_by_key(|found| found.id);
    Ok(found)
}

/// Removes directories that were to become runs, and whose makers died first.
pub(crate) fn remove_staging(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let is_staging = entry.file_name().to_str().is_some_and(|name| name.starts_with(STAGING));
        // A maker that lives holds the lock, but for the moment before it has it.
        let is_old = entry
            .metadata()
            .and_then(|about| about.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > Duration::from_mins(1)));
        if is_staging && is_old && matches!(unfinished(&entry.path()), State::Orphaned(_)) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

fn state(path: &Path) -> State {
    // Nobody reads ten thousand results to find the one run that has none.
    match path.join("result.json").try_exists() {
        Ok(true) => State::Ended,
        Ok(false) => unfinished(path),
        Err(error) => State::Damaged(format!("result.json: {error}")),
    }
}

fn unfinished(path: &Path) -> State {
    let is_fit = must_be_a_file(&path.join(LOCK));
    let lock = match is_fit.and_then(|()| open_lock(path)) {
        Ok(lock) => lock,
        Err(error) => return State::Damaged(format!("owner.lock: {error}")),
    };
    match lock.try_lock() {
        // It may have ended between the two looks.
        Ok(()) if path.join("result.json").exists() => state(path),
        Ok(()) => State::Orphaned(lock),
        Err(TryLockError::WouldBlock) => State::Live,
        Err(TryLockError::Error(error)) => State::Damaged(format!("owner.lock: {error}")),
    }
}

/// Refuses what a job could have put into the place of a file. Whoever opens a pipe waits, and recovery
/// comes before everything that a call does.
fn must_be_a_file(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_file() => Ok(()),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Reads a journal back; a torn last line is where the process died, and is left out.
pub fn journal(path: &Path) -> io::Result<Vec<Entry>> {
    let path = path.join("journal.jsonl");
    must_be_a_file(&path)?;
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(file);
    let mut entries = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = io::Read::take(&mut reader, MAX_LINE).read_until(b'\n', &mut line)?;
        if read == 0 || line.last() != Some(&b'\n') {
            return Ok(entries);
        }
        match serde_json::from_slice(&line) {
            Ok(entry) => entries.push(entry),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created() -> Entry {
        Entry::Created {
            at: Timestamp::UNIX_EPOCH,
            path: ".github/workflows/ci.yml".into(),
            workflow: "ci".into(),
            event: "push".into(),
            delivery: 0,
            marker: "m".into(),
            store: "memory:".into(),
        }
    }

    #[test]
    fn two_runs_never_share_an_id() {
        let root = tempfile::tempdir().unwrap();
        let (first, _one) = Record::create(root.path(), 7, &created()).unwrap();
        let (second, _two) = Record::create(root.path(), 7, &created()).unwrap();
        assert_eq!((first, second), (7, 8));
    }

    #[test]
    fn run_is_live_until_its_record_is_dropped() {
        let root = tempfile::tempdir().unwrap();
        let (_, record) = Record::create(root.path(), 7, &created()).unwrap();
        assert!(matches!(list(root.path()).unwrap()[0].state, State::Live));
        drop(record);
        let found = list(root.path()).unwrap();
        assert!(matches!(found[0].state, State::Orphaned(_)));
        assert_eq!(journal(&found[0].path).unwrap(), [created()]);
    }

    #[test]
    fn torn_last_line_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        let (_, record) = Record::create(root.path(), 7, &created()).unwrap();
        add(&record.path().join("journal.jsonl"), b"{\"type\":\"job_st").unwrap();
        assert_eq!(journal(record.path()).unwrap(), [created()]);
    }

    #[test]
    fn pipe_in_the_place_of_a_file_is_damage_and_no_wait() {
        let root = tempfile::tempdir().unwrap();
        let (_, record) = Record::create(root.path(), 7, &created()).unwrap();
        let path = record.path().to_owned();
        drop(record);
        let pipe = |name: &str| {
            fs::remove_file(path.join(name)).unwrap();
            let made = std::process::Command::new("mkfifo").arg(path.join(name)).status();
            assert!(made.unwrap().success());
        };
        pipe("journal.jsonl");
        assert_eq!(journal(&path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        pipe(LOCK);
        assert!(matches!(list(root.path()).unwrap()[0].state, State::Damaged(_)));
    }

    #[test]
    fn strangers_are_not_runs() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("notes")).unwrap();
        fs::write(root.path().join("12"), "a file").unwrap();
        assert!(list(root.path()).unwrap().is_empty());
    }

    #[test]
    fn run_appears_with_its_first_entry_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let (_, record) = Record::create(root.path(), 7, &created()).unwrap();
        assert_eq!(journal(record.path()).unwrap(), [created()]);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);

        // Whoever was killed while making one leaves nothing that looks like a run.
        let staging = root.path().join(".new-x");
        drop(Record::stage(&staging, &created()).unwrap());
        assert_eq!(list(root.path()).unwrap().len(), 1);
        remove_staging(root.path());
        assert!(staging.exists(), "it may be somebody's who is about to lock it");
        let old = std::time::SystemTime::now() - Duration::from_mins(2);
        File::open(&staging).unwrap().set_modified(old).unwrap();
        remove_staging(root.path());
        assert!(!staging.exists());
    }

    #[test]
    fn result_that_finds_no_space_leaves_nothing_and_says_where() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("result.json")).unwrap();
        let result = RunResult::interrupted(7, root.path(), "x");
        let error = write_result(root.path(), &result).unwrap_err();
        assert!(error.to_string().contains("result.json"), "{error}");
        assert!(!root.path().join("result.json.new").exists());
    }
}
