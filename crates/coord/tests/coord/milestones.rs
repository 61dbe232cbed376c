//! Every boundary is handed out, none is accepted twice, whatever the value and the pipelines do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use coord::milestone::{
    Book, Boundaries, Check, Claimed, Closing, Direction, FirstRun, Ledger, MAX_HISTORY, Past,
    Report, Take,
};
use coord::{Error, Fence, Now, Stamp, Token, Value as _, Who};
use jiff::Timestamp;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use store::{Memory, Store};
use tokio::task::JoinSet;

use crate::faulty::{Faults, Faulty};
use crate::time::{Machine, run};

const TTL: Duration = Duration::from_mins(1);

fn question(name: &str, value: i64) -> Check {
    Check {
        value,
        boundaries: Boundaries::Step(100),
        direction: Direction::Up,
        take: Take::Each,
        first_run: FirstRun::Baseline,
        token: Token::new(name),
        who: Who::new(name, 1),
        ttl: TTL,
    }
}

fn at(seconds: u64) -> Stamp {
    Stamp::new("clock", Duration::from_secs(seconds))
}

fn ask(ledger: &mut Ledger, seconds: u64, check: &Check) -> Report {
    let report = ledger.check(check, &Now::at(at(seconds))).unwrap();
    ledger.each_life(&mut |life| {
        life.note(&at(seconds));
    });
    report
}

/// Asks with a value, and returns what is ours as `boundary/fence`.
fn claims(ledger: &mut Ledger, seconds: u64, check: &Check) -> String {
    let report = ask(ledger, seconds, check);
    let text = |claimed: &Claimed| format!("{}/{}", claimed.milestone, claimed.fence);
    report.claimed.iter().map(text).collect::<Vec<_>>().join(" ")
}

fn done(ledger: &mut Ledger, milestone: i64, fence: u64) -> Closing {
    ledger.done(milestone, Fence(fence), Timestamp::UNIX_EPOCH)
}

#[test]
fn the_first_sight_is_a_baseline() {
    let mut ledger = Ledger::default();
    let report = ask(&mut ledger, 0, &question("a", 250));
    assert!(report.is_first && report.claimed.is_empty());
    assert_eq!((report.previous, report.since_last), (250, 0));
    assert_eq!(claims(&mut ledger, 1, &question("b", 299)), "");
    assert_eq!(claims(&mut ledger, 2, &question("c", 300)), "300/1");
}

#[test]
fn the_first_sight_may_fire_or_count_from_somewhere() {
    let fire = Check { first_run: FirstRun::Fire, ..question("a", 250) };
    assert_eq!(claims(&mut Ledger::default(), 0, &fire), "100/1 200/2");
    let list = Check { boundaries: Boundaries::At(vec![500, 7, 100]), ..fire.clone() };
    assert_eq!(claims(&mut Ledger::default(), 0, &list), "7/1 100/2");
    let from = Check { first_run: FirstRun::Previous(150), ..fire.clone() };
    assert_eq!(claims(&mut Ledger::default(), 0, &from), "200/1");
    let down = Check { direction: Direction::Down, ..fire };
    assert_eq!(claims(&mut Ledger::default(), 0, &down), "300/1");
}

#[test]
fn a_jump_crosses_every_boundary_on_its_way() {
    let mut ledger = Ledger::default();
    ask(&mut ledger, 0, &question("a", 95));
    let report = ask(&mut ledger, 1, &question("b", 305));
    assert_eq!(report.claimed.iter().map(|c| c.milestone).collect::<Vec<_>>(), [100, 200, 300]);
    assert_eq!((report.previous, report.since_last), (95, 5));
}

#[test]
fn the_highest_alone_passes_over_the_others_for_ever() {
    let mut ledger = Ledger::default();
    let highest = |name: &str, value| Check { take: Take::Highest, ..question(name, value) };
    ask(&mut ledger, 0, &highest("a", 95));
    assert_eq!(claims(&mut ledger, 1, &highest("b", 305)), "300/1");
    assert_eq!(done(&mut ledger, 300, 1), Closing::Closed);
    assert_eq!(claims(&mut ledger, 2, &question("c", 305)), "");
    // One whose claimant died is passed over as well when a higher one is crossed.
    assert_eq!(claims(&mut ledger, 3, &highest("d", 400)), "400/2");
    assert_eq!(claims(&mut ledger, 100, &highest("e", 500)), "500/3");
    assert_eq!(done(&mut ledger, 400, 2), Closing::NotClaimed);
}

