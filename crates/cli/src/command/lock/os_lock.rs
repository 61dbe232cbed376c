//! The OS lock that a `lock run` and its command hold as long as one of them lives.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use coord::lease::{Holder, Proof};
use rustix::fs::{FlockOperation, OFlags, flock};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// After how long a file that nobody holds is no proof for anybody any more.
const KEPT: Duration = Duration::from_hours(24 * 7);

/// A file that is locked.
#[derive(Debug)]
pub(super) struct OsLock {
    path: PathBuf,
    file: Arc<OwnedFd>,
}

impl OsLock {
    /// Makes a file that nobody else has, and locks it.
    pub(super) fn take(session: &Session) -> Result<Self, Failure> {
        let directory = session.state_directory()?.join("locks");
        let path = directory.join(format!("{}.lock", uuid::Uuid::new_v4().simple()));
        let failed = |error: std::io::Error| {
            let what = format!("cannot lock {}: {error}", path.display());
            Failure::new(Exit::Unavailable, what)
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(failed)?;
        sweep(&directory);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(failed)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|error| failed(error.into()))?;
        Ok(Self { file: Arc::new(file.into()), path })
    }

    /// Returns where it is.
    pub(super) fn path(&self) -> String {
        self.path.display().to_string()
    }

    /// Returns the open file, for the command to inherit.
    pub(super) fn file(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.file)
    }

    /// Removes the file: nobody is to be proved dead by it.
    pub(super) fn discard(self) {
        drop(std::fs::remove_file(&self.path));
    }
}

/// Returns the proof of death: the lock of a holder of this boot is there and free.
///
/// A file that is not there proves nothing: it may be in another container's file system.
pub(super) fn proof() -> Proof {
    Arc::new(|holder: &Holder| holder.lock.as_deref().is_some_and(is_free))
}

fn is_free(path: &str) -> bool {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    // Two who look at once must not take one another for the holder, so the lock is tried shared.
    file.is_ok_and(|file| is_unlocked(&file))
}

fn is_unlocked(file: &File) -> bool {
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    is_file && flock(file, FlockOperation::NonBlockingLockShared).is_ok()
}

/// Removes files of the long dead. What cannot be removed now can be removed later.
fn sweep(directory: &std::path::Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_old = entry.metadata().is_ok_and(|metadata| {
            metadata.modified().is_ok_and(|time| time.elapsed().is_ok_and(|age| age > KEPT))
        });
        if is_old && is_free(&entry.path().to_string_lossy()) {
            drop(std::fs::remove_file(entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lock_that_is_there_and_free_proves_death() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("lock");
        let holder = Holder { lock: Some(path.display().to_string()), ..Holder::default() };
        let proof = proof();
        assert!(!proof(&holder), "a file that is not there proves nothing");
        let file = File::create(&path).expect("a file");
        flock(&file, FlockOperation::LockExclusive).expect("a lock");
        assert!(!proof(&holder));
        drop(file);
        assert!(proof(&holder) && proof(&holder));
        assert!(!proof(&Holder::default()));
        let directory = directory.path().display().to_string();
        assert!(!proof(&Holder { lock: Some(directory), ..Holder::default() }));
    }
}
