//! Asking for locks: how long to wait, what to do with a "no", and what is shown meanwhile.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use coord::lease::{Answer, Contender, Holder, Lock, Locks, Obstacle, Round};
use coord::{BootClock, Clock, Error, ErrorKind, Token};
use jiff::Timestamp;
use runner::interrupt::Interrupts;
use store::Store;

use super::identity::IdentityFlags;
use super::os_lock::proof;
use super::waiting::{self, Waiting};
use crate::caller::StoreFlags;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::settings::duration;

/// How long a place in the queue lasts unless its waiter shows that it lives.
const TICKET: Duration = Duration::from_mins(1);
/// The shortest length that leaves a command time to be stopped in.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long a last word to the store may take when the wait is over.
const FAREWELL: Duration = Duration::from_secs(10);

/// How locks are asked for.
#[derive(Clone, Debug, Args)]
pub(super) struct AskFlags {
    /// How long a lock lasts unless it is renewed.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "15m")]
    pub(super) ttl: Duration,
    /// How long to wait for it [default: 10m, or not at all with --on-held fail or skip]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    wait: Option<Duration>,
    /// Do not wait.
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
    /// What if somebody else has it: fail, skip, or wait without a limit.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(super) on_held: Option<OnHeld>,
    /// What if the store cannot be asked.
    #[arg(long, value_enum, default_value_t = OnError::Fail, value_name = "WHAT")]
    pub(super) on_error: OnError,
    #[command(flatten)]
    pub(super) identity: IdentityFlags,
    #[command(flatten)]
    pub(super) store: StoreFlags,
}

/// What to do if somebody else has the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnHeld {
    /// Exit with 3, also where step outputs carry the answer.
    Fail,
    /// Leave the work, and exit with 0.
    Skip,
    /// Wait for as long as it takes.
    Wait,
}

/// What to do if the store cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnError {
    /// End with an error.
    Fail,
    /// Go on without the lock.
    Proceed,
}

/// What came of asking.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// All are ours: names and answers.
    Ours(Vec<(String, Answer)>),
    /// One is somebody else's, and so we have none.
    Held {
        /// Its name.
        name: String,
        /// Whose it is.
        by: Box<Obstacle>,
        /// How many stood before us when the wait was over.
        ahead: Option<usize>,
    },
    /// There is no store, and that is accepted.
    Disabled,
    /// The store cannot be asked.
    Unavailable(String),
    /// A record is damaged.
    Corrupt(String),
    /// Somebody asked us to stop while we waited.
    Interrupted,
}

