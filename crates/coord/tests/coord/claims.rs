//! One claimant wins a subject, and only the winner closes it.

use std::sync::Arc;
use std::time::Duration;

use coord::claim::{Claim, Claimant, Closing, OnChanged, Outcome, Renewal, Subject};
use coord::{Error, Fence, Now, Stamp, Token, Value as _, Who};
use jiff::Timestamp;
use proptest::prelude::*;
use store::{Memory, Store};
use tokio::task::JoinSet;

use crate::faulty::{Faults, Faulty};
use crate::time::{Machine, run};

const TTL: Duration = Duration::from_mins(1);

fn claimant(name: &str, digest: &str, on_changed: OnChanged) -> Claimant {
    Claimant {
        token: Token::new(name),
        who: Who::new(name, 1),
        digest: Some(digest.to_owned()).filter(|digest| !digest.is_empty()),
        ttl: TTL,
        on_changed,
        at: Timestamp::UNIX_EPOCH,
    }
}

/// Plays lines of `time action arguments => answer`.
#[track_caller]
fn check(script: &str) {
    let mut claim = Claim::default();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (event, expected) = line.split_once(" => ").expect("a line has an answer");
        assert_eq!(play(&mut claim, event), expected, "after `{event}`");
    }
}

fn play(claim: &mut Claim, event: &str) -> String {
    let words: Vec<&str> = event.split_whitespace().collect();
    let stamp = Stamp::new("clock", Duration::from_secs(words[0].parse().unwrap()));
    let now = Now::at(stamp.clone());
    let fence = || Fence(words[2].parse().unwrap());
    let answer = match words[1] {
        "renew" => match claim.renew(fence()) {
            Renewal::Renewed => "renewed".to_owned(),
            Renewal::Lost { by } => format!("lost to {}", name(by.as_ref())),
        },
        "done" => closing(claim.done(fence(), "result", Timestamp::UNIX_EPOCH)),
        "failed" => closing(claim.failed(fence())),
        "forget" => closing(claim.forget(fence())),
        _ => {
            let on_changed = match words.get(3) {
                Some(&"wait") => OnChanged::Wait,
                Some(&"stop") => OnChanged::Stop,
                _ => OnChanged::Supersede,
            };
            let mut claimant =
                claimant(words[1], words.get(2).copied().unwrap_or_default(), on_changed);
            if let Some((run, attempt)) = words[1].split_once('#') {
                claimant.who = Who::new(run, attempt.parse().unwrap());
            }
            outcome(claim.claim(&claimant, &now))
        }
    };
    claim.each_life(&mut |life| {
        life.note(&stamp);
    });
    answer
}

fn name(who: Option<&Who>) -> &str {
    who.map_or("nobody", |who| &who.run)
}

fn closing(closing: Closing) -> String {
    match closing {
        Closing::Closed => "closed".to_owned(),
        Closing::Stale { fence, by } => format!("stale {fence} {}", name(by.as_ref())),
    }
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Won { fence, taken_from: None, failures: 0 } => format!("won {fence}"),
        Outcome::Won { fence, taken_from: None, failures } => {
            format!("won {fence} after {failures} failures")
        }
        Outcome::Won { fence, taken_from, .. } => {
            format!("won {fence} from {}", name(taken_from.as_ref()))
        }
        Outcome::Lost { by, .. } => format!("lost to {}", by.who.run),
        Outcome::Replay { done } => format!("replay of {}", done.who.run),
        Outcome::Changed { live: Some(live), .. } => format!("changed, {} works", live.who.run),
        Outcome::Changed { done, .. } => {
            format!("changed, {} is done", name(done.as_ref().map(|done| &done.who)))
        }
    }
}

#[test]
fn the_same_work_is_done_once() {
    check(
        "0 a x => won 1
         1 b x => lost to a
         2 done 1 => closed
         3 b x => replay of a
         9999 c x => replay of a",
    );
}

#[test]
fn without_digests_all_work_is_the_same() {
    check(
        "0 a => won 1
         1 b => lost to a
         2 done 1 => closed
         3 b => replay of a",
    );
}

#[test]
fn changed_work_supersedes() {
    check(
        "0 a x => won 1
         1 b y => won 2 from a
         2 renew 1 => lost to b
         3 done 1 => stale 2 b
         4 done 2 => closed
         5 c y => replay of b
         6 d z => won 3",
    );
}

#[test]
fn changed_work_waits() {
    check(
        "0 a x => won 1
         1 b y wait => changed, a works
         2 done 1 => closed
         3 b y wait => won 2",
    );
}

