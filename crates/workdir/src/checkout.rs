//! `actions/checkout`: a snapshot's files in a job's workspace, with a repository of their own.
//!
//! The repository borrows its objects from the mirror, and nothing else: references, configuration and
//! index are the job's alone.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;

use crate::error::Error;
use crate::git::{Git, WORK, is_reference_name, is_sha};
use crate::job_directory::JobDir;
use crate::removal;
use crate::request::{CheckoutRequest, Credentials};
use crate::snapshot::Snapshot;

/// What a checkout has put where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedOut {
    /// The directory.
    pub path: PathBuf,
    /// The commit.
    pub sha: String,
    /// The branch or tag in full; absent for a commit that was named as such.
    pub reference: Option<String>,
    /// How it came there.
    pub method: Method,
    /// How long it took.
    pub duration: Duration,
}

/// How files came into a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Over a checkout that other jobs see too: nothing was copied.
    Overlay,
    /// Written one by one.
    Written,
}

/// What is to be checked out, found in the mirror.
#[derive(Debug)]
struct Target {
    sha: String,
    tree: String,
    reference: Option<String>,
}

/// Checks a snapshot out into the workspace of a job.
pub async fn checkout(
    snapshot: &Snapshot,
    request: &CheckoutRequest,
    job: &JobDir,
) -> Result<CheckedOut, Error> {
    let started = std::time::Instant::now();
    let target = resolve(snapshot, request.reference.as_deref()).await?;
    let path = place(&job.workspace(), &request.path)?;
    let git_directory = path.join(".git");
    if request.clean || !is_ours(&git_directory, &snapshot.mirror) {
        empty(&path)?;
        init(snapshot, &git_directory).await?;
    }
    write_references(snapshot, request, &target, &git_directory).await?;
    let git = || Git::of_ours(&git_directory).work_tree(&path).setting("checkout.workers=0");
    git().args(["read-tree", "--reset", "-u", &target.tree]).timeout(WORK).run().await?;
    let of_commit = format!("{}^{{tree}}", target.sha);
    if git().args(["rev-parse", "--verify", "-q", &of_commit]).line().await? != target.tree {
        // What nobody has committed yet shows as changed, as in the user's own tree.
        git().args(["read-tree", &target.sha]).run().await?;
        git().args(["update-index", "-q", "--refresh"]).timeout(WORK).ask().await?;
    }
    write_config(snapshot, request.credentials.as_ref(), &git_directory)?;
    let Target { sha, reference, .. } = target;
    Ok(CheckedOut { path, sha, reference, method: Method::Written, duration: started.elapsed() })
}

/// Finds what a name means: the snapshot itself, or a branch, tag or commit of the mirror.
async fn resolve(snapshot: &Snapshot, name: Option<&str>) -> Result<Target, Error> {
    let own = || Target {
        sha: snapshot.sha.clone(),
        tree: snapshot.tree.clone(),
        reference: snapshot.reference.clone(),
    };
    let Some(name) = name else { return Ok(own()) };
    if snapshot.answers_to(name) {
        let reference = if is_sha(name) { None } else { snapshot.reference.clone() };
        return Ok(Target { reference, ..own() });
    }
    let missing = || Error::NoSuchRevision { name: name.to_owned() };
    if !snapshot.has_history {
        return Err(missing());
    }
    let mut candidates = Vec::new();
    if is_sha(name) {
        candidates.push((name.to_lowercase(), None));
    } else if is_reference_name(name) && name.starts_with("refs/") {
        candidates.push((name.to_owned(), Some(name.to_owned())));
    } else if is_reference_name(name) {
        candidates.push((format!("refs/heads/{name}"), Some(format!("refs/heads/{name}"))));
        candidates
            .push((format!("refs/remotes/origin/{name}"), Some(format!("refs/heads/{name}"))));
        candidates.push((format!("refs/tags/{name}"), Some(format!("refs/tags/{name}"))));
    }
    for (place, reference) in candidates {
        let (commit, tree) = (format!("{place}^{{commit}}"), format!("{place}^{{tree}}"));
        let find = |what: String| {
            let arguments = ["rev-parse".to_owned(), "--verify".to_owned(), "-q".to_owned(), what];
            Git::of_ours(&snapshot.mirror).args(arguments).line_if_any()
        };
        if let (Some(sha), Some(tree)) = tokio::try_join!(find(commit), find(tree))? {
            return Ok(Target { sha, tree, reference });
        }
    }
    Err(missing())
}

