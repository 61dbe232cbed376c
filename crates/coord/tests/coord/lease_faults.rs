//! Hand-overs when the store is slow, replies are lost, clocks are late and records are hostile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use coord::lease::{Answer, Contender, Holder, Lock, Locks, Release, Round, key};
use coord::{Clock, ErrorKind};
use store::{Error, Expect, Key, Memory, Pace, Record, Store, StoreTime, Version, Wait, Written};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::lease_scenarios::{AT, contender, lock, machine, memory, raw};
use crate::time::run;

const TTL: Duration = Duration::from_hours(1);
const TICKET: Duration = Duration::from_mins(1);

fn who(name: &str) -> Contender {
    Contender { ttl: TTL, ticket: TICKET, ..contender(name) }
}

/// What a store does to writes of one record from when a test says so.
#[derive(Debug)]
enum Trick {
    Slow(Duration),
    /// Writes, waits until it is told to go on, and loses the reply. Once.
    Loses,
}

#[derive(Debug)]
struct Tricky {
    inner: Memory,
    key: Key,
    trick: Trick,
    armed: AtomicBool,
    written: Notify,
    go: Notify,
}

impl Tricky {
    fn new(key: Key, trick: Trick) -> Arc<Self> {
        let (inner, armed) = (Memory::default(), AtomicBool::new(false));
        let [written, go] = [(), ()].map(|()| Notify::new());
        Arc::new(Self { inner, key, trick, armed, written, go })
    }

    fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Store for Tricky {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        self.inner.read(key).await
    }

