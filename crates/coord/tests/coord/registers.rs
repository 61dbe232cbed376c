//! A register changes a record exactly as often as it says, whatever the store answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use coord::{Error, ErrorKind, Fence, Life, Now, Register, Repaired, Step, Token, Value};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::{Expect, Key, Memory, Store, StoreTime};

use crate::faulty::{Faults, Faulty};
use crate::time::{Machine, run};

/// A count, with a life for each of those that count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Count {
    #[serde(rename = "count")]
    total: u64,
    #[serde(default)]
    lives: Vec<Life>,
    #[serde(default)]
    fence: Fence,
}

impl Value for Count {
    const LIMIT: usize = 4096;

    fn fence(&self) -> Fence {
        self.fence
    }

    fn raise(&mut self, above: Fence) {
        self.fence = self.fence.max(above);
    }

    fn each_life(&mut self, visit: &mut dyn FnMut(&mut Life)) {
        self.lives.iter_mut().for_each(visit);
    }
}

fn key() -> Key {
    Key::new(["count"])
}

fn register(store: &Arc<dyn Store>) -> Register<Count> {
    Register::new(Arc::clone(store), Machine::new("here", Duration::ZERO), key())
}

async fn raw(store: &Arc<dyn Store>) -> serde_json::Value {
    let record = store.read(&key()).await.unwrap().unwrap();
    serde_json::from_slice(&record.value).unwrap()
}

async fn put(store: &Arc<dyn Store>, bytes: &str) {
    let expect = match store.read(&key()).await.unwrap() {
        None => Expect::Absent,
        Some(record) => Expect::At(record.version),
    };
    let written = store.write(&key(), Bytes::copy_from_slice(bytes.as_bytes()), expect).await;
    assert!(matches!(written.unwrap(), store::Written::Stored(_)));
}

fn add(count: &mut Count) -> Step<u64> {
    count.total += 1;
    Step::Write(count.total)
}

/// Lets many writers add one many times and compares what they were told with what is there.
async fn count_with(faults: Faults, seed: u64) {
    let store: Arc<dyn Store> = Faulty::new(Memory::default(), faults, seed);
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let register = register(&store);
        writers.spawn(async move {
            let (mut yes, mut perhaps) = (0, 0);
            for _ in 0..10 {
                match register.update(|count, _| add(count)).await {
                    Ok(_) => yes += 1,
                    Err(error) if error.kind() == ErrorKind::Unknown => perhaps += 1,
                    Err(error) if error.kind() == ErrorKind::Unavailable => {}
                    Err(error) => panic!("{error}"),
                }
            }
            (yes, perhaps)
        });
    }
    let told = writers.join_all().await;
    let yes: u64 = told.iter().map(|(yes, _)| yes).sum();
    let perhaps: u64 = told.iter().map(|(_, perhaps)| perhaps).sum();
    let calm = loop {
        if let Ok(reading) = register(&store).read().await {
            break reading.value.total;
        }
    };
    assert!((yes..=yes + perhaps).contains(&calm), "{calm} of {yes} and perhaps {perhaps}");
    if faults.unavailable == 0 {
        assert_eq!((yes, perhaps), (80, 0), "whatever can be found out is found out");
    }
}

#[test]
fn nothing_is_counted_twice_and_nothing_is_lost() {
    let quiet = Faults::default();
    for seed in 0..12 {
        run(count_with(quiet, seed));
        run(count_with(Faults { lost_reply: 20, ..quiet }, seed));
        run(count_with(Faults { lost_request: 20, lied_conflict: 20, ..quiet }, seed));
        run(count_with(
            Faults { lost_request: 10, lost_reply: 20, lied_conflict: 10, unavailable: 10 },
            seed,
        ));
    }
}

#[test]
fn a_decision_not_to_write_writes_nothing() {
    run(async {
        let faulty = Faulty::new(Memory::default(), Faults::default(), 0);
        let store: Arc<dyn Store> = faulty.clone();
        let count = register(&store);
        let kept = count.update(|count, _| {
            count.total = 9;
            Step::Keep(7)
        });
        assert_eq!(kept.await.unwrap(), 7);
        assert_eq!(faulty.writes.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn what_is_not_known_passes_through() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let record = json!({
            "schema": 1, "ops": ["x"], "fence": 3, "later": {"a": 1},
            "value": {"count": 4, "also": [1, 2]},
        });
        put(&store, &record.to_string()).await;
        let reading = register(&store).read().await.unwrap();
        assert_eq!(reading.value.fence(), Fence(3), "a fence outside of the value counts as well");
        assert_eq!(register(&store).update(|count, _| add(count)).await.unwrap(), 5);
        let raw = raw(&store).await;
        assert_eq!((&raw["later"], &raw["value"]["also"]), (&json!({"a": 1}), &json!([1, 2])));
        assert_eq!((&raw["value"]["count"], &raw["fence"]), (&json!(5), &json!(3)));
    });
}

#[test]
fn the_last_operations_are_few() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        for _ in 0..100 {
            register(&store).update(|count, _| add(count)).await.unwrap();
        }
        assert_eq!(raw(&store).await["ops"].as_array().unwrap().len(), 32);
    });
}

