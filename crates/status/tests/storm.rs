//! Many writers, one comment, and everything that goes wrong: at rest the comment is the join of all slots.
//!
//! `INTERLOCK_STATUS_SEEDS=1000` plays as many worlds; a failing one names its seed.

use std::sync::Arc;
use std::time::Duration;

use coord::{BootClock, Clock};
use github::{Client, Http, Settings, Transport};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use status::{
    Block, Board, Change, Document, Look, Pacemaker, Post, Posted, Posting, State, Stay, Subject,
    Target, Tempo, Timing, View, Writer,
};
use store::{Memory, Store};
use testkit::forge::{Effect, Faults, Forge, Pull, Rule, State as World};

const PULL: u64 = 7;

fn timing() -> Timing {
    let ms = Duration::from_millis;
    Timing {
        lease: ms(1000),
        settling: ms(200),
        lag: ms(40),
        patience: Duration::from_secs(20),
        tempo: Tempo {
            interval: ms(40),
            burst: 4,
            smallest: ms(2),
            urgent: ms(8),
            hourly: ms(1),
            hourly_burst: 1000,
        },
        clock: Pacemaker::Machine,
    }
}

fn sha(letter: char) -> String {
    letter.to_string().repeat(40)
}

fn subject() -> Subject {
    Subject {
        host: "github.com".to_owned(),
        repository: "octo/tones".to_owned(),
        target: Target::Pull(PULL),
        name: "status".to_owned(),
    }
}

fn world() -> World {
    let mut world = World::new("octo/tones");
    let branch = "topic".to_owned();
    world.pulls.push(Pull { number: PULL, branch, sha: sha('a'), state: "open", merged: false });
    world
}

fn http() -> Arc<dyn Transport> {
    Arc::new(Http::new(Some("token".to_owned()), Duration::from_secs(5)).expect("a client"))
}

fn board(forge: &Forge, store: &Arc<dyn Store>, http: &Arc<dyn Transport>) -> Board {
    let repository = "octo/tones".parse().expect("a name");
    let settings = Settings { retries: 3, pause: Duration::from_millis(5) };
    let client = Client::new(Arc::clone(http), &forge.url(), repository, settings);
    let clock: Arc<dyn Clock> = Arc::new(BootClock::of_this_machine());
    Board::new(subject(), (Arc::clone(store), clock), Some(client), timing(), Look::default())
}

fn post(job: usize, head: &str, state: State, ttl: Duration) -> Post {
    let job = format!("job {job:02}");
    Post {
        writer: Writer {
            host: "github.com".to_owned(),
            repository: "octo/tones".to_owned(),
            workflow: ".github/workflows/ci.yml".to_owned(),
            event: "pull_request".to_owned(),
            run: "100".to_owned(),
            job,
            leg: String::new(),
        },
        attempt: 1,
        process: None,
        head: head.to_owned(),
        tasks: vec![("test".to_owned(), Change::to(state))],
        ttl: Some(ttl),
    }
}

/// What goes wrong in one world.
fn faults(seed: u64) -> Faults {
    let refuse = |status: u16, headers: Vec<(&'static str, String)>, body: &str| {
        Effect::Refuse(status, headers, body.to_owned())
    };
    let soon = || vec![("retry-after", "0".to_owned())];
    let rule = |method, per_mille, effect| Rule {
        method,
        path: "/comments",
        per_mille,
        budget: 3,
        effect,
    };
    let abuse = r#"{"message":"Validation Failed","errors":[{"code":"abuse"}],"documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}"#;
    let late = Duration::from_millis(20 + seed % 40);
    Faults::new(
        seed,
        vec![
            rule("PATCH", 150, Effect::LandLater(late)),
            rule("POST", 200, Effect::LandLater(late)),
            rule("PATCH", 100, Effect::LoseAnswer),
            rule("POST", 100, Effect::LoseAnswer),
            rule("PATCH", 60, refuse(403, soon(), "{}")),
            rule("PATCH", 60, refuse(429, soon(), "{}")),
            rule("PATCH", 60, refuse(422, soon(), abuse)),
            rule("PATCH", 80, refuse(502, Vec::new(), "{}")),
            rule("GET", 80, refuse(503, Vec::new(), "{}")),
            rule("PATCH", 300, Effect::Delay(Duration::from_millis(10))),
        ],
    )
    .lagging(Duration::from_millis(40))
}

/// A writer that may die anywhere on the way.
async fn write_mortally(board: Board, job: usize, seed: u64) {
    let dies = StdRng::seed_from_u64(seed ^ (job as u64) << 40).next_u64();
    let life = write(board, job, seed);
    if dies.is_multiple_of(4) {
        drop(tokio::time::timeout(Duration::from_millis(dies / 4 % 200), life).await);
    } else {
        life.await;
    }
}

