//! Several locks at once: taken in one order, all or none, kept and released together.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use super::{Answer, Ended, Holder, Lock, Release, Renewal};
use crate::{Clock, Error};

/// The most that is slept without looking at the clock, which goes on while a machine sleeps.
const NAP: Duration = Duration::from_secs(1);
/// The most that is waited between two attempts to renew.
const PAUSE: Duration = Duration::from_millis(500);

/// Locks that are wanted together.
///
/// Everybody takes them in the order of their keys, so nobody waits in a circle.
#[derive(Debug)]
pub struct Locks {
    all: Vec<Lock>,
    /// What was said to each of those that are ours, which are the first.
    answers: Vec<Answer>,
    /// What was said last to the first that is not ours.
    waiting: Option<Answer>,
}

/// How far a contender is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Round {
    /// It has all of them.
    All,
    /// It waits for one, or did not get it.
    Held {
        /// The name of the lock.
        name: String,
        /// Why: always [`Answer::Held`].
        answer: Answer,
    },
}

/// A lock that was ours and is not, or may not be for long enough.
#[derive(Debug)]
pub struct Lost {
    /// The name of the lock.
    pub name: String,
    /// Why.
    pub cause: Cause,
}

/// Why a lock was lost.
#[derive(Debug)]
pub enum Cause {
    /// Its grant was ended.
    Taken {
        /// Whose the lock is, if it is anybody's.
        by: Option<Box<Holder>>,
        /// How the last grant ended.
        last: Option<Box<Ended>>,
    },
    /// It could not be renewed in time.
    RanOut {
        /// What the store said last, if it said something.
        error: Option<Error>,
    },
}

impl Locks {
    /// Puts the locks into the order in which everybody takes them. A lock that is named twice is one.
    pub fn new(mut locks: Vec<Lock>) -> Self {
        locks.sort_by(|one, other| one.register().key().cmp(other.register().key()));
        locks.dedup_by(|one, other| one.register().key() == other.register().key());
        Self { all: locks, answers: Vec::new(), waiting: None }
    }

