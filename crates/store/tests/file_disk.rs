//! The embedded store on a disk that is full, and on one that cannot be written.

use std::path::Path;
use std::process::Command;

use store::{ErrorKind, Expect, File, Key, Store as _, Written};

/// Tells this program that it is on a small disk, and where.
const ROLE: &str = "INTERLOCK_TEST_DISK";

#[test]
fn full_disk_refuses_and_keeps_what_it_promised() {
    on_a_small_disk("size=400k", "fill");
}

#[test]
fn disk_that_cannot_be_written_is_denied_with_its_name() {
    on_a_small_disk("size=400k,ro", "refuse");
}

/// Not a test by itself: what happens on a full disk.
#[test]
fn fill() {
    let Ok(directory) = std::env::var(ROLE) else { return };
    let key = Key::new(["lock"]);
    runtime().block_on(async {
        let store = File::open(&Path::new(&directory).join("store.db")).await.expect("open");
        let (mut expect, mut kept) = (Expect::Absent, Vec::new());
        let refused = loop {
            assert!(kept.len() < 1 << 20, "the disk is small");
            let value = vec![b'x'; 10_000 + kept.len()];
            match store.write(&key, value.clone().into(), expect.clone()).await {
                Ok(Written::Stored(version)) => expect = Expect::At(version),
                Ok(Written::Conflict) => panic!("nobody else is here"),
                Err(error) => break error,
            }
            kept = value;
        };
        assert_eq!(refused.kind, ErrorKind::Unavailable, "{}", refused.source);
        assert!(refused.source.to_string().contains("full"), "{}", refused.source);
        let record = store.read(&key).await.expect("reading goes on").expect("record");
        assert_eq!((record.value.to_vec(), Expect::At(record.version)), (kept, expect));
    });
}

/// Not a test by itself: what happens on a disk that is mounted read-only.
#[test]
fn refuse() {
    let Ok(directory) = std::env::var(ROLE) else { return };
    let path = Path::new(&directory).join("state/store.db");
    let error = runtime().block_on(File::open(&path)).expect_err("it cannot be written");
    assert_eq!(error.kind, ErrorKind::Denied, "{}", error.source);
    assert!(error.source.to_string().contains(&directory), "{}", error.source);
}

/// Runs one of the roles with a small disk of its own, if the kernel lets us mount one.
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn on_a_small_disk(options: &str, role: &str) {
    let directory = tempfile::tempdir().expect("a directory");
    let script = "mount -t tmpfs -o \"$1\" none \"$2\" || exit 77; shift 2; exec \"$@\"";
    let program = std::env::current_exe().expect("this program");
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", options])
        .arg(directory.path())
        .arg(program)
        .args(["--exact", role])
        .env(ROLE, directory.path())
        .status();
    match status.map(|status| status.code()) {
        Ok(Some(0)) => {}
        Ok(Some(77 | 1)) | Err(_) if !can_mount() => {
            eprintln!("skipped: a file system can be mounted neither here nor in a namespace");
        }
        end => panic!("{role}: {end:?}"),
    }
}

fn can_mount() -> bool {
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"])
        .status();
    status.is_ok_and(|status| status.success())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
