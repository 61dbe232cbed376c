//! What jobs find in their workspaces, and what the user's repository does not notice.

#![expect(clippy::unwrap_used, reason = "a helper of a test says that it failed by ending it")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use workdir::{
    CheckedOut, CheckoutRequest, Content, Error, Identity, JobDir, Mirrors, Repository, Snapshot,
    Surroundings, Want, Workdirs, checkout,
};

const ZEROS: &str = "0000000000000000000000000000000000000000";

/// A user's repository, and a state directory.
struct World {
    directory: tempfile::TempDir,
    runs: std::cell::Cell<u64>,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("hello")).unwrap();
        Self { directory, runs: std::cell::Cell::new(0) }
    }

    /// A repository with two commits on `main` and a tag on the first.
    fn with_history() -> Self {
        let world = Self::new();
        world.git(&["init", "-q", "-b", "main"]);
        world.write("README", "one\n");
        world.write("src/a.rs", "a\n");
        world.write("tool.sh", "#!/bin/sh\n");
        fs::set_permissions(world.repo().join("tool.sh"), fs::Permissions::from_mode(0o755))
            .unwrap();
        symlink("README", world.repo().join("link")).unwrap();
        world.write(".gitignore", "ignored\n*.log\n");
        world.commit("first");
        world.git(&["tag", "-a", "v1", "-m", "v1"]);
        world.write("README", "two\n");
        world.commit("second");
        world
    }

    fn repo(&self) -> PathBuf {
        self.directory.path().join("hello")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.repo().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.repo(), arguments)
    }

    fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn mirrors(&self) -> Mirrors {
        Mirrors::open(self.directory.path().join("mirrors")).unwrap()
    }

    async fn snapshot(&self, want: &Want) -> Snapshot {
        let repository = Repository::discover(&self.repo()).await.unwrap();
        repository.snapshot(&self.mirrors(), want).await.unwrap()
    }

    fn job(&self) -> JobDir {
        self.runs.set(self.runs.get() + 1);
        let identity = Identity {
            host: "github.com".to_owned(),
            owner: "octo".to_owned(),
            repository: "hello".to_owned(),
            workflow: "ci.yml".to_owned(),
            event: "push".to_owned(),
            run: self.runs.get(),
            attempt: 1,
            job: "build".to_owned(),
            leg: None,
        };
        let workdirs = Workdirs::open(self.directory.path().join("work")).unwrap();
        workdirs.allocate(&identity, Timestamp::UNIX_EPOCH).unwrap()
    }

    async fn checked_out(
        &self,
        snapshot: &Snapshot,
        inputs: &[(&str, &str)],
    ) -> (JobDir, CheckedOut) {
        let job = self.job();
        let done = checkout(snapshot, &request(inputs), &job).await.unwrap();
        (job, done)
    }
}

fn request(inputs: &[(&str, &str)]) -> CheckoutRequest {
    let inputs: BTreeMap<_, _> =
        inputs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let surroundings =
        Surroundings { repositories: &["octo/hello"], token: None, server: "https://github.com" };
    CheckoutRequest::from_inputs(&inputs, &surroundings).unwrap()
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "user.name=U", "-c", "user.email=u@example.org", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn read(job: &JobDir, path: &str) -> String {
    fs::read_to_string(job.workspace().join(path)).unwrap()
}

/// Returns everything in a directory that a change of it would show in.
fn state(directory: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                waiting.push(entry.path());
            }
            let content =
                if metadata.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
            // Git refreshes the time of an object that it finds to be there already.
            let is_object = entry.path().to_string_lossy().contains("/objects/");
            let time = if is_object {
                std::time::SystemTime::UNIX_EPOCH
            } else {
                metadata.modified().unwrap()
            };
            found.insert(entry.path(), (content, time));
        }
    }
    found
}

