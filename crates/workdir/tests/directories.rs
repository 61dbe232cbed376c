//! Every fault that was found in other people's run directories, as a claim about ours.

#![expect(clippy::unwrap_used, reason = "a helper of a test says that it failed by ending it")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use workdir::{Error, Finished, Identity, Keep, Outcome, Policy, State, Verdict, Workdirs};

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

/// Makes a directory whose job has crashed.
fn crashed(workdirs: &Workdirs, identity: &Identity, now: Timestamp) -> std::path::PathBuf {
    let job = workdirs.allocate(identity, now).unwrap();
    job.path().to_owned()
}

#[test]
fn path_says_whose_it_is() {
    let (_directory, workdirs) = workdirs();
    let mut who = identity(17, 2, "build");
    who.leg = Some(3);
    let job = workdirs.allocate(&who, NOW).unwrap();
    assert_eq!(
        job.path().strip_prefix(workdirs.root()).unwrap(),
        Path::new("octo/hello/ci.yml/17-2-build-3")
    );
    for path in [job.workspace(), job.home(), job.temp(), job.tmp(), job.actions()] {
        assert!(path.is_dir() && path.starts_with(job.path()), "{path:?}");
    }
    assert_eq!(fs::read_dir(job.workspace()).unwrap().count(), 0, "empty until a checkout");
    assert_eq!(
        fs::metadata(job.path()).unwrap().permissions().mode() & 0o077,
        0,
        "others may not look"
    );
}

#[test]
fn different_identities_never_share_a_directory() {
    let (_directory, workdirs) = workdirs();
    let base = identity(100, 1, "build");
    let all = [
        base.clone(),
        Identity { host: "ghe.example.org".to_owned(), ..base.clone() },
        Identity { event: "schedule".to_owned(), ..base.clone() },
        Identity { workflow: ".github/workflows/CI.yml".to_owned(), ..base.clone() },
        Identity { attempt: 2, ..base.clone() },
        Identity { run: 1000, ..base.clone() },
        Identity { leg: Some(0), ..base.clone() },
        Identity { job: "build-0".to_owned(), ..base.clone() },
        Identity { job: "caller/build".to_owned(), ..base.clone() },
        Identity { job: "caller-build".to_owned(), ..base.clone() },
        Identity { repository: "hello2".to_owned(), ..base.clone() },
    ];
    let jobs: Vec<_> =
        all.iter().map(|identity| workdirs.allocate(identity, NOW).unwrap()).collect();
    let paths: BTreeSet<_> =
        jobs.iter().map(|job| job.path().to_string_lossy().to_lowercase()).collect();
    assert_eq!(paths.len(), all.len(), "{paths:#?}");
    for (job, identity) in jobs.iter().zip(&all) {
        assert_eq!(&job.owner().identity, identity);
    }
}

#[test]
fn same_identity_has_one_directory_also_when_many_want_it() {
    let (_directory, workdirs) = workdirs();
    let workdirs = Arc::new(workdirs);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let workdirs = Arc::clone(&workdirs);
            std::thread::spawn(move || workdirs.allocate(&identity(1, 1, "build"), NOW))
        })
        .collect();
    let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for result in &results {
        assert!(matches!(result, Ok(_) | Err(Error::Occupied { .. })), "{result:?}");
    }
    assert_eq!(
        fs::read_dir(workdirs.root().join(".staging")).unwrap().count(),
        0,
        "losers leave nothing"
    );
}

#[test]
fn names_from_outside_cannot_leave_the_root() {
    let (directory, workdirs) = workdirs();
    let evil = "../../../../../../tmp/evil".to_owned();
    let who = Identity {
        owner: evil.clone(),
        repository: evil.clone(),
        workflow: evil.clone(),
        ..identity(1, 1, &evil)
    };
    let job = workdirs.allocate(&who, NOW).unwrap();
    assert!(
        job.path()
            .canonicalize()
            .unwrap()
            .starts_with(directory.path().canonicalize().unwrap().join("work"))
    );
}

