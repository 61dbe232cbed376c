//! Bare copies of repositories, fetched once and shared by all checkouts.
//!
//! Objects are only ever added: checkouts borrow them for as long as they exist.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::git::{Git, WORK};
use crate::identity::{segment, short_digest};
use crate::lock::{self, Want};
use crate::removal;
use crate::repository::Repository;

/// The mirrors below one root.
#[derive(Clone, Debug)]
pub struct Mirrors {
    root: PathBuf,
}

/// Where the state of the references is noted that the mirror has.
const FETCHED: &str = "interlock-fetched";

impl Mirrors {
    /// Opens the root and makes it if it does not exist.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Error> {
        let root = root.into();
        let root = std::path::absolute(&root).map_err(Error::io("find", &root))?;
        fs::create_dir_all(&root).map_err(Error::io("create", &root))?;
        Ok(Self { root })
    }

    /// Brings the mirror of a repository up to date and returns its Git directory.
    pub(crate) async fn refresh(&self, repository: &Repository) -> Result<PathBuf, Error> {
        let origin = match &repository.work {
            Some(work) => &work.common_directory,
            None => &repository.root,
        };
        let digest = short_digest(origin.as_os_str().as_encoded_bytes());
        let name = format!("{}-{digest}", segment(&repository.origin().name.to_lowercase()));
        let mirror = self.root.join(format!("{name}.git"));
        let lock_path = self.root.join(format!("{name}.lock"));
        let waiting = tokio::task::spawn_blocking(move || lock::lock(&lock_path, Want::Exclusive));
        let _alone = waiting.await.map_err(|error| Error::Io {
            action: "lock",
            path: mirror.clone(),
            source: std::io::Error::other(error),
        })??;
        if !mirror.is_dir() {
            self.create(repository, &mirror).await?;
        }
        if let Some(work) = &repository.work {
            fetch(repository, &work.common_directory, &mirror).await?;
        }
        Ok(mirror)
    }

    /// Makes an empty mirror aside and moves it into place, so that it is there whole or not at all.
    async fn create(&self, repository: &Repository, mirror: &Path) -> Result<(), Error> {
        let staged = self.root.join(format!(".new-{}", uuid::Uuid::new_v4().simple()));
        let made = async {
            let format = object_format(repository).await?;
            let format = format!("--object-format={format}");
            let arguments =
                ["init", "--bare", "-q", "--template=", &format, "--initial-branch=main"];
            Git::of_ours(&staged).args(arguments).run().await?;
            fs::rename(&staged, mirror).map_err(Error::io("create", mirror))
        };
        let made = made.await;
        if made.is_err() {
            drop(removal::remove(&staged));
        }
        made
    }
}

async fn object_format(repository: &Repository) -> Result<String, Error> {
    if repository.work.is_none() {
        return Ok("sha1".to_owned());
    }
    let format = repository.git().args(["rev-parse", "--show-object-format"]).line().await?;
    Ok(if format == "sha256" { format } else { "sha1".to_owned() })
}

async fn fetch(repository: &Repository, origin: &Path, mirror: &Path) -> Result<(), Error> {
    let state = references(repository).await?;
    let noted = mirror.join(FETCHED);
    if fs::read(&noted).is_ok_and(|before| before == state) {
        return Ok(());
    }
    let options = [
        "fetch",
        "--quiet",
        "--force",
        "--prune",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-auto-gc",
        "--no-recurse-submodules",
        "--end-of-options",
    ];
    let references = [
        "+refs/heads/*:refs/heads/*",
        "+refs/tags/*:refs/tags/*",
        "+refs/remotes/origin/*:refs/remotes/origin/*",
        "^refs/remotes/origin/HEAD",
    ];
    // The other end of the fetch runs in the user's repository, which Git trusts by the user's settings.
    user_fetch(mirror, options, origin, &references).await?;
    if let Some(head) = repository.head()
        && !has(mirror, head).await?
    {
        user_fetch(mirror, options, origin, &[head]).await?;
    }
    fs::write(&noted, &state).map_err(Error::io("write", &noted))
}

/// Fetches one commit that no reference leads to.
pub(crate) async fn fetch_commit(origin: &Path, mirror: &Path, sha: &str) -> Result<(), Error> {
    if has(mirror, sha).await? {
        return Ok(());
    }
    let options = [
        "fetch",
        "--quiet",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-auto-gc",
        "--end-of-options",
    ];
    user_fetch(mirror, options, origin, &[sha]).await
}

async fn user_fetch<const N: usize>(
    mirror: &Path,
    options: [&str; N],
    origin: &Path,
    references: &[&str],
) -> Result<(), Error> {
    let git = Git::of_user(mirror)
        .setting("gc.auto=0")
        .setting("protocol.version=2")
        .setting("safe.directory=*");
    let git = git.setting("fetch.unpackLimit=1").args(options).args([origin]).args(references);
    git.timeout(WORK).run().await.map(drop)
}

async fn has(mirror: &Path, sha: &str) -> Result<bool, Error> {
    let commit = format!("{sha}^{{commit}}");
    Ok(Git::of_ours(mirror).args(["cat-file", "-e", &commit]).ask().await?.success)
}

async fn references(repository: &Repository) -> Result<Vec<u8>, Error> {
    let arguments = [
        "for-each-ref",
        "--format=%(objectname) %(refname)",
        "refs/heads",
        "refs/tags",
        "refs/remotes/origin",
    ];
    let mut state = repository.git().args(arguments).run().await?;
    state.extend_from_slice(repository.head().unwrap_or_default().as_bytes());
    Ok(state)
}