#[test]
fn changed_work_stops() {
    check(
        "0 a x => won 1
         1 b y stop => changed, a works
         2 done 1 => closed
         3 b y stop => changed, a is done
         4 b x stop => replay of a",
    );
}

#[test]
fn work_that_was_undone_by_other_work_is_done_again() {
    check(
        "0 a x => won 1
         1 done 1 => closed
         2 b y => won 2
         3 c x => won 3 from b
         4 done 2 => stale 3 c",
    );
}

#[test]
fn a_winner_that_dies_is_replaced_after_its_length() {
    check(
        "0 a x => won 1
         59 b x => lost to a
         60 b x => won 2 from a
         61 done 1 => stale 2 b
         62 failed 1 => stale 2 b
         63 forget 1 => stale 2 b",
    );
}

#[test]
fn a_winner_that_renews_keeps_it() {
    check(
        "0 a x => won 1
         50 renew 1 => renewed
         100 b x => lost to a
         110 b x => won 2 from a",
    );
}

#[test]
fn a_late_winner_may_close_what_nobody_took_over() {
    check(
        "0 a x => won 1
         1000 done 1 => closed",
    );
}

#[test]
fn failed_work_may_be_tried_again() {
    check(
        "0 a x => won 1
         1 failed 1 => closed
         2 b x => won 2 after 1 failures
         3 failed 2 => closed
         3 failed 2 => closed
         4 c x => won 3 after 2 failures
         5 done 3 => closed
         6 failed 3 => stale 3 nobody",
    );
}

#[test]
fn closing_twice_is_closing_once() {
    check(
        "0 a x => won 1
         1 done 1 => closed
         2 done 1 => closed
         3 b y => won 2
         4 done 1 => closed
         5 done 2 => closed",
    );
}

#[test]
fn what_is_forgotten_is_free() {
    check(
        "0 a x => won 1
         1 done 1 => closed
         2 forget 9 => stale 1 nobody
         3 forget 1 => closed
         4 b x => won 2
         5 forget 2 => closed
         6 c x => won 3",
    );
    check(
        "0 a x => won 1
         1 done 1 => closed
         2 b y => won 2
         3 forget 1 => stale 2 b",
    );
}

#[test]
fn claiming_twice_is_claiming_once() {
    check(
        "0 a x => won 1
         50 a x => won 1
         109 b x => lost to a",
    );
}

#[test]
fn a_higher_attempt_of_the_same_run_takes_over() {
    check(
        "0 7#1 x => won 1
         1 7#2 x => won 2 from 7
         2 7#1b x => lost to 7"
            .replace("7#1b", "8#1")
            .as_str(),
    );
}

#[derive(Clone, Debug)]
enum Event {
    Claim(u8, u8, OnChanged),
    Renew(u64),
    Done(u64),
    Failed(u64),
    Wait(u64),
}

