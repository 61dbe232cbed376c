//! Many members on several machines, a store that fails, and processes that die without a word.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coord::group::{Entry, GroupName, Hold, Member, Membership, Queue, Reason, Request, Told};
use coord::{Clock as _, Token};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use store::{Memory, Store, StoreTime};
use tokio::task::JoinSet;

use crate::faulty::{Faults, Faulty};
use crate::time::{Machine, run};

const TTL: Duration = Duration::from_mins(1);

fn entry(group: &str, run: usize, request: Request, holds: Vec<Hold>) -> Entry {
    Entry {
        name: GroupName::new("github.com", "octo/repo", group),
        member: Member {
            token: Token::random(),
            run: run.to_string(),
            attempt: 1,
            job: None,
            link: None,
            surface: "test".to_owned(),
            entered: Timestamp::UNIX_EPOCH,
            boot: None,
            lock: None,
            holds,
        },
        request,
        ttl: TTL,
    }
}

async fn enter(
    store: &Arc<dyn Store>,
    machine: &Arc<Machine>,
    entry: Entry,
) -> Result<Membership, coord::Error> {
    Membership::enter(store.clone(), machine.clone(), entry, Arc::new(|_| false)).await
}

/// How one member ended.
#[derive(Debug, PartialEq)]
enum End {
    Worked,
    Stopped,
    Out(Reason),
    Died,
    /// The store was away for too long.
    GaveUp,
}

/// What a member does when it is its turn.
struct Plan {
    work: Duration,
    dies: bool,
}

