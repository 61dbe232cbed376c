//! `actions/checkout`: a snapshot's files in a job's workspace, with a repository of their own.
//!
//! The repository borrows its objects from the mirror, and nothing else: references, configuration and
//! index are the job's alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;

use crate::error::Error;
use crate::git::{Git, WORK, is_reference_name, is_sha};
use crate::job_directory::JobDir;
use crate::request::{CheckoutRequest, Credentials};
use crate::snapshot::{Snapshot, about};
use crate::{overlay, regular, removal};

/// The lines around our own settings in a job's configuration.
const BEGIN: &str = "# begin of what the checkout set\n";
const END: &str = "# end of what the checkout set\n";

/// How large a file of a job's repository may be that is read again.
const MAX_CONFIG: u64 = 1 << 20;

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
    /// Whether its configuration has a token, for [`forget_credentials`] to remove at the job's end.
    pub has_credentials: bool,
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
    /// The tree of the commit, which is another one where changes are not committed.
    base_tree: String,
    has_parents: bool,
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
    let is_fresh = request.clean || !is_ours(&git_directory, &snapshot.mirror);
    let mut shown = None;
    if is_fresh {
        overlay::end_below(&path)?;
        empty(&path)?;
        shown = overlay::show(&snapshot.mirror, &target.tree, job, &path).await?;
        init(snapshot, &git_directory)?;
    }
    write_config(snapshot, request.credentials.as_ref(), &git_directory)?;
    let references = references(snapshot, request, &target).await?;
    if is_fresh {
        pack(&references, &git_directory)?;
    } else {
        update(&references, &git_directory).await?;
    }
    write_head(&target, &git_directory)?;
    write_boundary(snapshot, request, &target, &git_directory).await?;
    let git = || Git::of_ours(&git_directory).work_tree(&path).setting("checkout.workers=0");
    let method = if shown.is_some() { Method::Overlay } else { Method::Written };
    if let Some(index) = shown {
        let own = git_directory.join("index");
        fs::copy(&index, &own).map_err(Error::io("create", &own))?;
    } else {
        git().args(["read-tree", "--reset", "-u", &target.tree]).timeout(WORK).run().await?;
    }
    if target.base_tree != target.tree {
        // What nobody has committed yet shows as changed, as in the user's own tree.
        git().args(["read-tree", "-m", &target.sha]).run().await?;
    }
    let Target { sha, reference, .. } = target;
    let has_credentials = request.credentials.is_some();
    let duration = started.elapsed();
    Ok(CheckedOut { path, sha, reference, method, has_credentials, duration })
}

