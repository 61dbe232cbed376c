//! What one process remembers of the lives in a record, and of the store's clock.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use store::{Store, StoreTime};

use crate::{Clock, Error, Now, Stamp, Token};

use super::Value;

/// The memory of one observer.
#[derive(Debug, Default)]
pub(super) struct Watch {
    // Never held across an `.await`.
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    judge: Judge,
    /// When this process first saw each state of a life, where no clock tells when it was written.
    first_seen: BTreeMap<(Token, u64), Stamp>,
}

/// Whose clock judges.
#[derive(Clone, Debug, Default)]
enum Judge {
    /// Ours: the store has none, or there is no record yet.
    #[default]
    Observer,
    /// The store's, which it tells for nothing: it is this machine's.
    Machine,
    /// The store's, which costs a request, unless its distance from ours is known already.
    Remote { known: Option<(StoreTime, Duration)> },
}

impl Watch {
    /// Notes in the value when its lives were first seen as they are, and says whether that is news
    /// worth a write.
    pub(super) async fn note(
        &self,
        store: &dyn Store,
        clock: &dyn Clock,
        written: Option<StoreTime>,
        value: &mut impl Value,
    ) -> Result<bool, Error> {
        let (seen, judge) = match written {
            Some(written) if written.epoch.is_empty() => {
                self.is_remote();
                return Ok(note_exactly(value, &stamp(&written)));
            }
            // A machine's own clock is asked at once: the record may be from before it was restarted.
            Some(written) => match store.now().await? {
                Some(now) if now.epoch == written.epoch => {
                    self.memory().judge = Judge::Machine;
                    return Ok(note_exactly(value, &stamp(&written)));
                }
                Some(now) => (stamp(&now), Judge::Machine),
                None => (own(clock), Judge::Observer),
            },
            None => (own(clock), Judge::Observer),
        };
        // Nobody knows when it was written, so what counts is when it was first seen.
        let mut memory = self.memory();
        memory.judge = judge;
        let (mut news, mut first_seen) = (false, BTreeMap::new());
        value.each_life(&mut |life| {
            let state = (life.token().clone(), life.renewals());
            let known = memory.first_seen.get(&state).filter(|known| known.clock() == seen.clock());
            let seen = known.unwrap_or(&seen).clone();
            news |= life.note(&seen);
            first_seen.insert(state, seen);
        });
        memory.first_seen = first_seen;
        Ok(news)
    }

    /// Notes in a value that we have just written that its lives are there from now on, and returns
    /// whether that is known. A later look makes it exact.
    ///
    /// Of a bucket's clock we only know what time it was when we asked, and how long ago that is on ours,
    /// which may stand still or be slow: a note by it could be early, and others would believe it.
    pub(super) fn note_own(&self, now: &Now, value: &mut impl Value) -> bool {
        let mut memory = self.memory();
        if matches!(memory.judge, Judge::Remote { .. }) {
            return false;
        }
        let Some(stamp) = now.stamp() else { return false };
        let is_observer = matches!(memory.judge, Judge::Observer);
        value.each_life(&mut |life| {
            life.note(stamp);
            if is_observer {
                let state = (life.token().clone(), life.renewals());
                memory.first_seen.entry(state).or_insert_with(|| stamp.clone());
            }
        });
        true
    }

    /// Returns the present, or one that nobody has looked up yet if that costs a request.
    pub(super) async fn cheap_now(
        &self,
        store: &dyn Store,
        clock: &dyn Clock,
    ) -> Result<Now, Error> {
        let costs = matches!(self.memory().judge, Judge::Remote { known: None });
        if costs { Ok(Now::unasked()) } else { self.now(store, clock).await }
    }

    /// Returns the present on the clock that judges.
    pub(super) async fn now(&self, store: &dyn Store, clock: &dyn Clock) -> Result<Now, Error> {
        let judge = self.memory().judge.clone();
        let asked = match judge {
            Judge::Observer => None,
            Judge::Remote { known: Some(known) } => return Ok(Now::at(derived(&known, clock))),
            Judge::Machine | Judge::Remote { known: None } => store.now().await?,
        };
        let Some(time) = asked else { return Ok(Now::at(own(clock))) };
        if time.epoch.is_empty() {
            // Counted from after the answer: what is derived from it is early rather than late.
            self.memory().judge = Judge::Remote { known: Some((time.clone(), clock.now())) };
        }
        Ok(Now::at(stamp(&time)))
    }

    fn is_remote(&self) {
        let mut memory = self.memory();
        if !matches!(memory.judge, Judge::Remote { .. }) {
            memory.judge = Judge::Remote { known: None };
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes the moment of the write, which the record itself tells everybody: that is no news.
fn note_exactly(value: &mut impl Value, written: &Stamp) -> bool {
    value.each_life(&mut |life| {
        life.note(written);
    });
    false
}

fn own(clock: &dyn Clock) -> Stamp {
    Stamp::new(clock.boot(), clock.now())
}

fn stamp(time: &StoreTime) -> Stamp {
    Stamp::new(&time.epoch, time.since)
}

fn derived((time, at): &(StoreTime, Duration), clock: &dyn Clock) -> Stamp {
    Stamp::new(&time.epoch, time.since + clock.now().saturating_sub(*at))
}