/// Returns where the files go, after looking that no link leads out of the workspace.
fn place(workspace: &Path, path: &Path) -> Result<PathBuf, Error> {
    let mut place = workspace.to_owned();
    for part in path.components() {
        place.push(part);
        match fs::symlink_metadata(&place) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => {
                return Err(Error::refused(
                    format!("actions/checkout with path: {}", path.display()),
                    format!("{} is there and is no directory", place.display()),
                ));
            }
            Err(_) => fs::create_dir(&place).map_err(Error::io("create", &place))?,
        }
    }
    Ok(place)
}

/// Says whether an earlier checkout of the same repository is there.
fn is_ours(git_directory: &Path, mirror: &Path) -> bool {
    let is_directory = fs::symlink_metadata(git_directory).is_ok_and(|metadata| metadata.is_dir());
    let borrowed = fs::read(git_directory.join("objects/info/alternates"));
    is_directory && borrowed.is_ok_and(|text| text == alternates(mirror))
}

fn alternates(mirror: &Path) -> Vec<u8> {
    let mut text = mirror.join("objects").into_os_string().into_encoded_bytes();
    text.push(b'\n');
    text
}

/// Removes what is in a directory, and leaves the directory.
fn empty(path: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(path).map_err(Error::io("read", path))? {
        let entry = entry.map_err(Error::io("read", path))?;
        let kind = entry.file_type().map_err(Error::io("read", path))?;
        if kind.is_dir() {
            removal::remove(&entry.path())?;
        } else {
            fs::remove_file(entry.path()).map_err(Error::io("remove", &entry.path()))?;
        }
    }
    Ok(())
}

async fn init(snapshot: &Snapshot, git_directory: &Path) -> Result<(), Error> {
    let format =
        if snapshot.sha.len() == 64 { "--object-format=sha256" } else { "--object-format=sha1" };
    let arguments = ["init", "-q", "--template=", "--initial-branch=main", format];
    let parent = git_directory.parent().unwrap_or(git_directory);
    Git::of_ours(git_directory).work_tree(parent).args(arguments).run().await?;
    let info = git_directory.join("objects/info");
    fs::create_dir_all(&info).map_err(Error::io("create", &info))?;
    let path = info.join("alternates");
    fs::write(&path, alternates(&snapshot.mirror)).map_err(Error::io("write", &path))
}

/// Gives the job the references that GitHub gives it, and as much history as was asked for.
async fn write_references(
    snapshot: &Snapshot,
    request: &CheckoutRequest,
    target: &Target,
    git_directory: &Path,
) -> Result<(), Error> {
    let mut wanted: Vec<(String, String)> = Vec::new();
    let all = request.fetch_depth == 0;
    if snapshot.has_history && (all || request.fetch_tags) {
        let listed = list_references(&snapshot.mirror).await?;
        let is_wanted = |name: &str| all || name.starts_with("refs/tags/");
        wanted.extend(listed.into_iter().filter(|(name, _)| is_wanted(name)));
    }
    let branch = target.reference.as_deref().and_then(|name| name.strip_prefix("refs/heads/"));
    match (branch, target.reference.as_deref()) {
        (Some(branch), _) => {
            wanted.push((format!("refs/remotes/origin/{branch}"), target.sha.clone()));
            wanted.push((format!("refs/heads/{branch}"), target.sha.clone()));
        }
        (None, Some(name)) if name.starts_with("refs/tags/") => {
            let object =
                reference(&snapshot.mirror, name).await?.unwrap_or_else(|| target.sha.clone());
            wanted.push((name.to_owned(), object));
        }
        (None, Some(name)) if is_reference_name(name) && name.starts_with("refs/pull/") => {
            wanted.push((name.replacen("refs/", "refs/remotes/", 1), target.sha.clone()));
        }
        (None, _) => {}
    }
    let wanted: HashMap<_, _> = wanted.into_iter().collect();
    let commands = wanted.iter().fold(String::new(), |mut text, (name, object)| {
        write!(text, "update {name}\0{object}\0\0").expect("a string takes all that is written");
        text
    });
    let head = match branch {
        Some(branch) => format!("ref: refs/heads/{branch}\n"),
        None => format!("{}\n", target.sha),
    };
    let path = git_directory.join("HEAD");
    fs::write(&path, head).map_err(Error::io("write", &path))?;
    if !commands.is_empty() {
        let git = Git::of_ours(git_directory).setting("core.logAllRefUpdates=false");
        git.args(["update-ref", "-z", "--stdin"]).input(commands).run().await?;
    }
    let path = git_directory.join("shallow");
    let boundary = if all {
        BTreeSet::new()
    } else {
        boundary(&snapshot.mirror, &target.sha, request.fetch_depth).await?
    };
    if boundary.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", &path)(error))
            }
            _ => Ok(()),
        };
    }
    let text = boundary.iter().fold(String::new(), |text, sha| text + sha + "\n");
    fs::write(&path, text).map_err(Error::io("write", &path))
}

