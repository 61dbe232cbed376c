//! Locks, as their contenders meet them: one store, several machines, and what goes wrong.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use coord::lease::{
    Answer, Attempt, Breaking, Cause, Contender, Holder, How, Lease, Lock, Locks, Moment, Release,
    Renewal, Round, Stance, key,
};
use coord::{Clock, ErrorKind, Fence, Now, Register, Repaired, Stamp, Step, Token, margin};
use jiff::Timestamp;
use store::{Expect, Memory, Pace, Store, StoreTime};
use tokio::time::{Instant, sleep, timeout};

use crate::faulty::{Faults, Faulty};
use crate::outage::Outage;
use crate::time::{Machine, run};

pub(crate) const TTL: Duration = Duration::from_mins(1);
pub(crate) const TICKET: Duration = Duration::from_secs(30);
pub(crate) const AT: Timestamp = Timestamp::UNIX_EPOCH;

pub(crate) fn contender(name: &str) -> Contender {
    let holder = Holder { name: name.to_owned(), surface: "test".to_owned(), ..Holder::default() };
    Contender { token: Token::random(), holder, ttl: TTL, ticket: TICKET }
}

pub(crate) fn machine(ahead: u64) -> Arc<dyn Clock> {
    Machine::new(&format!("boot {ahead}"), Duration::from_secs(ahead))
}

pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::default())
}

pub(crate) fn lock(store: &Arc<dyn Store>, clock: &Arc<dyn Clock>, who: Contender) -> Lock {
    Lock::new(Arc::clone(store), Arc::clone(clock), "deploy", who, AT)
}

