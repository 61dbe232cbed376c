//! A directory lives as long as its job's processes do.
//!
//! This test is alone in its program: a process that is being started holds the locks of every other test until
//! it executes its program.

#![expect(clippy::unwrap_used, reason = "a helper of a test says that it failed by ending it")]

use std::fs;
use std::process::{Child, Command};

use jiff::{SignedDuration, Timestamp};
use workdir::{Identity, Policy, State, Verdict, Workdirs};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn identity(run: u64, attempt: u32, job: &str) -> Identity {
    Identity {
        host: "github.com".to_owned(),
        owner: "octo".to_owned(),
        repository: "hello".to_owned(),
        workflow: ".github/workflows/ci.yml".to_owned(),
        event: "push".to_owned(),
        run,
        attempt,
        job: job.to_owned(),
        leg: None,
    }
}

fn workdirs() -> (tempfile::TempDir, Workdirs) {
    let directory = tempfile::tempdir().unwrap();
    let workdirs = Workdirs::open(directory.path().join("work")).unwrap();
    (directory, workdirs)
}

fn later(hours: i64) -> Timestamp {
    NOW + SignedDuration::from_hours(hours)
}

fn verdicts(workdirs: &Workdirs, policy: &Policy, now: Timestamp) -> Vec<Verdict> {
    workdirs.gc(policy, now).unwrap().into_iter().map(|swept| swept.verdict).collect()
}

/// Starts a process that inherits the lock of a job, as every process of the job does.
fn holder(job: &workdir::JobDir) -> Child {
    let lock = job.lock();
    rustix::io::fcntl_setfd(&lock, rustix::io::FdFlags::empty()).unwrap();
    let child = Command::new("sleep").arg("1000").spawn().unwrap();
    rustix::io::fcntl_setfd(&lock, rustix::io::FdFlags::CLOEXEC).unwrap();
    child
}

#[test]
fn directory_lives_as_long_as_the_last_process_of_its_job() {
    let (_directory, workdirs) = workdirs();
    let job = workdirs.allocate(&identity(1, 1, "build"), NOW).unwrap();
    let path = job.path().to_owned();
    let mut child = holder(&job);
    drop(job);
    // Whoever started the job is another process, and gone.
    let record = path.join(".interlock/owner.json");
    let mut owner: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    owner["process"]["started"] = 1.into();
    fs::write(&record, owner.to_string()).unwrap();
    assert_eq!(workdirs.list(later(1)).unwrap()[0].state, State::Orphaned);
    assert!(matches!(&verdicts(&workdirs, &Policy::default(), later(1))[..], [Verdict::Spared(_)]));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(workdirs.list(later(1)).unwrap()[0].state, State::Dead);
    assert_eq!(verdicts(&workdirs, &Policy::default(), later(1)), [Verdict::Removed]);
    assert!(!path.exists());
}