/// Lives one member's life, and counts who works at the same time.
async fn live(
    store: Arc<dyn Store>,
    machine: Arc<Machine>,
    entry: Entry,
    plan: Plan,
    working: Arc<AtomicUsize>,
) -> End {
    let mut membership = loop {
        match enter(&store, &machine, entry.clone()).await {
            Ok(membership) => break membership,
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    loop {
        match membership.told().clone() {
            Told::Pending { .. } => {}
            Told::Running { .. } => break,
            Told::Cancel { .. } => return leave(membership, End::Stopped).await,
            Told::Out { reason } => return leave(membership, End::Out(reason)).await,
            Told::Gone => return End::GaveUp,
        }
        if membership.next().await.is_err() {
            return End::GaveUp;
        }
    }
    if membership.left().is_zero() {
        return leave(membership, End::GaveUp).await;
    }
    assert_eq!(working.fetch_add(1, Ordering::SeqCst), 0, "two are in progress");
    let end = work(&mut membership, &plan).await;
    assert_eq!(working.fetch_sub(1, Ordering::SeqCst), 1);
    if end == End::Died { end } else { leave(membership, end).await }
}

async fn work(membership: &mut Membership, plan: &Plan) -> End {
    let done = tokio::time::sleep(plan.work);
    tokio::pin!(done);
    loop {
        tokio::select! {
            () = &mut done => return if plan.dies { End::Died } else { End::Worked },
            told = membership.next() => match told {
                Ok(Told::Running { .. }) => {}
                // Ending takes a while.
                Ok(Told::Cancel { .. }) => {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    return End::Stopped;
                }
                Ok(told) => panic!("{told:?} while working"),
                Err(_) => {
                    tokio::time::sleep(Duration::from_secs(9)).await;
                    return End::GaveUp;
                }
            },
        }
    }
}

async fn leave(mut membership: Membership, end: End) -> End {
    for _ in 0..100 {
        if membership.leave().await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    end
}

async fn storm(seed: u64, faults: Faults, has_clock: bool) -> Vec<End> {
    let machines = ["one", "two", "three"].map(|boot| {
        Machine::new(boot, Duration::from_secs(u64::try_from(boot.len() * 1000).unwrap()))
    });
    let clock = machines[0].clone();
    let memory = if has_clock {
        Memory::with_clock(move || StoreTime { epoch: "store".to_owned(), since: clock.now() })
    } else {
        Memory::default()
    };
    let store: Arc<dyn Store> = Faulty::new(memory, faults, seed);
    let mut dice = StdRng::seed_from_u64(seed);
    let working = Arc::new(AtomicUsize::new(0));
    let mut members = JoinSet::new();
    for number in 0..15 {
        let max = dice.random_bool(0.7);
        let request = Request {
            cancel_in_progress: !max && dice.random_bool(0.5),
            queue: if max { Queue::Max } else { Queue::Single },
            debounce: dice.random_bool(0.2).then_some(Duration::from_secs(5)),
            ..Request::default()
        };
        let plan = Plan {
            work: Duration::from_secs(dice.random_range(0..90)),
            dies: dice.random_bool(0.2),
        };
        let delay = Duration::from_secs(dice.random_range(0..120));
        let machine = machines[dice.random_range(0..machines.len())].clone();
        let (store, working) = (store.clone(), working.clone());
        members.spawn(async move {
            tokio::time::sleep(delay).await;
            live(store, machine, entry("g", number, request, Vec::new()), plan, working).await
        });
    }
    let all = tokio::time::timeout(Duration::from_secs(10_000), members.join_all());
    all.await.expect("everybody ends")
}

#[test]
fn a_storm_never_has_two_in_progress_and_everybody_ends() {
    for seed in 0..5 {
        for has_clock in [false, true] {
            let ends = run(storm(seed, Faults::default(), has_clock));
            let gave_up = ends.iter().filter(|end| **end == End::GaveUp).count();
            assert_eq!(gave_up, 0, "nobody gives up on a store that works: {ends:?}");
            let faults =
                Faults { lost_request: 5, lost_reply: 10, lied_conflict: 5, unavailable: 10 };
            run(storm(seed, faults, has_clock));
        }
    }
}

#[test]
fn a_store_that_goes_away_ends_the_work_before_the_membership() {
    run(async {
        let machine = Machine::new("one", Duration::ZERO);
        let memory = Faulty::new(Memory::default(), Faults::default(), 0);
        let store: Arc<dyn Store> = memory;
        let mut first =
            enter(&store, &machine, entry("g", 1, Request::default(), vec![])).await.unwrap();
        assert!(matches!(first.told(), Told::Running { .. }));
        assert_eq!(first.left(), Duration::from_secs(50).saturating_sub(machine.now()));
        // From now on this member talks to a store that is away.
        let away: Arc<dyn Store> =
            Faulty::new(Memory::default(), Faults { unavailable: 100, ..Faults::default() }, 0);
        let began = machine.now();
        drop(enter(&away, &machine, entry("g", 2, Request::default(), vec![])).await.unwrap_err());
        assert!(
            machine.now().saturating_sub(began) < Duration::from_secs(1),
            "nobody waits for a store to come back"
        );
        let told = tokio::time::timeout(Duration::from_secs(200), first.next()).await;
        assert!(told.is_err(), "a membership that is renewed is no news");
        assert!(first.left() > Duration::from_secs(20));
    });
}

#[test]
fn fifty_newcomers_at_once_give_one_in_progress_and_the_newest_waiting() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let machine = Machine::new("one", Duration::ZERO);
        let mut newcomers = JoinSet::new();
        for number in 0..50 {
            let (store, machine) = (store.clone(), machine.clone());
            newcomers.spawn(async move {
                let request = Request::default();
                enter(&store, &machine, entry("g", number, request, vec![])).await.unwrap()
            });
        }
        let mut memberships = newcomers.join_all().await;
        let (mut running, mut pending, mut out) = (0, 0, 0);
        for membership in &mut memberships {
            if matches!(membership.told(), Told::Pending { .. }) {
                drop(tokio::time::timeout(Duration::from_secs(1), membership.next()).await);
            }
            match membership.told() {
                Told::Running { .. } => running += 1,
                Told::Pending { .. } => pending += 1,
                Told::Out { reason: Reason::Superseded { .. } } => out += 1,
                told => panic!("{told:?}"),
            }
        }
        assert_eq!((running, pending, out), (1, 1, 48));
    });
}

