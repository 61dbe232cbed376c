//! A copy of a directory tree: files, links, rights and times, and nothing that is neither.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Copies a directory to a place where nothing is.
pub(crate) fn tree(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::io("create", to))?;
    let mut waiting: Vec<(PathBuf, PathBuf)> = vec![(from.to_owned(), to.to_owned())];
    let mut directories = Vec::new();
    while let Some((from, to)) = waiting.pop() {
        for entry in fs::read_dir(&from).map_err(Error::io("read", &from))? {
            let entry = entry.map_err(Error::io("read", &from))?;
            let (path, target) = (entry.path(), to.join(entry.file_name()));
            let metadata = entry.metadata().map_err(Error::io("read", &path))?;
            if metadata.is_symlink() {
                let link = fs::read_link(&path).map_err(Error::io("read", &path))?;
                symlink(link, &target).map_err(Error::io("create", &target))?;
            } else if metadata.is_dir() {
                fs::create_dir(&target).map_err(Error::io("create", &target))?;
                waiting.push((path, target));
            } else if metadata.is_file() {
                fs::copy(&path, &target).map_err(Error::io("copy", &path))?;
                keep_time(&target, &metadata)?;
            }
        }
        directories.push((from, to));
    }
    // A directory that forbids writing gets its rights when all is in it.
    for (from, to) in directories.iter().rev() {
        let metadata = fs::metadata(from).map_err(Error::io("read", from))?;
        keep_time(to, &metadata)?;
        fs::set_permissions(to, metadata.permissions()).map_err(Error::io("write", to))?;
    }
    Ok(())
}

fn keep_time(target: &Path, metadata: &fs::Metadata) -> Result<(), Error> {
    let time = metadata.modified().map_err(Error::io("read", target))?;
    let file = fs::File::open(target).and_then(|file| file.set_modified(time));
    match file {
        // Nobody may read it, and its time is not worth a failure.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        other => other.map_err(Error::io("write", target)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn copy_has_the_links_rights_and_times_of_the_original() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir_all(from.join("closed")).unwrap();
        fs::write(from.join("closed/tool"), "x").unwrap();
        fs::set_permissions(from.join("closed/tool"), fs::Permissions::from_mode(0o555)).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_hours(9);
        fs::File::open(from.join("closed/tool")).unwrap().set_modified(time).unwrap();
        symlink("nowhere", from.join("link")).unwrap();
        fs::set_permissions(from.join("closed"), fs::Permissions::from_mode(0o555)).unwrap();
        tree(&from, &to).unwrap();
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("nowhere"));
        let tool = fs::metadata(to.join("closed/tool")).unwrap();
        assert_eq!((tool.permissions().mode() & 0o777, tool.modified().unwrap()), (0o555, time));
        assert_eq!(fs::metadata(to.join("closed")).unwrap().permissions().mode() & 0o777, 0o555);
        crate::removal::remove(&from).unwrap();
        crate::removal::remove(&to).unwrap();
    }
}