#[tokio::test]
async fn working_tree_comes_as_it_stands() {
    let world = World::with_history();
    world.write("README", "changed\n");
    world.write("staged", "staged\n");
    world.git(&["add", "staged"]);
    world.write("new/file with space", "new\n");
    world.write("ignored", "x");
    world.write("src/x.log", "x");
    fs::remove_file(world.repo().join("src/a.rs")).unwrap();
    let head = world.git(&["rev-parse", "HEAD"]);
    let snapshot = world.snapshot(&Want::WorkingTree).await;
    assert_eq!(snapshot.content, Content::WorkingTree { changed: 4 });
    assert_eq!(snapshot.content.to_string(), "working tree, 4 files changed");
    let (job, done) = world.checked_out(&snapshot, &[]).await;
    assert_eq!(
        (done.sha.as_str(), done.reference.as_deref()),
        (head.as_str(), Some("refs/heads/main"))
    );
    assert_eq!(read(&job, "README"), "changed\n");
    assert_eq!(read(&job, "staged"), "staged\n");
    assert_eq!(read(&job, "new/file with space"), "new\n");
    for absent in ["ignored", "src/x.log", "src/a.rs"] {
        assert!(!job.workspace().join(absent).exists(), "{absent}");
    }
    assert_eq!(
        fs::metadata(job.workspace().join("tool.sh")).unwrap().permissions().mode() & 0o111,
        0o111
    );
    assert_eq!(fs::read_link(job.workspace().join("link")).unwrap(), Path::new("README"));
    // The job sees the branch as it is, and the changes as changes.
    assert_eq!(git(&job.workspace(), &["rev-parse", "HEAD"]), head);
    assert_eq!(git(&job.workspace(), &["symbolic-ref", "HEAD"]), "refs/heads/main");
    let status = git(&job.workspace(), &["status", "--porcelain"]);
    assert_eq!(status, " M README\n D src/a.rs\n?? new/\n?? staged");
}

#[tokio::test]
async fn user_repository_gets_no_object_no_reference_and_no_other_index() {
    let world = World::with_history();
    world.write("README", "changed\n");
    world.write("staged", "staged\n");
    world.git(&["add", "staged"]);
    world.write("new", "new\n");
    let before = state(&world.repo());
    let snapshot = world.snapshot(&Want::WorkingTree).await;
    let (job, _) = world.checked_out(&snapshot, &[("fetch-depth", "0")]).await;
    fs::write(job.workspace().join("README"), "by the job").unwrap();
    git(&job.workspace(), &["add", "-A"]);
    git(&job.workspace(), &["commit", "-q", "-m", "by the job"]);
    git(&job.workspace(), &["tag", "by-the-job"]);
    let after = state(&world.repo());
    let changed: Vec<_> =
        after.iter().filter(|(path, state)| before.get(*path) != Some(state)).collect();
    assert!(changed.is_empty() && before.len() == after.len(), "{changed:?}");
}

#[tokio::test]
async fn all_jobs_of_a_run_see_the_same_files() {
    let world = World::with_history();
    world.write("README", "at the start\n");
    let snapshot = world.snapshot(&Want::WorkingTree).await;
    let kept: Snapshot = serde_json::from_str(&serde_json::to_string(&snapshot).unwrap()).unwrap();
    let (first, _) = world.checked_out(&snapshot, &[]).await;
    world.write("README", "later\n");
    world.commit("third");
    let (second, _) = world.checked_out(&kept, &[]).await;
    assert_eq!(read(&first, "README"), "at the start\n");
    assert_eq!(read(&second, "README"), "at the start\n");
}

#[tokio::test]
async fn change_within_the_grain_of_the_clock_is_not_overlooked() {
    let world = World::with_history();
    world.git(&["config", "core.trustctime", "false"]);
    let time = std::time::SystemTime::now() - std::time::Duration::from_mins(1);
    let touch = |path: &str| {
        let file = fs::File::options().write(true).open(world.repo().join(path)).unwrap();
        file.set_modified(time).unwrap();
    };
    world.write("README", "A\n");
    touch("README");
    world.git(&["add", "README"]);
    // The file is as long as before and as old as the index, so that Git has to look into it.
    touch(".git/index");
    world.write("README", "B\n");
    touch("README");
    let snapshot = world.snapshot(&Want::WorkingTree).await;
    assert_eq!(snapshot.read("README").await.unwrap().unwrap(), b"B\n");
}

