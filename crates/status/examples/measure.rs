//! Measures one comment under many writers, beside plain get-merge-patch in the same run; see `bench/status.sh`.
#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coord::{BootClock, Clock};
use github::{Client, Http, Settings, Transport};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use status::{
    Block, Board, COMMENT, Change, Document, Keep, Look, Options, Pacemaker, Post, Posted, Posting,
    State, Stay, Subject, Target, Template, Tempo, Timing, View, Writer, render,
};
use store::{Memory, Store};
use testkit::forge::{Effect, Faults, Forge, Pull, Rule, State as World};

const PULL: u64 = 7;

fn subject() -> Subject {
    Subject {
        host: "github.com".to_owned(),
        repository: "octo/tones".to_owned(),
        target: Target::Pull(PULL),
        name: "status".to_owned(),
    }
}

/// A forge as slow as GitHub: reads take 150 ms and lag by up to 2 s, writes take 300 ms.
async fn forge() -> Forge {
    let mut world = World::new("octo/tones");
    let (branch, sha) = ("topic".to_owned(), "a".repeat(40));
    world.pulls.push(Pull { number: PULL, branch, sha, state: "open", merged: false });
    let slow = |method, ms| Rule {
        method,
        path: "/",
        per_mille: 1000,
        budget: u32::MAX,
        effect: Effect::Delay(Duration::from_millis(ms)),
    };
    let rules = vec![slow("GET", 150), slow("PATCH", 300), slow("POST", 300)];
    Forge::start(world, Faults::new(1, rules).lagging(Duration::from_secs(2))).await
}

fn client(forge: &Forge, http: &Arc<dyn Transport>) -> Client {
    let repository = "octo/tones".parse().expect("a name");
    Client::new(Arc::clone(http), &forge.url(), repository, Settings::default())
}

fn post(job: usize, state: State) -> Post {
    Post {
        writer: Writer { job: format!("job {job:03}"), run: "1".to_owned(), ..Writer::default() },
        attempt: 1,
        process: None,
        head: "a".repeat(40),
        tasks: vec![(format!("task {job:03}"), Change::to(state))],
        ttl: Some(Duration::from_hours(1)),
    }
}

/// When a job says that it runs, and when that it has ended, in seconds.
fn times(job: usize, jobs: usize, minutes: u64) -> (Duration, Duration) {
    let mut chance = StdRng::seed_from_u64(job as u64);
    if minutes == 1 {
        let start = chance.random_range(0.0..20.0);
        return (
            Duration::from_secs_f64(start),
            Duration::from_secs_f64(chance.random_range(start + 5.0..58.0)),
        );
    }
    // Waves of twenty, as many as run at once; each takes about ten minutes.
    let waves = u32::try_from(jobs.div_ceil(20)).unwrap_or(u32::MAX).max(1);
    let wave = Duration::from_hours(1) / waves * u32::try_from(job / 20).unwrap_or(0);
    let start = wave + Duration::from_secs_f64(chance.random_range(0.0..15.0));
    (start, start + Duration::from_secs_f64(chance.random_range(300.0..600.0)))
}

/// One writer as we do it.
async fn ours(board: Board, job: usize, (start, end): (Duration, Duration)) {
    for (at, state, stay) in [
        (start, State::Running, Stay::IfDue),
        (end.saturating_sub(start), State::Passed, Stay::UntilShown),
    ] {
        tokio::time::sleep(at).await;
        let posting = board.post(&post(job, state)).await.expect("a store that works");
        if let Posting::Posted { posted: Posted::Stored { revision }, .. } = posting {
            board.publish(revision, stay).await.expect("an API that works");
        }
    }
}

/// One writer as everybody does it: read the comment, put the own row in, write it.
async fn plain(client: Client, job: usize, (start, end): (Duration, Duration)) {
    let marker = subject().marker();
    for (at, state) in [(start, State::Running), (end.saturating_sub(start), State::Passed)] {
        tokio::time::sleep(at).await;
        let comments = client.comments(PULL).await.expect("comments");
        let ours = comments.iter().find(|comment| comment.body.starts_with(&marker));
        let known = ours.and_then(|comment| Block::decode(&comment.body)?.document);
        let mut document = known.unwrap_or_default();
        document.join(&alone(job, state));
        let body = drawn(&document, &marker);
        match ours {
            Some(comment) => drop(client.update_comment(comment.id, &body).await),
            None => drop(client.create_comment(PULL, &body).await),
        }
    }
}

