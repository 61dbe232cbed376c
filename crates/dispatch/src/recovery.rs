//! What a process that was killed left behind: its processes, its places in groups, its directories.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use runner::process::{Token, sweep};
use workdir::{Policy, Workdirs};

use crate::membership::Groups;
use crate::record::{self, Entry, State};
use crate::result::RunResult;

/// Why a run that was found so ended, as people read it.
const REASON: &str = "Interlock was killed while the run was in progress.";

/// A run that was found without anybody who drives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The id of the run.
    pub id: u64,
    /// The display name of its workflow.
    pub workflow: String,
    /// How many of its processes were still alive, and were ended.
    pub ended: usize,
    /// What went wrong meanwhile.
    pub trouble: Option<String>,
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interrupted: run {} of {}: {REASON}", self.id, self.workflow)?;
        match self.ended {
            0 => {}
            1 => f.write_str(" One process of it was still alive and was ended.")?,
            count => write!(f, " {count} processes of it were still alive and were ended.")?,
        }
        match &self.trouble {
            Some(trouble) => write!(f, " ({trouble})"),
            None => Ok(()),
        }
    }
}

/// Cleans up after every run whose driver died. Several callers may do it at once.
pub async fn recover(runs: &Path, groups: &Groups, workdirs: &Workdirs) -> Vec<Recovered> {
    let found = match record::list(runs) {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "the records of runs cannot be read");
            return Vec::new();
        }
    };
    let mut recovered = Vec::new();
    for found in found {
        // The lock is held until the result is written, so that nobody else does the same.
        let State::Orphaned(_lock) = found.state else { continue };
        recovered.push(end(found.id, &found.path, groups).await);
    }
    if !recovered.is_empty() {
        let policy = Policy::default();
        let workdirs = workdirs.clone();
        let swept =
            tokio::task::spawn_blocking(move || workdirs.gc(&policy, Timestamp::now())).await;
        if let Ok(Err(error)) = swept {
            tracing::warn!(%error, "dead directories were not removed");
        }
    }
    recovered
}

async fn end(id: u64, path: &Path, groups: &Groups) -> Recovered {
    let mut recovered = Recovered { id, workflow: String::new(), ended: 0, trouble: None };
    let entries = record::journal(path).unwrap_or_else(|error| {
        recovered.trouble = Some(format!("its journal is damaged: {error}"));
        Vec::new()
    });
    let mut result = RunResult::interrupted(id, path, REASON);
    for entry in &entries {
        match entry {
            Entry::Created { at, path, workflow, event, delivery, marker, .. } => {
                recovered.workflow.clone_from(workflow);
                result.workflow.clone_from(workflow);
                result.path.clone_from(path);
                result.event.clone_from(event);
                result.delivery = *delivery;
                result.duration_ms = crate::driven::milliseconds(*at, Timestamp::now());
                recovered.ended = end_processes(marker).await;
            }
            Entry::Entering { host, repository, group, token, .. } => {
                if let Err(error) = groups.leave(host, repository, group, token).await {
                    recovered.trouble =
                        Some(format!("its place in a group could not be given back: {error}"));
                }
            }
            Entry::JobStarting { .. } | Entry::JobEnded { .. } => {}
        }
    }
    if let Err(error) = record::write_result(path, &result) {
        recovered.trouble = Some(format!("its result could not be written: {error}"));
    }
    recovered
}

/// Ends every process of a run. Returns how many there were.
pub(crate) async fn end_processes(marker: &str) -> usize {
    let Some(marker) = Token::parse(marker) else { return 0 };
    tokio::task::spawn_blocking(move || sweep(&marker).len()).await.unwrap_or(0)
}

/// Removes the records of runs that ended longer ago than `age`, and what never became a run.
pub fn forget(runs: &Path, age: Duration) {
    record::remove_staging(runs);
    let Ok(found) = record::list(runs) else { return };
    let Some(limit) = SystemTime::now().checked_sub(age) else { return };
    for found in found {
        let ended = fs::metadata(found.path.join("result.json")).and_then(|about| about.modified());
        if matches!(found.state, State::Ended) && ended.is_ok_and(|ended| ended < limit) {
            // Whoever removed it first has done it.
            drop(fs::remove_dir_all(&found.path));
        }
    }
}
