//! A world in which chance decides who moves next, when time passes and who dies; all from one seed.
//!
//! Clients are futures that one thread polls in an order drawn from the seed. Time stands still while
//! they move and passes in between, in steps of at least [`QUANTUM`]: so sleeps that are shorter than that,
//! and that vary from run to run because of jitter, end at the same moment in every run. A client that is
//! frozen does not move while time passes, like a stopped process. A client that crashes is dropped at
//! whatever `.await` it is, and may be started again as a new process.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use coord::Clock;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, advance};

/// The least time that passes at once.
pub const QUANTUM: Duration = Duration::from_millis(500);

/// One life of a client.
pub type Life = Pin<Box<dyn Future<Output = ()>>>;

/// A program that may be started several times.
pub struct Client {
    /// Starts it; the argument says how often it was started before.
    pub start: Box<dyn FnMut(u32) -> Life>,
    /// How often it may crash at most.
    pub crashes: u32,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("crashes", &self.crashes).finish_non_exhaustive()
    }
}

/// How long a simulation may last.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// How many moves chance makes.
    pub moves: u32,
    /// How much time the clients have to end once nothing goes wrong any more.
    pub rest: Duration,
}

/// What became of the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All of them have ended.
    All,
    /// Some never did, although nothing went wrong any more.
    Waiting {
        /// How many.
        clients: usize,
    },
}

struct Running {
    client: Client,
    life: Option<Life>,
    lives: u32,
    frozen: u32,
}

/// Runs clients in paused time. `observe` is called after every move, `calm` when chance has had its time.
///
/// # Panics
///
/// If there is no runtime to be had, or a client panics.
pub fn run(
    seed: u64,
    length: Length,
    clients: impl FnOnce(&mut StdRng) -> Vec<Client>,
    mut observe: impl FnMut(),
    calm: impl FnOnce(),
) -> End {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(tokio::task::unconstrained(async {
        let mut dice = StdRng::seed_from_u64(seed);
        let clients = clients(&mut dice);
        let mut running: Vec<Running> = clients.into_iter().map(Running::begin).collect();
        for _ in 0..length.moves {
            if running.iter().all(Running::has_ended) {
                break;
            }
            step(&mut running, &mut dice).await;
            observe();
        }
        calm();
        let end = Instant::now() + length.rest;
        while Instant::now() < end {
            for one in &mut running {
                one.frozen = 0;
                one.poll();
                observe();
            }
            if running.iter().all(Running::has_ended) {
                return End::All;
            }
            pass(QUANTUM).await;
        }
        End::Waiting { clients: running.iter().filter(|one| !one.has_ended()).count() }
    }))
}

/// Makes one move.
async fn step(running: &mut [Running], dice: &mut StdRng) {
    let index = dice.random_range(0..running.len());
    let one = &mut running[index];
    match dice.random_range(0..1000) {
        0..8 if one.lives <= one.client.crashes => one.crash(),
        8..14 => one.frozen = dice.random_range(10..200),
        14..150 => {
            let milliseconds = match dice.random_range(0..40) {
                0 => dice.random_range(20_000..90_000),
                1..8 => dice.random_range(2_000..10_000),
                _ => dice.random_range(500..2_000),
            };
            pass(Duration::from_millis(milliseconds)).await;
        }
        _ if one.frozen > 0 => one.frozen -= 1,
        _ => one.poll(),
    }
}

/// Lets time pass, but never jumps over more than what a timer's wheel turns at once.
async fn pass(time: Duration) {
    advance(time).await;
}

impl Running {
    fn begin(mut client: Client) -> Self {
        let life = Some((client.start)(0));
        Self { client, life, lives: 1, frozen: 0 }
    }

    fn has_ended(&self) -> bool {
        self.life.is_none()
    }

    fn poll(&mut self) {
        let Some(life) = &mut self.life else { return };
        if life.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            self.life = None;
        }
    }

    fn crash(&mut self) {
        self.life = Some((self.client.start)(self.lives));
        self.lives += 1;
        self.frozen = 0;
    }
}

/// A machine's boot-time clock that is off by some time and runs a little fast or slow.
#[derive(Debug)]
pub struct Skewed {
    boot: String,
    origin: Instant,
    ahead: Duration,
    /// In thousandths of the true rate.
    rate: u32,
}

impl Skewed {
    /// Starts a clock within a simulation. A `rate` of 1000 is right.
    pub fn new(boot: &str, ahead: Duration, rate: u32) -> Self {
        Self { boot: boot.to_owned(), origin: Instant::now(), ahead, rate }
    }
}

impl Clock for Skewed {
    fn now(&self) -> Duration {
        self.ahead + self.origin.elapsed() * self.rate / 1000
    }

    fn boot(&self) -> &str {
        &self.boot
    }
}