/// Finds what a name means: the snapshot itself, or a branch, tag or commit of the mirror.
async fn resolve(snapshot: &Snapshot, name: Option<&str>) -> Result<Target, Error> {
    let own = || Target {
        sha: snapshot.sha.clone(),
        tree: snapshot.tree.clone(),
        base_tree: snapshot.base_tree.clone(),
        has_parents: snapshot.has_parents,
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
        let commit = format!("{place}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "-q", "--end-of-options", &commit];
        if let Some(sha) = Git::of_ours(&snapshot.mirror).args(arguments).line_if_any().await? {
            let (base_tree, has_parents) = about(&snapshot.mirror, &sha).await?;
            return Ok(Target { sha, tree: base_tree.clone(), base_tree, has_parents, reference });
        }
    }
    Err(missing())
}

/// Returns where the files go, after looking that no link leads out of the workspace.
fn place(workspace: &Path, path: &Path) -> Result<PathBuf, Error> {
    let mut place = workspace.to_owned();
    // A step may have put a link into the place of the workspace itself.
    for part in std::iter::once(None).chain(path.components().map(Some)) {
        place.extend(part);
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
    let borrowed = regular::read(&git_directory.join("objects/info/alternates"), MAX_CONFIG);
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

/// Makes an empty repository that borrows its objects. These few files are what `git init` would write.
fn init(snapshot: &Snapshot, git_directory: &Path) -> Result<(), Error> {
    for name in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
        let path = git_directory.join(name);
        fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
    }
    let is_sha256 = snapshot.sha.len() == 64;
    let (version, format) =
        if is_sha256 { (1, "[extensions]\n\tobjectFormat = sha256\n") } else { (0, "") };
    let config = format!(
        "[core]\n\trepositoryformatversion = {version}\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n{format}"
    );
    let alternates = alternates(&snapshot.mirror);
    for (name, content) in [("config", config.as_bytes()), ("objects/info/alternates", &alternates)]
    {
        let path = git_directory.join(name);
        fs::write(&path, content).map_err(Error::io("write", &path))?;
    }
    Ok(())
}

/// Returns the references that GitHub would give the job, with what they lead to.
async fn references(
    snapshot: &Snapshot,
    request: &CheckoutRequest,
    target: &Target,
) -> Result<BTreeMap<String, String>, Error> {
    let mut wanted = BTreeMap::new();
    let all = request.fetch_depth == 0;
    if snapshot.has_history && (all || request.fetch_tags) {
        let listed = list_references(&snapshot.mirror).await?;
        wanted.extend(listed.into_iter().filter(|(name, _)| all || name.starts_with("refs/tags/")));
    }
    let Some(name) = target.reference.as_deref().filter(|name| is_reference_name(name)) else {
        return Ok(wanted);
    };
    if let Some(branch) = name.strip_prefix("refs/heads/") {
        wanted.insert(format!("refs/remotes/origin/{branch}"), target.sha.clone());
        wanted.insert(name.to_owned(), target.sha.clone());
    } else if name.starts_with("refs/tags/") {
        let object = reference(&snapshot.mirror, name).await?;
        wanted.insert(name.to_owned(), object.unwrap_or_else(|| target.sha.clone()));
    } else if name.starts_with("refs/pull/") {
        wanted.insert(name.replacen("refs/", "refs/remotes/", 1), target.sha.clone());
    }
    Ok(wanted)
}

/// Writes the references of a repository that has none yet.
fn pack(references: &BTreeMap<String, String>, git_directory: &Path) -> Result<(), Error> {
    let lines = references.iter().fold(String::new(), |mut text, (name, object)| {
        writeln!(text, "{object} {name}").expect("a string takes all that is written");
        text
    });
    let path = git_directory.join("packed-refs");
    fs::write(&path, lines).map_err(Error::io("write", &path))
}

/// Writes the references of a repository that a job has used.
async fn update(references: &BTreeMap<String, String>, git_directory: &Path) -> Result<(), Error> {
    let commands = references.iter().fold(String::new(), |mut text, (name, object)| {
        write!(text, "update {name}\0{object}\0\0").expect("a string takes all that is written");
        text
    });
    if commands.is_empty() {
        return Ok(());
    }
    let git = Git::of_ours(git_directory).setting("core.logAllRefUpdates=false");
    git.args(["update-ref", "-z", "--stdin"]).input(commands).run().await.map(drop)
}

fn write_head(target: &Target, git_directory: &Path) -> Result<(), Error> {
    let is_branch = |name: &&str| name.starts_with("refs/heads/") && is_reference_name(name);
    let head = match target.reference.as_deref().filter(is_branch) {
        Some(branch) => format!("ref: {branch}\n"),
        None => format!("{}\n", target.sha),
    };
    let path = git_directory.join("HEAD");
    fs::write(&path, head).map_err(Error::io("write", &path))
}

/// Cuts the history off where it is deeper than was asked for.
async fn write_boundary(
    snapshot: &Snapshot,
    request: &CheckoutRequest,
    target: &Target,
    git_directory: &Path,
) -> Result<(), Error> {
    let boundary = match request.fetch_depth {
        0 => BTreeSet::new(),
        1 => target.has_parents.then(|| target.sha.clone()).into_iter().collect(),
        depth => boundary(&snapshot.mirror, &target.sha, depth).await?,
    };
    let path = git_directory.join("shallow");
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
    let read = regular::read(&path, MAX_CONFIG).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| std::io::ErrorKind::InvalidData.into())
    });
    let mut text = read.map_err(Error::io("read", &path))?;
    // What an earlier checkout wrote goes, what the job wrote stays.
    if let (Some(start), Some(end)) = (text.find(BEGIN), text.find(END)) {
        text.replace_range(start..(end + END.len()).max(start), "");
    }
    text.push_str(BEGIN);
    for (name, value) in settings {
        text.push_str(&setting(&name, &value));
    }
    text.push_str(END);
    write_private(&path, &text)
}

/// Writes a setting in the form of Git's configuration files. Credentials never become an argument.
/// Removes the token that a checkout left in its configuration, as `actions/checkout` does when a job ends.
///
/// A job may have done anything to its files meanwhile; what is no configuration of ours is left alone.
pub fn forget_credentials(checkout: &Path) -> Result<(), Error> {
    let path = checkout.join(".git/config");
    let Ok(text) = regular::read(&path, MAX_CONFIG) else { return Ok(()) };
    let Ok(text) = String::from_utf8(text) else { return Ok(()) };
    let is_token = |line: &str| line.trim_start().starts_with("extraheader = \"AUTHORIZATION:");
    if !text.lines().any(is_token) {
        return Ok(());
    }
    let kept: String = text.split_inclusive('\n').filter(|line| !is_token(line)).collect();
    write_private(&path, &kept)
}

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