#[test]
fn a_newer_layout_is_refused() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        put(&store, r#"{"schema": 2, "ops": [], "fence": 0, "value": "?"}"#).await;
        let error = register(&store).read().await.unwrap_err();
        assert!(matches!(error, Error::Newer { found: 2, known: 1, .. }), "{error}");
        let repaired = register(&store).repair(Timestamp::UNIX_EPOCH).await;
        assert!(matches!(repaired, Err(Error::Newer { .. })));
    });
}

#[test]
fn a_value_that_grows_too_large_is_refused() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let count = register(&store);
        let many = count.update(|count, _| {
            count.lives = vec![Life::new(Token::random(), Duration::ZERO); 200];
            Step::Write(())
        });
        assert!(matches!(many.await, Err(Error::TooLarge { limit: 4096, .. })));
    });
}

#[test]
fn a_damaged_record_is_never_free() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        for text in [
            "",
            "null",
            "{}",
            "\u{0}",
            r#"{"schema": 1}"#,
            r#"{"schema": 1, "ops": [], "fence": -1, "value": {"count": 1}}"#,
            r#"{"schema": 1, "ops": [], "fence": 1, "value": {"count": "x"}}"#,
            r#"{"schema": 1, "ops": [], "fence": 1, "value": {"count": 1}"#,
        ] {
            put(&store, text).await;
            let error = register(&store).update(|count, _| add(count)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
        }
    });
}

#[test]
fn a_repair_sets_the_damage_aside_and_starts_above_every_fence() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let count = register(&store);
        let today: Timestamp = "2026-08-01T00:00:00Z".parse().unwrap();
        assert_eq!(count.repair(today).await.unwrap(), Repaired::Sound);
        let mut last = 0;
        // The second is damaged worse, and by then the clock of the machine has been set back.
        for (damage, today) in [
            (r#"{"schema": 1, "fence": 1785000000000999, "value"#, today),
            ("\u{1}\u{2}", Timestamp::UNIX_EPOCH),
            (r#"{"fence": 99999999999999999999, "fence": 7"#, today),
        ] {
            put(&store, damage).await;
            let Repaired::Replaced { copy, above } = count.repair(today).await.unwrap() else {
                panic!("it was damaged");
            };
            assert_eq!(store.read(&copy).await.unwrap().unwrap().value, damage.as_bytes());
            assert!(above.0 > last, "{above} after {last}");
            assert!(above.0 < 1 << 53);
            last = above.0;
            assert_eq!(count.read().await.unwrap().value.fence(), above);
            assert_eq!(count.repair(today).await.unwrap(), Repaired::Sound);
        }
    });
}

/// Adds a life, lets time pass, and says whether it is over for an observer.
async fn over_after(store: Arc<dyn Store>, wait: u64, observers: &[Arc<Machine>]) -> bool {
    let ttl = Duration::from_mins(1);
    let holder = Register::<Count>::new(store.clone(), Machine::new("holder", ttl), key());
    let begun = holder.update(|count, _| {
        count.lives = vec![Life::new(Token::new("t"), ttl)];
        Step::Write(())
    });
    begun.await.unwrap();
    let mut over = false;
    for observer in observers {
        // Each observer is a process that looks once and ends.
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let register = Register::<Count>::new(store.clone(), observer.clone(), key());
        let looked = register.update(|count, now: &Now| Step::Note(count.lives[0].is_over(now)));
        over = looked.await.unwrap();
    }
    over
}