#[test]
fn going_down_and_up_again_repeats_nothing() {
    let mut ledger = Ledger::default();
    ask(&mut ledger, 0, &question("a", 90));
    assert_eq!(claims(&mut ledger, 1, &question("b", 110)), "100/1");
    assert_eq!(done(&mut ledger, 100, 1), Closing::Closed);
    assert_eq!(claims(&mut ledger, 2, &question("c", 50)), "");
    assert_eq!(claims(&mut ledger, 3, &question("d", 150)), "");
    assert_eq!(claims(&mut ledger, 4, &question("e", 200)), "200/2");
}

#[test]
fn a_claim_whose_holder_died_is_handed_out_again_under_a_larger_fence() {
    let mut ledger = Ledger::default();
    ask(&mut ledger, 0, &question("a", 90));
    assert_eq!(claims(&mut ledger, 0, &question("b", 110)), "100/1");
    let report = ask(&mut ledger, 59, &question("c", 110));
    assert_eq!((report.claimed.len(), report.elsewhere), (0, vec![100]));
    let report = ask(&mut ledger, 60, &question("d", 110));
    assert_eq!(report.claimed, [Claimed { milestone: 100, fence: Fence(2), again: true }]);
    assert_eq!(done(&mut ledger, 100, 1), Closing::Stale { by: Some(Who::new("d", 1)) });
    assert_eq!(done(&mut ledger, 100, 2), Closing::Closed);
    assert_eq!(done(&mut ledger, 100, 2), Closing::Closed, "its answer may have been lost");
    assert_eq!(done(&mut ledger, 100, 1), Closing::Stale { by: Some(Who::new("d", 1)) });
    assert_eq!(ledger.history().len(), 1);
}

#[test]
fn a_claim_that_is_renewed_stays() {
    let mut ledger = Ledger::default();
    ask(&mut ledger, 0, &question("a", 90));
    let report = ask(&mut ledger, 0, &question("b", 110));
    assert!(ledger.renew(&report.claimed).is_empty());
    ledger.each_life(&mut |life| {
        life.note(&at(50));
    });
    assert_eq!(claims(&mut ledger, 109, &question("c", 110)), "");
    assert_eq!(claims(&mut ledger, 110, &question("d", 110)), "100/2");
    assert_eq!(ledger.renew(&report.claimed), report.claimed, "it is somebody else's now");
}

#[test]
fn failed_work_is_handed_out_again_at_once() {
    let mut ledger = Ledger::default();
    ask(&mut ledger, 0, &question("a", 90));
    assert_eq!(claims(&mut ledger, 0, &question("b", 110)), "100/1");
    assert_eq!(ledger.failed(100, Fence(9)), Closing::Stale { by: Some(Who::new("b", 1)) });
    assert_eq!(ledger.failed(100, Fence(1)), Closing::Closed);
    assert_eq!(done(&mut ledger, 100, 1), Closing::Stale { by: None });
    assert_eq!(claims(&mut ledger, 1, &question("c", 50)), "100/2", "wherever the value is now");
}

#[test]
fn a_later_attempt_of_the_same_run_takes_over_at_once() {
    let mut ledger = Ledger::default();
    ask(&mut ledger, 0, &question("a", 90));
    let attempt =
        |token: &str, number| Check { who: Who::new("7", number), ..question(token, 110) };
    assert_eq!(claims(&mut ledger, 1, &attempt("x", 1)), "100/1");
    assert_eq!(claims(&mut ledger, 2, &attempt("y", 1)), "");
    assert_eq!(claims(&mut ledger, 3, &attempt("z", 2)), "100/2");
}

#[test]
fn asking_twice_with_one_token_is_asking_once() {
    let mut ledger = Ledger::default();
    ask(&mut ledger, 0, &question("a", 90));
    assert_eq!(claims(&mut ledger, 1, &question("b", 210)), "100/1 200/2");
    assert_eq!(claims(&mut ledger, 2, &question("b", 210)), "100/1 200/2");
}

#[test]
fn falling_counts_too_and_one_key_counts_one_way() {
    let mut ledger = Ledger::default();
    let down = |name: &str, value| Check { direction: Direction::Down, ..question(name, value) };
    ask(&mut ledger, 0, &down("a", 350));
    assert_eq!(claims(&mut ledger, 1, &down("b", 100)), "300/1 200/2 100/3");
    let other = ledger.check(&question("c", 500), &Now::at(at(2)));
    assert!(matches!(other, Err(Error::Request(_))));
}

#[test]
fn a_finer_step_does_not_fire_for_the_past() {
    let mut ledger = Ledger::default();
    ask(&mut ledger, 0, &question("a", 310));
    let fine =
        |name: &str, value| Check { boundaries: Boundaries::Step(10), ..question(name, value) };
    assert_eq!(claims(&mut ledger, 1, &fine("b", 315)), "");
    assert_eq!(claims(&mut ledger, 2, &fine("c", 331)), "320/1 330/2");
}

