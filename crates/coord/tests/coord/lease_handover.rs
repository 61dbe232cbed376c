//! Locks on their way from one holder to the next: who has them, for how long, and what that costs.

use std::sync::Arc;
use std::time::Duration;

use coord::lease::{Answer, Contender, Grant, How, Lock, Locks, Release};
use coord::{Clock, margin};
use store::{Memory, Pace, Store, StoreTime};
use tokio::time::{Instant, sleep, timeout};

use crate::faulty::{Faults, Faulty};
use crate::lease_scenarios::{TICKET, TTL, contender, fence, lock, machine, memory, raw, requests};
use crate::time::{Machine, run};

/// Lets a holder and a waiter meet, and the holder release; the waiter has not looked yet.
async fn handed_over(store: &Arc<dyn Store>, waiter: Contender) -> (Lock, Answer) {
    let mut holder = lock(store, &machine(0), contender("holder"));
    holder.try_acquire().await.unwrap();
    let mut waiter = lock(store, &machine(1), waiter);
    let queued = waiter.enter().await.unwrap();
    sleep(Duration::from_secs(5)).await;
    let released = holder.release().await.unwrap();
    let Release::Released { next: Some(next), .. } = released else { panic!("{released:?}") };
    assert_eq!(next.name, waiter.contender().holder.name);
    (waiter, queued)
}

#[test]
fn hand_over_is_one_write_and_what_is_kept_is_confirmed_in_time() {
    run(async {
        let faulty = Faulty::new(Memory::default(), Faults::default(), 0);
        let store: Arc<dyn Store> = Arc::clone(&faulty) as Arc<dyn Store>;
        let (mut waiter, queued) = handed_over(&store, contender("waiter")).await;
        assert_eq!(requests(&faulty).1, 3, "acquired, queued, released");
        assert!(raw(&store).await.grant().is_some_and(Grant::is_unconfirmed));
        fence(&waiter.next(&queued).await.unwrap());
        assert_eq!(requests(&faulty).1, 3, "the waiter found it and wrote nothing");
        assert!(waiter.left() <= TICKET.saturating_sub(margin(TICKET)), "{:?}", waiter.left());
        let mut locks = Locks::new(vec![waiter]);
        assert!(timeout(TTL * 5, locks.keep()).await.is_err(), "it is kept");
        assert_eq!(raw(&store).await.grant().map(Grant::ttl), Some(TTL));
    });
}

#[test]
fn what_is_not_kept_is_confirmed_at_once_or_ends_with_the_ticket() {
    run(async {
        for confirms in [true, false] {
            let store = memory();
            let (mut waiter, queued) = handed_over(&store, contender("waiter")).await;
            fence(&waiter.next(&queued).await.unwrap());
            let mut locks = Locks::new(vec![waiter]);
            if confirms {
                assert!(locks.confirm().await.unwrap());
            }
            let mut other = lock(&store, &machine(2), contender("other"));
            let began = Instant::now();
            let mut answer = other.enter().await.unwrap();
            while matches!(answer, Answer::Held { .. }) {
                answer = other.next(&answer).await.unwrap();
            }
            let expected = if confirms { TTL } else { TICKET };
            let late = began.elapsed().saturating_sub(expected);
            assert!(began.elapsed() >= expected && late < Duration::from_secs(16), "{late:?}");
            assert!(confirms || !locks.confirm().await.unwrap(), "it was lost meanwhile");
        }
    });
}

#[test]
fn lock_that_lasts_as_long_as_a_ticket_is_confirmed_too() {
    run(async {
        let store = memory();
        let equal = Contender { ttl: TICKET, ..contender("equal") };
        let (mut waiter, queued) = handed_over(&store, equal).await;
        fence(&waiter.next(&queued).await.unwrap());
        let mut locks = Locks::new(vec![waiter]);
        assert!(locks.confirm().await.unwrap());
        assert!(locks.confirm().await.unwrap());
        let renewals = raw(&store).await.grant().map(Grant::renewals);
        assert_eq!(renewals, Some(1), "it lasts its whole length from now, and is written once");
        assert!(locks.left_to_others() >= TICKET, "{:?}", locks.left_to_others());
    });
}

#[test]
fn waiter_that_hands_the_lock_to_a_dead_one_gets_it_after_a_ticket() {
    let stores: [fn() -> Memory; 2] = [Memory::default, || {
        let origin = Instant::now();
        Memory::with_clock(move || StoreTime {
            epoch: String::new(),
            since: Duration::from_secs(1_000 + origin.elapsed().as_secs()),
        })
    }];
    for memory in stores {
        run(async {
            let store: Arc<dyn Store> = Arc::new(memory().asked_at(Pace::BUCKET));
            let ttl = Duration::from_secs(20);
            let mut holder = lock(&store, &machine(0), Contender { ttl, ..contender("holder") });
            holder.try_acquire().await.unwrap();
            lock(&store, &machine(1), contender("dead")).enter().await.unwrap();
            let mut waiter = lock(&store, &machine(2), contender("waiter"));
            let began = Instant::now();
            let mut answer = waiter.enter().await.unwrap();
            while matches!(answer, Answer::Held { .. }) {
                let next = timeout(TTL * 5, waiter.next(&answer)).await;
                answer = next.expect("it does not wait for ever").unwrap();
            }
            let late = began.elapsed().saturating_sub(ttl + TICKET);
            assert!(late < Duration::from_secs(25), "{late:?}");
        });
    }
}

#[test]
fn waiter_that_comes_late_knows_that_its_time_has_passed() {
    run(async {
        let store = memory();
        let clock = Machine::new("slow", Duration::from_secs(5));
        let clock: Arc<dyn Clock> = clock;
        let mut holder = lock(&store, &machine(0), contender("holder"));
        holder.try_acquire().await.unwrap();
        let mut waiter = lock(&store, &clock, contender("waiter"));
        let queued = waiter.enter().await.unwrap();
        holder.release().await.unwrap();
        // It sleeps for longer than its ticket lasts, and a third one has it meanwhile.
        sleep(TICKET * 2).await;
        let mut third = lock(&store, &machine(3), contender("third"));
        assert!(matches!(third.try_acquire().await.unwrap(), Answer::Held { .. }));
        sleep(TICKET).await;
        let taken = third.try_acquire().await.unwrap();
        assert!(matches!(taken, Answer::TakenOver { ref from, .. } if from.how == How::Expired));
        let late = timeout(TTL / 4, waiter.next(&queued)).await.expect("there is news").unwrap();
        assert!(matches!(late, Answer::Held { ref by, .. } if by.holder.name == "third"));
        assert_eq!(waiter.left(), Duration::ZERO);
    });
}

#[test]
fn lock_that_is_wanted_for_less_than_a_ticket_is_had_for_no_longer() {
    run(async {
        let store = memory();
        let short = Contender { ttl: Duration::from_secs(3), ..contender("short") };
        let (mut waiter, queued) = handed_over(&store, short).await;
        fence(&waiter.next(&queued).await.unwrap());
        let ttl = raw(&store).await.grant().map(Grant::ttl);
        assert_eq!(ttl, Some(Duration::from_secs(3)));
    });
}
