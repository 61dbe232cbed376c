//! One checkout that many jobs see, each through a layer of its own.
//!
//! Where the kernel allows it (root, and a file system that can be a layer), a large tree is written once
//! and mounted below an empty layer for each job: that takes milliseconds and no space. What a job changes is
//! in its layer alone. No mount outlives its job: whoever finishes or clears a directory ends its mounts first,
//! and a directory that is kept gets files of its own.

use std::ffi::CString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::error::Error;
use crate::git::{Git, WORK};
use crate::identity::short_digest;
use crate::job_directory::JobDir;
use crate::lock::{self, Want};
use crate::mounts::{self, Mount};
use crate::owner::Process;
use crate::{copy, removal};

/// What our mounts are called in the kernel's table, by which they are known again.
pub(crate) const SOURCE: &str = "interlock";
/// The fewest files that are worth it.
const WORTH: usize = 500;
/// How many checkouts of a mirror are kept for the next job.
const KEPT: usize = 3;

/// Shows the files of a tree in an empty directory of a job and returns the index that knows them.
///
/// `None` if that is not possible, or not worth it.
pub(crate) async fn show(
    mirror: &Path,
    tree: &str,
    job: &JobDir,
    target: &Path,
) -> Result<Option<PathBuf>, Error> {
    if !is_possible(job.path()) || !is_worth_it(mirror, tree).await? {
        return Ok(None);
    }
    let checkouts = mirror.join("checkouts");
    fs::create_dir_all(&checkouts).map_err(Error::io("create", &checkouts))?;
    // Files that were written before the machine went down may not have reached the disk.
    let name = format!("{}-{tree}", short_digest(Process::current().boot.as_bytes()));
    let lock_path = checkouts.join(format!("{name}.lock"));
    let waiting = tokio::task::spawn_blocking(move || lock::lock(&lock_path, Want::Exclusive));
    let joined = waiting.await.map_err(std::io::Error::other);
    // Until the mount is there, nobody may sweep what it is going to show.
    let _here = joined.map_err(Error::io("lock", &checkouts))??;
    let pristine = checkouts.join(&name);
    if !pristine.is_dir() {
        write(mirror, tree, &pristine).await?;
        sweep(&checkouts, &name)?;
    }
    let layer = job.path().join("layers").join(short_digest(target.as_os_str().as_encoded_bytes()));
    if !mount_layer(&pristine.join("files"), &layer, target)? {
        return Ok(None);
    }
    // The clean-up lets go of what was not used for longest.
    let used =
        fs::File::open(&pristine).and_then(|directory| directory.set_modified(SystemTime::now()));
    used.map_err(Error::io("mark as used", &pristine))?;
    Ok(Some(pristine.join("index")))
}

/// Ends our mounts at or below a directory. What others mounted there is an error, and stays.
pub(crate) fn end_below(directory: &Path) -> Result<(), Error> {
    for mount in mounts::below(directory)? {
        end(&mount)?;
    }
    Ok(())
}

/// Gives a directory files of its own in place of our mounts, for people who want to look at it later.
pub(crate) fn settle_below(directory: &Path) -> Result<(), Error> {
    for mount in mounts::below(directory)? {
        let Mount { point, .. } = &mount;
        let aside = directory
            .join("layers")
            .join(format!("{}.copy", short_digest(point.as_os_str().as_encoded_bytes())));
        copy::tree(point, &aside)?;
        end(&mount)?;
        fs::rename(&aside, point).map_err(Error::io("replace", point))?;
    }
    removal::remove(&directory.join("layers"))
}

/// How often a mount that is in use is tried again, and after which pause.
const BUSY_TRIES: u32 = 100;
const BUSY_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

fn end(mount: &Mount) -> Result<(), Error> {
    if mount.source != SOURCE || mount.kind != "overlay" {
        return Err(Error::refused(
            format!("something is mounted at {}", mount.point.display()),
            "unmount it, then run `interlock workspace gc`",
        ));
    }
    // Whatever this process starts elsewhere has, between fork and exec, what we have open here.
    for _ in 0..BUSY_TRIES {
        match unmount(&mount.point, UnmountFlags::NOFOLLOW) {
            Err(rustix::io::Errno::BUSY) => std::thread::sleep(BUSY_PAUSE),
            ended => return ended.map_err(Error::io("unmount", &mount.point)),
        }
    }
    unmount(&mount.point, UnmountFlags::NOFOLLOW).map_err(Error::io("unmount", &mount.point))
}