#[test]
fn more_than_can_be_open_is_refused_and_changes_nothing() {
    let mut ledger = Ledger::default();
    ask(&mut ledger, 0, &question("a", 0));
    let before = ledger.clone();
    let far = Check { boundaries: Boundaries::Step(1), ..question("b", i64::MAX) };
    assert!(matches!(ledger.check(&far, &Now::at(at(1))), Err(Error::Request(_))));
    assert_eq!(ledger, before);
    let highest = Check { take: Take::Highest, ..far };
    assert_eq!(claims(&mut ledger, 2, &highest), format!("{}/1", i64::MAX));
}

#[test]
fn what_one_check_cannot_hand_out_stays_open() {
    let mut ledger = Ledger::default();
    ask(&mut ledger, 0, &question("a", 0));
    let many = |name: &str| Check { boundaries: Boundaries::Step(1), ..question(name, 700) };
    let report = ask(&mut ledger, 1, &many("b"));
    assert_eq!((report.claimed.len(), report.more), (500, 200));
    for claimed in &report.claimed {
        assert_eq!(done(&mut ledger, claimed.milestone, claimed.fence.0), Closing::Closed);
    }
    let report = ask(&mut ledger, 2, &many("c"));
    assert_eq!((report.claimed.len(), report.more), (200, 0));
    assert_eq!(report.claimed[0].milestone, 501);
}

#[test]
fn the_ledger_does_not_grow_for_ever() {
    let mut ledger = Ledger::default();
    ask(&mut ledger, 0, &question("a", 0));
    for night in 1..=3000 {
        let report = ask(&mut ledger, 0, &question("a", night * 100));
        for claimed in report.claimed {
            assert_eq!(done(&mut ledger, claimed.milestone, claimed.fence.0), Closing::Closed);
        }
    }
    assert_eq!(ledger.history().len(), MAX_HISTORY);
    assert_eq!((ledger.dropped(), ledger.due().count()), (2000, 0));
    assert!(serde_json::to_vec(&ledger).unwrap().len() < 200_000);
}

#[test]
fn history_from_elsewhere_is_not_repeated() {
    let past = |milestone| Past {
        milestone,
        value: milestone + 5,
        fence: None,
        who: None,
        timestamp: Timestamp::UNIX_EPOCH,
    };
    let mut ledger = Ledger::default();
    assert_eq!(ledger.import(&[past(100), past(200)], Direction::Up).unwrap(), 2);
    assert_eq!(ledger.import(&[past(100), past(200)], Direction::Up).unwrap(), 0);
    let report = ask(&mut ledger, 0, &question("a", 301));
    assert_eq!(report.claimed, [Claimed { milestone: 300, fence: Fence(1), again: false }]);
    assert_eq!((report.previous, report.is_first), (205, false));
    // What is open here and done elsewhere is done.
    assert_eq!(ledger.import(&[past(300)], Direction::Up).unwrap(), 1);
    assert_eq!(done(&mut ledger, 300, 1), Closing::Stale { by: None });
    assert!(matches!(ledger.import(&[past(1)], Direction::Down), Err(Error::Request(_))));
}

/// What one night's pipeline does.
#[derive(Clone, Debug)]
struct Night {
    pipeline: u8,
    growth: i64,
    wait: u64,
    /// For each claim: done, failed, or a crash.
    ends: Vec<u8>,
}