/// A writer: some words, then a final one.
async fn write(board: Board, job: usize, seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed ^ (job as u64) << 32);
    let ttl = Duration::from_millis(150);
    let head = sha('a');
    for _ in 0..chance.random_range(0..3) {
        let running = post(job, &head, State::Running, ttl);
        if let Ok(Posting::Posted { posted: Posted::Stored { revision }, .. }) =
            board.post(&running).await
        {
            drop(board.publish(revision, Stay::IfDue).await);
        }
        tokio::time::sleep(Duration::from_millis(chance.random_range(0..30))).await;
    }
    let state = if chance.random_bool(0.3) { State::Failed } else { State::Passed };
    if let Ok(Posting::Posted { posted: Posted::Stored { revision }, .. }) =
        board.post(&post(job, &head, state, ttl)).await
    {
        drop(board.publish(revision, Stay::UntilShown).await);
    }
}

/// People and bots who do not know what they do.
async fn disturb(forge: &Forge, seed: u64) {
    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(10 + seed % 23)).await;
        forge.with(|world| {
            let ours: Vec<u64> = world
                .comments
                .iter()
                .filter(|c| c.author == "interlock[bot]")
                .map(|c| c.id)
                .collect();
            match ((seed + round) % 4, ours.first()) {
                (0, Some(id)) => drop(world.remove(*id)),
                (1, Some(id)) => drop(world.edit(*id, &format!("{}\nedited", subject().marker()))),
                (2, _) => {
                    let forged = format!("{}\nmine now", subject().marker());
                    world.comment(PULL, "mallory", &forged);
                }
                _ => {}
            }
        });
    }
}

/// Reads the comments as they are and says what is wrong with them.
fn check(
    forge: &Forge,
    document: &Document,
    dead: impl Fn(&status::Row) -> bool,
) -> Result<(), String> {
    let marker = subject().marker();
    let comments = forge.with(|world| world.comments.clone());
    let ours: Vec<_> = comments
        .iter()
        .filter(|c| c.author == "interlock[bot]" && c.body.starts_with(&marker))
        .collect();
    let [comment] = ours[..] else { return Err(format!("{} comments", ours.len())) };
    let block = Block::decode(&comment.body).ok_or("no block")?;
    let shown = block.document.ok_or("no document")?;
    if shown.shown().map(|(head, page)| (head, strip(page)))
        != document.shown().map(|(head, page)| (head, strip(page)))
    {
        return Err("the block is not the join".to_owned());
    }
    for row in &View::new(document, dead).rows {
        let line = format!("{} {}", row.state.sign(), row.state.word());
        let job = format!("· {}", row.writer.job);
        let is_passed = row.state == State::Passed;
        let found = comment
            .body
            .lines()
            .any(|text| text.contains(&line) && (text.contains(&job) || !row.is_namesake));
        if !found && !is_passed {
            return Err(format!("{job} is not shown as {line}"));
        }
    }
    Ok(())
}

/// Who said what.
type Told = (Writer, u32, Vec<(String, u64, State)>);

/// Leaves out what is not shown: heartbeats.
fn strip(page: &status::Page) -> Vec<Told> {
    let rows = |slot: &status::Slot| {
        slot.rows.iter().map(|row| (row.task.clone(), row.seq, row.state)).collect()
    };
    page.slots.iter().map(|slot| (slot.writer.clone(), slot.attempt, rows(slot))).collect()
}

async fn play(seed: u64, writers: usize) -> Result<(), String> {
    let forge = Forge::start(world(), faults(seed)).await;
    for number in 0..130 {
        forge.with(|world| world.comment(PULL, "octocat", &format!("remark {number}")));
    }
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let http = http();
    let mut all = tokio::task::JoinSet::new();
    for job in 0..writers {
        all.spawn(write_mortally(board(&forge, &store, &http), job, seed));
    }
    disturb(&forge, seed).await;
    while let Some(ended) = all.join_next().await {
        ended.map_err(|error| error.to_string())?;
    }
    forge.settle().await;
    let last = board(&forge, &store, &http);
    let settled =
        last.settle(Duration::from_secs(20), None).await.map_err(|error| error.to_string())?;
    if !settled.proven || settled.unfinished > 0 {
        return Err(format!("not settled: {settled:?}"));
    }
    forge.settle().await;
    let snapshot = last.snapshot().await.map_err(|error| error.to_string())?;
    let assignment = &snapshot.assignment;
    check(&forge, &assignment.document, |row| assignment.is_dead(row))
}

