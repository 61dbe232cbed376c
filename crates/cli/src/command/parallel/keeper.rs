//! What must be known of a run after it was killed, and of one in the background.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use runner::process::{Token, sweep};
use tempfile::NamedTempFile;

use super::summary::Summary;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Held by the process that works in the background.
pub(crate) const LOCK: &str = "lock";
/// Names that process and its run.
pub(crate) const RUN: &str = "run";
/// Its summary, once it is done.
pub(crate) const RESULT: &str = "result.json";

/// The mark of this run, left where the next call finds it if this one is killed.
#[derive(Debug)]
pub(crate) struct Keeper {
    run: Token,
    /// The file that names the run; its lock says that we live.
    registration: Option<(File, PathBuf)>,
    background: Option<(File, PathBuf)>,
}

impl Keeper {
    /// Ends what runs that were killed have left, and registers a new one.
    pub(crate) fn begin(session: &Session, keep_in: Option<PathBuf>) -> Result<Self, Failure> {
        let run = Token::random();
        // Without a state directory there is nobody who could look for us later.
        let state = session.state_directory().ok();
        let registration = match state.map(|state| state.join("parallel/running")) {
            Some(directory) => {
                clear(&directory, session);
                Some(register(&directory, &run).map_err(|error| failed(&directory, &error))?)
            }
            None => None,
        };
        let background = keep_in.map(|directory| occupy(&directory, &run)).transpose()?;
        Ok(Self { run, registration, background })
    }

    pub(crate) fn run(&self) -> &Token {
        &self.run
    }

    /// Writes the summary down if this is the background; returns whether it is.
    pub(crate) fn keep(&self, summary: &Summary) -> Result<bool, Failure> {
        let Some((_, directory)) = &self.background else { return Ok(false) };
        let text = serde_json::to_string(summary).expect("a summary has only texts and numbers");
        whole(directory, RESULT, &text).map_err(|error| failed(directory, &error))?;
        Ok(true)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.registration {
            // Whoever finds it later finds nothing that it could end.
            let _stays = fs::remove_file(path);
        }
    }
}

/// Writes a file that appears whole or not at all.
pub(crate) fn whole(directory: &Path, name: &str, text: &str) -> std::io::Result<()> {
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.persist(directory.join(name)).map(drop).map_err(|error| error.error)
}

/// Tries to lock a file; `None` if somebody else holds it.
pub(crate) fn try_lock(file: File) -> std::io::Result<Option<File>> {
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

fn register(directory: &Path, run: &Token) -> std::io::Result<(File, PathBuf)> {
    fs::create_dir_all(directory)?;
    let path = directory.join(run.as_str());
    let file = File::create_new(&path)?;
    file.lock()?;
    if path.exists() {
        return Ok((file, path));
    }
    // Somebody looked before it was locked, and took it for a dead one.
    register(directory, run)
}

/// Ends what dead runs have left. What cannot be read now is read the next time.
fn clear(directory: &Path, session: &Session) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Some(run) = entry.file_name().to_str().and_then(Token::parse) else { continue };
        let Ok(file) = File::open(entry.path()) else { continue };
        if let Ok(Some(_held)) = try_lock(file) {
            let strays = sweep(&run);
            if !strays.is_empty() {
                let count = strays.len();
                session.note(&format!("warning: ended {count} processes that a killed call left"));
            }
            let _stays = fs::remove_file(entry.path());
        }
    }
}

/// Takes the directory that `parallel start` prepared.
fn occupy(directory: &Path, run: &Token) -> Result<(File, PathBuf), Failure> {
    let failed = |error: std::io::Error| failed(directory, &error);
    let options = File::options().create(true).truncate(false).write(true).clone();
    let file = options.open(directory.join(LOCK)).map_err(failed)?;
    let held = try_lock(file).map_err(failed)?;
    let file = held.ok_or_else(|| Failure::new(Exit::Usage, "these jobs are already running"))?;
    whole(directory, RUN, &format!("{} {run}", std::process::id())).map_err(failed)?;
    Ok((file, directory.to_owned()))
}

fn failed(directory: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Unavailable, format!("cannot write in {}: {error}", directory.display()))
        .hinted("is the disk full, or the directory not yours? INTERLOCK_STATE_DIR chooses another")
}
