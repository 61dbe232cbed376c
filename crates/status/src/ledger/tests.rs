//! The ledger: what is stored, what is shown, and whose turn it is.

use coord::Stamp;

use super::*;
use crate::row::State;

const LEASE: Duration = Duration::from_secs(20);
const TTL: Duration = Duration::from_mins(1);

fn at(seconds: u64) -> Now {
    Now::at(Stamp::new("boot", Duration::from_secs(seconds)))
}

fn post(job: &str, attempt: u32, head: &str, state: State) -> Post {
    Post {
        writer: Writer { job: job.to_owned(), ..Writer::default() },
        attempt,
        process: None,
        head: head.to_owned(),
        tasks: vec![("task".to_owned(), Change::to(state))],
        ttl: Some(TTL),
    }
}

fn say(ledger: &mut Ledger, post: &Post, standing: Standing) -> Posted {
    let token = Token::new(post.writer.job.clone());
    ledger.post(post, standing, &token, Timestamp::UNIX_EPOCH)
}

fn need(revision: u64) -> Need {
    Need { revision, urgent: true, time: 1_700_000_000_000, throttle: Throttle::Times(1) }
}

fn take(ledger: &mut Ledger, revision: u64, token: &str, now: &Now) -> Turn {
    let (token, tempo) = (Token::new(token), Tempo::default());
    ledger.take(need(revision), &Bid { token: &token, lease: LEASE, tempo: &tempo }, now)
}

fn feat(revision: u64) -> Feat {
    Feat { revision, comment: 7, author: None, shown: String::new() }
}

fn record(ledger: &mut Ledger, need: Need, token: &str, now: &Now) -> Recorded {
    let (token, tempo) = (Token::new(token), Tempo::default());
    ledger.record(&feat(1), need, &Bid { token: &token, lease: LEASE, tempo: &tempo }, now)
}

fn later(seconds: u64) -> Need {
    Need { time: need(0).time + seconds * 1000, ..need(0) }
}

/// Lets a clock see every life as it is now.
fn see(ledger: &mut Ledger, seconds: u64) {
    let stamp = Stamp::new("boot", Duration::from_secs(seconds));
    ledger.each_life(&mut |life| {
        life.note(&stamp);
    });
}

#[test]
fn row_of_another_head_is_kept_and_shows_nothing() {
    let mut ledger = Ledger::default();
    say(&mut ledger, &post("a", 1, "new", State::Passed), Standing::Current);
    let before = ledger.revision;
    let posted = say(&mut ledger, &post("b", 1, "other", State::Failed), Standing::Unknown);
    assert_eq!(posted, Posted::Stored { revision: before });
    assert_eq!(ledger.document.current.as_deref(), Some("new"));
    assert_eq!(ledger.document.pages["other"].rows(), 1);
}

#[test]
fn heads_come_and_go_and_come_back() {
    let mut ledger = Ledger::default();
    for (job, head) in [("1", "a"), ("2", "b"), ("3", "a")] {
        say(&mut ledger, &post(job, 1, head, State::Passed), Standing::Current);
    }
    assert_eq!(ledger.document.shown().unwrap().0, "a");
    assert_eq!(ledger.document.shown().unwrap().1.rows(), 2);
    assert_eq!(ledger.document.pages["b"].rows(), 1);
}

#[test]
fn legs_that_look_the_same_lose_no_row() {
    let mut ledger = Ledger::default();
    let leg = |process: &str, state| Post {
        process: Some(process.to_owned()),
        ..post("test", 1, "h", state)
    };
    for process in ["one", "two", "three"] {
        say(&mut ledger, &leg(process, State::Running), Standing::Current);
    }
    say(&mut ledger, &leg("two", State::Failed), Standing::Current);
    say(&mut ledger, &leg("one", State::Passed), Standing::Current);
    assert!(ledger.beat(&leg("three", State::Running), Timestamp::UNIX_EPOCH));
    let page = &ledger.document.pages["h"];
    let states: Vec<State> = page.slots.iter().map(|slot| slot.rows[0].state).collect();
    assert_eq!(states, [State::Passed, State::Running, State::Failed]);
}

