//! The directory of one job while the job lives.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::error::Error;
use crate::owner::{Ended, Outcome, Owner};
use crate::workdirs::Workdirs;
use crate::{overlay, removal};

/// A directory that only one job has, until it is finished or dropped.
///
/// Dropping it leaves the directory where it is: as soon as no process of the job holds the lock any
/// more, it counts as dead and the next clean-up takes it.
#[derive(Debug)]
pub struct JobDir {
    pub(crate) root: Workdirs,
    pub(crate) path: PathBuf,
    pub(crate) owner: Owner,
    pub(crate) lock: Arc<OwnedFd>,
}

/// What is to become of the directories of finished jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Keep each of them until somebody asks for its removal.
    pub always: bool,
    /// How long those of failed jobs are kept.
    pub after_failure: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        Self { always: false, after_failure: Duration::from_hours(24) }
    }
}

/// What has become of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It is gone.
    Removed,
    /// It is still there.
    Kept {
        /// Until when; without an end if nobody said one.
        until: Option<Timestamp>,
    },
}

impl JobDir {
    /// Returns the directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the record of the directory.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Returns `GITHUB_WORKSPACE`, which is empty until a checkout.
    pub fn workspace(&self) -> PathBuf {
        self.path.join("workspace")
    }

    /// Returns the job's `HOME`.
    pub fn home(&self) -> PathBuf {
        self.path.join("home")
    }

    /// Returns `RUNNER_TEMP`.
    pub fn temp(&self) -> PathBuf {
        self.path.join("temp")
    }

    /// Returns the job's `TMPDIR`.
    pub fn tmp(&self) -> PathBuf {
        self.path.join("tmp")
    }

    /// Returns where actions are put that are not in the workspace.
    pub fn actions(&self) -> PathBuf {
        self.path.join("actions")
    }

    /// Returns `RUNNER_TOOL_CACHE`, which all jobs of this machine share.
    pub fn tool_cache(&self) -> PathBuf {
        self.root.tool_cache()
    }

    /// Returns the lock, to be inherited by every process of the job.
    ///
    /// It is closed when a program is executed; whoever starts the job's processes lifts that.
    pub fn lock(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.lock)
    }

    /// Returns the variables that keep the job's files apart from everybody else's.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let home = self.home();
        vec![
            ("TMPDIR", self.tmp()),
            ("XDG_CONFIG_HOME", home.join(".config")),
            ("XDG_CACHE_HOME", home.join(".cache")),
            ("XDG_DATA_HOME", home.join(".local/share")),
            ("XDG_STATE_HOME", home.join(".local/state")),
            ("GIT_CONFIG_GLOBAL", home.join(".gitconfig")),
            ("GITHUB_WORKSPACE", self.workspace()),
            ("RUNNER_TEMP", self.temp()),
            ("RUNNER_TOOL_CACHE", self.tool_cache()),
            ("HOME", home),
        ]
    }

    /// Ends the life of the directory: removes it, or keeps it as `keep` says.
    ///
    /// All processes of the job must have ended.
    pub fn finish(
        mut self,
        outcome: Outcome,
        keep: &Keep,
        now: Timestamp,
    ) -> Result<Finished, Error> {
        let kept_until = match (keep.always, outcome) {
            (true, _) => None,
            (false, Outcome::Failure) if !keep.after_failure.is_zero() => {
                // A time beyond the end of the calendar is no end.
                jiff::SignedDuration::try_from(keep.after_failure)
                    .ok()
                    .and_then(|kept| now.checked_add(kept).ok())
            }
            (false, _) => {
                overlay::end_below(&self.path)?;
                let trash = self.root.move_to_trash(&self.path)?;
                removal::remove(&trash)?;
                self.root.remove_empty_parents(&self.path);
                return Ok(Finished::Removed);
            }
        };
        overlay::settle_below(&self.path)?;
        self.owner.ended = Some(Ended { at: now, outcome, kept_until });
        self.owner.write(&self.path)?;
        Ok(Finished::Kept { until: kept_until })
    }
}