/// Returns the references of the mirror as a clone would have them: local branches win over remote ones.
async fn list_references(mirror: &Path) -> Result<Vec<(String, String)>, Error> {
    let places = ["refs/remotes/origin", "refs/heads", "refs/tags"];
    let mut listed = Vec::new();
    for place in places {
        let arguments = ["for-each-ref", "--format=%(objectname) %(refname)", place];
        let text = Git::of_ours(mirror).args(arguments).run().await?;
        for line in String::from_utf8_lossy(&text).lines() {
            let Some((object, name)) = line.split_once(' ') else { continue };
            let name = match name.strip_prefix("refs/heads/") {
                Some(branch) => format!("refs/remotes/origin/{branch}"),
                None => name.to_owned(),
            };
            listed.push((name, object.to_owned()));
        }
    }
    Ok(listed)
}

async fn reference(mirror: &Path, name: &str) -> Result<Option<String>, Error> {
    Git::of_ours(mirror)
        .args(["rev-parse", "--verify", "-q", "--end-of-options", name])
        .line_if_any()
        .await
}

/// Returns the commits whose parents are cut off, so that `depth` commits can be seen in each line.
async fn boundary(mirror: &Path, sha: &str, depth: u32) -> Result<BTreeSet<String>, Error> {
    let mut level = BTreeSet::from([sha.to_owned()]);
    let mut seen = level.clone();
    for remaining in (1..=depth).rev() {
        let input = level.iter().fold(String::new(), |text, sha| text + sha + "\n");
        let arguments = ["rev-list", "--no-walk=unsorted", "--parents", "--stdin"];
        let text = Git::of_ours(mirror).args(arguments).input(input).run().await?;
        let text = String::from_utf8_lossy(&text);
        let families = text.lines().map(|line| line.split(' '));
        if remaining == 1 {
            // A commit without parents cuts nothing off.
            let cut =
                families.filter_map(|mut family| Some((family.next()?.to_owned(), family.next()?)));
            return Ok(cut.map(|(sha, _)| sha).collect());
        }
        let parents = families.flat_map(|family| family.skip(1).map(str::to_owned));
        level = parents.filter(|parent| seen.insert(parent.clone())).collect();
        if level.is_empty() {
            return Ok(BTreeSet::new());
        }
    }
    Ok(BTreeSet::new())
}

fn write_config(
    snapshot: &Snapshot,
    credentials: Option<&Credentials>,
    git_directory: &Path,
) -> Result<(), Error> {
    let origin =
        snapshot.url.clone().unwrap_or_else(|| snapshot.mirror.to_string_lossy().into_owned());
    let mut settings = vec![
        ("remote.origin.url".to_owned(), origin),
        ("remote.origin.fetch".to_owned(), "+refs/heads/*:refs/remotes/origin/*".to_owned()),
        ("gc.auto".to_owned(), "0".to_owned()),
    ];
    if let Some(credentials) = credentials {
        let basic = format!("x-access-token:{}", credentials.token);
        let basic = base64::engine::general_purpose::STANDARD.encode(basic);
        settings.push((
            format!("http.{}/.extraheader", credentials.server),
            format!("AUTHORIZATION: basic {basic}"),
        ));
    }
    let path = git_directory.join("config");
    let mut text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let start = text.find("# interlock\n").unwrap_or(text.len());
    text.truncate(start);
    text.push_str("# interlock\n");
    for (name, value) in settings {
        text.push_str(&setting(&name, &value));
    }
    write_private(&path, &text)
}

/// Writes a setting in the form of Git's configuration files. Credentials never become an argument.
fn setting(name: &str, value: &str) -> String {
    let quote = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let (section, key) = name.rsplit_once('.').unwrap_or(("interlock", name));
    let section = match section.split_once('.') {
        Some((section, part)) => format!("{section} \"{}\"", quote(part)),
        None => section.to_owned(),
    };
    format!("[{section}]\n\t{key} = \"{}\"\n", quote(value))
}

fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).map_err(Error::io("write", path))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(Error::io("write", path))
}