fn nights() -> impl Strategy<Value = Night> {
    (0..3u8, -150..400i64, 0..90u64, prop::collection::vec(0..4u8, 1..6))
        .prop_map(|(pipeline, growth, wait, ends)| Night { pipeline, growth, wait, ends })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn none_is_missed_and_none_is_accepted_twice(
        nights in prop::collection::vec(nights(), 1..40), step in 1..120i64,
    ) {
        let (mut ledger, mut seconds, mut value) = (Ledger::default(), 0, 0i64);
        let (mut farthest, mut accepted) = (0, BTreeMap::new());
        // Claims that are alive: the boundary, its fence, until when.
        let mut alive: BTreeMap<i64, (Fence, u64)> = BTreeMap::new();
        // Claims that crashed pipelines still believe in.
        let mut ghosts: Vec<Claimed> = Vec::new();
        let mut fences = BTreeSet::new();
        for (number, night) in nights.iter().enumerate() {
            seconds += night.wait;
            value += night.growth;
            farthest = farthest.max(value);
            let check = Check {
                boundaries: Boundaries::Step(step),
                first_run: FirstRun::Previous(0),
                ..question(&format!("{}.{number}", night.pipeline), value)
            };
            let report = ask(&mut ledger, seconds, &check);
            for (claimed, end) in report.claimed.iter().zip(night.ends.iter().cycle()) {
                prop_assert!(fences.insert(claimed.fence), "a fence is given once");
                if let Some((fence, until)) = alive.get(&claimed.milestone) {
                    prop_assert!(seconds >= *until && claimed.fence > *fence, "two hold it at once");
                }
                alive.insert(claimed.milestone, (claimed.fence, seconds + 60));
                match end {
                    0 | 1 => {
                        prop_assert_eq!(done(&mut ledger, claimed.milestone, claimed.fence.0), Closing::Closed);
                        prop_assert!(accepted.insert(claimed.milestone, claimed.fence).is_none());
                        alive.remove(&claimed.milestone);
                    }
                    2 => {
                        prop_assert_eq!(ledger.failed(claimed.milestone, claimed.fence), Closing::Closed);
                        alive.remove(&claimed.milestone);
                    }
                    _ => ghosts.push(*claimed),
                }
            }
            // A ghost comes back and reports late. It counts only if nobody had it since.
            if let Some(ghost) = (number % 3 == 0).then(|| ghosts.pop()).flatten() {
                let is_alive = alive.get(&ghost.milestone).is_some_and(|(fence, _)| *fence == ghost.fence);
                let closing = done(&mut ledger, ghost.milestone, ghost.fence.0);
                prop_assert_eq!(closing == Closing::Closed, is_alive);
                if is_alive {
                    prop_assert!(accepted.insert(ghost.milestone, ghost.fence).is_none());
                    alive.remove(&ghost.milestone);
                }
            }
        }
        // In the end somebody does what is left.
        for round in 0u64..40 {
            seconds += 100;
            let check = Check { boundaries: Boundaries::Step(step), ..question(&format!("end.{round}"), value) };
            for claimed in ask(&mut ledger, seconds, &check).claimed {
                prop_assert_eq!(done(&mut ledger, claimed.milestone, claimed.fence.0), Closing::Closed);
                prop_assert!(accepted.insert(claimed.milestone, claimed.fence).is_none());
            }
        }
        let expected: Vec<i64> = (1..=farthest / step).map(|number| number * step).collect();
        prop_assert_eq!(accepted.into_keys().collect::<Vec<_>>(), expected);
    }
}

/// Lets overlapping pipelines share a book on a store that fails, and returns what they had accepted.
async fn histories(seed: u64) -> Vec<i64> {
    let faults = Faults { lost_request: 5, lost_reply: 15, lied_conflict: 5, unavailable: 5 };
    let store: Arc<dyn Store> = Faulty::new(Memory::default(), faults, seed);
    let machine = Machine::new("one", Duration::ZERO);
    let mut dice = StdRng::seed_from_u64(seed);
    let mut pipelines = JoinSet::new();
    let mut value = 0;
    for number in 0..8 {
        value += dice.random_range(0..250);
        let delay = Duration::from_secs(dice.random_range(0..200));
        let (crashes, value) = (dice.random_bool(0.3) && number < 7, value);
        let delay = if number == 7 { Duration::from_mins(10) } else { delay };
        let book = Book::new(store.clone(), machine.clone(), "github.com/o/r", "nodes");
        pipelines.spawn(async move {
            tokio::time::sleep(delay).await;
            let mut accepted = Vec::new();
            // The store has no clock, so the last one has to see for itself who is dead.
            for _ in 0..if number == 7 { 2 } else { 1 } {
                let check = Check {
                    first_run: FirstRun::Previous(0),
                    ..question(Token::random().as_str(), value)
                };
                let Ok(report) = patiently(|| book.check(&check)).await else { return accepted };
                if crashes {
                    return accepted;
                }
                for claimed in report.claimed {
                    let end = || book.done(claimed.milestone, claimed.fence, Timestamp::UNIX_EPOCH);
                    if patiently(end).await.is_ok_and(|closing| closing == Closing::Closed) {
                        accepted.push(claimed.milestone);
                    }
                }
                tokio::time::sleep(TTL + Duration::from_secs(1)).await;
            }
            accepted
        });
    }
    let mut accepted = pipelines.join_all().await.concat();
    accepted.sort_unstable();
    let expected: Vec<i64> = (1..=value / 100).map(|number| number * 100).collect();
    assert_eq!(accepted, expected, "seed {seed}");
    accepted
}

async fn patiently<T, F: Future<Output = Result<T, Error>>>(
    attempt: impl Fn() -> F,
) -> Result<T, Error> {
    for _ in 0..20 {
        if let Ok(result) = attempt().await {
            return Ok(result);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    attempt().await
}

#[test]
fn overlapping_pipelines_on_a_store_that_fails_accept_each_boundary_once() {
    let all: usize = (0..100).map(|seed| run(histories(seed)).len()).sum();
    assert!(all > 300, "there was something to do");
}
