//! Locks under thousands of schedules in which everything goes wrong that a seed can think of.
//!
//! `INTERLOCK_SEEDS=20000 cargo test -p interlock-testkit --test locks` tries more of them;
//! `INTERLOCK_SEED=17` replays one.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use coord::lease::{Answer, Contender, Holder, Lease, Lock, Locks, Release, Round, key};
use coord::{Clock, ErrorKind, Fence, Register, Token};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use store::{Error, Expect, Key, Memory, Record, Store, StoreTime, Version, Wait, Written};
use testkit::faulty::{Faults, Faulty};
use testkit::simulation::{self, Client, End, Length, Life, Skewed};
use tokio::time::{Instant, sleep, timeout};

const TTL: Duration = Duration::from_mins(1);
const TICKET: Duration = Duration::from_secs(24);
const NAME: &str = "deploy";

/// What somebody who stands outside knows.
#[derive(Debug, Default)]
struct Oracle {
    /// The largest fence that was ever granted.
    fence: Fence,
    /// The tokens whose release was acknowledged.
    released: BTreeSet<Token>,
    /// The last sound state of the record.
    last: Lease,
    /// Whether records get damaged in this run: then a repair takes locks away, as an operator does.
    is_damaged: bool,
    writes: u32,
    grants: u32,
}

impl Oracle {
    fn see(&mut self, bytes: &[u8]) {
        self.writes += 1;
        let Some(lease) = decode(bytes) else {
            return assert!(self.is_damaged, "damaged: {bytes:?}");
        };
        let before = std::mem::replace(&mut self.last, lease);
        let Some(grant) = self.last.grant() else { return };
        assert!(!self.released.contains(grant.token()), "a release was lost");
        if before.grant().map(|old| (old.token(), old.fence)) == Some((grant.token(), grant.fence))
        {
            return;
        }
        self.grants += 1;
        assert!(grant.fence > self.fence, "fence {} after {}", grant.fence, self.fence);
        self.fence = grant.fence;
        let place = before.queue().iter().position(|ticket| ticket.token() == grant.token());
        let ahead = &before.queue()[..place.unwrap_or(before.queue().len())];
        let still_there = |token: &Token| self.last.queue().iter().any(|it| it.token() == token);
        let passed_by = ahead.iter().find(|ticket| still_there(ticket.token()));
        assert!(passed_by.is_none(), "{} was passed by", passed_by.expect("one").holder.name);
    }
}

fn decode(bytes: &[u8]) -> Option<Lease> {
    let mut record: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    serde_json::from_value(record.get_mut("value")?.take()).ok()
}

/// The store that all share, with somebody who sees every write.
#[derive(Debug)]
struct Overseen {
    inner: Memory,
    oracle: Arc<Mutex<Oracle>>,
}

