//! The removal of a directory tree that somebody else filled.
//!
//! No link is followed, no other file system is entered, and a directory that forbids it is made
//! writable first. Depth does not matter: what lies deep is moved up before it is removed.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, fchmod, fstat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::error::Error;

/// How deep the removal goes before it moves what it finds up.
const DEPTH: usize = 64;

/// Removes the directory and everything in it. That it is gone already is fine.
pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    let failed = |error: Errno| Error::io("remove", path)(error);
    let top = match open_directory(rustix::fs::CWD, path) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let device = fstat(&top).map_err(failed)?.st_dev;
    let mut removal = Removal { top: &top, device, moved: 0 };
    // What was moved up during one pass is removed in the next one.
    loop {
        let before = removal.moved;
        removal.empty(top.as_fd(), 0).map_err(failed)?;
        if removal.moved == before {
            break;
        }
    }
    match rustix::fs::rmdir(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

struct Removal<'a> {
    top: &'a OwnedFd,
    device: u64,
    moved: u64,
}

impl Removal<'_> {
    fn empty(&mut self, directory: BorrowedFd<'_>, depth: usize) -> Result<(), Errno> {
        // A job may have taken the rights away from its own directories.
        let _ = fchmod(directory, Mode::RWXU);
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            match self.remove_entry(directory, name, depth) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn remove_entry(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &CStr,
        depth: usize,
    ) -> Result<(), Errno> {
        let status = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::Directory {
            return unlinkat(parent, name, AtFlags::empty());
        }
        if status.st_dev != self.device {
            return Err(Errno::XDEV); // Something is mounted here; it is not ours to empty.
        }
        if depth >= DEPTH {
            self.moved += 1;
            let aside = format!(".interlock-deep-{}-{}", std::process::id(), self.moved);
            return match renameat(parent, name, self.top, aside.as_str()) {
                // To be moved, a directory must be writable itself, since its `..` changes.
                Err(Errno::ACCESS) => {
                    let _ = rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty());
                    renameat(parent, name, self.top, aside.as_str())
                }
                other => other,
            };
        }
        let directory = open_directory(parent, name)?;
        self.empty(directory.as_fd(), depth + 1)?;
        drop(directory);
        unlinkat(parent, name, AtFlags::REMOVEDIR)
    }
}

fn open_directory(
    parent: impl AsFd,
    name: impl rustix::path::Arg + Copy,
) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(parent.as_fd(), name, flags, Mode::empty()) {
        // Without the right to read it, only its name can be given it back. Between the look and the
        // change it could become a link, but the owner of both ends is the same user.
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(parent.as_fd(), name, Mode::RWXU, AtFlags::empty())?;
            openat(parent.as_fd(), name, flags, Mode::empty())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn links_are_removed_and_their_targets_stay() {
        let directory = tempfile::tempdir().unwrap();
        let outside = directory.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "x").unwrap();
        let tree = directory.path().join("tree");
        fs::create_dir_all(tree.join("sub")).unwrap();
        symlink(&outside, tree.join("sub/link")).unwrap();
        symlink(outside.join("precious"), tree.join("file")).unwrap();
        symlink("nowhere", tree.join("dangling")).unwrap();
        remove(&tree).unwrap();
        assert!(!tree.exists());
        assert!(outside.join("precious").exists());
    }

    #[test]
    fn link_in_place_of_the_tree_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let outside = directory.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("precious"), "x").unwrap();
        let link = directory.path().join("link");
        symlink(&outside, &link).unwrap();
        assert!(remove(&link).is_err());
        assert!(outside.join("precious").exists());
    }

    #[test]
    fn directories_without_rights_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::write(tree.join("a/b/file"), "x").unwrap();
        for path in ["a/b", "a"] {
            fs::set_permissions(tree.join(path), fs::Permissions::from_mode(0o000)).unwrap();
        }
        remove(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn depth_does_not_matter() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let mut here = rustix::fs::open(&tree, OFlags::RDONLY, Mode::empty()).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&here, "down", Mode::RWXU).unwrap();
            here = openat(&here, "down", OFlags::RDONLY, Mode::empty()).unwrap();
        }
        remove(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn what_is_gone_already_is_fine() {
        let directory = tempfile::tempdir().unwrap();
        remove(&directory.path().join("never")).unwrap();
    }
}