#[tokio::test]
async fn event_chooses_its_commit_if_the_repository_has_it() {
    let world = World::with_history();
    let first = world.git(&["rev-parse", "HEAD~1"]);
    world.write("README", "changed\n");
    let reference = Some("refs/heads/topic".to_owned());
    let want = Want::Event { sha: Some(first.clone()), reference: reference.clone() };
    let snapshot = world.snapshot(&want).await;
    assert_eq!(
        (&snapshot.content, &snapshot.sha, &snapshot.reference),
        (&Content::Commit, &first, &reference)
    );
    let (job, _) = world.checked_out(&snapshot, &[]).await;
    assert_eq!(read(&job, "README"), "one\n");
    let unknown = "1234567890123456789012345678901234567890".to_owned();
    let snapshot = world.snapshot(&Want::Event { sha: Some(unknown.clone()), reference }).await;
    assert_eq!(snapshot.content, Content::WorkingTree { changed: 1 });
    // A workflow that names the event's commit means what stands for it.
    let (job, _) = world.checked_out(&snapshot, &[("ref", &unknown)]).await;
    assert_eq!(read(&job, "README"), "changed\n");
}

#[tokio::test]
async fn committed_and_revision_leave_changes_out() {
    let world = World::with_history();
    world.write("README", "changed\n");
    let committed = world.snapshot(&Want::Committed).await;
    assert_eq!(committed.content, Content::Commit);
    let (job, _) = world.checked_out(&committed, &[]).await;
    assert_eq!(read(&job, "README"), "two\n");
    assert_eq!(git(&job.workspace(), &["status", "--porcelain"]), "");
    let tagged = world.snapshot(&Want::Revision("v1".to_owned())).await;
    assert_eq!(tagged.reference.as_deref(), Some("refs/tags/v1"));
    let (job, done) = world.checked_out(&tagged, &[]).await;
    assert_eq!(
        (read(&job, "README").as_str(), done.sha),
        ("one\n", world.git(&["rev-parse", "HEAD~1"]))
    );
    assert_eq!(git(&job.workspace(), &["describe", "--tags"]), "v1");
    let repository = Repository::discover(&world.repo()).await.unwrap();
    for name in ["nowhere", "--help", "-x", "HEAD:README", ""] {
        let answer = repository.snapshot(&world.mirrors(), &Want::Revision(name.to_owned())).await;
        assert!(matches!(answer, Err(Error::NoSuchRevision { .. })), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn depth_is_as_deep_as_was_asked() {
    let world = World::with_history();
    world.git(&["branch", "topic", "HEAD~1"]);
    for round in 0..3 {
        world.write("README", &format!("{round}\n"));
        world.commit("more");
    }
    let snapshot = world.snapshot(&Want::Committed).await;
    let count = |job: &JobDir| git(&job.workspace(), &["rev-list", "--count", "HEAD"]);
    let shallow = |job: &JobDir| git(&job.workspace(), &["rev-parse", "--is-shallow-repository"]);
    let references = |job: &JobDir| git(&job.workspace(), &["for-each-ref", "--format=%(refname)"]);
    let (job, _) = world.checked_out(&snapshot, &[]).await;
    assert_eq!((count(&job).as_str(), shallow(&job).as_str()), ("1", "true"));
    assert_eq!(references(&job), "refs/heads/main\nrefs/remotes/origin/main");
    let (job, _) = world.checked_out(&snapshot, &[("fetch-depth", "2")]).await;
    assert_eq!((count(&job).as_str(), shallow(&job).as_str()), ("2", "true"));
    let (job, _) = world.checked_out(&snapshot, &[("fetch-depth", "50")]).await;
    assert_eq!((count(&job).as_str(), shallow(&job).as_str()), ("5", "false"));
    let (job, _) = world.checked_out(&snapshot, &[("fetch-depth", "0")]).await;
    assert_eq!((count(&job).as_str(), shallow(&job).as_str()), ("5", "false"));
    let expected =
        "refs/heads/main\nrefs/remotes/origin/main\nrefs/remotes/origin/topic\nrefs/tags/v1";
    assert_eq!(references(&job), expected);
    let (job, _) = world.checked_out(&snapshot, &[("fetch-tags", "true")]).await;
    assert_eq!((count(&job).as_str(), references(&job).contains("refs/tags/v1")), ("1", true));
    git(&job.workspace(), &["fsck", "--connectivity-only"]);
}

#[tokio::test]
async fn reference_of_a_step_is_a_branch_a_tag_or_a_commit() {
    let world = World::with_history();
    let first = world.git(&["rev-parse", "HEAD~1"]);
    world.git(&["branch", "topic/x", "HEAD~1"]);
    world.write("README", "changed\n");
    let snapshot = world.snapshot(&Want::WorkingTree).await;
    for name in ["topic/x", "v1", "refs/heads/topic/x", first.as_str()] {
        let (job, done) = world.checked_out(&snapshot, &[("ref", name)]).await;
        assert_eq!((read(&job, "README").as_str(), &done.sha), ("one\n", &first), "{name}");
        let is_detached =
            fs::read_to_string(job.workspace().join(".git/HEAD")).unwrap().trim() == first;
        assert_eq!(is_detached, !name.contains("topic"), "{name}");
    }
    let (job, _) = world.checked_out(&snapshot, &[("ref", "main")]).await;
    assert_eq!(read(&job, "README"), "changed\n", "the branch of the run is what the run is about");
    for name in ["nowhere", "HEAD~1", "--upload-pack=x", "main:README", &first[..7]] {
        let answer = checkout(&snapshot, &request(&[("ref", name)]), &world.job()).await;
        assert!(matches!(answer, Err(Error::NoSuchRevision { .. })), "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn path_stays_in_the_workspace() {
    let world = World::with_history();
    let snapshot = world.snapshot(&Want::Committed).await;
    let (job, done) = world.checked_out(&snapshot, &[("path", "deep/er")]).await;
    assert_eq!(done.path, job.workspace().join("deep/er"));
    assert_eq!(read(&job, "deep/er/README"), "two\n");
    let outside = world.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, job.workspace().join("out")).unwrap();
    for path in ["out", "out/below"] {
        let answer = checkout(&snapshot, &request(&[("path", path)]), &job).await;
        assert!(matches!(answer, Err(Error::Refused { .. })), "{path}: {answer:?}");
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[tokio::test]
async fn workspace_that_became_a_link_is_not_emptied() {
    let world = World::with_history();
    let snapshot = world.snapshot(&Want::Committed).await;
    let job = world.job();
    let outside = world.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "x").unwrap();
    fs::remove_dir(job.workspace()).unwrap();
    symlink(&outside, job.workspace()).unwrap();
    for inputs in [&[][..], &[("clean", "false")], &[("path", "below")]] {
        let answer = checkout(&snapshot, &request(inputs), &job).await;
        assert!(matches!(answer, Err(Error::Refused { .. })), "{inputs:?}: {answer:?}");
    }
    let left: Vec<_> = fs::read_dir(&outside).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["precious"]);
}

#[tokio::test]
async fn workspace_that_is_gone_is_made_again() {
    let world = World::with_history();
    let snapshot = world.snapshot(&Want::Committed).await;
    let job = world.job();
    fs::remove_dir(job.workspace()).unwrap();
    checkout(&snapshot, &request(&[]), &job).await.unwrap();
    assert_eq!(read(&job, "README"), "two\n");
}

#[tokio::test]
async fn pipes_in_a_job_s_repository_are_not_waited_for() {
    let world = World::with_history();
    let snapshot = world.snapshot(&Want::Committed).await;
    for (name, fails) in [(".git/objects/info/alternates", false), (".git/config", true)] {
        let (job, _) = world.checked_out(&snapshot, &[]).await;
        let path = job.workspace().join(name);
        fs::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let answer = checkout(&snapshot, &request(&[("clean", "false")]), &job).await;
        assert_eq!(answer.is_err(), fails, "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn clean_removes_what_was_there_and_unclean_leaves_it() {
    let world = World::with_history();
    let snapshot = world.snapshot(&Want::Committed).await;
    let (job, _) = world.checked_out(&snapshot, &[]).await;
    fs::write(job.workspace().join("built.log"), "x").unwrap();
    fs::write(job.workspace().join("README"), "by the job").unwrap();
    checkout(&snapshot, &request(&[("clean", "false")]), &job).await.unwrap();
    assert_eq!(read(&job, "README"), "two\n");
    assert!(job.workspace().join("built.log").exists());
    checkout(&snapshot, &request(&[]), &job).await.unwrap();
    assert!(!job.workspace().join("built.log").exists());
    assert_eq!(git(&job.workspace(), &["status", "--porcelain", "--ignored"]), "");
}

#[tokio::test]
async fn configuration_and_tags_of_one_job_are_not_those_of_another() {
    let world = World::with_history();
    let snapshot = world.snapshot(&Want::Committed).await;
    let (one, _) = world.checked_out(&snapshot, &[]).await;
    let (other, _) = world.checked_out(&snapshot, &[]).await;
    git(&one.workspace(), &["config", "ci.secret", "leaked"]);
    git(&one.workspace(), &["tag", "from-one"]);
    fs::write(one.workspace().join("README"), "by one").unwrap();
    assert!(!git(&other.workspace(), &["config", "--list", "--local"]).contains("leaked"));
    assert_eq!(git(&other.workspace(), &["tag"]), "");
    assert_eq!(read(&other, "README"), "two\n");
    let (third, _) = world.checked_out(&snapshot, &[("fetch-depth", "0")]).await;
    assert_eq!(git(&third.workspace(), &["tag"]), "v1");
}

#[tokio::test]
async fn credentials_persist_for_the_server_alone() {
    let world = World::with_history();
    let snapshot = world.snapshot(&Want::Committed).await;
    let job = world.job();
    let surroundings =
        Surroundings { repositories: &[], token: Some("tok"), server: "https://github.com" };
    let wanted = CheckoutRequest::from_inputs(&BTreeMap::new(), &surroundings).unwrap();
    checkout(&snapshot, &wanted, &job).await.unwrap();
    let header = git(&job.workspace(), &["config", "http.https://github.com/.extraheader"]);
    assert_eq!(header, "AUTHORIZATION: basic eC1hY2Nlc3MtdG9rZW46dG9r");
    assert_eq!(
        fs::metadata(job.workspace().join(".git/config")).unwrap().permissions().mode() & 0o077,
        0
    );
    checkout(&snapshot, &request(&[("clean", "false")]), &job).await.unwrap();
    assert!(!git(&job.workspace(), &["config", "--list", "--local"]).contains("AUTHORIZATION"));
    checkout(&snapshot, &wanted, &job).await.unwrap();
    git(&job.workspace(), &["config", "user.name", "kept"]);
    workdir::forget_credentials(&job.workspace()).unwrap();
    let left = git(&job.workspace(), &["config", "--list", "--local"]);
    assert!(left.contains("user.name=kept") && !left.contains("AUTHORIZATION"), "{left}");
    workdir::forget_credentials(&job.path().join("nowhere")).unwrap();
}

#[tokio::test]
async fn part_of_a_repository_is_a_repository() {
    let world = World::with_history();
    world.write("examples/music/.github/workflows/m.yml", "on: push\n");
    world.write("examples/music/song", "la\n");
    let head = world.commit("example");
    world.write("examples/music/song", "la la\n");
    world.write("README", "not our business\n");
    let below = world.repo().join("examples/music");
    let repository = Repository::discover(&below.join(".github")).await.unwrap();
    assert_eq!(repository.root(), below.canonicalize().unwrap());
    assert_eq!(repository.origin().full_name(), "local/music");
    let snapshot = repository.snapshot(&world.mirrors(), &Want::WorkingTree).await.unwrap();
    assert_eq!(snapshot.content, Content::WorkingTree { changed: 1 });
    assert_eq!(snapshot.commit.as_deref(), Some(head.as_str()));
    let again = repository.snapshot(&world.mirrors(), &Want::WorkingTree).await.unwrap();
    assert_eq!(snapshot.sha, again.sha, "the same files are the same commit");
    let (job, _) = world.checked_out(&snapshot, &[]).await;
    assert_eq!(read(&job, "song"), "la la\n");
    assert!(!job.workspace().join("README").exists());
    assert_eq!(git(&job.workspace(), &["status", "--porcelain"]), " M song");
    assert_eq!(git(&job.workspace(), &["log", "--format=%s %an"]), "example U");
    assert_eq!(repository.changed(ZEROS, &head).await.unwrap().unwrap().len(), 2);
    let before = world.git(&["rev-parse", "HEAD~1"]);
    let changed = repository.changed(&before, &head).await.unwrap().unwrap();
    assert_eq!(changed, [".github/workflows/m.yml", "song"]);
    let committed = repository.snapshot(&world.mirrors(), &Want::Committed).await.unwrap();
    assert_eq!(committed.read("song").await.unwrap().unwrap(), b"la\n");
}

#[tokio::test]
async fn directory_without_git_and_repository_without_commit_are_snapshots_too() {
    for is_repository in [false, true] {
        let world = World::new();
        if is_repository {
            world.git(&["init", "-q", "-b", "trunk"]);
        }
        world.write(".github/workflows/m.yml", "on: push\n");
        world.write(".gitignore", "ignored\n");
        world.write("ignored", "x");
        world.write("song", "la\n");
        let snapshot = world.snapshot(&Want::WorkingTree).await;
        assert_eq!(snapshot.content, Content::WorkingTree { changed: 0 });
        assert_eq!(snapshot.commit, None);
        assert_eq!(snapshot.reference.as_deref(), is_repository.then_some("refs/heads/trunk"));
        let (job, done) = world.checked_out(&snapshot, &[]).await;
        assert_eq!(read(&job, "song"), "la\n");
        assert!(!job.workspace().join("ignored").exists());
        assert_eq!(git(&job.workspace(), &["rev-parse", "HEAD"]), done.sha);
        assert_eq!(git(&job.workspace(), &["status", "--porcelain"]), "");
        let repository = Repository::discover(&world.repo()).await.unwrap();
        let committed = repository.snapshot(&world.mirrors(), &Want::Committed).await;
        assert!(matches!(committed, Err(Error::Refused { .. })), "{committed:?}");
        assert_eq!(snapshot.files(".github/workflows").await.unwrap(), [".github/workflows/m.yml"]);
    }
}

#[tokio::test]
async fn repositories_inside_are_left_out() {
    let world = World::with_history();
    world.write("vendor/inner/file", "x");
    git(&world.repo().join("vendor/inner"), &["init", "-q"]);
    world.write("vendor/own", "x");
    let snapshot = world.snapshot(&Want::WorkingTree).await;
    let (job, _) = world.checked_out(&snapshot, &[]).await;
    assert!(job.workspace().join("vendor/own").exists());
    assert!(!job.workspace().join("vendor/inner").exists());
}

#[tokio::test]
async fn detached_commit_that_no_reference_leads_to_is_found() {
    let world = World::with_history();
    world.git(&["checkout", "-q", "--detach"]);
    world.write("README", "three\n");
    let head = world.commit("third");
    let snapshot = world.snapshot(&Want::Committed).await;
    assert_eq!((snapshot.sha.as_str(), snapshot.reference.as_deref()), (head.as_str(), None));
    world.git(&["checkout", "-q", "main"]);
    let want = Want::Event { sha: Some(head), reference: Some("refs/pull/1/merge".to_owned()) };
    let snapshot = world.snapshot(&want).await;
    let (job, _) = world.checked_out(&snapshot, &[]).await;
    assert_eq!(read(&job, "README"), "three\n");
    let references = git(&job.workspace(), &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(references, "refs/remotes/pull/1/merge");
}

#[tokio::test]
async fn mirror_follows_branches_that_move_and_go() {
    let world = World::with_history();
    world.git(&["branch", "a"]);
    world.snapshot(&Want::WorkingTree).await;
    world.git(&["branch", "-D", "a"]);
    world.git(&["branch", "a/b"]);
    world.git(&["commit", "-q", "--amend", "-m", "amended"]);
    let snapshot = world.snapshot(&Want::WorkingTree).await;
    let (job, _) = world.checked_out(&snapshot, &[("fetch-depth", "0")]).await;
    let references =
        git(&job.workspace(), &["for-each-ref", "--format=%(refname)", "refs/remotes"]);
    assert_eq!(references, "refs/remotes/origin/a/b\nrefs/remotes/origin/main");
    assert_eq!(git(&job.workspace(), &["log", "-1", "--format=%s"]), "amended");
}

#[tokio::test]
async fn many_snapshots_and_checkouts_at_once_agree() {
    let world = World::with_history();
    world.write("README", "changed\n");
    let repository = Repository::discover(&world.repo()).await.unwrap();
    let mirrors = world.mirrors();
    let want = Want::WorkingTree;
    let snapshots = (0..6).map(|_| repository.snapshot(&mirrors, &want));
    let snapshots = futures::future::try_join_all(snapshots).await.unwrap();
    assert!(snapshots.iter().all(|snapshot| snapshot == &snapshots[0]));
    let jobs: Vec<_> = snapshots.iter().map(|_| world.job()).collect();
    let plain = CheckoutRequest::plain();
    let checkouts = jobs.iter().map(|job| checkout(&snapshots[0], &plain, job));
    futures::future::try_join_all(checkouts).await.unwrap();
    assert!(jobs.iter().all(|job| read(job, "README") == "changed\n"));
}

#[tokio::test]
async fn export_writes_a_part_of_the_snapshot() {
    let world = World::with_history();
    world.write(".github/actions/x/action.yml", "name: x\n");
    let snapshot = world.snapshot(&Want::WorkingTree).await;
    let target = world.job().actions();
    fs::create_dir_all(&target).unwrap();
    snapshot.export("./.github/actions/x", &target).await.unwrap();
    assert_eq!(fs::read_to_string(target.join("action.yml")).unwrap(), "name: x\n");
    assert!(snapshot.export("nowhere", &target).await.is_err());
    assert_eq!(snapshot.read("nowhere").await.unwrap(), None);
}

#[tokio::test]
async fn repository_tells_about_itself() {
    let world = World::with_history();
    world.git(&["remote", "add", "origin", "https://user:pass@github.com/Octo/Hello.git"]);
    world.git(&["checkout", "-q", "-b", "topic"]);
    world.write("src/b.rs", "b\n");
    let head = world.commit("topic");
    let repository = Repository::discover(&world.repo().join("src")).await.unwrap();
    assert_eq!(repository.root(), world.repo().canonicalize().unwrap());
    assert_eq!(repository.head(), Some(head.as_str()));
    assert_eq!(repository.reference(), Some("refs/heads/topic"));
    assert_eq!(repository.default_branch(), "main");
    assert_eq!(repository.origin().full_name(), "Octo/Hello");
    assert_eq!(repository.origin().url.as_deref(), Some("https://github.com/Octo/Hello"));
    assert!(!repository.is_dirty().await.unwrap());
    world.write("new", "x");
    assert!(repository.is_dirty().await.unwrap());
    let main = world.git(&["rev-parse", "main"]);
    let first = world.git(&["rev-parse", "main~1"]);
    let changed =
        async |before: &str, after: &str| repository.changed(before, after).await.unwrap();
    assert_eq!(changed(&first, &main).await.unwrap(), ["README"]);
    assert_eq!(
        changed(ZEROS, &head).await.unwrap(),
        ["src/b.rs"],
        "a new branch is compared with its fork"
    );
    assert_eq!(
        changed(ZEROS, &main).await.unwrap().len(),
        5,
        "the default branch is compared with nothing"
    );
    assert_eq!(changed("12", &main).await, None);
    assert_eq!(changed(&main, ZEROS).await, None);
    let forked = repository.changed_since_fork(&main, &head).await.unwrap();
    assert_eq!(forked.unwrap(), ["src/b.rs"]);
}

#[tokio::test]
async fn variables_of_the_caller_do_not_reach_git() {
    // Cargo runs tests as threads, so the variable is set for a process of its own.
    if std::env::var_os("INTERLOCK_TEST_CHILD").is_some() {
        let world = World::with_history();
        let snapshot = world.snapshot(&Want::Committed).await;
        let (job, _) = world.checked_out(&snapshot, &[]).await;
        assert_eq!(read(&job, "README"), "two\n");
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "variables_of_the_caller_do_not_reach_git"])
        .env("INTERLOCK_TEST_CHILD", "1")
        .env("GIT_DIR", "/nowhere")
        .env("GIT_WORK_TREE", "/nowhere")
        .env("GIT_INDEX_FILE", "/nowhere/index")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