fn events() -> impl Strategy<Value = Event> {
    let on_changed =
        prop_oneof![Just(OnChanged::Supersede), Just(OnChanged::Wait), Just(OnChanged::Stop)];
    prop_oneof![
        4 => (0..40u8, 0..3u8, on_changed).prop_map(|(who, digest, changed)| Event::Claim(who, digest, changed)),
        2 => (0..9u64).prop_map(Event::Renew),
        2 => (0..9u64).prop_map(Event::Done),
        1 => (0..9u64).prop_map(Event::Failed),
        2 => (0..50u64).prop_map(Event::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// Nobody wins while somebody else's claim is alive, unless with other work that supersedes; fences
    /// grow; and only the last fence closes.
    #[test]
    fn winners_never_overlap(schedule in prop::collection::vec(events(), 1..60)) {
        let (mut claim, mut seconds) = (Claim::default(), 0);
        // The last winner: fence, token, digest, renewed at, still open.
        let mut last: Option<(Fence, u8, u8, u64, bool)> = None;
        for event in schedule {
            let now = Now::at(Stamp::new("clock", Duration::from_secs(seconds)));
            match event {
                Event::Claim(who, digest, on_changed) => {
                    let claimant = claimant(&who.to_string(), &digest.to_string(), on_changed);
                    if let Outcome::Won { fence, .. } = claim.claim(&claimant, &now) {
                        if let Some((last_fence, holder, work, renewed, open)) = last {
                            let alive = open && seconds < renewed + 60;
                            let again = open && holder == who;
                            let supersedes = on_changed == OnChanged::Supersede && work != digest;
                            prop_assert!(!alive || again || supersedes);
                            prop_assert_eq!(fence == last_fence, again);
                            prop_assert!(fence >= last_fence);
                        }
                        let work = match last { Some((f, _, work, ..)) if f == fence => work, _ => digest };
                        last = Some((fence, who, work, seconds, true));
                    }
                }
                Event::Renew(fence) => {
                    let renewed = claim.renew(Fence(fence)) == Renewal::Renewed;
                    let is_last = last.is_some_and(|(last, .., open)| open && last == Fence(fence));
                    prop_assert_eq!(renewed, is_last);
                    if let Some(last) = last.as_mut().filter(|_| renewed) {
                        last.3 = seconds;
                    }
                }
                Event::Done(fence) | Event::Failed(fence) => {
                    let was = claim.last_done().cloned();
                    let is_done = matches!(event, Event::Done(_));
                    let closing = if is_done {
                        claim.done(Fence(fence), "", Timestamp::UNIX_EPOCH)
                    } else {
                        claim.failed(Fence(fence))
                    };
                    let is_last = last.is_some_and(|(last, .., open)| open && last == Fence(fence));
                    if claim.last_done() != was.as_ref() || is_last {
                        prop_assert!(is_last && closing == Closing::Closed);
                        last = last.map(|(fence, who, work, at, _)| (fence, who, work, at, false));
                    }
                }
                Event::Wait(time) => seconds += time,
            }
            let stamp = Stamp::new("clock", Duration::from_secs(seconds));
            claim.each_life(&mut |life| {
                life.note(&stamp);
            });
        }
    }
}

#[test]
fn exactly_one_of_fifty_wins_whatever_the_store_loses() {
    for seed in 0..10 {
        run(async {
            let faults =
                Faults { lost_request: 5, lost_reply: 15, lied_conflict: 5, unavailable: 0 };
            let store: Arc<dyn Store> = Faulty::new(Memory::default(), faults, seed);
            let machine = Machine::new("one", Duration::ZERO);
            let mut callers = JoinSet::new();
            for number in 0..50 {
                let subject =
                    Subject::new(store.clone(), machine.clone(), "github.com/o/r", "issue-1");
                callers.spawn(async move {
                    let claimant = claimant(&number.to_string(), "x", OnChanged::Supersede);
                    subject.claim(&claimant).await.unwrap()
                });
            }
            let outcomes = callers.join_all().await;
            let is_won = |outcome: &&Outcome| matches!(outcome, Outcome::Won { .. });
            let is_lost = |outcome: &&Outcome| matches!(outcome, Outcome::Lost { .. });
            assert_eq!(outcomes.iter().filter(is_won).count(), 1);
            assert_eq!(outcomes.iter().filter(is_lost).count(), 49);
        });
    }
}

#[test]
fn whoever_waits_in_turn_gets_it_when_it_is_closed_or_dead() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let machine = Machine::new("one", Duration::ZERO);
        let subject = || Subject::new(store.clone(), machine.clone(), "s", "issue-1");
        let first = claimant("a", "x", OnChanged::Wait);
        assert!(matches!(subject().claim(&first).await.unwrap(), Outcome::Won { .. }));
        let next = claimant("b", "y", OnChanged::Wait);
        let waiting = subject();
        let waits = |outcome: &Outcome| matches!(outcome, Outcome::Changed { .. });
        let won = waiting.claim_in_turn(&next, waits).await.unwrap();
        assert!(
            matches!(won, Outcome::Won { fence: Fence(2), taken_from: Some(_), .. }),
            "{won:?}"
        );
        let closing = subject().done(Fence(1), "late", Timestamp::UNIX_EPOCH).await.unwrap();
        assert!(matches!(closing, Closing::Stale { fence: Fence(2), .. }));
    });
}

#[test]
fn callers_that_come_once_find_a_dead_winner_all_the_same() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let machine = Machine::new("one", Duration::ZERO);
        let mut outcomes = Vec::new();
        for (name, wait) in [("a", 0), ("b", 100), ("c", 30), ("d", 30)] {
            tokio::time::sleep(Duration::from_secs(wait)).await;
            let subject = Subject::new(store.clone(), machine.clone(), "s", "issue-1");
            let claimant = claimant(name, "x", OnChanged::Stop);
            outcomes.push(outcome(subject.claim(&claimant).await.unwrap()));
        }
        assert_eq!(outcomes, ["won 1", "lost to a", "lost to a", "won 2 from a"]);
    });
}

#[test]
fn a_result_that_is_too_long_is_refused() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let subject = Subject::new(store, Machine::new("one", Duration::ZERO), "s", "issue-1");
        let long = "x".repeat(5000);
        let refused = subject.done(Fence(1), &long, Timestamp::UNIX_EPOCH).await;
        assert!(matches!(refused, Err(Error::Request(_))));
    });
}