impl AskFlags {
    /// Opens the store. What stands in the way is an outcome, unless it is a wrong use.
    pub(super) async fn open(&self, session: &Session) -> Result<Opened, Failure> {
        if self.ttl < SHORTEST {
            let what = "a lock must last at least a second";
            return Err(Failure::new(Exit::Usage, what).hinted("--ttl 15m is the default"));
        }
        match self.store.open(session).await {
            Ok(Some(store)) => Ok(Opened::Store(store)),
            Ok(None) => Ok(Opened::Not(Outcome::Disabled)),
            Err(failure) if failure.exit() == Exit::Unavailable => {
                Ok(Opened::Not(Outcome::Unavailable(plain(&failure))))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Returns the locks to ask for, one for each name, with the token for each.
    pub(super) fn locks(
        &self,
        store: &Arc<dyn Store>,
        holder: &Holder,
        tokens: &[(String, Token)],
    ) -> Locks {
        let clock: Arc<dyn Clock> = Arc::new(BootClock::of_this_machine());
        let lock = |(name, token): &(String, Token)| {
            let (token, holder) = (token.clone(), holder.clone());
            let contender = Contender { token, holder, ttl: self.ttl, ticket: TICKET };
            Lock::new(Arc::clone(store), Arc::clone(&clock), name, contender, Timestamp::now())
                .with_proof(proof())
        };
        Locks::new(tokens.iter().map(lock).collect())
    }

    /// Asks, and waits for as long as the flags say.
    pub(super) async fn ask(
        &self,
        locks: &mut Locks,
        interrupts: &mut Interrupts,
        session: &Session,
    ) -> Outcome {
        let asked = self.ask_once_or_wait(locks, interrupts, session).await;
        let outcome = match asked {
            Ok(outcome) => outcome,
            Err(error) => refusal(&error),
        };
        if !matches!(outcome, Outcome::Ours(_)) {
            leave(locks).await;
        }
        outcome
    }

    /// Asks for what nobody keeps afterwards: it lasts the whole `--ttl` by itself.
    pub(super) async fn ask_for_keeps(
        &self,
        locks: &mut Locks,
        interrupts: &mut Interrupts,
        session: &Session,
    ) -> Outcome {
        loop {
            let outcome = self.ask(locks, interrupts, session).await;
            if !matches!(outcome, Outcome::Ours(_)) {
                return outcome;
            }
            match locks.confirm().await {
                Ok(true) => return outcome,
                Ok(false) => session.note("it was lost before it could be confirmed; asking again"),
                Err(error) => {
                    leave(locks).await;
                    return refusal(&error);
                }
            }
        }
    }

    async fn ask_once_or_wait(
        &self,
        locks: &mut Locks,
        interrupts: &mut Interrupts,
        session: &Session,
    ) -> Result<Outcome, Error> {
        let patience = self.patience();
        if patience.is_zero() {
            return Ok(outcome(locks.try_acquire().await?, locks));
        }
        let until = tokio::time::Instant::now().checked_add(patience);
        let mut round = tokio::select! {
            round = locks.enter() => round?,
            _ = interrupts.next() => return Ok(Outcome::Interrupted),
        };
        let mut waiting = Waiting::new(session);
        while let Round::Held { name, answer } = &round {
            waiting.show(name, answer);
            let over = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            let ticks = async {
                loop {
                    tokio::time::sleep(waiting::TICK).await;
                    waiting.tick();
                }
            };
            let next = tokio::select! {
                round = locks.next() => Some(round?),
                () = over => None,
                _ = interrupts.next() => return Ok(Outcome::Interrupted),
                () = ticks => unreachable!("it ticks for ever"),
            };
            match next {
                Some(next) => round = next,
                None => return self.last_look(locks, round).await,
            }
        }
        Ok(outcome(round, locks))
    }

    /// Says who has it now that the wait is over, or that nobody can say.
    async fn last_look(&self, locks: &mut Locks, known: Round) -> Result<Outcome, Error> {
        let Round::Held { name, .. } = &known else { return Ok(outcome(known, locks)) };
        if let Some(lock) = locks.iter().find(|lock| lock.name() == name) {
            match tokio::time::timeout(FAREWELL, lock.register().read()).await {
                Ok(read) => drop(read?),
                Err(_) => return Ok(Outcome::Unavailable("the store does not answer".to_owned())),
            }
        }
        Ok(outcome(known, locks))
    }

    fn patience(&self) -> Duration {
        match (self.wait, self.on_held) {
            _ if self.no_wait => Duration::ZERO,
            (Some(wait), _) => wait,
            (None, Some(OnHeld::Wait)) => Duration::MAX,
            (None, Some(OnHeld::Fail | OnHeld::Skip)) => Duration::ZERO,
            (None, None) => Duration::from_mins(10),
        }
    }
}

/// Leaves the locks and the queues: whoever has no lock has no place in a queue either. If the store
/// does not take that, both end by themselves.
async fn leave(locks: &mut Locks) {
    drop(tokio::time::timeout(FAREWELL, locks.release()).await);
}

/// A store, or why there is none.
pub(super) enum Opened {
    Store(Arc<dyn Store>),
    Not(Outcome),
}

impl Outcome {
    /// Returns the word for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Ours(answers) => {
                let has = |is: fn(&Answer) -> bool| answers.iter().any(|(_, answer)| is(answer));
                if has(|answer| matches!(answer, Answer::TakenOver { .. })) {
                    "taken-over"
                } else if has(|answer| matches!(answer, Answer::Acquired { .. })) {
                    "acquired"
                } else {
                    "already-mine"
                }
            }
            Self::Held { .. } => "held",
            Self::Disabled => "disabled",
            Self::Unavailable(_) => "unavailable",
            Self::Corrupt(_) => "corrupt",
            Self::Interrupted => "interrupted",
        }
    }

    /// Says whether the work goes on.
    pub(super) fn proceeds(&self, flags: &AskFlags) -> bool {
        match self {
            Self::Ours(_) | Self::Disabled => true,
            Self::Unavailable(_) => flags.on_error == OnError::Proceed,
            Self::Held { .. } | Self::Corrupt(_) | Self::Interrupted => false,
        }
    }
}

fn outcome(round: Round, locks: &Locks) -> Outcome {
    if let Round::Held { name, answer: Answer::Held { by, ahead, .. } } = round {
        return Outcome::Held { name, by, ahead };
    }
    let names = locks.iter().map(|lock| lock.name().to_owned());
    Outcome::Ours(names.zip(locks.answers().iter().cloned()).collect())
}

/// Returns a failure as one line.
pub(super) fn plain(failure: &Failure) -> String {
    let text = failure.render();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    text.split("\n  ").collect::<Vec<_>>().join("; ")
}

/// Says what an error means for whoever asked.
pub(super) fn refusal(error: &Error) -> Outcome {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    match error.kind() {
        ErrorKind::Corrupt => Outcome::Corrupt(text),
        _ => Outcome::Unavailable(text),
    }
}