#[async_trait]
impl Store for Overseen {
    async fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        self.inner.read(key).await
    }

    async fn write(&self, key: &Key, value: Bytes, expect: Expect) -> Result<Written, Error> {
        let written = self.inner.write(key, value.clone(), expect).await;
        if matches!(written, Ok(Written::Stored(_))) && *key == coord::lease::key(NAME) {
            self.oracle.lock().expect("one thread").see(&value);
        }
        written
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

/// What one client believes: that it has the lock until then, on its clock.
#[derive(Clone, Debug, Default)]
struct Belief(Rc<RefCell<Option<(Fence, Duration)>>>);

impl Belief {
    fn set(&self, locks: &Locks, clock: &dyn Clock) {
        let fence = locks.iter().find_map(Lock::fence);
        *self.0.borrow_mut() = fence.map(|fence| (fence, clock.now() + locks.left()));
    }

    fn end(&self) {
        *self.0.borrow_mut() = None;
    }

    fn fence(&self, clock: &dyn Clock) -> Option<Fence> {
        self.0.borrow().filter(|(_, until)| clock.now() < *until).map(|(fence, _)| fence)
    }
}

/// A thing that is harmed by late writers, unless it compares fences.
type Resource = Rc<RefCell<Fence>>;

/// Everything one client is made of.
#[derive(Clone)]
struct Person {
    name: String,
    store: Arc<Faulty>,
    clock: Arc<Skewed>,
    belief: Belief,
    resource: Resource,
    oracle: Arc<Mutex<Oracle>>,
    patient: bool,
}

impl Person {
    /// Does a few pieces of work under the lock, as one process.
    async fn live(self, life: u32, mut dice: StdRng) {
        self.belief.end();
        for round in 0..dice.random_range(1..4) {
            let name = format!("{}.{life}.{round}", self.name);
            let mut locks = Locks::new(vec![self.lock(&name)]);
            if self.acquire(&mut locks, &name, &mut dice).await {
                self.belief.set(&locks, &*self.clock);
                self.work(&mut locks, &mut dice).await;
                self.belief.end();
            }
            self.release(&mut locks, &Token::new(name)).await;
        }
    }

    fn lock(&self, name: &str) -> Lock {
        let holder = Holder { name: name.to_owned(), ..Holder::default() };
        let token = Token::new(name);
        let contender = Contender { token, holder, ttl: TTL, ticket: TICKET };
        let store = Arc::clone(&self.store) as Arc<dyn Store>;
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Lock::new(store, clock, NAME, contender, Timestamp::UNIX_EPOCH)
    }

    /// Asks until it has the lock, or, if it is not patient, until it was refused once or twice.
    async fn acquire(&self, locks: &mut Locks, name: &str, dice: &mut StdRng) -> bool {
        let mut tries = 0;
        loop {
            let round = match (self.patient, tries) {
                (true, 0) => locks.enter().await,
                (true, _) => locks.next().await,
                (false, _) => locks.try_acquire().await,
            };
            tries += 1;
            match round {
                Ok(Round::All) => return true,
                Ok(Round::Held { answer: Answer::Held { by, .. }, .. }) => {
                    assert_ne!(by.holder.name, name, "refused in favour of itself");
                    if !self.patient && tries > 2 {
                        return false;
                    }
                }
                Ok(round) => panic!("{round:?}"),
                Err(error) => self.accept(&error),
            }
            if !self.patient {
                sleep(Duration::from_secs(dice.random_range(1..30))).await;
            } else if tries % 4 == 0 {
                sleep(Duration::from_secs(1)).await;
            }
        }
    }

    fn accept(&self, error: &coord::Error) {
        let damaged = self.oracle.lock().expect("one thread").is_damaged;
        let kind = error.kind();
        let may_happen = matches!(kind, ErrorKind::Unavailable | ErrorKind::Unknown);
        assert!(may_happen || damaged && kind == ErrorKind::Corrupt, "{error}");
    }

    /// Writes now and then, as long as it may believe that it has the lock.
    async fn work(&self, locks: &mut Locks, dice: &mut StdRng) {
        for _ in 0..dice.random_range(1..40) {
            if let Some(fence) = self.belief.fence(&*self.clock) {
                let mut accepted = self.resource.borrow_mut();
                // After a repair an old holder may still believe, and then the guard refuses it.
                let is_damaged = self.oracle.lock().expect("one thread").is_damaged;
                assert!(is_damaged || fence >= *accepted, "a holder in good faith is refused");
                *accepted = fence.max(*accepted);
            }
            let lost = timeout(Duration::from_secs(2), locks.keep()).await.is_ok();
            self.belief.set(locks, &*self.clock);
            if lost {
                return;
            }
        }
    }

    async fn release(&self, locks: &mut Locks, token: &Token) {
        match locks.release().await {
            Ok(releases) => {
                let ours = |release: &Release| matches!(release, Release::Released { .. });
                if releases.iter().any(|(_, release)| ours(release)) {
                    self.oracle.lock().expect("one thread").released.insert(token.clone());
                }
            }
            Err(error) => self.accept(&error),
        }
    }
}

/// What the stores of this run know about time.
fn memory(dice: &mut StdRng) -> Memory {
    let origin = Instant::now();
    match dice.random_range(0..3) {
        0 => Memory::default(),
        1 => Memory::with_clock(move || StoreTime {
            epoch: "store".to_owned(),
            since: Duration::from_secs(77) + origin.elapsed(),
        }),
        _ => Memory::with_clock(move || StoreTime {
            epoch: String::new(),
            since: Duration::from_secs(1_700_000_000 + origin.elapsed().as_secs()),
        }),
    }
}

/// Repairs what is damaged, as an operator would.
async fn operate(store: Arc<Overseen>) {
    let clock: Arc<dyn Clock> = Arc::new(Skewed::new("operator", Duration::ZERO, 1000));
    let register = Register::<Lease>::new(store, clock, key(NAME));
    for second in (0..300).step_by(3) {
        sleep(Duration::from_secs(3)).await;
        let today = Timestamp::from_second(1_700_000_000 + second).expect("a time");
        register.repair(today).await.expect("the store itself never fails");
    }
}

/// What a run came to: the same seed always gives the same.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    writes: u32,
    grants: u32,
    fence: Fence,
}

