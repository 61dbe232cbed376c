//! All job directories of one machine, below one root.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::Identity;
use crate::error::Error;
use crate::job_directory::JobDir;
use crate::lock::{self, Want};
use crate::owner::{Owner, lock_path};
use crate::removal;

/// How deep a job's directory is below the root.
pub(crate) const DEPTH: usize = 4;

/// The job directories below one root.
#[derive(Clone, Debug)]
pub struct Workdirs {
    root: PathBuf,
}

impl Workdirs {
    /// Opens the root and makes it if it does not exist.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let root = root.into();
        let root = std::path::absolute(&root).map_err(Error::io("find", &root))?;
        let workdirs = Self { root };
        for directory in [workdirs.staging(), workdirs.trash(), workdirs.tool_cache()] {
            make_private(&directory)?;
        }
        Ok(workdirs)
    }

    /// Returns the root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the directory of a job, with its record and its lock, all at once or not at all.
    ///
    /// Nobody ever sees it half made: it is built aside and moved into place, which fails if
    /// something is there.
    pub fn allocate(&self, identity: &Identity, now: Timestamp) -> Result<JobDir, Error> {
        // While any lock of this kind is held, nobody sweeps what lies in the staging area.
        let _building = lock::lock(&self.staging_lock(), Want::Shared)?;
        let owner = Owner::new(identity.clone(), now);
        let staged = self.staging().join(&owner.token);
        let placed =
            build(&staged, &owner).and_then(|lock| Ok((self.place(&staged, identity)?, lock)));
        match placed {
            Ok((path, lock)) => {
                Ok(JobDir { root: self.clone(), path, owner, lock: Arc::new(lock) })
            }
            Err(error) => {
                drop(removal::remove(&staged));
                Err(error)
            }
        }
    }

    /// Moves a finished directory to where its identity says.
    fn place(&self, staged: &Path, identity: &Identity) -> Result<PathBuf, Error> {
        let path = self.root.join(identity.path());
        let mut with_digest = path.clone().into_os_string();
        with_digest.push(format!("~{}", identity.digest()));
        for path in [path, with_digest.into()] {
            match self.move_exclusively(staged, &path) {
                Ok(()) => return Ok(path),
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {
                    // Two jobs may agree in everything that the path shows.
                    let other = Owner::read(&path).ok().flatten().map(|owner| owner.identity);
                    if other.as_ref() == Some(identity) {
                        return Err(Error::Occupied { path });
                    }
                }
                Err(error) => return Err(Error::io("create", &path)(error)),
            }
        }
        Err(Error::Occupied { path: self.root.join(identity.path()) })
    }

    fn move_exclusively(&self, from: &Path, to: &Path) -> Result<(), Errno> {
        let parent = to.parent().unwrap_or(&self.root);
        loop {
            fs::create_dir_all(parent).map_err(|error| errno(&error))?;
            match rename_to_nothing(from, to) {
                // A clean-up may have removed the empty parent in between.
                Err(Errno::NOENT) if from.exists() => {}
                other => return other,
            }
        }
    }

    /// Moves a directory, whose lock the caller holds, to where nobody looks for it.
    pub(crate) fn move_to_trash(&self, path: &Path) -> Result<PathBuf, Error> {
        let trash = self.trash().join(uuid::Uuid::new_v4().simple().to_string());
        fs::rename(path, &trash).map_err(Error::io("move away", path))?;
        Ok(trash)
    }

    /// Removes the parents of a job's directory that have become empty.
    pub(crate) fn remove_empty_parents(&self, path: &Path) {
        for parent in path.ancestors().skip(1).take(DEPTH - 1) {
            if parent == self.root || fs::remove_dir(parent).is_err() {
                return;
            }
        }
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.root.join(".staging")
    }

    pub(crate) fn staging_lock(&self) -> PathBuf {
        self.root.join(".staging.lock")
    }

    pub(crate) fn trash(&self) -> PathBuf {
        self.root.join(".trash")
    }

    /// Returns the directory of tools that all jobs share.
    pub fn tool_cache(&self) -> PathBuf {
        self.root.join(".tools")
    }
}

/// Makes everything that a job's directory has from the start.
fn build(staged: &Path, owner: &Owner) -> Result<OwnedFd, Error> {
    make_private(staged)?;
    for name in [".interlock", "workspace", "home", "temp", "tmp", "actions"] {
        let path = staged.join(name);
        fs::create_dir(&path).map_err(Error::io("create", &path))?;
    }
    let lock = lock::lock_new(&lock_path(staged))?;
    // Git trusts the job's own files, and the user's configuration stays out.
    let config = staged.join("home/.gitconfig");
    fs::write(&config, "[safe]\n\tdirectory = *\n").map_err(Error::io("write", &config))?;
    owner.write(staged)?;
    Ok(lock)
}

fn make_private(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path).map_err(Error::io("create", path))
}

fn rename_to_nothing(from: &Path, to: &Path) -> Result<(), Errno> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            // This file system cannot say "unless something is there": an empty directory claims the name.
            rustix::fs::mkdir(to, rustix::fs::Mode::RWXU)?;
            rustix::fs::rename(from, to)
        }
        other => other,
    }
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