#[test]
fn live_directory_is_spared_however_old_it_looks() {
    let (_directory, workdirs) = workdirs();
    let job = workdirs.allocate(&identity(1, 1, "slow"), NOW).unwrap();
    let policy = Policy { age: Some(Duration::ZERO), kept: true, ..Policy::default() };
    assert!(matches!(&verdicts(&workdirs, &policy, later(100_000))[..], [Verdict::Spared(_)]));
    assert!(job.workspace().is_dir());
}

#[test]
fn own_id_in_another_name_protects_nothing() {
    let (_directory, workdirs) = workdirs();
    let live = workdirs.allocate(&identity(100, 1, "build"), NOW).unwrap();
    let dead = crashed(&workdirs, &identity(1000, 1, "build"), NOW);
    let report = workdirs.gc(&Policy::default(), NOW).unwrap();
    assert!(!dead.exists(), "{report:?}");
    assert!(live.path().exists());
}

#[test]
fn what_does_not_carry_our_record_is_never_touched() {
    let (directory, workdirs) = workdirs();
    let beside = workdirs.root().join("octo/hello/ci.yml");
    let precious = directory.path().join("precious");
    fs::create_dir_all(&precious).unwrap();
    for name in ["lib-2024", "old-1 keep", "1-1-build"] {
        fs::create_dir_all(beside.join(name)).unwrap();
        fs::write(beside.join(name).join("file"), "x").unwrap();
    }
    let other = crashed(&workdirs, &identity(2, 1, "build"), NOW);
    // Links to what carries a record, and a record that is a link, are not ours either.
    let kept = workdirs.allocate(&identity(3, 1, "build"), NOW).unwrap();
    symlink(&precious, beside.join("link-1")).unwrap();
    fs::create_dir_all(beside.join("4-1-fake/.interlock")).unwrap();
    symlink(
        kept.path().join(".interlock/owner.json"),
        beside.join("4-1-fake/.interlock/owner.json"),
    )
    .unwrap();
    fs::write(beside.join("4-1-fake/.interlock/lock"), "").unwrap();
    fs::create_dir_all(beside.join("5-1-bad/.interlock")).unwrap();
    fs::write(beside.join("5-1-bad/.interlock/owner.json"), "{ torn").unwrap();
    workdirs.gc(&Policy { kept: true, ..Policy::default() }, later(1000)).unwrap();
    assert!(!other.exists());
    for name in
        ["lib-2024/file", "old-1 keep/file", "1-1-build/file", "link-1", "4-1-fake", "5-1-bad"]
    {
        assert!(fs::symlink_metadata(beside.join(name)).is_ok(), "{name}");
    }
    assert!(precious.is_dir());
}

#[test]
fn name_that_somebody_else_has_is_gone_around() {
    let (_directory, workdirs) = workdirs();
    let taken = workdirs.root().join("octo/hello/ci.yml/1-1-build");
    fs::create_dir_all(&taken).unwrap();
    fs::write(taken.join("file"), "x").unwrap();
    let job = workdirs.allocate(&identity(1, 1, "build"), NOW).unwrap();
    assert_ne!(job.path(), taken);
    assert_eq!(fs::read_to_string(taken.join("file")).unwrap(), "x");
    let empty = workdirs.root().join("octo/hello/ci.yml/2-1-build");
    fs::create_dir_all(&empty).unwrap();
    let job = workdirs.allocate(&identity(2, 1, "build"), NOW).unwrap();
    assert_ne!(job.path(), empty, "not even an empty directory is taken over");
}

#[test]
fn links_in_a_workspace_lead_nowhere_when_it_is_removed() {
    let (directory, workdirs) = workdirs();
    let outside = directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "x").unwrap();
    let job = workdirs.allocate(&identity(1, 1, "build"), NOW).unwrap();
    symlink(&outside, job.workspace().join("actions")).unwrap();
    fs::create_dir(job.workspace().join("locked")).unwrap();
    fs::set_permissions(job.workspace().join("locked"), fs::Permissions::from_mode(0o000)).unwrap();
    let path = job.path().to_owned();
    assert_eq!(job.finish(Outcome::Success, &Keep::default(), NOW).unwrap(), Finished::Removed);
    assert!(!path.exists());
    assert!(outside.join("precious").exists());
    assert!(
        workdirs.root().is_dir() && !workdirs.root().join("octo").exists(),
        "empty parents go too"
    );
}