fn simulate(seed: u64, is_damaged: bool) -> Outcome {
    let oracle = Arc::new(Mutex::new(Oracle { is_damaged, ..Oracle::default() }));
    let people: Rc<RefCell<Vec<Person>>> = Rc::default();
    let resource = Resource::default();
    let prepare = |dice: &mut StdRng| {
        let store = Arc::new(Overseen { inner: memory(dice), oracle: Arc::clone(&oracle) });
        let mut faults = Faults::draw(dice);
        faults.corrupt = if is_damaged { 30 } else { 0 };
        let mut clients = Vec::new();
        for number in 0..dice.random_range(2..6_u32) {
            let ahead = Duration::from_secs(dice.random_range(0..1_000_000));
            let clock = Skewed::new(&number.to_string(), ahead, dice.random_range(970..=1030));
            let person = Person {
                name: number.to_string(),
                store: Faulty::new(Arc::clone(&store) as Arc<dyn Store>, faults, dice.random()),
                clock: Arc::new(clock),
                belief: Belief::default(),
                resource: Rc::clone(&resource),
                oracle: Arc::clone(&oracle),
                patient: dice.random_range(0..4) > 0,
            };
            people.borrow_mut().push(person.clone());
            let luck: u64 = dice.random();
            let start = move |life: u32| -> Life {
                let dice = StdRng::seed_from_u64(luck.wrapping_add(life.into()));
                Box::pin(person.clone().live(life, dice))
            };
            clients.push(Client { start: Box::new(start), crashes: 2 });
        }
        if is_damaged {
            let start = move |_| -> Life { Box::pin(operate(Arc::clone(&store))) };
            clients.push(Client { start: Box::new(start), crashes: 0 });
        }
        clients
    };
    let observe = || {
        let people = people.borrow();
        let believers = people.iter().filter_map(|it| it.belief.fence(&*it.clock));
        let believers: Vec<Fence> = believers.collect();
        assert!(is_damaged || believers.len() <= 1, "several hold the lock: {believers:?}");
    };
    let calm = || people.borrow().iter().for_each(|person| person.store.calm_down());
    let length = Length { moves: 1500, rest: Duration::from_hours(2) };
    let end = simulation::run(seed, length, prepare, observe, calm);
    assert_eq!(end, End::All, "somebody waits for ever");
    let oracle = oracle.lock().expect("one thread");
    Outcome { writes: oracle.writes, grants: oracle.grants, fence: oracle.fence }
}

/// Tries many seeds on all cores; the first that fails is named.
fn try_seeds(default: u64, is_damaged: bool) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("INTERLOCK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("INTERLOCK_SEEDS").unwrap_or(default),
    };
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let grants: u32 = std::thread::scope(|scope| {
        let work = || {
            let mut grants = 0;
            loop {
                let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if seed >= seeds.end {
                    return grants;
                }
                let tried = std::panic::catch_unwind(|| simulate(seed, is_damaged));
                grants += tried.unwrap_or_else(|_| panic!("INTERLOCK_SEED={seed} fails")).grants;
            }
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| panic!("a seed fails; see above")))
            .sum()
    });
    assert!(grants > 0, "nobody ever had the lock");
}

#[test]
fn one_holder_at_a_time_in_order_whatever_happens() {
    try_seeds(60, false);
}

#[test]
fn fences_grow_over_damage_and_repair() {
    try_seeds(30, true);
}

#[test]
fn seed_replays_exactly() {
    for seed in [1, 2, 3] {
        assert_eq!(simulate(seed, false), simulate(seed, false));
        assert_eq!(simulate(seed, true), simulate(seed, true));
    }
}
