//! The OS lock that says whether a directory is alive.
//!
//! It belongs to the open file, so every process that inherits the descriptor holds it too: it is
//! free when the last of them is gone, whatever they did to ignore signals or to leave their parent.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat, stat};
use rustix::io::Errno;

use crate::error::Error;

/// How a lock is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Alone.
    Exclusive,
    /// With others that only look or use.
    Shared,
}

/// Takes the lock of a file that exists, without waiting; `None` if somebody has it or the file is gone.
pub(crate) fn try_lock(path: &Path, want: Want) -> Result<Option<OwnedFd>, Error> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => file,
        // What is no file cannot be our lock, and nobody can have it.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ISDIR | Errno::NXIO) => {
            return Ok(None);
        }
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    let operation = match want {
        Want::Exclusive => FlockOperation::NonBlockingLockExclusive,
        Want::Shared => FlockOperation::NonBlockingLockShared,
    };
    match retry(|| flock(&file, operation)) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(Error::io("lock", path)(error)),
    }
    Ok(is_at(&file, path).then_some(file))
}

/// Makes the file if need be and waits for its lock.
pub(crate) fn lock(path: &Path, want: Want) -> Result<OwnedFd, Error> {
    let operation = match want {
        Want::Exclusive => FlockOperation::LockExclusive,
        Want::Shared => FlockOperation::LockShared,
    };
    loop {
        let file = open_or_make(path)?;
        retry(|| flock(&file, operation)).map_err(Error::io("lock", path))?;
        // Between opening and locking, the file may have been moved away with its directory.
        if is_at(&file, path) {
            return Ok(file);
        }
    }
}

/// Makes the file and takes its lock. Nobody else can know the file yet.
pub(crate) fn lock_new(path: &Path) -> Result<OwnedFd, Error> {
    let file = OwnedFd::from(File::create_new(path).map_err(Error::io("create", path))?);
    retry(|| flock(&file, FlockOperation::NonBlockingLockExclusive))
        .map_err(Error::io("lock", path))?;
    Ok(file)
}

fn open_or_make(path: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(Error::io("open", path))
}

fn retry(mut call: impl FnMut() -> Result<(), Errno>) -> Result<(), Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Says whether the path still leads to the open file.
fn is_at(file: &OwnedFd, path: &Path) -> bool {
    match (fstat(file), stat(path)) {
        (Ok(held), Ok(there)) => held.st_dev == there.st_dev && held.st_ino == there.st_ino,
        _ => false,
    }
}

/// Takes the lock alone if nobody has it, and makes the file if need be.
pub(crate) fn lock_file_at(path: &Path) -> Result<Option<OwnedFd>, Error> {
    drop(open_or_make(path)?);
    try_lock(path, Want::Exclusive)
}