#[test]
fn directory_whose_record_or_lock_is_no_file_stops_no_clean_up() {
    let (_directory, workdirs) = workdirs();
    let made: Vec<_> = (1..=4)
        .map(|run| {
            let job = workdirs.allocate(&identity(run, 1, "build"), NOW).unwrap();
            let path = job.path().join(".interlock");
            drop(job);
            path
        })
        .collect();
    let pipe = |path: &Path| {
        fs::remove_file(path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    pipe(&made[0].join("owner.json"));
    pipe(&made[1].join("lock"));
    fs::remove_file(made[2].join("lock")).unwrap();
    fs::create_dir(made[2].join("lock")).unwrap();
    assert_eq!(workdirs.list(NOW).unwrap().len(), 3, "the first carries no record any more");
    workdirs.gc(&Policy::default(), later(48)).unwrap();
    assert!(!made[3].exists(), "the one nobody has touched is gone");
    assert!(made[0].exists(), "without a record, it is not ours to remove");
}

#[test]
fn failed_job_is_kept_for_a_day_and_then_goes() {
    let (_directory, workdirs) = workdirs();
    let job = workdirs.allocate(&identity(1, 1, "build"), NOW).unwrap();
    let path = job.path().to_owned();
    let until = Some(later(24));
    assert_eq!(
        job.finish(Outcome::Failure, &Keep::default(), NOW).unwrap(),
        Finished::Kept { until }
    );
    assert_eq!(workdirs.list(NOW).unwrap()[0].state, State::Kept { until });
    assert!(matches!(
        &verdicts(&workdirs, &Policy::default(), later(23))[..],
        [Verdict::Spared(_)]
    ));
    assert_eq!(workdirs.list(later(25)).unwrap()[0].state, State::Dead);
    assert_eq!(verdicts(&workdirs, &Policy::default(), later(25)), [Verdict::Removed]);
    assert!(!path.exists());
}

#[test]
fn cancelled_job_is_not_kept_unless_all_are() {
    let (_directory, workdirs) = workdirs();
    let cancelled = workdirs.allocate(&identity(1, 1, "build"), NOW).unwrap();
    assert_eq!(
        cancelled.finish(Outcome::Cancelled, &Keep::default(), NOW).unwrap(),
        Finished::Removed
    );
    let keep = Keep { always: true, ..Keep::default() };
    let kept = workdirs.allocate(&identity(2, 1, "build"), NOW).unwrap();
    assert_eq!(kept.finish(Outcome::Success, &keep, NOW).unwrap(), Finished::Kept { until: None });
    assert!(matches!(
        &verdicts(&workdirs, &Policy::default(), later(10_000))[..],
        [Verdict::Spared(_)]
    ));
    let all = Policy { kept: true, ..Policy::default() };
    assert_eq!(verdicts(&workdirs, &all, later(10_000)), [Verdict::Removed]);
}

#[test]
fn limits_leave_the_youngest() {
    let (_directory, workdirs) = workdirs();
    for run in 1..=4 {
        crashed(&workdirs, &identity(run, 1, "build"), later(i64::try_from(run).unwrap()));
    }
    let left = |policy: &Policy| -> Vec<u64> {
        let report = workdirs.gc(&Policy { dry_run: true, ..policy.clone() }, later(4)).unwrap();
        let spared = report.into_iter().filter(|swept| matches!(swept.verdict, Verdict::Spared(_)));
        spared.map(|swept| swept.owner.unwrap().identity.run).collect()
    };
    assert_eq!(left(&Policy { count: Some(2), ..Policy::default() }), [3, 4]);
    assert_eq!(
        left(&Policy { age: Some(Duration::from_hours(3)), ..Policy::default() }),
        [2, 3, 4]
    );
    let one = workdirs.list(NOW).unwrap()[0].bytes;
    assert!(one > 0);
    assert_eq!(left(&Policy { bytes: Some(one * 3), ..Policy::default() }), [2, 3, 4]);
    assert_eq!(left(&Policy::default()), [0_u64; 0]);
    assert_eq!(workdirs.list(NOW).unwrap().len(), 4, "a rehearsal removes nothing");
}

#[test]
fn clean_ups_and_starts_do_not_disturb_each_other() {
    let (_directory, workdirs) = workdirs();
    let workdirs = Arc::new(workdirs);
    for run in 0..20 {
        crashed(&workdirs, &identity(run, 1, "dead"), NOW);
    }
    let sweepers: Vec<_> = (0..3)
        .map(|_| {
            let workdirs = Arc::clone(&workdirs);
            std::thread::spawn(move || {
                for _ in 0..30 {
                    for swept in workdirs.gc(&Policy::default(), later(1)).unwrap() {
                        assert!(!matches!(swept.verdict, Verdict::Failed(_)), "{swept:?}");
                    }
                }
            })
        })
        .collect();
    let starters: Vec<_> = (0..3)
        .map(|starter| {
            let workdirs = Arc::clone(&workdirs);
            std::thread::spawn(move || {
                let mut jobs = Vec::new();
                for run in 0..40 {
                    let job =
                        workdirs.allocate(&identity(1000 + run, starter, "live"), NOW).unwrap();
                    fs::write(job.workspace().join("file"), "x").unwrap();
                    jobs.push(job);
                }
                jobs
            })
        })
        .collect();
    let jobs: Vec<_> = starters.into_iter().flat_map(|starter| starter.join().unwrap()).collect();
    for sweeper in sweepers {
        sweeper.join().unwrap();
    }
    workdirs.gc(&Policy::default(), later(1)).unwrap();
    for job in &jobs {
        assert!(
            job.workspace().join("file").exists(),
            "{:?} was removed while it lived",
            job.path()
        );
    }
    assert_eq!(workdirs.list(NOW).unwrap().len(), jobs.len(), "the dead are gone");
}

#[test]
fn remains_of_a_crash_while_starting_are_cleared_unless_somebody_starts() {
    let (_directory, workdirs) = workdirs();
    let remains = workdirs.root().join(".staging/abandoned/workspace");
    fs::create_dir_all(&remains).unwrap();
    fs::create_dir_all(workdirs.root().join(".trash/unfinished")).unwrap();
    let lock = fs::File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(workdirs.root().join(".staging.lock"));
    let lock = lock.unwrap();
    lock.lock_shared().unwrap();
    workdirs.gc(&Policy::default(), NOW).unwrap();
    assert!(remains.exists(), "somebody is building");
    assert!(!workdirs.root().join(".trash/unfinished").exists());
    drop(lock);
    workdirs.gc(&Policy::default(), NOW).unwrap();
    assert!(!workdirs.root().join(".staging/abandoned").exists());
}

#[test]
fn root_that_cannot_be_made_is_a_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "x").unwrap();
    let error = Workdirs::open(directory.path().join("file/work")).unwrap_err();
    assert!(error.to_string().contains("file/work"), "{error}");
}

#[test]
fn full_disk_is_a_clear_error_and_leaves_nothing_half_made() {
    let directory = tempfile::tempdir().unwrap();
    let flags = rustix::mount::MountFlags::empty();
    let options = c"size=1m,nr_inodes=14";
    if rustix::mount::mount("interlock-test", directory.path(), "tmpfs", flags, options).is_err() {
        eprintln!("not tried: this user may not mount a small file system");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let workdirs = Workdirs::open(directory.path().join("work")).unwrap();
        let error = (1..10)
            .find_map(|run| workdirs.allocate(&identity(run, 1, "build"), NOW).err())
            .unwrap();
        assert!(error.to_string().contains("No space left"), "{error}");
        assert!(error.hint().unwrap().contains("interlock workspace gc"));
        assert_eq!(fs::read_dir(workdirs.root().join(".staging")).unwrap().count(), 0);
        assert_eq!(workdirs.list(NOW).unwrap().len(), 0);
    });
    rustix::mount::unmount(directory.path(), rustix::mount::UnmountFlags::empty()).unwrap();
    result.unwrap();
}