/// Says whether the kernel lets this process mount layers here, and they behave as files do.
fn is_possible(directory: &Path) -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    // All directories of a process are on one file system, below one root.
    *ANSWER.get_or_init(|| {
        rustix::process::geteuid().is_root()
            && probe(directory).unwrap_or_else(|error| {
                tracing::debug!(%error, "no layers here");
                false
            })
    })
}

fn probe(directory: &Path) -> Result<bool, Error> {
    let place = directory.join("layers/probe");
    let (lower, target) = (place.join("lower"), place.join("shown"));
    for path in [lower.join("directory"), target.clone()] {
        fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
    }
    let works = mount_layer(&lower, &place, &target)?;
    // Renaming a directory that comes from below is what simple layers cannot do.
    let renames = works && fs::rename(target.join("directory"), target.join("renamed")).is_ok();
    end_below(&place)?;
    removal::remove(&place)?;
    Ok(renames)
}

async fn is_worth_it(mirror: &Path, tree: &str) -> Result<bool, Error> {
    let names =
        Git::of_ours(mirror).args(["ls-tree", "-r", "-z", "--name-only", tree]).run().await?;
    Ok(names.split(|byte| *byte == 0).count() > WORTH)
}

/// Writes the files of a tree with an index that knows them. They are there whole or not at all.
async fn write(mirror: &Path, tree: &str, pristine: &Path) -> Result<(), Error> {
    let staged = pristine.with_extension("new");
    removal::remove(&staged)?;
    let files = staged.join("files");
    fs::create_dir_all(&files).map_err(Error::io("create", &files))?;
    let git = Git::of_ours(mirror).setting("checkout.workers=0").work_tree(&files);
    let git =
        git.env("GIT_INDEX_FILE", staged.join("index")).args(["read-tree", "--reset", "-u", tree]);
    let written = git.timeout(WORK).run().await.map(drop);
    let placed =
        written.and_then(|()| fs::rename(&staged, pristine).map_err(Error::io("create", pristine)));
    if placed.is_err() {
        drop(removal::remove(&staged));
    }
    placed
}

/// Removes checkouts that no job sees, except those that were used last.
fn sweep(checkouts: &Path, own: &str) -> Result<(), Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(checkouts).map_err(Error::io("read", checkouts))? {
        let entry = entry.map_err(Error::io("read", checkouts))?;
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() && entry.file_name().to_string_lossy() != own {
            found.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), entry.path()));
        }
    }
    found.sort();
    found.truncate(found.len().saturating_sub(KEPT - 1));
    for (_, path) in found {
        let lock_path = path.with_extension("lock");
        let Some(_alone) = lock::try_lock(&lock_path, Want::Exclusive)? else { continue };
        if mounts::uses(&path)? {
            continue;
        }
        removal::remove(&path)?;
        drop(fs::remove_file(&lock_path));
    }
    Ok(())
}

/// Mounts a layer; false if the kernel does not want to.
fn mount_layer(lower: &Path, layer: &Path, target: &Path) -> Result<bool, Error> {
    let (upper, work) = (layer.join("upper"), layer.join("work"));
    for path in [&upper, &work] {
        removal::remove(path)?;
        fs::create_dir_all(path).map_err(Error::io("create", path))?;
    }
    let Some(options) = options(lower, &upper, &work) else { return Ok(false) };
    match mount(SOURCE, target, "overlay", MountFlags::empty(), options.as_c_str()) {
        Ok(()) => Ok(true),
        Err(error) => {
            tracing::debug!(%error, target = %target.display(), "no layer here");
            Ok(false)
        }
    }
}

/// Writes the options of a mount; `None` if a path has what divides options.
fn options(lower: &Path, upper: &Path, work: &Path) -> Option<CString> {
    let mut text = String::from("redirect_dir=on");
    for (name, path) in [("lowerdir", lower), ("upperdir", upper), ("workdir", work)] {
        let path = path.to_str().filter(|path| !path.contains([',', ':', '\\', '"']))?;
        write!(text, ",{name}={path}").expect("a string takes all that is written");
    }
    CString::new(text).ok()
}
