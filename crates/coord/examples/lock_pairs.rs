//! Measures acquiring and releasing one lock: alone, and from many processes at once.
//!
//! `lock_pairs URL PROCESSES SECONDS` prints pairs a second and the share of each process; with
//! `--alone` it prints the median of uncontended pairs instead.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use coord::lease::{Answer, Contender, Holder, Lock, Locks, Round};
use coord::{BootClock, Clock, Token};
use jiff::Timestamp;
use store::{Store, Surroundings};

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [_, "--alone", url] => println!("{}", alone(url)),
        [_, "--work", url, seconds] => println!("{}", work(url, seconds.parse().expect("seconds"))),
        [program, url, processes, seconds] => {
            println!("{}", together(program, url, processes.parse().expect("a count"), seconds));
        }
        _ => println!("lock_pairs URL PROCESSES SECONDS | lock_pairs --alone URL"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

async fn lock(url: &str) -> Lock {
    let variables = std::env::vars().collect();
    let surroundings = Surroundings { variables, state: std::env::temp_dir() };
    let store: Arc<dyn Store> = store::open(url, &surroundings).await.expect("a store");
    let clock: Arc<dyn Clock> = Arc::new(BootClock::of_this_machine());
    let (ttl, ticket) = (Duration::from_mins(15), Duration::from_mins(1));
    let holder = Holder { name: std::process::id().to_string(), ..Holder::default() };
    let contender = Contender { token: Token::random(), holder, ttl, ticket };
    Lock::new(store, clock, "bench", contender, Timestamp::now())
}

fn alone(url: &str) -> String {
    runtime().block_on(async {
        let mut lock = lock(url).await;
        let mut times = Vec::new();
        for _ in 0..50 {
            let began = Instant::now();
            let answer = lock.try_acquire().await.expect("the store works");
            assert!(!matches!(answer, Answer::Held { .. }), "somebody else has it");
            lock.release().await.expect("the store works");
            times.push(began.elapsed());
        }
        times.sort_unstable();
        format!("{:.2} ms", times[25].as_secs_f64() * 1000.0)
    })
}

fn work(url: &str, seconds: u64) -> u64 {
    runtime().block_on(async {
        let mut locks = Locks::new(vec![lock(url).await]);
        let (began, mut pairs) = (Instant::now(), 0);
        while began.elapsed() < Duration::from_secs(seconds) {
            let mut round = locks.enter().await.expect("the store works");
            while round != Round::All {
                round = locks.next().await.expect("the store works");
            }
            locks.release().await.expect("the store works");
            pairs += 1;
        }
        pairs
    })
}

fn together(program: &str, url: &str, processes: usize, seconds: &str) -> String {
    let start = |_| {
        let mut command = Command::new(program);
        command.args(["--work", url, seconds]).stdout(Stdio::piped()).spawn().expect("a process")
    };
    let children: Vec<_> = (0..processes).map(start).collect();
    let count = |child: std::process::Child| -> u64 {
        let output = child.wait_with_output().expect("an output");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a count")
    };
    let counts: Vec<u64> = children.into_iter().map(count).collect();
    let total: u64 = counts.iter().sum();
    let seconds: u64 = seconds.parse().expect("seconds");
    let (least, most) = (counts.iter().min(), counts.iter().max());
    let [least, most] = [least, most].map(|count| count.copied().unwrap_or_default());
    format!("{} pairs/s; each process {least} to {most}", total / seconds.max(1))
}