#[track_caller]
pub(crate) fn fence(answer: &Answer) -> Fence {
    match answer {
        Answer::Acquired { fence } => *fence,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn raw(store: &Arc<dyn Store>) -> Lease {
    let register = Register::<Lease>::new(Arc::clone(store), machine(9), key("deploy"));
    register.read().await.expect("memory can be read").value
}

async fn overwrite(store: &Arc<dyn Store>, bytes: &'static [u8]) {
    let record = store.read(&key("deploy")).await.expect("memory can be read");
    let expect = Expect::At(record.expect("there is a record").version);
    let written = store.write(&key("deploy"), Bytes::from_static(bytes), expect).await;
    drop(written.expect("memory can be written"));
}

#[test]
fn free_lock_costs_one_read_and_one_write() {
    run(async {
        let faulty = Faulty::new(Memory::default(), Faults::default(), 0);
        let store: Arc<dyn Store> = Arc::clone(&faulty) as Arc<dyn Store>;
        let mut one = lock(&store, &machine(0), contender("one"));
        let first = fence(&one.try_acquire().await.unwrap());
        assert_eq!(requests(&faulty), (1, 1));
        assert!(matches!(one.release().await.unwrap(), Release::Released { .. }));
        assert_eq!(requests(&faulty), (1, 2), "what was written a moment ago is not read again");
        sleep(Duration::from_secs(5)).await;
        let second = fence(&one.try_acquire().await.unwrap());
        assert_eq!(requests(&faulty), (2, 3));
        assert!(second > first, "a fence survives a release");
    });
}

/// Returns how many reads and writes there were.
pub(crate) fn requests(store: &Faulty) -> (usize, usize) {
    let [reads, writes] = [&store.reads, &store.writes].map(|it| it.load(Ordering::Relaxed));
    (reads, writes)
}

#[test]
fn what_was_remembered_is_no_proof() {
    run(async {
        let store = memory();
        let who = contender("one");
        let mut one = lock(&store, &machine(0), who.clone());
        one.try_acquire().await.unwrap();
        // Somebody else changes the record in the moment in which it is remembered.
        let mut again = lock(&store, &machine(0), who);
        again.release().await.unwrap();
        let mut other = lock(&store, &machine(0), contender("other"));
        fence(&other.try_acquire().await.unwrap());
        assert!(matches!(one.renew().await.unwrap(), Renewal::Lost { by: Some(_), .. }));
        assert!(matches!(one.try_acquire().await.unwrap(), Answer::Held { .. }));
        assert!(matches!(one.release().await.unwrap(), Release::NotOurs { .. }));
        assert!(matches!(other.renew().await.unwrap(), Renewal::Renewed { .. }));
    });
}

#[test]
fn an_hour_of_waiting_costs_a_bounded_number_of_requests() {
    for (pace, has_clock, most) in [(Pace::BUCKET, true, 1_300), (Pace::SERVER, false, 600)] {
        run(async {
            let origin = Instant::now();
            let time = move || StoreTime { epoch: String::new(), since: origin.elapsed() };
            // A bucket tells its time, Git does not.
            let memory = if has_clock { Memory::with_clock(time) } else { Memory::default() };
            let memory = Arc::new(memory.asked_at(pace));
            let store: Arc<dyn Store> = Arc::clone(&memory) as Arc<dyn Store>;
            let long = |name: &str| Contender {
                ttl: Duration::from_mins(15),
                ticket: Duration::from_mins(1),
                ..contender(name)
            };
            let mut holder = Locks::new(vec![lock(&store, &machine(0), long("holder"))]);
            holder.try_acquire().await.unwrap();
            let mut waiter = lock(&store, &machine(1), long("waiter"));
            let queued = waiter.enter().await.unwrap();
            let (hour, queueing) = (Duration::from_hours(1), memory.requests());
            assert!(timeout(hour, holder.keep()).await.is_err(), "it is kept");
            let (before, holding) = (memory.requests(), memory.requests() - queueing);
            let both = async { tokio::join!(holder.keep(), waiter.next(&queued)) };
            assert!(timeout(hour, both).await.is_err(), "it is kept, and waited for");
            let waiting = memory.requests() - before - holding;
            assert!(waiting < most, "{waiting} requests");
            assert!(holding <= 200, "{holding} requests of the holder");
        });
    }
}

fn now_at(now: &Now) -> Moment<'_> {
    Moment { at: AT, dead: &[], now }
}

#[test]
fn own_token_finds_its_grant_and_a_name_does_not() {
    run(async {
        let store = memory();
        let who = contender("one");
        let first = fence(&lock(&store, &machine(0), who.clone()).try_acquire().await.unwrap());
        let again = lock(&store, &machine(0), who.clone()).try_acquire().await.unwrap();
        assert_eq!(again, Answer::AlreadyMine { fence: first });
        let namesake = Contender { token: Token::random(), ..who };
        let mut namesake = lock(&store, &machine(0), namesake);
        assert!(matches!(namesake.try_acquire().await.unwrap(), Answer::Held { .. }));
        assert!(matches!(namesake.renew().await.unwrap(), Renewal::Lost { .. }));
        assert!(matches!(namesake.release().await.unwrap(), Release::NotOurs { .. }));
        assert!(raw(&store).await.grant().is_some(), "a namesake released it");
    });
}

#[test]
fn clocks_hours_apart_neither_steal_nor_stall() {
    run(async {
        for (mine, yours) in [(0, 100_000), (100_000, 0)] {
            let store = memory();
            let mut holder = lock(&store, &machine(mine), contender("holder"));
            holder.try_acquire().await.unwrap();
            let mut waiter = lock(&store, &machine(yours), contender("waiter"));
            let began = Instant::now();
            let mut answer = waiter.enter().await.unwrap();
            while matches!(answer, Answer::Held { .. }) {
                answer = waiter.next(&answer).await.unwrap();
            }
            assert!(
                matches!(answer, Answer::TakenOver { ref from, .. } if from.how == How::Expired)
            );
            let patience = began.elapsed();
            assert!(patience >= TTL && patience < TTL + Duration::from_secs(16), "{patience:?}");
            assert_eq!(holder.left(), Duration::ZERO, "the holder gave up before");
            assert!(matches!(holder.renew().await.unwrap(), Renewal::Lost { by: Some(_), .. }));
        }
    });
}

#[test]
fn grant_lasts_its_whole_length_however_long_its_holder_had_waited() {
    run(async {
        let store = memory();
        let mut blocker = lock(&store, &machine(0), contender("blocker"));
        blocker.try_acquire().await.unwrap();
        let mut holder = lock(&store, &machine(1), contender("holder"));
        let queued = holder.enter().await.unwrap();
        let mut observer = lock(&store, &machine(2), contender("observer"));
        let seen = observer.enter().await.unwrap();
        let mut observing = Box::pin(observer.next(&seen));
        let meanwhile = timeout(Duration::from_secs(25), &mut observing).await;
        drop(meanwhile);
        blocker.release().await.unwrap();
        assert!(matches!(holder.next(&queued).await.unwrap(), Answer::Acquired { .. }));
        let began = Instant::now();
        drop(observing);
        let mut answer = observer.enter().await.unwrap();
        while matches!(answer, Answer::Held { .. }) {
            answer = observer.next(&answer).await.unwrap();
        }
        assert!(began.elapsed() >= TTL, "{:?}", began.elapsed());
    });
}

#[test]
fn callers_that_do_not_wait_go_on_from_what_earlier_ones_saw() {
    run(async {
        let store = memory();
        lock(&store, &machine(0), contender("dead")).try_acquire().await.unwrap();
        let clock = machine(5);
        let mut told = Vec::new();
        for _ in 0..8 {
            let answer = lock(&store, &clock, contender("cron")).try_acquire().await.unwrap();
            let held = matches!(answer, Answer::Held { .. });
            told.push(held);
            if !held {
                break;
            }
            sleep(Duration::from_secs(10)).await;
        }
        assert_eq!(told, [true, true, true, true, true, true, false]);
    });
}

#[test]
fn higher_attempt_of_the_same_run_takes_over_at_once() {
    run(async {
        let store = memory();
        let of = |name: &str, run: &str, number| {
            let mut who = contender(name);
            who.holder.attempt = Some(Attempt { run: run.to_owned(), number });
            lock(&store, &machine(0), who)
        };
        let first = fence(&of("first", "7", 1).try_acquire().await.unwrap());
        let mut other = of("other", "8", 2);
        assert!(matches!(other.enter().await.unwrap(), Answer::Held { .. }));
        let second = of("second", "7", 2).try_acquire().await.unwrap();
        let Answer::TakenOver { fence, from } = second else { panic!("{second:?}") };
        assert_eq!(from.how, How::Superseded { by: "second".to_owned() });
        assert!(fence > first);
        let late = of("late", "7", 1).try_acquire().await.unwrap();
        assert!(matches!(late, Answer::Held { .. }), "an older attempt takes nothing");
    });
}

#[test]
fn proof_of_death_ends_a_grant_and_a_ticket_at_once() {
    run(async {
        let store = memory();
        let clock = machine(0);
        let dead = Arc::new(Mutex::new(BTreeSet::new()));
        let here = |name: &str, boot: &str| {
            let mut who = contender(name);
            who.holder.boot = Some(boot.to_owned());
            who.holder.lock = Some(format!("/locks/{name}"));
            let dead = Arc::clone(&dead);
            let proof = move |holder: &Holder| dead.lock().unwrap().contains(&holder.name);
            lock(&store, &clock, who).with_proof(Arc::new(proof))
        };
        here("holder", "boot 0").try_acquire().await.unwrap();
        let mut second = here("second", "boot 0");
        second.enter().await.unwrap();
        let mut third = here("third", "boot 0");
        let answer = third.enter().await.unwrap();
        assert!(matches!(answer, Answer::Held { ahead: Some(1), .. }));
        dead.lock().unwrap().extend(["holder".to_owned(), "second".to_owned()]);
        let began = Instant::now();
        let answer = third.next(&answer).await.unwrap();
        assert!(matches!(answer, Answer::TakenOver { ref from, .. } if from.how == How::Died));
        assert!(began.elapsed() <= Duration::from_secs(2));
        // The same lock file on another boot, or another machine, proves nothing.
        third.release().await.unwrap();
        dead.lock().unwrap().insert("elsewhere".to_owned());
        here("elsewhere", "boot 1").try_acquire().await.unwrap();
        let answer = here("fourth", "boot 0").try_acquire().await.unwrap();
        assert!(matches!(answer, Answer::Held { .. }));
    });
}

#[test]
fn waiters_get_their_turn_in_order_and_a_dead_one_costs_one_ticket() {
    run(async {
        let store = memory();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiters = tokio::task::JoinSet::new();
        for number in 0..6_u64 {
            let mut lock = lock(&store, &machine(number), contender(&number.to_string()));
            let order = Arc::clone(&order);
            waiters.spawn(async move {
                sleep(Duration::from_millis(number * 5)).await;
                let mut answer = lock.enter().await.unwrap();
                if number == 2 {
                    return; // It dies with a ticket in its hand.
                }
                while matches!(answer, Answer::Held { .. }) {
                    answer = lock.next(&answer).await.unwrap();
                }
                order.lock().unwrap().push(number);
                sleep(Duration::from_secs(1)).await;
                lock.release().await.unwrap();
            });
        }
        let began = Instant::now();
        waiters.join_all().await;
        assert_eq!(*order.lock().unwrap(), [0, 1, 3, 4, 5]);
        let delay = began.elapsed().saturating_sub(Duration::from_secs(5));
        assert!(delay <= TICKET + Duration::from_secs(1), "{delay:?}");
    });
}

#[test]
fn lost_replies_never_turn_a_winner_into_a_loser() {
    for seed in 0..30 {
        run(async {
            let faults = Faults { lost_reply: 40, lied_conflict: 30, ..Faults::default() };
            let store: Arc<dyn Store> = Faulty::new(Memory::default(), faults, seed);
            let mut lock = lock(&store, &machine(0), contender("one"));
            let fence = fence(&lock.try_acquire().await.unwrap());
            assert_eq!(lock.renew().await.unwrap(), Renewal::Renewed { fence });
            assert_eq!(lock.release().await.unwrap(), Release::Released { fence, next: None });
            assert_eq!(lock.release().await.unwrap(), Release::NotOurs { by: None });
        });
    }
}

#[test]
fn damaged_record_is_never_free_and_a_repair_goes_on_above_it() {
    run(async {
        let store = memory();
        let mut before = lock(&store, &machine(0), contender("one"));
        let old = fence(&before.try_acquire().await.unwrap());
        overwrite(&store, b"{\"schema\":1,\"ops\":[],\"fence\":41,\"va").await;
        let mut other = lock(&store, &machine(0), contender("two"));
        for _ in 0..2 {
            assert_eq!(other.try_acquire().await.unwrap_err().kind(), ErrorKind::Corrupt);
            assert_eq!(other.enter().await.unwrap_err().kind(), ErrorKind::Corrupt);
        }
        let repaired = other.register().repair(AT).await.unwrap();
        assert!(matches!(repaired, Repaired::Replaced { above: Fence(41), .. }));
        let new = fence(&other.try_acquire().await.unwrap());
        assert!(new > old && new > Fence(41));
        assert!(matches!(before.renew().await.unwrap(), Renewal::Lost { .. }));
    });
}

#[test]
fn breaking_needs_the_name_of_the_holder_and_leaves_a_trace() {
    run(async {
        let store = memory();
        let mut one = lock(&store, &machine(0), contender("one"));
        one.try_acquire().await.unwrap();
        let break_it = async |name: &str| {
            let register = Register::<Lease>::new(Arc::clone(&store), machine(3), key("deploy"));
            let broken = register.update(|lease, now| {
                Step::Write(lease.break_grant(name, "eve", "it hangs", &now_at(now)))
            });
            broken.await.unwrap()
        };
        assert!(
            matches!(break_it("two").await, Breaking::Other { holder } if holder.name == "one")
        );
        assert!(matches!(break_it("one").await, Breaking::Broken { .. }));
        assert_eq!(break_it("one").await, Breaking::Free);
        let lease = raw(&store).await;
        let trace = lease.history().last().unwrap();
        let how = How::Broken { by: "eve".to_owned(), reason: "it hangs".to_owned() };
        assert_eq!((&trace.holder.name[..], &trace.how), ("one", &how));
        let lost = one.renew().await.unwrap();
        assert!(
            matches!(lost, Renewal::Lost { by: None, last: Some(ref trace) } if trace.how == how)
        );
    });
}

#[test]
fn kept_lock_outlives_its_ttl_and_ends_before_others_may_have_it() {
    run(async {
        let outage = Arc::new(Outage::default());
        let store: Arc<dyn Store> = Arc::clone(&outage) as Arc<dyn Store>;
        let clock = machine(0);
        let mut locks = Locks::new(vec![lock(&store, &clock, contender("one"))]);
        assert_eq!(locks.try_acquire().await.unwrap(), Round::All);
        assert!(timeout(TTL * 20, locks.keep()).await.is_err(), "it is kept");
        assert_eq!(raw(&store).await.grant().map(|grant| grant.fence), Some(Fence(1)));
        // A store that comes back in time costs nothing.
        outage.begin();
        assert!(timeout(TTL / 3, locks.keep()).await.is_err(), "it is still ours");
        outage.end();
        assert!(timeout(TTL * 3, locks.keep()).await.is_err(), "and again for long");
        outage.begin();
        let began = Instant::now();
        let lost = locks.keep().await;
        assert!(matches!(lost.cause, Cause::RanOut { error: Some(_) }), "{lost:?}");
        assert!(began.elapsed() + margin(TTL) <= TTL && locks.left_to_others() >= margin(TTL) / 2);
        outage.end();
        let mut other = lock(&store, &machine(7), contender("other"));
        assert!(matches!(other.try_acquire().await.unwrap(), Answer::Held { .. }));
    });
}

#[test]
fn store_that_hangs_does_not_keep_the_holder_from_giving_up() {
    run(async {
        let outage = Arc::new(Outage::default());
        let store: Arc<dyn Store> = Arc::clone(&outage) as Arc<dyn Store>;
        let mut locks = Locks::new(vec![lock(&store, &machine(0), contender("one"))]);
        locks.try_acquire().await.unwrap();
        outage.hang();
        let began = Instant::now();
        let lost = locks.keep().await;
        assert!(matches!(lost.cause, Cause::RanOut { .. }));
        assert!(began.elapsed() + margin(TTL) <= TTL + Duration::from_secs(1));
    });
}

#[test]
fn holder_learns_within_moments_that_its_lock_was_taken_away() {
    run(async {
        let store = memory();
        let mut who = contender("one");
        who.ttl = Duration::from_mins(15);
        let mut locks = Locks::new(vec![lock(&store, &machine(0), who)]);
        locks.try_acquire().await.unwrap();
        let register = Register::<Lease>::new(Arc::clone(&store), machine(3), key("deploy"));
        let broken = register
            .update(|lease, now| Step::Write(lease.break_grant("one", "e", "x", &now_at(now))));
        broken.await.unwrap();
        let began = Instant::now();
        let lost = locks.keep().await;
        assert!(matches!(lost.cause, Cause::Taken { by: None, last: Some(_) }), "{lost:?}");
        assert!(began.elapsed() <= Duration::from_secs(21));
    });
}

#[test]
fn several_locks_are_taken_all_or_none() {
    run(async {
        let store = memory();
        let clock = machine(0);
        let named = |name: &str, who: &Contender| {
            Lock::new(Arc::clone(&store), Arc::clone(&clock), name, who.clone(), AT)
        };
        let other = contender("other");
        let mut blocker = named("b", &other);
        blocker.try_acquire().await.unwrap();
        let who = contender("one");
        let mut locks = Locks::new(["c", "a", "b", "a"].map(|name| named(name, &who)).into());
        assert_eq!(locks.iter().map(Lock::name).collect::<Vec<_>>(), ["a", "b", "c"]);
        let round = locks.try_acquire().await.unwrap();
        assert!(matches!(round, Round::Held { ref name, .. } if name == "b"), "{round:?}");
        let mut free = named("a", &contender("third"));
        assert!(matches!(free.try_acquire().await.unwrap(), Answer::Acquired { .. }), "none");
        free.release().await.unwrap();
        // Waiting for one keeps the others, for longer than they would last by themselves.
        let mut round = locks.enter().await.unwrap();
        let release = async {
            for _ in 0..20 {
                sleep(TTL / 4).await;
                blocker.renew().await.unwrap();
            }
            blocker.release().await.unwrap();
        };
        let wait = async {
            while round != Round::All {
                round = locks.next().await.unwrap();
            }
        };
        tokio::join!(release, wait);
        assert_eq!(locks.answers().len(), 3);
        assert_eq!(locks.iter().next().unwrap().fence(), Some(Fence(3)), "kept, not taken anew");
        assert_eq!(locks.release().await.unwrap().len(), 3);
    });
}

#[test]
fn crossed_orders_do_not_wait_in_a_circle() {
    run(async {
        let store = memory();
        let mut tasks = tokio::task::JoinSet::new();
        for (number, names) in [["a", "b"], ["b", "a"], ["a", "b"], ["b", "a"]].iter().enumerate() {
            let clock = machine(number as u64);
            let who = contender(&number.to_string());
            let named = |name: &&str| {
                Lock::new(Arc::clone(&store), Arc::clone(&clock), name, who.clone(), AT)
            };
            let mut locks = Locks::new(names.iter().map(named).collect());
            tasks.spawn(async move {
                for _ in 0..5 {
                    let mut round = locks.enter().await.unwrap();
                    while round != Round::All {
                        round = locks.next().await.unwrap();
                    }
                    sleep(Duration::from_millis(100)).await;
                    locks.release().await.unwrap();
                }
            });
        }
        timeout(Duration::from_mins(1), tasks.join_all()).await.expect("nobody waits for ever");
    });
}

#[test]
fn stores_own_clock_judges_where_there_is_one() {
    run(async {
        let origin = Instant::now();
        let time = move || StoreTime {
            epoch: String::new(),
            since: Duration::from_secs(1_000 + origin.elapsed().as_secs()),
        };
        let store: Arc<dyn Store> = Arc::new(Memory::with_clock(time));
        lock(&store, &machine(0), contender("dead")).try_acquire().await.unwrap();
        sleep(TTL + Duration::from_secs(2)).await;
        // A newcomer that has seen nothing yet need not wait: the store remembers when it was written.
        let answer = lock(&store, &machine(5), contender("new")).try_acquire().await.unwrap();
        assert!(matches!(answer, Answer::TakenOver { .. }), "{answer:?}");
    });
}

#[test]
fn full_queue_is_no_refusal() {
    let mut lease = Lease::default();
    let now = Now::at(Stamp::new("c", Duration::ZERO));
    let ask = |lease: &mut Lease, number: usize| {
        let moment = Moment { at: AT, dead: &[], now: &now };
        lease.ask(&contender(&number.to_string()), Stance::Renewing, &moment)
    };
    for number in 0..=coord::lease::MAX_TICKETS {
        ask(&mut lease, number);
    }
    let answer = ask(&mut lease, 1000);
    assert!(matches!(answer, Answer::Held { ahead: None, .. }));
    assert_eq!(lease.queue().len(), coord::lease::MAX_TICKETS);
}
