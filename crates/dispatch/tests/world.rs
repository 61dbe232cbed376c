//! The world with hands that do what a test says, so that every order of things can be had without waiting.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dispatch::delivery::Delivery;
use dispatch::hands::{Assignment, Hands};
use dispatch::membership::Groups;
use dispatch::notice::{Hub, News, Observer};
use dispatch::occasion::Facts;
use dispatch::planner::{Given, Planner};
use dispatch::policies::Policies;
use dispatch::project::Project;
use dispatch::trees::Trees;
use dispatch::world::{Outcome, Setup, Stop, World};
use engine::{Conclusion, JobReport};
use runner::Order;
use store::{Expect, Key, Memory, Record, Store, Version, Wait, Written};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use workdir::{Mirrors, Repository, Want};

/// A job that has been started, and the way to end it.
struct Started {
    job: String,
    orders: mpsc::Receiver<Order>,
    end: oneshot::Sender<Conclusion>,
}

/// Hands that hand every job over to the test.
#[derive(Debug)]
struct Puppets(mpsc::UnboundedSender<Started>);

#[async_trait]
impl Hands for Puppets {
    async fn run(&self, assignment: Assignment) -> JobReport {
        let (end, ended) = oneshot::channel();
        let job = format!("{}", assignment.plan.key);
        drop(self.0.send(Started { job, orders: assignment.orders, end }));
        JobReport::new(ended.await.unwrap_or(Conclusion::Failure))
    }
}

struct Stage {
    started: mpsc::UnboundedReceiver<Started>,
    stops: mpsc::Sender<Stop>,
    observer: Observer,
    world: JoinHandle<Result<Outcome, dispatch::Error>>,
    place: TempDir,
}

fn delivery() -> Delivery {
    Delivery { event: "push".into(), payload: serde_json::json!({}), delay: Duration::ZERO }
}

async fn planner(place: &Path, workflow: &str, deliveries: usize) -> Planner {
    let root = place.join("project");
    std::fs::create_dir_all(root.join(".github/workflows")).unwrap();
    std::fs::write(root.join(".github/workflows/ci.yml"), workflow).unwrap();
    let repository = Repository::discover(&root).await.unwrap();
    let mirrors = Mirrors::open(place.join("mirrors")).unwrap();
    let tree = repository.snapshot(&mirrors, &Want::WorkingTree).await.unwrap();
    let facts = Facts {
        host: "local".into(),
        full_name: "local/project".into(),
        branch: Some("main".into()),
        tag: None,
        default_branch: "main".into(),
        head: tree.sha.clone(),
        message: String::new(),
        actor: "tester".into(),
    };
    Planner {
        project: Project::read(&root).unwrap(),
        deliveries: (0..deliveries).map(|_| delivery()).collect(),
        facts,
        given: Given::default(),
        trees: Trees::new(tree, false),
        policies: Policies::default(),
    }
}

async fn stage_on(
    store: Arc<dyn Store>,
    workflow: &str,
    deliveries: usize,
    max_parallel: usize,
) -> Stage {
    let place = tempfile::tempdir().unwrap();
    let planner = planner(place.path(), workflow, deliveries).await;
    let (handed, started) = mpsc::unbounded_channel();
    let runs = place.path().join("runs");
    let groups = Groups::new(store, "memory:".into(), runs.clone());
    let setup = Setup { planner, hands: Arc::new(Puppets(handed)), groups, runs, max_parallel };
    let mut hub = Hub::default();
    let observer = hub.subscribe();
    let (stops, inlet) = mpsc::channel(4);
    let world = tokio::spawn(World::new(setup, hub).run(inlet));
    Stage { started, stops, observer, world, place }
}

async fn stage(workflow: &str, deliveries: usize, max_parallel: usize) -> Stage {
    stage_on(Arc::new(Memory::default()), workflow, deliveries, max_parallel).await
}

impl Stage {
    async fn next(&mut self) -> Started {
        self.started.recv().await.expect("another job starts")
    }

    async fn outcome(self) -> Outcome {
        drop(self.stops);
        self.world.await.unwrap().unwrap()
    }

    /// Waits for news that fits.
    async fn until(&mut self, fits: impl Fn(&News) -> bool) {
        while !fits(&self.observer.next().await.expect("more news").news) {}
    }
}

fn jobs(count: usize) -> String {
    let job = |number| format!("  j{number}: {{runs-on: x, steps: [{{run: 'true'}}]}}\n");
    format!("on: push\njobs:\n{}", (0..count).map(job).collect::<String>())
}

