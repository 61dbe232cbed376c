//! Files that nobody has committed yet, recorded as objects of the mirror.
//!
//! The user's index and references are left alone, and so is the user's object store: new objects go to
//! a directory of our own, from where those that are needed are copied into the mirror.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::git::{Git, WORK};
use crate::repository::{Repository, Work};

/// Records the files of a project as they stand and returns their tree.
///
/// Ignored files are left out, and so are other repositories inside; a submodule is an entry without
/// content, as in a checkout without `submodules`.
pub(crate) async fn record(repository: &Repository, mirror: &Path) -> Result<String, Error> {
    match &repository.work {
        Some(work) => record_work(repository, work, mirror).await,
        None => record_plain(&repository.root, mirror).await,
    }
}

async fn record_plain(root: &Path, mirror: &Path) -> Result<String, Error> {
    let aside = aside()?;
    let git =
        || Git::of_ours(mirror).work_tree(root).env("GIT_INDEX_FILE", aside.path().join("index"));
    add(git, "").await?;
    git().args(["write-tree"]).line().await
}

async fn record_work(repository: &Repository, work: &Work, mirror: &Path) -> Result<String, Error> {
    let aside = aside()?;
    let index = aside.path().join("index");
    copy_index(&work.git_directory.join("index"), &index)?;
    let objects = aside.path().join("objects");
    fs::create_dir(&objects).map_err(Error::io("create", &objects))?;
    let theirs = work.common_directory.join("objects");
    let git = || {
        let git = Git::of_user(&repository.root).env("GIT_INDEX_FILE", &index);
        git.env("GIT_OBJECT_DIRECTORY", &objects)
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", quoted(&theirs))
    };
    add(git, &work.prefix).await?;
    let mut arguments = vec!["write-tree".to_owned()];
    if !work.prefix.is_empty() {
        arguments.push(format!("--prefix={}", work.prefix));
    }
    let tree = git().args(arguments).line().await?;
    // What was staged lies in the user's object store, what was added just now lies aside.
    let mut wanted = format!("{tree}\n");
    if let Some(head) = repository.head() {
        // The commit's tree, not the commit: Git looks for trees only below those that it is told of.
        wanted = format!("{wanted}^{head}^{{tree}}\n");
    }
    let packed = git()
        .args(["pack-objects", "-q", "--revs", "--stdout", "--delta-base-offset"])
        .input(wanted);
    let unpacking = Git::of_ours(mirror).args(["unpack-objects", "-q"]);
    packed.timeout(WORK).pipe_into(unpacking).await?;
    Ok(tree)
}

/// Adds what is new, changed or gone to the index that `git` was given.
async fn add(git: impl Fn() -> Git, prefix: &str) -> Result<(), Error> {
    let updated = git().args(["add", "--update", "--", "."]).timeout(WORK).ask().await?;
    // That nothing is tracked yet is an error for Git.
    if !updated.stderr.contains("did not match any file") {
        updated.demand("add")?;
    }
    let arguments = ["ls-files", "-z", "--others", "--exclude-standard", "--", "."];
    let others = git().args(arguments).timeout(WORK).run().await?;
    // What ends with a slash is a repository of its own.
    let is_file = |name: &&[u8]| !name.is_empty() && !name.ends_with(b"/");
    let mut listed = Vec::with_capacity(others.len());
    for name in others.split(|byte| *byte == 0).filter(is_file) {
        listed.extend_from_slice(name);
        listed.push(0);
    }
    if listed.is_empty() {
        return Ok(());
    }
    // Names come relative to the project and are taken the same way; a file that has vanished since is none.
    let arguments = ["update-index", "-z", "--add", "--remove", "--stdin"];
    tracing::debug!(prefix, bytes = listed.len(), "recording files that are not tracked");
    git().args(arguments).input(listed).timeout(WORK).run().await.map(drop)
}

/// Copies the index with its time, by which Git knows which entries it may trust.
fn copy_index(from: &Path, to: &Path) -> Result<(), Error> {
    let time = match fs::metadata(from).and_then(|metadata| metadata.modified()) {
        Ok(time) => time,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read", from)(error)),
    };
    fs::copy(from, to).map_err(Error::io("read", from))?;
    let copy = fs::File::options().write(true).open(to);
    copy.and_then(|file| file.set_modified(time)).map_err(Error::io("write", to))
}

/// Quotes a path for a list that Git divides at colons.
fn quoted(path: &Path) -> OsString {
    let text = path.as_os_str();
    if !text.as_encoded_bytes().iter().any(|byte| matches!(byte, b':' | b'"')) {
        return text.to_owned();
    }
    let text = text.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{text}\"").into()
}

fn aside() -> Result<tempfile::TempDir, Error> {
    tempfile::tempdir().map_err(Error::io("create", &std::env::temp_dir()))
}

/// Who and when a commit of ours says.
#[derive(Debug)]
pub(crate) struct Author {
    name: String,
    email: String,
    date: String,
    message: String,
}

impl Author {
    /// Returns an author that is always the same, so that the same files are the same commit.
    pub(crate) fn nobody() -> Self {
        Self {
            name: "Interlock".to_owned(),
            email: "interlock@localhost".to_owned(),
            date: "@0 +0000".to_owned(),
            message: "Files as they stand".to_owned(),
        }
    }

    /// Returns the author of a commit.
    pub(crate) async fn of(mirror: &Path, commit: &str) -> Result<Self, Error> {
        let format = "--format=%an%x00%ae%x00@%ad%x00%B";
        let text = Git::of_ours(mirror)
            .args(["show", "-s", "--date=raw", format, commit, "--"])
            .run()
            .await?;
        let text = String::from_utf8_lossy(&text);
        let mut parts = text.splitn(4, '\0').map(|part| part.trim_end().to_owned());
        let mut next = || parts.next().unwrap_or_default();
        Ok(Self { name: next(), email: next(), date: next(), message: next() })
    }
}

/// Makes a commit without parents.
pub(crate) async fn commit(mirror: &Path, tree: &str, author: &Author) -> Result<String, Error> {
    let mut git = Git::of_ours(mirror);
    for role in ["AUTHOR", "COMMITTER"] {
        let name = if author.name.is_empty() { "unknown" } else { &author.name };
        git = git.env(&format!("GIT_{role}_NAME"), name);
        git = git
            .env(&format!("GIT_{role}_EMAIL"), &author.email)
            .env(&format!("GIT_{role}_DATE"), &author.date);
    }
    git.args(["commit-tree", tree]).input(format!("{}\n", author.message)).line().await
}