/// A document with one row.
fn alone(job: usize, state: State) -> Document {
    let post = post(job, state);
    let row = status::Row { seq: state as u64, state, ..status::Row::new(&post.tasks[0].0) };
    let slot =
        status::Slot { writer: post.writer, attempt: 1, rows: vec![row], ..Default::default() };
    let page = status::Page { visited: 1, slots: vec![slot], ..Default::default() };
    Document {
        current: Some(post.head.clone()),
        generation: 1,
        pages: [(post.head, page)].into(),
        ..Document::default()
    }
}

fn drawn(document: &Document, marker: &str) -> String {
    let template = Template::default();
    let options = Options {
        marker,
        title: None,
        template: &template,
        time: jiff::Timestamp::now(),
        budget: None,
        limit: COMMENT,
        state: Keep::First,
    };
    render(document, 1, &View::new(document, |_| false), &options).body
}

/// Counts the jobs whose last word no comment shows.
fn lost(forge: &Forge, jobs: usize) -> usize {
    let bodies = forge.with(|world| {
        world.comments.iter().map(|comment| comment.body.clone()).collect::<Vec<_>>()
    });
    let mut shown = BTreeSet::new();
    // The oldest comment is the one that people look at.
    let documents = bodies.first().and_then(|body| Block::decode(body)?.document);
    for page in documents.iter().flat_map(|document| document.pages.values()) {
        for slot in &page.slots {
            let passed = slot.rows.iter().any(|row| row.state == State::Passed);
            shown.extend(passed.then(|| slot.writer.job.clone()));
        }
    }
    jobs - shown.len()
}

/// Prints one line of the table.
fn report(name: &str, forge: &Forge, jobs: usize) {
    let lost = lost(forge, jobs);
    let (writes, all, unchanged, comments) = forge.with(|world| {
        let unchanged = world.seen.iter().filter(|seen| seen.status == 304).count();
        let writes = world.count("PATCH", "/comments") + world.count("POST", "/comments");
        (writes, world.seen.len(), unchanged, world.comments.len())
    });
    println!("| {name} | {jobs} | {lost} | {writes} | {all} | {unchanged} | {comments} |");
}

/// Lets `jobs` writers write for so many minutes, `haste` times as fast as time passes.
async fn race(jobs: usize, minutes: u64, haste: u32, with_plain: bool) {
    let http: Arc<dyn Transport> =
        Arc::new(Http::new(Some("token".to_owned()), Duration::from_secs(10)).expect("a client"));
    let (one, other) = (forge().await, forge().await);
    if haste > 1 {
        one.set_faults(Faults::default());
    }
    let quick = |time: Duration| time / haste;
    let tempo = Tempo::default();
    let timing = Timing {
        settling: quick(Duration::from_secs(10)),
        lag: quick(Duration::from_secs(4)),
        tempo: Tempo {
            interval: quick(tempo.interval),
            smallest: quick(tempo.smallest),
            urgent: quick(tempo.urgent),
            hourly: quick(tempo.hourly),
            ..tempo
        },
        clock: Pacemaker::Machine,
        ..Timing::default()
    };
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let clock: Arc<dyn Clock> = Arc::new(BootClock::of_this_machine());
    let mut writers = tokio::task::JoinSet::new();
    for job in 0..jobs {
        let (start, end) = times(job, jobs, minutes);
        let when = (quick(start), quick(end));
        let place = (Arc::clone(&store), Arc::clone(&clock));
        let board =
            Board::new(subject(), place, Some(client(&one, &http)), timing, Look::default());
        writers.spawn(ours(board, job, when));
        if with_plain {
            writers.spawn(plain(client(&other, &http), job, when));
        }
    }
    while let Some(ended) = writers.join_next().await {
        ended.expect("a writer does not panic");
    }
    report(if minutes == 1 { "interlock status" } else { "interlock status, an hour" }, &one, jobs);
    if with_plain {
        report("get, merge, patch", &other, jobs);
    }
}

fn rendering() {
    let mut document = Document::default();
    for job in 0..1000 {
        let state = if job % 50 == 0 { State::Failed } else { State::Passed };
        document.join(&alone(job, state));
    }
    let marker = subject().marker();
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let began = Instant::now();
        let body = drawn(&document, &marker);
        best = best.min(began.elapsed());
        assert!(body.len() <= COMMENT, "it fits");
    }
    println!("\nrender of 1,000 rows with their state: {:.2} ms", best.as_secs_f64() * 1000.0);
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    println!(
        "| | writers | rows lost | writes of the comment | API calls | of these free (304) | comments |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    tokio::join!(race(4, 1, 1, true), race(20, 1, 1, true));
    race(100, 60, 60, false).await;
    rendering();
}