#[tokio::test]
async fn no_more_jobs_run_than_there_is_room_for_and_in_order() {
    let mut stage = stage(&jobs(5), 1, 2).await;
    let mut running = VecDeque::from([stage.next().await, stage.next().await]);
    let mut order: Vec<String> = running.iter().map(|started| started.job.clone()).collect();
    for _ in 0..3 {
        assert!(stage.started.try_recv().is_err(), "a third job has no room");
        running.pop_front().unwrap().end.send(Conclusion::Success).unwrap();
        let next = stage.next().await;
        order.push(next.job.clone());
        running.push_back(next);
    }
    for started in running {
        started.end.send(Conclusion::Success).unwrap();
    }
    assert_eq!(order, ["j0", "j1", "j2", "j3", "j4"]);
    let outcome = stage.outcome().await;
    assert_eq!(outcome.ended[0].conclusion, Conclusion::Success);
}

#[tokio::test]
async fn interrupt_cancels_who_works_and_withdraws_who_waits_for_room() {
    let mut stage = stage(&jobs(3), 1, 1).await;
    let mut first = stage.next().await;
    stage.stops.send(Stop::Cancel).await.unwrap();
    assert!(matches!(first.orders.recv().await, Some(Order::Cancel { .. })));
    first.end.send(Conclusion::Cancelled).unwrap();
    assert!(stage.started.recv().await.is_none(), "no other job starts");
    let mut result = None;
    while let Some(notice) = stage.observer.next().await {
        if let News::RunEnded { result: ended } = notice.news.clone() {
            result = Some(ended);
            break;
        }
    }
    let jobs = result.unwrap().jobs;
    let ends: Vec<_> = jobs.iter().map(|job| (&*job.id, &*job.conclusion)).collect();
    assert_eq!(ends, [("j0", "cancelled"), ("j1", "cancelled"), ("j2", "cancelled")]);
    let outcome = stage.outcome().await;
    assert_eq!(
        (outcome.stopped, outcome.ended[0].conclusion),
        (Some(Stop::Cancel), Conclusion::Cancelled)
    );
}

#[tokio::test]
async fn second_interrupt_kills() {
    let mut stage = stage(&jobs(1), 1, 1).await;
    let mut first = stage.next().await;
    stage.stops.send(Stop::Cancel).await.unwrap();
    stage.stops.send(Stop::Kill).await.unwrap();
    assert!(matches!(first.orders.recv().await, Some(Order::Cancel { .. })));
    assert_eq!(first.orders.recv().await, Some(Order::Kill));
    first.end.send(Conclusion::Cancelled).unwrap();
    assert_eq!(stage.outcome().await.stopped, Some(Stop::Kill));
}

const GROUPED: &str = "on: push\nconcurrency: {group: g, cancel-in-progress: true}\njobs:\n  a: {runs-on: x, steps: [{run: 'true'}]}\n";

#[tokio::test]
async fn successor_starts_only_when_the_cancelled_one_has_ended() {
    let mut stage = stage(GROUPED, 2, 4).await;
    let mut older = stage.next().await;
    assert!(matches!(older.orders.recv().await, Some(Order::Cancel { .. })));
    stage.until(|news| matches!(news, News::Waiting { .. })).await;
    assert!(stage.started.try_recv().is_err(), "the group is still taken");
    older.end.send(Conclusion::Cancelled).unwrap();
    stage.next().await.end.send(Conclusion::Success).unwrap();
    let outcome = stage.outcome().await;
    let ends: Vec<_> =
        outcome.ended.iter().map(|ended| (ended.conclusion, ended.superseded)).collect();
    assert_eq!(ends, [(Conclusion::Cancelled, true), (Conclusion::Success, false)]);
}

#[tokio::test]
async fn run_without_wish_to_cancel_waits_its_turn() {
    let workflow = GROUPED.replace("true}", "false}");
    let mut stage = stage(&workflow, 2, 4).await;
    let older = stage.next().await;
    stage.until(|news| matches!(news, News::Waiting { .. })).await;
    older.end.send(Conclusion::Success).unwrap();
    stage.next().await.end.send(Conclusion::Failure).unwrap();
    let outcome = stage.outcome().await;
    let ends: Vec<_> = outcome.ended.iter().map(|ended| ended.conclusion).collect();
    assert_eq!(ends, [Conclusion::Success, Conclusion::Failure]);
}

/// A store that nobody can reach.
#[derive(Debug)]
struct Unreachable;

fn unreachable<T>() -> Result<T, store::Error> {
    Err(store::Error::new(store::ErrorKind::Denied, "test", "reach", "g", "nobody is there"))
}

#[async_trait]
impl Store for Unreachable {
    async fn read(&self, _: &Key) -> Result<Option<Record>, store::Error> {
        unreachable()
    }
    async fn write(&self, _: &Key, _: bytes::Bytes, _: Expect) -> Result<Written, store::Error> {
        unreachable()
    }
    async fn list(&self, _: &str) -> Result<Vec<Key>, store::Error> {
        unreachable()
    }
    async fn changed(&self, _: &Key, _: &Wait<'_>) -> Result<bool, store::Error> {
        unreachable()
    }
    async fn remove(&self, _: &Key, _: &Version) -> Result<Written, store::Error> {
        unreachable()
    }
    async fn now(&self) -> Result<Option<store::StoreTime>, store::Error> {
        unreachable()
    }
}