#[test]
fn a_queue_runs_in_the_order_of_arrival() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let machine = Machine::new("one", Duration::ZERO);
        let request = Request { queue: Queue::Max, ..Request::default() };
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut members = JoinSet::new();
        for number in 0..30 {
            let entry = entry("g", number, request.clone(), vec![]);
            let mut membership = enter(&store, &machine, entry).await.unwrap();
            let order = order.clone();
            members.spawn(async move {
                while !matches!(membership.told(), Told::Running { .. }) {
                    membership.next().await.unwrap();
                }
                order.lock().unwrap().push(number);
                tokio::time::sleep(Duration::from_secs(7)).await;
                membership.leave().await.unwrap();
            });
        }
        members.join_all().await;
        assert_eq!(*order.lock().unwrap(), (0..30).collect::<Vec<_>>());
    });
}

#[test]
fn a_member_whose_lock_is_free_is_replaced_at_once() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let machine = Machine::new("one", Duration::ZERO);
        let mut dead = entry("g", 1, Request::default(), vec![]);
        dead.member.boot = Some("one".to_owned());
        dead.member.lock = Some("/runs/1/lock".to_owned());
        drop(enter(&store, &machine, dead.clone()).await.unwrap());
        let proof: coord::group::Proof =
            Arc::new(|member| member.lock.as_deref() == Some("/runs/1/lock"));
        let next = entry("g", 2, Request::default(), vec![]);
        let other = Machine::new("other", Duration::ZERO);
        let elsewhere =
            Membership::enter(store.clone(), other, next.clone(), proof.clone()).await.unwrap();
        assert!(matches!(elsewhere.told(), Told::Pending { .. }), "the lock of another machine");
        let mut here = Membership::enter(store.clone(), machine, next, proof).await.unwrap();
        let Told::Running { orphans, .. } = here.told().clone() else { panic!("{here:?}") };
        assert_eq!(orphans, [dead.member]);
        here.cleared(&orphans).await.unwrap();
        assert!(matches!(here.told(), Told::Running { orphans, .. } if orphans.is_empty()));
    });
}

#[test]
fn a_death_is_noticed_by_those_who_wait() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let machine = Machine::new("one", Duration::ZERO);
        let mut first = entry("g", 1, Request::default(), vec![]);
        first.member.boot = Some("one".to_owned());
        first.member.lock = Some("/runs/1/lock".to_owned());
        drop(enter(&store, &machine, first).await.unwrap());
        let is_dead = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let proof: coord::group::Proof = {
            let is_dead = is_dead.clone();
            Arc::new(move |_| is_dead.load(Ordering::Relaxed))
        };
        let next = entry("g", 2, Request::default(), vec![]);
        let mut next = Membership::enter(store, machine.clone(), next, proof).await.unwrap();
        drop(tokio::time::timeout(Duration::from_secs(10), next.next()).await);
        assert!(matches!(next.told(), Told::Pending { .. }));
        is_dead.store(true, Ordering::Relaxed);
        let began = machine.now();
        assert!(matches!(next.next().await.unwrap(), Told::Running { .. }));
        assert!(machine.now().saturating_sub(began) <= Duration::from_secs(2));
    });
}

#[test]
fn the_last_to_wait_in_a_cycle_gives_up_and_the_others_go_on() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let machine = Machine::new("one", Duration::ZERO);
        let enter = |group: &str, run, holds| {
            let entry = entry(group, run, Request::default(), holds);
            let (store, machine) = (store.clone(), machine.clone());
            async move { enter(&store, &machine, entry).await.unwrap() }
        };
        let mut one = enter("a", 1, vec![]).await;
        let two = enter("b", 2, vec![]).await;
        let three = enter("c", 3, vec![]).await;
        let mut one_waits = enter("b", 1, vec![one.hold()]).await;
        let two_waits = enter("c", 2, vec![two.hold()]).await;
        assert!(matches!(one_waits.told(), Told::Pending { .. }));
        assert!(matches!(two_waits.told(), Told::Pending { .. }));
        let three_waits = enter("a", 3, vec![three.hold()]).await;
        let Told::Out { reason } = three_waits.told() else { panic!("{three_waits:?}") };
        assert_eq!(*reason, Reason::Deadlock { groups: ["a", "b", "c"].map(str::to_owned).into() });
        assert!(!reason.is_replaced());
        // The third run ends, and the second gets what it waits for, and then the first.
        for mut membership in [three, two_waits, two] {
            membership.leave().await.unwrap();
        }
        assert!(matches!(one_waits.next().await.unwrap(), Told::Running { .. }));
        one_waits.leave().await.unwrap();
        one.leave().await.unwrap();
    });
}