/// Plays a world in which nobody dies and nobody meddles, and looks without settling anything.
async fn play_calmly(seed: u64, writers: usize) -> Result<(), String> {
    let forge = Forge::start(world(), faults(seed)).await;
    let store: Arc<dyn Store> = Arc::new(Memory::default());
    let http = http();
    let mut all = tokio::task::JoinSet::new();
    for job in 0..writers {
        all.spawn(write(board(&forge, &store, &http), job, seed));
    }
    while let Some(ended) = all.join_next().await {
        ended.map_err(|error| error.to_string())?;
    }
    forge.settle().await;
    let snapshot = board(&forge, &store, &http).snapshot().await;
    let snapshot = snapshot.map_err(|error| error.to_string())?;
    if snapshot.assignment.document.shown().map(|(_, page)| page.rows()) != Some(writers) {
        return Err("the store has lost a row".to_owned());
    }
    check(&forge, &snapshot.assignment.document, |_| false)
}

fn seeds(default: u64) -> u64 {
    let given = std::env::var("INTERLOCK_STATUS_SEEDS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_dies_the_last_writer_leaves_the_join() {
    for seed in 1..=seeds(6) {
        let played = play_calmly(seed, 8).await;
        assert_eq!(played, Ok(()), "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_rest_the_comment_is_the_join_of_all_slots() {
    let seeds = seeds(4);
    let mut faults = Vec::new();
    for first in (1..=seeds).step_by(8) {
        let worlds = (first..=seeds.min(first + 7)).map(|seed| async move {
            let writers = if seed.is_multiple_of(2) { 4 } else { 12 };
            play(seed, writers).await.map_err(|why| format!("seed {seed}: {why}"))
        });
        let mut set = tokio::task::JoinSet::new();
        worlds.for_each(|world| drop(set.spawn(world)));
        while let Some(played) = set.join_next().await {
            faults.extend(played.expect("a world does not panic").err());
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Tells the forge that somebody has pushed.
fn push(forge: &Forge, letter: char) {
    forge.with(|world| world.pulls[0].sha = sha(letter));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_come_back_and_an_older_one_changes_nothing() {
    let forge = Forge::start(world(), Faults::default()).await;
    let (store, http): (Arc<dyn Store>, _) = (Arc::new(Memory::default()), http());
    let board = board(&forge, &store, &http);
    let ttl = Duration::from_mins(1);
    let say = async |job: usize, letter: char| {
        let posting = board.post(&post(job, &sha(letter), State::Passed, ttl)).await;
        match posting.expect("a store that works") {
            Posting::Posted { posted: Posted::Stored { revision }, .. } => {
                let shown = board.publish(revision, Stay::UntilShown).await;
                assert_eq!(shown.expect("an API that works"), status::Publication::Shown);
                None
            }
            Posting::OlderHead { current } => Some(current),
            other @ Posting::Posted { .. } => panic!("{other:?}"),
        }
    };
    let heads = || {
        let body = forge.with(|world| world.comments[0].body.clone());
        let document = Block::decode(&body).and_then(|block| block.document).expect("a block");
        let (head, page) = document.shown().expect("a page");
        (head.chars().next().expect("a name"), page.rows())
    };
    assert_eq!(say(1, 'a').await, None);
    assert_eq!(heads(), ('a', 1));
    push(&forge, 'b');
    // Nobody has written about the new head yet, and the old one is old all the same.
    assert_eq!(say(2, 'a').await, Some(sha('b')));
    assert_eq!(heads(), ('a', 1));
    assert_eq!(say(1, 'b').await, None);
    assert_eq!(heads(), ('b', 1));
    let before = board.snapshot().await.expect("a document");
    assert_eq!(say(3, 'a').await, Some(sha('b')), "the old push comes last");
    let after = board.snapshot().await.expect("a document");
    assert_eq!(before.assignment.document, after.assignment.document);
    push(&forge, 'a');
    assert_eq!(say(4, 'a').await, None);
    assert_eq!(heads(), ('a', 2));
    assert_eq!(say(5, 'b').await, Some(sha('a')));
    assert_eq!(forge.with(|world| world.comments.len()), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_push_is_not_taken_for_an_old_one_because_a_replica_lags() {
    let forge = Forge::start(world(), Faults::default()).await;
    let (store, http): (Arc<dyn Store>, _) = (Arc::new(Memory::default()), http());
    let board = board(&forge, &store, &http);
    let ttl = Duration::from_mins(1);
    drop(board.post(&post(1, &sha('a'), State::Passed, ttl)).await);
    // The replica still says `a`; the truth comes a little later.
    let new = post(1, &sha('b'), State::Passed, ttl);
    let (late, ()) = tokio::join!(board.post(&new), async {
        tokio::time::sleep(Duration::from_millis(15)).await;
        push(&forge, 'b');
    });
    assert!(matches!(late, Ok(Posting::Posted { posted: Posted::Stored { .. }, .. })), "{late:?}");
}