#[tokio::test]
async fn run_whose_group_cannot_be_asked_does_not_start() {
    let mut stage = stage_on(Arc::new(Unreachable), GROUPED, 1, 1).await;
    assert!(stage.started.recv().await.is_none(), "nothing starts unlocked");
    let outcome = stage.outcome().await;
    assert!(outcome.trouble.is_some_and(|trouble| trouble.contains("could not be asked")));
    assert_eq!(outcome.ended[0].conclusion, Conclusion::Cancelled);
}

#[tokio::test]
async fn call_without_runs_ends() {
    let stage =
        stage("on: release\njobs:\n  a: {runs-on: x, steps: [{run: 'true'}]}\n", 3, 1).await;
    assert_eq!(stage.outcome().await.ended, []);
}

#[tokio::test]
async fn puppets_that_vanish_fail_their_job() {
    let mut stage = stage(&jobs(1), 1, 1).await;
    drop(stage.next().await);
    assert_eq!(stage.outcome().await.ended[0].conclusion, Conclusion::Failure);
}

/// A store that answers the last question first.
#[derive(Debug, Default)]
struct Backwards {
    memory: Memory,
    asked: AtomicUsize,
}

#[async_trait]
impl Store for Backwards {
    async fn read(&self, key: &Key) -> Result<Option<Record>, store::Error> {
        let nth = self.asked.fetch_add(1, Ordering::Relaxed);
        for _ in 0..1000_usize.saturating_sub(nth * 100) {
            tokio::task::yield_now().await;
        }
        self.memory.read(key).await
    }
    async fn write(
        &self,
        key: &Key,
        value: bytes::Bytes,
        expect: Expect,
    ) -> Result<Written, store::Error> {
        self.memory.write(key, value, expect).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<Key>, store::Error> {
        self.memory.list(prefix).await
    }
    async fn changed(&self, key: &Key, wait: &Wait<'_>) -> Result<bool, store::Error> {
        self.memory.changed(key, wait).await
    }
    async fn remove(&self, key: &Key, at: &Version) -> Result<Written, store::Error> {
        self.memory.remove(key, at).await
    }
    async fn now(&self) -> Result<Option<store::StoreTime>, store::Error> {
        self.memory.now().await
    }
}

#[tokio::test]
async fn newest_delivery_is_the_newest_member_however_slow_the_store() {
    let mut stage = stage_on(Arc::new(Backwards::default()), GROUPED, 8, 4).await;
    let hands = tokio::spawn(async move {
        while let Some(mut started) = stage.started.recv().await {
            tokio::spawn(async move {
                let conclusion = tokio::select! {
                    order = started.orders.recv() => {
                        assert!(matches!(order, Some(Order::Cancel { .. }) | None));
                        Conclusion::Cancelled
                    }
                    () = tokio::time::sleep(Duration::from_millis(300)) => Conclusion::Success,
                };
                assert!(started.end.send(conclusion).is_ok(), "the world waits for its jobs");
            });
        }
        drop(stage.stops);
        stage.world.await.unwrap().unwrap()
    });
    let mut ended = hands.await.unwrap().ended;
    ended.sort_by_key(|ended| ended.id);
    let superseded: Vec<bool> = ended.iter().map(|ended| ended.superseded).collect();
    assert_eq!(superseded, [true, true, true, true, true, true, true, false]);
}

#[tokio::test]
async fn run_that_is_cancelled_by_a_job_of_it_says_why() {
    let workflow = "on: push\njobs:\n  a:\n    strategy: {fail-fast: false, matrix: {n: [1, 2, 3]}}\n    concurrency: g\n    runs-on: x\n    steps: [run: 'true']\n";
    let mut stage = stage(workflow, 1, 1).await;
    let first = stage.next().await;
    stage
        .until(
            |news| matches!(news, News::JobEnded { conclusion, .. } if conclusion == "cancelled"),
        )
        .await;
    first.end.send(Conclusion::Success).unwrap();
    stage.next().await.end.send(Conclusion::Success).unwrap();
    let mut result = None;
    stage.until(|news| matches!(news, News::RunEnded { .. })).await;
    let place = stage.place.path().join("runs");
    for run in std::fs::read_dir(place).unwrap() {
        if let Ok(text) = std::fs::read_to_string(run.unwrap().path().join("result.json")) {
            result = Some(serde_json::from_str::<serde_json::Value>(&text).unwrap());
        }
    }
    let result = result.unwrap();
    assert_eq!(result["conclusion"], "cancelled");
    let reason = result["reason"].as_str().unwrap();
    assert!(reason.starts_with("job a (2): superseded by"), "{reason}");
}