#[test]
fn a_run_that_waits_for_its_own_group_is_told_so() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let machine = Machine::new("one", Duration::ZERO);
        let request = Request::default();
        let run = enter(&store, &machine, entry("a", 1, request.clone(), vec![])).await.unwrap();
        let job = enter(&store, &machine, entry("A", 1, request, vec![run.hold()])).await.unwrap();
        let Told::Out { reason } = job.told() else { panic!("{job:?}") };
        assert_eq!(
            reason.to_string(),
            "a deadlock was detected: the group `A` is held by the run that waits for it"
        );
    });
}

#[test]
fn waits_that_make_no_cycle_are_left_alone() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let machine = Machine::new("one", Duration::ZERO);
        let request = Request { queue: Queue::Max, ..Request::default() };
        let enter = |group: &str, run, holds| {
            let entry = entry(group, run, request.clone(), holds);
            let (store, machine) = (store.clone(), machine.clone());
            async move { enter(&store, &machine, entry).await.unwrap() }
        };
        // One holds `a` and waits for `b`; the holder of `b` dies while it waits for `a`.
        let two = enter("b", 2, vec![]).await;
        let zero = enter("a", 0, vec![]).await;
        let mut two_waits = enter("a", 2, vec![two.hold()]).await;
        assert!(matches!(two_waits.told(), Told::Pending { .. }));
        two_waits.leave().await.unwrap();
        let mut zero_waits = enter("b", 0, vec![zero.hold()]).await;
        assert!(matches!(zero_waits.told(), Told::Pending { .. }), "the other has given up");
        // A third that waits for both in turn is behind them, not among them.
        let three = enter("c", 3, vec![]).await;
        let three_waits = enter("a", 3, vec![three.hold()]).await;
        assert!(matches!(three_waits.told(), Told::Pending { .. }));
        drop(two);
        assert!(matches!(zero_waits.next().await.unwrap(), Told::Running { .. }));
    });
}

#[test]
fn a_wait_whose_member_is_dead_makes_no_cycle() {
    run(async {
        let store: Arc<dyn Store> = Arc::new(Memory::default());
        let machine = Machine::new("one", Duration::ZERO);
        let enter = |group: &str, run, holds| {
            let request = Request { queue: Queue::Max, ..Request::default() };
            let entry = entry(group, run, request, holds);
            let (store, machine) = (store.clone(), machine.clone());
            async move { enter(&store, &machine, entry).await.unwrap() }
        };
        let mut one = enter("a", 1, vec![]).await;
        let two = enter("b", 2, vec![]).await;
        let two_waits = enter("a", 2, vec![two.hold()]).await;
        assert!(matches!(two_waits.told(), Told::Pending { .. }));
        // The second run dies without a word, and its place in `b` goes to another.
        drop((two, two_waits));
        let mut four = enter("b", 4, vec![]).await;
        let alive = async {
            while !matches!(four.told(), Told::Running { .. }) {
                four.next().await.unwrap();
            }
        };
        tokio::select! {
            () = alive => {}
            told = one.next() => panic!("{told:?}"),
        }
        let one_waits = enter("b", 1, vec![one.hold()]).await;
        assert!(matches!(one_waits.told(), Told::Pending { .. }), "{one_waits:?}");
    });
}

