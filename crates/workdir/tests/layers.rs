//! Large trees are shown to jobs in layers where the kernel allows, and nobody can tell.

#![expect(clippy::unwrap_used, reason = "a helper of a test says that it failed by ending it")]
#![expect(clippy::print_stderr, reason = "a test that cannot run here says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::{SignedDuration, Timestamp};
use workdir::{
    CheckoutRequest, Finished, Identity, JobDir, Keep, Method, Mirrors, Outcome, Policy,
    Repository, Snapshot, Verdict, Want, Workdirs, checkout,
};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const FILES: usize = 600;

struct World {
    directory: tempfile::TempDir,
    workdirs: Workdirs,
}

/// A test that fails leaves no mount behind.
impl Drop for World {
    fn drop(&mut self) {
        let Ok(table) = fs::read_to_string("/proc/self/mountinfo") else { return };
        let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
        for point in points.filter(|point| point.starts_with(self.directory.path())) {
            drop(
                rustix::mount::unmount(&point, rustix::mount::UnmountFlags::DETACH)
                    .map_err(std::io::Error::from),
            );
        }
    }
}

impl World {
    /// A repository with many files.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let workdirs = Workdirs::open(directory.path().join("work")).unwrap();
        let world = Self { directory, workdirs };
        for number in 0..FILES {
            let path = world.repository().join(format!("part-{}/file-{number}", number % 7));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{number}\n")).unwrap();
        }
        git(&world.repository(), &["init", "-q", "-b", "main"]);
        git(&world.repository(), &["add", "-A"]);
        git(&world.repository(), &["commit", "-q", "-m", "many"]);
        world
    }

    fn repository(&self) -> PathBuf {
        self.directory.path().join("hello")
    }

    async fn snapshot(&self) -> Snapshot {
        let mirrors = Mirrors::open(self.directory.path().join("mirrors")).unwrap();
        let repository = Repository::discover(&self.repository()).await.unwrap();
        repository.snapshot(&mirrors, &Want::WorkingTree).await.unwrap()
    }

    /// Starts a job and checks out; `None` where layers are not possible.
    async fn job(&self, run: u64, snapshot: &Snapshot) -> Option<JobDir> {
        let identity = Identity {
            host: "github.com".to_owned(),
            owner: "octo".to_owned(),
            repository: "hello".to_owned(),
            workflow: "ci.yml".to_owned(),
            event: "push".to_owned(),
            run,
            attempt: 1,
            job: "build".to_owned(),
            leg: None,
        };
        let job = self.workdirs.allocate(&identity, NOW).unwrap();
        let done = checkout(snapshot, &CheckoutRequest::plain(), &job).await.unwrap();
        assert_eq!(fs::read_to_string(job.workspace().join("part-1/file-1")).unwrap(), "1\n");
        if done.method != Method::Overlay {
            eprintln!("not tried: this user may not mount layers here");
            return None;
        }
        Some(job)
    }

    /// Clears the one directory that is dead, and says what became of it.
    ///
    /// A process that another test is just starting holds all locks of this one until it executes its program, so
    /// the clean-up may have to look again.
    fn cleared(&self, now: Timestamp) -> Verdict {
        let look = || self.workdirs.gc(&Policy::default(), now).unwrap().remove(0).verdict;
        let looks = std::iter::repeat_with(look).take(10_000);
        let mut looks = looks.skip_while(|verdict| matches!(verdict, Verdict::Spared(_)));
        looks.next().unwrap()
    }

    fn mounts(&self) -> usize {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let root = self.directory.path().canonicalize().unwrap();
        table.lines().filter(|line| line.contains(root.to_str().unwrap())).count()
    }

    fn pristine(&self) -> Vec<PathBuf> {
        let mirror = fs::read_dir(self.directory.path().join("mirrors"))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mirror = mirror.into_iter().find(|path| path.is_dir()).unwrap();
        let found =
            fs::read_dir(mirror.join("checkouts")).unwrap().map(|entry| entry.unwrap().path());
        found.filter(|path| path.is_dir()).collect()
    }
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(["-c", "user.name=U", "-c", "user.email=u@example.org", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn what_one_job_does_no_other_sees() {
    let world = World::new();
    fs::write(world.repository().join("part-0/file-0"), "changed\n").unwrap();
    let snapshot = world.snapshot().await;
    let Some(one) = world.job(1, &snapshot).await else { return };
    let other = world.job(2, &snapshot).await.unwrap();
    assert_eq!(git(&one.workspace(), &["status", "--porcelain"]), " M part-0/file-0");
    fs::write(one.workspace().join("part-1/file-1"), "by one\n").unwrap();
    fs::remove_file(one.workspace().join("part-2/file-2")).unwrap();
    fs::rename(one.workspace().join("part-3"), one.workspace().join("renamed")).unwrap();
    fs::hard_link(one.workspace().join("part-4/file-4"), one.workspace().join("linked")).unwrap();
    git(&one.workspace(), &["add", "-A"]);
    git(&one.workspace(), &["commit", "-q", "-m", "by one"]);
    assert_eq!(git(&other.workspace(), &["status", "--porcelain"]), " M part-0/file-0");
    assert_eq!(git(&other.workspace(), &["log", "--format=%s"]), "many");
    let third = world.job(3, &snapshot).await.unwrap();
    assert_eq!(git(&third.workspace(), &["status", "--porcelain"]), " M part-0/file-0");
    assert_eq!(world.pristine().len(), 1);
    for job in [one, other, third] {
        assert_eq!(job.finish(Outcome::Success, &Keep::default(), NOW).unwrap(), Finished::Removed);
    }
    assert_eq!(world.mounts(), 0);
}

#[tokio::test]
async fn second_checkout_starts_from_nothing() {
    let world = World::new();
    let snapshot = world.snapshot().await;
    let Some(job) = world.job(1, &snapshot).await else { return };
    fs::write(job.workspace().join("left"), "x").unwrap();
    fs::write(job.workspace().join("part-1/file-1"), "x").unwrap();
    let mut request = CheckoutRequest::plain();
    request.clean = false;
    checkout(&snapshot, &request, &job).await.unwrap();
    assert!(job.workspace().join("left").exists());
    assert_eq!(git(&job.workspace(), &["status", "--porcelain"]), "?? left");
    request = CheckoutRequest::plain();
    request.path = "nested".into();
    checkout(&snapshot, &request, &job).await.unwrap();
    assert!(job.workspace().join("nested/part-1").is_dir());
    checkout(&snapshot, &CheckoutRequest::plain(), &job).await.unwrap();
    assert_eq!(git(&job.workspace(), &["status", "--porcelain"]), "");
    job.finish(Outcome::Success, &Keep::default(), NOW).unwrap();
    assert_eq!(world.mounts(), 0);
}

#[tokio::test]
async fn crash_leaves_a_mount_that_the_clean_up_ends() {
    let world = World::new();
    let snapshot = world.snapshot().await;
    let Some(job) = world.job(1, &snapshot).await else { return };
    let path = job.path().to_owned();
    drop(job);
    assert_eq!(world.mounts(), 1);
    assert_eq!(world.cleared(NOW), Verdict::Removed);
    assert!(!path.exists());
    assert_eq!(world.mounts(), 0);
    assert!(world.pristine()[0].join("files/part-1/file-1").exists(), "what others see stays");
}

#[tokio::test]
async fn kept_directory_has_files_of_its_own() {
    let world = World::new();
    let snapshot = world.snapshot().await;
    let Some(job) = world.job(1, &snapshot).await else { return };
    fs::write(job.workspace().join("part-1/file-1"), "by the job\n").unwrap();
    fs::remove_file(job.workspace().join("part-2/file-2")).unwrap();
    let workspace = job.workspace();
    let kept = job.finish(Outcome::Failure, &Keep::default(), NOW).unwrap();
    assert!(matches!(kept, Finished::Kept { until: Some(_) }));
    assert_eq!(world.mounts(), 0);
    assert_eq!(fs::read_to_string(workspace.join("part-1/file-1")).unwrap(), "by the job\n");
    assert!(workspace.join("part-3/file-3").exists() && !workspace.join("part-2/file-2").exists());
    assert_eq!(git(&workspace, &["status", "--porcelain"]), " M part-1/file-1\n D part-2/file-2");
    let later = NOW + SignedDuration::from_hours(25);
    assert_eq!(world.cleared(later), Verdict::Removed);
}

#[tokio::test]
async fn mount_of_somebody_else_is_reported_and_stays() {
    let world = World::new();
    let snapshot = world.snapshot().await;
    let Some(job) = world.job(1, &snapshot).await else { return };
    let point = job.home().join("mounted");
    fs::create_dir(&point).unwrap();
    rustix::mount::mount("theirs", &point, "tmpfs", rustix::mount::MountFlags::empty(), None)
        .unwrap();
    fs::write(point.join("precious"), "x").unwrap();
    drop(job);
    let report = world.workdirs.gc(&Policy::default(), NOW).unwrap();
    assert!(
        matches!(&report[0].verdict, Verdict::Failed(reason) if reason.contains("mounted")),
        "{report:?}"
    );
    assert!(point.join("precious").exists());
    rustix::mount::unmount(&point, rustix::mount::UnmountFlags::empty()).unwrap();
    assert_eq!(world.cleared(NOW), Verdict::Removed);
    assert_eq!(world.mounts(), 0);
}

#[tokio::test]
async fn only_the_last_trees_and_those_in_use_are_kept() {
    let world = World::new();
    let first = world.snapshot().await;
    let Some(job) = world.job(100, &first).await else { return };
    for round in 0..6 {
        fs::write(world.repository().join("part-0/file-0"), format!("{round}\n")).unwrap();
        let snapshot = world.snapshot().await;
        let job = world.job(round, &snapshot).await.unwrap();
        job.finish(Outcome::Success, &Keep::default(), NOW).unwrap();
    }
    assert_eq!(
        world.pristine().len(),
        4,
        "three of the last ones and the one that a job still sees"
    );
    assert_eq!(fs::read_to_string(job.workspace().join("part-0/file-0")).unwrap(), "0\n");
    job.finish(Outcome::Success, &Keep::default(), NOW).unwrap();
    assert_eq!(world.mounts(), 0);
}
