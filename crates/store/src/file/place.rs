//! Where the store lies: its directory, its files, and the lock its writers queue on.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::database::{Database, Fault};
use crate::ErrorKind;

/// The byte of the lock file that says that a store was made beside it.
const MADE: &[u8] = b"1";

/// The paths of one store.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    lock: PathBuf,
}

/// The lock file, open; and locked until [`Lock::unlock`], or until the process ends.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Place {
    pub(super) fn new(path: &Path) -> Self {
        let mut lock = path.as_os_str().to_owned();
        lock.push("-lock");
        Self { path: path.to_owned(), lock: lock.into() }
    }

    /// Returns whether a database is the file that is there.
    pub(super) fn is_current(&self, database: &Database) -> bool {
        same_file(&self.path, database.identity())
    }

    /// Returns the database, opened anew if the one we have is not the file that is there.
    pub(super) fn current(&self, open: Option<Database>) -> Result<Database, Fault> {
        if let Some(database) = open
            && self.is_current(&database)
        {
            return Ok(database);
        }
        if let Some(database) = Database::open_ready(&self.path)? {
            return Ok(database);
        }
        let (database, lock) = self.current_locked(None)?;
        lock.unlock()?;
        Ok(database)
    }

    /// Returns the database as its only writer. Waits for the others, in the order of the kernel.
    pub(super) fn current_locked(
        &self,
        open: Option<(Database, Lock)>,
    ) -> Result<(Database, Lock), Fault> {
        if let Some((database, lock)) = open {
            lock.lock()?;
            // Somebody may have removed everything while we waited, and others may have begun anew.
            if same_file(&self.lock, lock.identity()?) && self.is_current(&database) {
                return Ok((database, lock));
            }
        }
        self.prepare()?;
        loop {
            let lock = Lock::open(&self.lock)?;
            lock.lock()?;
            if same_file(&self.lock, lock.identity()?) {
                let database = self.open_or_make(&lock)?;
                return Ok((database, lock));
            }
        }
    }

    fn open_or_make(&self, lock: &Lock) -> Result<Database, Fault> {
        if let Some(database) = Database::open_ready(&self.path)? {
            return Ok(database);
        }
        if lock.says_made()? {
            let why = format!(
                "`{}` is empty or gone, but `{}` says that there was a store; \
                 if nothing is held, remove both to begin anew",
                self.path.display(),
                self.lock.display()
            );
            return Err(Fault::new(ErrorKind::Corrupt, why));
        }
        create(&self.path)?;
        let database = Database::make(&self.path)?;
        lock.say_made()?;
        Ok(database)
    }

    /// Makes the directory if it is missing, and refuses one that machines share.
    fn prepare(&self) -> Result<(), Fault> {
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| io_fault("make the directory", directory, error))?;
        let facts = rustix::fs::statfs(directory)
            .map_err(|error| io_fault("examine", directory, error.into()))?;
        // The kernel's type is a signed word on some machines; only its lower half means anything.
        let magic = facts.f_type.cast_unsigned() & 0xffff_ffff;
        if let Some(name) = network_file_system(magic) {
            let why = format!(
                "`{}` is on {name}, which does not keep the locks of SQLite; \
                 use a local directory, or a store for many machines: s3://, gs://, az:// or git+https://",
                directory.display()
            );
            return Err(Fault::new(ErrorKind::Unsupported, why));
        }
        Ok(())
    }
}

impl Lock {
    fn open(path: &Path) -> Result<Self, Fault> {
        create(path).map(Self)
    }

    fn lock(&self) -> Result<(), Fault> {
        loop {
            match self.0.lock() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done.map_err(|error| Fault::io("lock", error)),
            }
        }
    }

    pub(super) fn unlock(&self) -> Result<(), Fault> {
        self.0.unlock().map_err(|error| Fault::io("unlock", error))
    }

    fn say_made(&self) -> Result<(), Fault> {
        self.0.write_all_at(MADE, 0).map_err(|error| Fault::io("mark", error))
    }

    fn says_made(&self) -> Result<bool, Fault> {
        Ok(self.0.metadata().map_err(|error| Fault::io("examine", error))?.len() > 0)
    }

    fn identity(&self) -> Result<(u64, u64), Fault> {
        let facts = self.0.metadata().map_err(|error| Fault::io("examine", error))?;
        Ok((facts.dev(), facts.ino()))
    }
}

/// Opens a file for writing, and makes it for its owner alone if it is missing.
fn create(path: &Path) -> Result<File, Fault> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|error| io_fault("open", path, error))
}

fn same_file(path: &Path, identity: (u64, u64)) -> bool {
    std::fs::metadata(path).is_ok_and(|facts| (facts.dev(), facts.ino()) == identity)
}

fn io_fault(action: &str, path: &Path, error: io::Error) -> Fault {
    Fault::io(&format!("{action} `{}`", path.display()), error)
}

/// Names the file systems whose locks and memory maps do not reach every machine that mounts them.
fn network_file_system(magic: u64) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "an SMB share",
        0x0102_1997 => "a 9P mount",
        0x6573_5546 => "a FUSE mount",
        0x00c3_6400 => "CephFS",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x1983_0326 => "BeeGFS",
        0x7461_636f => "OCFS2",
        0x0116_1970 => "GFS2",
        0x786f_4256 => "a VirtualBox share",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_file_systems_are_known_and_local_ones_are_not() {
        for magic in [0x6969, 0xff53_4d42, 0x6573_5546, 0x00c3_6400] {
            assert!(network_file_system(magic).is_some(), "{magic:x}");
        }
        // ext4, xfs, btrfs, tmpfs, overlayfs, zfs.
        for magic in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(network_file_system(magic), None, "{magic:x}");
        }
    }
}