#[test]
fn many_runs_that_cross_each_other_all_end() {
    for seed in 0..20 {
        run(async {
            let machine = Machine::new("one", Duration::ZERO);
            let store: Arc<dyn Store> = Faulty::new(Memory::default(), Faults::default(), seed);
            let mut dice = StdRng::seed_from_u64(seed);
            let mut runs = JoinSet::new();
            for number in 0..8 {
                let groups: Vec<String> =
                    (0..3).map(|_| format!("g{}", dice.random_range(0..4))).collect();
                let (store, machine) = (store.clone(), machine.clone());
                let delay = Duration::from_millis(dice.random_range(0..3000));
                runs.spawn(async move {
                    tokio::time::sleep(delay).await;
                    let mut held: Vec<Membership> = Vec::new();
                    let request = Request { queue: Queue::Max, ..Request::default() };
                    'groups: for group in &groups {
                        let holds = held.iter().map(Membership::hold).collect();
                        let entry = entry(group, number, request.clone(), holds);
                        let mut next = enter(&store, &machine, entry).await.unwrap();
                        loop {
                            match next.told() {
                                Told::Running { .. } => break,
                                Told::Pending { .. } => {}
                                _ => break 'groups,
                            }
                            // What is held is kept alive meanwhile.
                            tokio::select! {
                                told = next.next() => drop(told.unwrap()),
                                () = keep(&mut held) => {}
                            }
                        }
                        held.push(next);
                    }
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    for mut membership in held {
                        membership.leave().await.unwrap();
                    }
                });
            }
            let all = tokio::time::timeout(Duration::from_mins(50), runs.join_all());
            all.await.expect("no deadlock lasts");
        });
    }
}

async fn keep(held: &mut [Membership]) {
    let all = held.iter_mut().map(|membership| async move {
        loop {
            membership.next().await.unwrap();
        }
    });
    let all: Vec<()> = futures::future::join_all(all).await;
    drop(all);
    std::future::pending::<()>().await;
}

#[test]
fn a_group_that_was_cleaned_up_goes_on_above_its_fence() {
    run(async {
        let clock = Machine::new("store", Duration::ZERO);
        let told = clock.clone();
        let memory =
            Memory::with_clock(move || StoreTime { epoch: "b".to_owned(), since: told.now() });
        let store: Arc<dyn Store> = Arc::new(memory);
        let machine: Arc<dyn coord::Clock> = Machine::new("one", Duration::ZERO);
        let turn = |group: &'static str, request: Request| {
            let (store, machine) = (store.clone(), machine.clone());
            async move {
                let entry = entry(group, 1, request, vec![]);
                let proof: coord::group::Proof = Arc::new(|_| false);
                let mut one = Membership::enter(store, machine, entry, proof).await.unwrap();
                let Told::Running { fence, .. } = one.told().clone() else { panic!("{one:?}") };
                one.leave().await.unwrap();
                fence
            }
        };
        let swept = |age| {
            let (store, machine) = (store.clone(), machine.clone());
            async move {
                let swept = coord::group::sweep(&store, &machine, "group/", age, false).await;
                swept.unwrap().into_iter().map(|swept| swept.name).collect::<Vec<_>>()
            }
        };
        let day = Duration::from_hours(24);
        for fence in 1..=5 {
            assert_eq!(turn("old", Request::default()).await.0, fence);
        }
        let position = coord::group::Position { number: 7, label: "#7".to_owned() };
        let order = coord::group::Order::Commit(position);
        turn("ordered", Request { order, ..Request::default() }).await;
        tokio::time::sleep(day).await;
        turn("young", Request::default()).await;
        assert_eq!(swept(day * 2).await, Vec::<String>::new());
        assert_eq!(swept(day).await, ["old"], "what knows an order is kept");
        assert_eq!(store.list("group/").await.unwrap().len(), 2);
        assert_eq!(turn("old", Request::default()).await.0, 6);
        assert_eq!(turn("brand-new", Request::default()).await.0, 6);
        assert_eq!(turn("young", Request::default()).await.0, 2);
        assert_eq!(swept(Duration::ZERO).await, Vec::<String>::new(), "an hour is the least");
    });
}