    /// Iterates over the locks, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Lock> {
        self.all.iter()
    }

    /// Returns what was said to each of those that are ours.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// Returns how long all of them can be relied on.
    pub fn left(&self) -> Duration {
        self.all.iter().map(Lock::left).min().unwrap_or_default()
    }

    /// Returns how long it is until others may have one of them.
    pub fn left_to_others(&self) -> Duration {
        self.all.iter().map(Lock::left_to_others).min().unwrap_or_default()
    }

    /// Takes all of them if they can be had at once, and none otherwise.
    pub async fn try_acquire(&mut self) -> Result<Round, Error> {
        while let Some(lock) = self.all.get_mut(self.answers.len()) {
            match lock.try_acquire().await {
                Ok(answer @ Answer::Held { .. }) => {
                    let name = lock.name().to_owned();
                    self.give_back().await;
                    return Ok(Round::Held { name, answer });
                }
                Ok(answer) => self.answers.push(answer),
                Err(error) => {
                    // What may have been written unknown to us is given back as well.
                    self.give_back().await;
                    return Err(error);
                }
            }
        }
        Ok(Round::All)
    }

    /// Takes them one after the other, and stands in the queue of the first that is held.
    pub async fn enter(&mut self) -> Result<Round, Error> {
        loop {
            let (ours, others) = self.all.split_at_mut(self.answers.len());
            let Some(lock) = others.first_mut() else {
                if self.all.iter().all(|lock| !lock.left().is_zero()) {
                    return Ok(Round::All);
                }
                // One of them ended while the last was waited for, or while we slept.
                self.give_back().await;
                continue;
            };
            let Some(answer) = keeping(ours, lock.enter()).await else {
                self.give_back().await;
                continue;
            };
            if let Some(round) = self.note(answer?) {
                return Ok(round);
            }
        }
    }

    /// Waits until there is news, and keeps meanwhile what is ours already.
    ///
    /// It may be dropped at any time and called again.
    pub async fn next(&mut self) -> Result<Round, Error> {
        let Some(known) = self.waiting.clone() else { return self.enter().await };
        let (ours, others) = self.all.split_at_mut(self.answers.len());
        let Some(lock) = others.first_mut() else { return Ok(Round::All) };
        let Some(answer) = keeping(ours, lock.next(&known)).await else {
            self.give_back().await;
            return self.enter().await;
        };
        match self.note(answer?) {
            Some(round) => Ok(round),
            None => self.enter().await,
        }
    }

    /// Renews all of them for as long as it is called, and returns when one is lost.
    ///
    /// It may be dropped at any time and called again.
    pub async fn keep(&mut self) -> Lost {
        keep(&mut self.all).await
    }

    /// Lets all of them last their whole length, for a caller that does not keep them.
    ///
    /// Returns false, and gives all of them back, if one was lost meanwhile.
    pub async fn confirm(&mut self) -> Result<bool, Error> {
        for lock in &mut self.all {
            if let Renewal::Lost { .. } = lock.confirm().await? {
                self.give_back().await;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives all of them back, the last one first, and all places in queues.
    ///
    /// An error of one does not keep the others; the first is returned.
    pub async fn release(&mut self) -> Result<Vec<(String, Release)>, Error> {
        let (mut releases, mut failed) = (Vec::new(), None);
        for lock in self.all.iter_mut().rev() {
            match lock.release().await {
                Ok(release) => releases.push((lock.name().to_owned(), release)),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        self.answers.clear();
        self.waiting = None;
        releases.reverse();
        failed.map_or(Ok(releases), Err)
    }

    /// Notes an answer about the first lock that is not ours, and returns whether it is held.
    fn note(&mut self, answer: Answer) -> Option<Round> {
        if matches!(answer, Answer::Held { .. }) {
            let name = self.all[self.answers.len()].name().to_owned();
            self.waiting = Some(answer.clone());
            return Some(Round::Held { name, answer });
        }
        self.answers.push(answer);
        self.waiting = None;
        None
    }

    /// Gives back what we have. What the store does not take ends by itself.
    async fn give_back(&mut self) {
        if let Err(error) = self.release().await {
            tracing::warn!(%error, "a lock is not given back yet and will end by itself");
        }
    }
}

/// Does something about another lock while keeping these, and returns nothing if one of them is lost.
async fn keeping<T>(ours: &mut [Lock], doing: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = doing => Some(done),
        lost = keep(ours) => {
            tracing::debug!(lock = lost.name, "lost while another was asked for; starting again");
            None
        }
    }
}

/// Renews the locks until one is lost. For none of them, that is never.
async fn keep(locks: &mut [Lock]) -> Lost {
    let mut failure = None;
    loop {
        let Some(least) = locks.iter().map(Lock::left).min() else {
            return std::future::pending().await;
        };
        if least.is_zero() {
            let name = locks.iter().find(|lock| lock.left().is_zero()).map(Lock::name);
            let name = name.unwrap_or_default().to_owned();
            return Lost { name, cause: Cause::RanOut { error: failure } };
        }
        let due = locks.iter().map(Lock::next_look).min().unwrap_or_default();
        if !due.is_zero() {
            tokio::time::sleep(due.min(least).min(NAP)).await;
            continue;
        }
        for lock in locks.iter_mut().filter(|lock| lock.next_look().is_zero()) {
            let name = lock.name().to_owned();
            match attend(lock, least).await {
                Some(Ok(Renewal::Renewed { .. })) => failure = None,
                Some(Ok(Renewal::Lost { by, last })) => {
                    return Lost { name, cause: Cause::Taken { by, last } };
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, lock = name, "renewing again");
                    failure = Some(error);
                    tokio::time::sleep(PAUSE.min(least / 8)).await;
                }
                None => tracing::debug!(lock = name, "the store does not answer"),
            }
        }
    }
}

/// Renews or looks, whatever is due, but not for longer than half of what is left.
async fn attend(lock: &mut Lock, left: Duration) -> Option<Result<Renewal, Error>> {
    let clock = lock.clock();
    let end = clock.now() + left / 2;
    let attempt =
        async { if lock.due().is_zero() { lock.renew().await } else { lock.verify().await } };
    before(end, &*clock, attempt).await
}

/// Runs a future, but only until a moment on a clock that goes on while the machine sleeps.
async fn before<T>(end: Duration, clock: &dyn Clock, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    loop {
        let left = end.saturating_sub(clock.now());
        if left.is_zero() {
            return None;
        }
        if let Ok(result) = tokio::time::timeout(left.min(NAP), &mut future).await {
            return Some(result);
        }
    }
}