    async fn write(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Written, Error> {
        if *key != self.key || !self.armed.load(Ordering::Relaxed) {
            return self.inner.write(key, value, expect).await;
        }
        match self.trick {
            Trick::Slow(time) => {
                sleep(time).await;
                self.inner.write(key, value, expect).await
            }
            Trick::Loses => {
                self.armed.store(false, Ordering::Relaxed);
                drop(self.inner.write(key, value, expect).await?);
                self.written.notify_one();
                self.go.notified().await;
                let kind = store::ErrorKind::Unknown;
                Err(Error::new(kind, "tricky", "write", key.as_str(), "the reply is lost"))
            }
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Key>, Error> {
        self.inner.list(prefix).await
    }

    async fn changed(&self, key: &Key, wait: &Wait<'_>) -> Result<bool, Error> {
        self.inner.changed(key, wait).await
    }

    async fn remove(&self, key: &Key, at: &Version) -> Result<Written, Error> {
        self.inner.remove(key, at).await
    }

    async fn now(&self) -> Result<Option<StoreTime>, Error> {
        self.inner.now().await
    }
}

#[test]
fn hand_over_behind_a_lost_reply_is_found_at_once() {
    run(async {
        let tricky = Tricky::new(key("deploy"), Trick::Loses);
        let store: Arc<dyn Store> = Arc::clone(&tricky) as Arc<dyn Store>;
        let mut holder = lock(&store, &machine(0), who("holder"));
        holder.try_acquire().await.unwrap();
        let mut waiter = lock(&store, &machine(1), who("waiter"));
        tricky.arm();
        let enters = async {
            let answer = waiter.enter().await.unwrap();
            let began = Instant::now();
            let answer = match answer {
                Answer::Held { .. } => waiter.next(&answer).await.unwrap(),
                answer => answer,
            };
            (answer, began.elapsed())
        };
        let releases = async {
            tricky.written.notified().await;
            assert!(matches!(
                holder.release().await.unwrap(),
                Release::Released { next: Some(_), .. }
            ));
            tricky.go.notify_one();
        };
        let ((answer, late), ()) = tokio::join!(enters, releases);
        assert!(matches!(answer, Answer::Acquired { .. }), "{answer:?}");
        assert!(late < Duration::from_secs(1), "{late:?}");
    });
}

#[test]
fn all_locks_are_had_at_once_or_are_taken_anew() {
    run(async {
        let tricky = Tricky::new(key("b"), Trick::Slow(Duration::from_secs(70)));
        let store: Arc<dyn Store> = Arc::clone(&tricky) as Arc<dyn Store>;
        let named = |name: &str, number: u64, who: Contender| {
            Lock::new(Arc::clone(&store), machine(number), name, who, AT)
        };
        let mut holder = named("a", 0, who("holder"));
        holder.try_acquire().await.unwrap();
        let us = who("us");
        let mut locks = Locks::new(vec![named("a", 1, us.clone()), named("b", 1, us)]);
        assert_ne!(locks.enter().await.unwrap(), Round::All);
        let mut third = named("a", 2, who("third"));
        let mut queued = third.enter().await.unwrap();
        holder.release().await.unwrap();
        tricky.arm();
        let all = async {
            while locks.next().await.unwrap() != Round::All {}
            assert!(!locks.left().is_zero(), "it is told that it has what it has not");
        };
        let passes = async {
            while matches!(queued, Answer::Held { .. }) {
                let Ok(next) = timeout(TTL, third.next(&queued)).await else { return };
                queued = next.unwrap();
            }
            third.release().await.unwrap();
        };
        tokio::join!(all, passes);
    });
}

#[test]
fn grant_that_was_found_is_soon_ours_for_its_whole_length() {
    run(async {
        let tricky = Tricky::new(key("deploy"), Trick::Slow(Duration::from_mins(1)));
        let store: Arc<dyn Store> = Arc::clone(&tricky) as Arc<dyn Store>;
        let mut holder = lock(&store, &machine(0), who("holder"));
        holder.try_acquire().await.unwrap();
        let mut waiter = lock(&store, &machine(1), who("waiter"));
        let queued = waiter.enter().await.unwrap();
        holder.release().await.unwrap();
        waiter.next(&queued).await.unwrap();
        let mut locks = Locks::new(vec![waiter]);
        assert!(timeout(Duration::from_secs(5), locks.keep()).await.is_err(), "it is kept");
        tricky.arm();
        assert!(
            timeout(TTL / 2, locks.keep()).await.is_err(),
            "an outage of a minute ends nothing"
        );
    });
}

#[test]
fn release_passes_over_a_waiter_whose_ticket_has_ended() {
    run(async {
        let store = memory();
        let mut holder = lock(&store, &machine(0), who("holder"));
        holder.try_acquire().await.unwrap();
        lock(&store, &machine(1), who("dead")).enter().await.unwrap();
        for _ in 0..20 {
            sleep(TICKET / 2).await;
            holder.renew().await.unwrap();
        }
        assert!(matches!(holder.release().await.unwrap(), Release::Released { next: None, .. }));
    });
}

/// A clock that stood still for a while, as that of a virtual machine may.
#[derive(Debug)]
struct Late {
    boot: String,
    origin: Instant,
}

impl Late {
    const AT: Duration = Duration::from_secs(40);
    const PAUSE: Duration = Duration::from_secs(70);
}

impl Clock for Late {
    fn now(&self) -> Duration {
        let passed = self.origin.elapsed();
        passed.min(Self::AT).max(passed.saturating_sub(Self::PAUSE))
    }

    fn boot(&self) -> &str {
        &self.boot
    }
}

/// Lets somebody whose clock is late hand a bucket's lock over, after so long a wait, and returns
/// whether the heir lost it while it could rely on it.
async fn is_taken_away(wait: Duration) -> bool {
    let origin = Instant::now();
    let time = move || StoreTime {
        epoch: String::new(),
        since: Duration::from_secs(1_000 + origin.elapsed().as_secs()),
    };
    let store: Arc<dyn Store> = Arc::new(Memory::with_clock(time).asked_at(Pace::BUCKET));
    let late: Arc<dyn Clock> = Arc::new(Late { boot: "late".to_owned(), origin });
    let mut holder = who("holder");
    (holder.holder.boot, holder.holder.lock) = (Some("late".to_owned()), Some("x".to_owned()));
    lock(&store, &late, holder).try_acquire().await.unwrap();
    let mut heir = lock(&store, &machine(2), who("heir"));
    let mut queued = heir.enter().await.unwrap();
    let dead = Arc::new(AtomicBool::new(false));
    let proof = {
        let dead = Arc::clone(&dead);
        move |holder: &Holder| holder.name == "holder" && dead.load(Ordering::Relaxed)
    };
    let mut other = lock(&store, &late, who("other")).with_proof(Arc::new(proof));
    let mut seen = other.enter().await.unwrap();
    let waits = async {
        loop {
            seen = other.next(&seen).await.unwrap();
        }
    };
    let inherits = async {
        while matches!(queued, Answer::Held { .. }) {
            queued = heir.next(&queued).await.unwrap();
        }
        heir
    };
    let asks = async {
        sleep(wait).await;
        dead.store(true, Ordering::Relaxed);
        loop {
            sleep(Duration::from_millis(500)).await;
            lock(&store, &machine(3), who("passer-by")).try_acquire().await.unwrap();
        }
    };
    let meanwhile = async { tokio::join!(waits, asks) };
    tokio::pin!(meanwhile);
    let heir = tokio::select! {
        heir = inherits => heir,
        _ = &mut meanwhile => unreachable!("they go on for ever"),
    };
    let mut locks = Locks::new(vec![heir]);
    let watched = async {
        while !locks.left_to_others().is_zero() {
            let grant = raw(&store).await.grant().map(|grant| grant.holder.name.clone());
            if grant.as_deref() != Some("heir") {
                return true;
            }
            drop(timeout(Duration::from_millis(500), locks.keep()).await);
            sleep(Duration::from_millis(10)).await;
            if origin.elapsed() > wait + Duration::from_mins(5) {
                return false;
            }
        }
        false
    };
    tokio::select! {
        taken = watched => taken,
        _ = &mut meanwhile => unreachable!("they go on for ever"),
    }
}

#[test]
fn late_clock_of_a_third_one_takes_nothing_away() {
    for phase in 0..25 {
        let wait = Duration::from_secs(206) + Duration::from_millis(200) * phase;
        let ended =
            run(async { timeout(Duration::from_hours(1), Box::pin(is_taken_away(wait))).await });
        assert_eq!(ended, Ok(false), "after {wait:?}");
    }
}

#[test]
fn fields_that_nobody_knows_are_kept_to_the_letter() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    for odd in ["1e999", &deep, "123456789012345678901234567890", r#"{"a":{"b":"\u00e9"}}"#] {
        run(async {
            let store = memory();
            let mut one = lock(&store, &machine(0), who("one"));
            one.try_acquire().await.unwrap();
            let future = format!("\"future\":{odd}");
            change(&store, "{\"schema\"", &format!("{{{future},\"schema\"")).await;
            change(&store, "\"value\":{", &format!("\"value\":{{{future},")).await;
            lock(&store, &machine(1), who("two")).enter().await.unwrap();
            let text = text(&store).await;
            assert_eq!(text.matches(&future).count(), 2, "{text}");
        });
    }
}

#[test]
fn numbers_at_the_edge_panic_nowhere_and_repeat_no_fence() {
    const MAX: &str = "18446744073709551615";
    for (from, to, is_corrupt) in [
        ("\"fence\":1,\"value\"", format!("\"fence\":{MAX},\"value\""), true),
        ("\"renewals\":0", format!("\"renewals\":{MAX}"), false),
        ("\"tickets\":0", format!("\"tickets\":{MAX}"), false),
        ("\"ttl_ms\":3600000", format!("\"ttl_ms\":{MAX}"), false),
    ] {
        run(async {
            let store = memory();
            let mut one = lock(&store, &machine(0), who("one"));
            one.try_acquire().await.unwrap();
            change(&store, from, &to).await;
            let mut two = lock(&store, &machine(1), who("two"));
            match two.enter().await {
                Ok(answer) => assert!(!is_corrupt && matches!(answer, Answer::Held { .. })),
                Err(error) => assert!(is_corrupt && error.kind() == ErrorKind::Corrupt, "{error}"),
            }
            if !is_corrupt {
                sleep(Duration::from_secs(5)).await;
                one.renew().await.unwrap();
                one.release().await.unwrap();
            }
        });
    }
}

async fn text(store: &Arc<dyn Store>) -> String {
    let record = store.read(&key("deploy")).await.unwrap().unwrap();
    String::from_utf8(record.value.to_vec()).unwrap()
}

async fn change(store: &Arc<dyn Store>, from: &str, to: &str) {
    let record = store.read(&key("deploy")).await.unwrap().unwrap();
    let old = text(store).await;
    let new = old.replacen(from, to, 1);
    assert_ne!(new, old);
    drop(store.write(&key("deploy"), new.into(), Expect::At(record.version)).await.unwrap());
}
