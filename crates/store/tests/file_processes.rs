//! The embedded store, shared by many processes, some of which die.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use store::{Expect, File, Key, Store as _, Written};

const PROCESSES: usize = 8;
/// Tells this program that it is one of the processes: the directory, and its number.
const ROLE: &str = "INTERLOCK_TEST_PROCESS";

#[test]
fn no_process_starves_and_no_increment_is_lost() {
    let directory = tempfile::tempdir().expect("a directory");
    let children: Vec<_> = (0..PROCESSES).map(|n| start(directory.path(), n, 2)).collect();
    for mut child in children {
        assert!(child.wait().expect("wait").success());
    }
    let counts: Vec<_> = (0..PROCESSES).map(|n| acknowledged(directory.path(), n)).collect();
    let total: u64 = counts.iter().sum();
    assert_eq!(counter(directory.path()), total, "{counts:?}");
    let fair = total / PROCESSES as u64;
    assert!(counts.iter().all(|count| *count > fair / 8), "somebody starved: {counts:?}");
    eprintln!("{} increments a second, by process: {counts:?}", total / 2);
}

#[test]
fn killed_writers_lose_nothing_they_were_promised() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut children: Vec<_> = (0..PROCESSES).map(|n| start(directory.path(), n, 3)).collect();
    let (doomed, rest) = children.split_at_mut(PROCESSES / 2);
    for (number, child) in doomed.iter_mut().enumerate() {
        // Each dies somewhere else: between and in the middle of writes.
        wait_for_acknowledgements(directory.path(), number, 20 + 7 * number as u64);
        child.kill().expect("SIGKILL");
        child.wait().expect("wait");
    }
    for child in rest {
        assert!(child.wait().expect("wait").success(), "the others went on");
    }
    let promised: u64 = (0..PROCESSES).map(|n| acknowledged(directory.path(), n)).sum();
    let unsaid = (PROCESSES / 2) as u64;
    let found = counter(directory.path());
    assert!(promised <= found && found <= promised + unsaid, "{promised} promised, {found} found");
}

/// Not a test by itself: what each process does.
#[test]
fn process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let mut words = role.split(' ');
    let mut word = || words.next().expect("a word");
    let (number, seconds) = (word().to_owned(), word().parse().expect("seconds"));
    let directory = words.collect::<Vec<_>>().join(" ");
    let directory = Path::new(&directory);
    let mut promises = std::fs::File::create(directory.join(number)).expect("a file");
    let end = Instant::now() + Duration::from_secs(seconds);
    runtime().block_on(async {
        let store = File::open(&directory.join("store.db")).await.expect("open");
        while Instant::now() < end {
            if increment(&store).await {
                promises.write_all(b"+").expect("write");
            }
        }
    });
}

async fn increment(store: &File) -> bool {
    let record = store.read(&key()).await.expect("read");
    let (count, expect) = match record {
        None => (0, Expect::Absent),
        Some(record) => (number(&record.value), Expect::At(record.version)),
    };
    let next = (count + 1).to_string();
    store.write(&key(), next.into(), expect).await.expect("write") != Written::Conflict
}

fn start(directory: &Path, number: usize, seconds: u64) -> Child {
    let program = std::env::current_exe().expect("this program");
    Command::new(program)
        .args(["--exact", "process"])
        .env(ROLE, format!("{number} {seconds} {}", directory.display()))
        .stdout(Stdio::null())
        .spawn()
        .expect("a process")
}

fn wait_for_acknowledgements(directory: &Path, number: usize, count: u64) {
    let end = Instant::now() + Duration::from_secs(30);
    while acknowledged(directory, number) < count {
        assert!(Instant::now() < end, "process {number} does nothing");
        std::thread::yield_now();
    }
}

fn acknowledged(directory: &Path, number: usize) -> u64 {
    std::fs::metadata(directory.join(number.to_string())).map_or(0, |facts| facts.len())
}

fn counter(directory: &Path) -> u64 {
    runtime().block_on(async {
        let store = File::open(&directory.join("store.db")).await.expect("open");
        number(&store.read(&key()).await.expect("read").expect("record").value)
    })
}

fn number(value: &[u8]) -> u64 {
    std::str::from_utf8(value).expect("digits").parse().expect("a number")
}

fn key() -> Key {
    Key::new(["counter"])
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