#[test]
fn callers_that_do_not_wait_leave_their_observations() {
    run(async {
        let memory = || -> Arc<dyn Store> { Arc::new(Memory::default()) };
        let one = Machine::new("one", Duration::ZERO);
        let other = Machine::new("other", Duration::from_secs(1_000_000));
        // The first look begins the count, however late it comes.
        assert!(!over_after(memory(), 1000, std::slice::from_ref(&one)).await);
        assert!(!over_after(memory(), 59, &[one.clone(), one.clone()]).await);
        assert!(over_after(memory(), 60, &[one.clone(), one.clone()]).await);
        // Another machine's observation proves nothing, and does not get in the way.
        assert!(!over_after(memory(), 1000, &[one.clone(), other.clone()]).await);
        assert!(over_after(memory(), 30, &[one.clone(), other, one]).await);
    });
}

#[test]
fn an_observer_that_waits_remembers_without_writing() {
    run(async {
        let faulty = Faulty::new(Memory::default(), Faults::default(), 0);
        let store: Arc<dyn Store> = faulty.clone();
        let holder = register(&store);
        let begun = holder.update(|count, _| {
            count.lives = vec![Life::new(Token::new("t"), Duration::from_mins(1))];
            Step::Write(())
        });
        begun.await.unwrap();
        let observer = Register::<Count>::new(store, Machine::new("one", Duration::ZERO), key());
        let looks = || observer.update(|count, now| Step::Keep(count.lives[0].is_over(now)));
        assert!(!looks().await.unwrap());
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert!(!looks().await.unwrap());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(looks().await.unwrap());
        assert_eq!(faulty.writes.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn the_stores_own_clock_judges_from_the_moment_of_the_write() {
    run(async {
        let asked = Arc::new(AtomicUsize::new(0));
        let memory = |epoch: &'static str| -> Arc<dyn Store> {
            let (clock, asked) = (Machine::new("store", Duration::from_secs(5)), asked.clone());
            Arc::new(Memory::with_clock(move || {
                asked.fetch_add(1, Ordering::Relaxed);
                let since = coord::Clock::now(&*clock);
                StoreTime { epoch: epoch.to_owned(), since }
            }))
        };
        let one = Machine::new("one", Duration::ZERO);
        assert!(!over_after(memory("boot"), 59, std::slice::from_ref(&one)).await);
        assert!(over_after(memory("boot"), 60, std::slice::from_ref(&one)).await);
        assert!(!over_after(memory(""), 60, std::slice::from_ref(&one)).await);
        assert!(over_after(memory(""), 61, std::slice::from_ref(&one)).await);
    });
}

#[test]
fn a_clock_that_costs_a_request_is_asked_only_if_a_decision_depends_on_it() {
    run(async {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let faulty = Faulty::new(
            Memory::with_clock(move || {
                counter.fetch_add(1, Ordering::Relaxed);
                StoreTime { epoch: String::new(), since: Duration::from_secs(1) }
            }),
            Faults::default(),
            0,
        );
        let store: Arc<dyn Store> = faulty;
        let count = register(&store);
        for _ in 0..3 {
            count.update(|count, _| add(count)).await.unwrap();
        }
        // Memory asks its clock once for every write.
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    });
}

/// Lets an observer look every ten seconds after the machine was restarted, and says when it finds the
/// holder dead.
async fn found_dead(step: fn(bool) -> Step<bool>, is_new_each_time: bool) -> u64 {
    let boot = Arc::new(std::sync::Mutex::new("first"));
    let (clock, epoch) = (Machine::new("store", Duration::from_secs(5)), boot.clone());
    let store: Arc<dyn Store> = Arc::new(Memory::with_clock(move || {
        let since = coord::Clock::now(&*clock);
        StoreTime { epoch: (*epoch.lock().unwrap()).to_owned(), since }
    }));
    let one = Machine::new("one", Duration::ZERO);
    assert!(!over_after(store.clone(), 10, std::slice::from_ref(&one)).await);
    *boot.lock().unwrap() = "second";
    let mut observer = Register::<Count>::new(store.clone(), one.clone(), key());
    for seconds in (0..200).step_by(10) {
        if is_new_each_time {
            observer = Register::new(store.clone(), one.clone(), key());
        }
        let looked = observer.update(|count, now| step(count.lives[0].is_over(now)));
        if looked.await.unwrap() {
            return seconds;
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    panic!("it is never found dead");
}

#[test]
fn a_machine_that_was_restarted_begins_to_count_anew() {
    run(async {
        assert_eq!(found_dead(Step::Keep, false).await, 60, "one that waits and writes nothing");
        assert_eq!(found_dead(Step::Note, true).await, 60, "one that comes again and again");
        assert_eq!(found_dead(Step::Write, true).await, 60, "one that writes each time");
    });
}