#[test]
fn earlier_attempt_and_late_running_change_nothing() {
    let mut ledger = Ledger::default();
    say(&mut ledger, &post("a", 10, "h", State::Failed), Standing::Current);
    let before = ledger.clone();
    let late = say(&mut ledger, &post("a", 9, "h", State::Passed), Standing::Current);
    assert_eq!(late, Posted::EarlierAttempt { latest: 10 });
    let posted = say(&mut ledger, &post("a", 10, "h", State::Running), Standing::Current);
    assert_eq!(posted, Posted::Finished);
    assert_eq!(ledger, before);
    say(&mut ledger, &post("a", 11, "h", State::Running), Standing::Current);
    assert_eq!(ledger.document.pages["h"].slots[0].rows[0].state, State::Running);
}

#[test]
fn turn_is_one_publishers_until_it_is_over_and_in_doubt_after_that() {
    let mut ledger = Ledger::default();
    say(&mut ledger, &post("a", 1, "h", State::Passed), Standing::Current);
    let Turn::Taken(first) = take(&mut ledger, 1, "p", &at(0)) else { panic!() };
    assert!(!first.doubt);
    see(&mut ledger, 0);
    assert!(
        matches!(take(&mut ledger, 1, "q", &at(19)), Turn::Held { left } if left.as_secs() == 1)
    );
    let Turn::Taken(second) = take(&mut ledger, 1, "q", &at(20)) else { panic!() };
    assert!(second.doubt, "a picture of the dead publisher may still land");
    let recorded = record(&mut ledger, later(30), "p", &at(30));
    assert!(matches!(recorded, Recorded::Lost));
    assert_eq!(ledger.published, 0);
    let recorded = record(&mut ledger, later(31), "q", &at(31));
    assert!(matches!(recorded, Recorded::Released));
    assert!(matches!(take(&mut ledger, 1, "r", &at(32)), Turn::Covered));
}

#[test]
fn publisher_shows_again_what_came_while_it_was_showing() {
    let mut ledger = Ledger::default();
    say(&mut ledger, &post("a", 1, "h", State::Passed), Standing::Current);
    let Turn::Taken(_) = take(&mut ledger, 1, "p", &at(0)) else { panic!() };
    say(&mut ledger, &post("b", 1, "h", State::Failed), Standing::Current);
    let recorded = record(&mut ledger, need(0), "p", &at(1));
    let Recorded::Again(again) = recorded else { panic!() };
    assert_eq!((again.revision, ledger.published), (2, 1));
    assert!(matches!(take(&mut ledger, 2, "q", &at(2)), Turn::Held { .. }));
}

#[test]
fn publisher_that_gives_up_in_doubt_leaves_the_doubt() {
    let mut ledger = Ledger::default();
    say(&mut ledger, &post("a", 1, "h", State::Passed), Standing::Current);
    let Turn::Taken(_) = take(&mut ledger, 1, "p", &at(0)) else { panic!() };
    let mut certain = ledger.clone();
    certain.give_up(&Token::new("p"), None, true);
    ledger.give_up(&Token::new("p"), None, false);
    let Turn::Taken(after) = take(&mut certain, 1, "q", &at(1)) else { panic!() };
    assert!(!after.doubt);
    let Turn::Taken(after) = take(&mut ledger, 1, "q", &at(1)) else { panic!() };
    assert!(after.doubt);
}

#[test]
fn silent_row_is_dead_and_its_late_result_counts() {
    let mut ledger = Ledger::default();
    let running = post("a", 1, "h", State::Running);
    say(&mut ledger, &running, Standing::Current);
    see(&mut ledger, 0);
    assert_eq!(ledger.unfinished(&at(59)).0, 1);
    assert!(ledger.beat(&running, Timestamp::UNIX_EPOCH));
    see(&mut ledger, 50);
    assert!(ledger.dead(&at(109)).is_empty());
    assert_eq!(ledger.dead(&at(110)).len(), 1);
    assert_eq!(ledger.unfinished(&at(110)).0, 0);
    say(&mut ledger, &post("a", 1, "h", State::Passed), Standing::Current);
    assert!(ledger.dead(&at(999)).is_empty());
    assert!(!ledger.beat(&running, Timestamp::UNIX_EPOCH));
}

#[test]
fn rows_of_a_comment_are_taken_over_once() {
    let mut theirs = Ledger::default();
    say(&mut theirs, &post("only there", 1, "h", State::Failed), Standing::Current);
    let mut ours = Ledger::default();
    say(&mut ours, &post("a", 1, "h", State::Passed), Standing::Current);
    assert!(ours.adopt(&theirs.document));
    assert_eq!((ours.revision, ours.document.pages["h"].rows()), (2, 2));
    assert!(!ours.adopt(&theirs.document));
}
