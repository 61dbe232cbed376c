//! The value behind a key: how far it has come, what is open, what is claimed, what was done.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Boundaries, Direction};
use crate::{Error, Fence, Life, Now, Token, Value, Who};

/// The most boundaries that may be open at once.
pub const MAX_OPEN: usize = 10_000;
/// The most boundaries that one check hands out, and the most that may be claimed at once.
pub const MAX_CLAIMS: usize = 500;
/// How much history is kept.
pub const MAX_HISTORY: usize = 1000;

/// What is known of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    #[serde(default)]
    fence: Fence,
    /// How far the value has ever come, and which way. Nothing if it was never seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reach: Option<Reach>,
    /// What is crossed and neither done nor passed over.
    #[serde(default)]
    due: BTreeMap<i64, Due>,
    /// The newest things that were done, the newest last.
    #[serde(default)]
    history: Vec<Past>,
    /// How much history was dropped.
    #[serde(default)]
    dropped: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reach {
    direction: Direction,
    /// The farthest value.
    farthest: i64,
    /// The value of the last check.
    last: i64,
    /// The last boundary that was crossed, or where the count began.
    milestone: i64,
}

/// A boundary that waits to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Due {
    /// The value that crossed it.
    value: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claim: Option<Claim>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    fence: Fence,
    who: Who,
    life: Life,
}

/// A boundary that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// The boundary.
    pub milestone: i64,
    /// The value that crossed it.
    pub value: i64,
    /// Under which fence it was done; none if it was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
    /// When, for people.
    pub timestamp: Timestamp,
}

/// A question to the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The value now.
    pub value: i64,
    /// What counts.
    pub boundaries: Boundaries,
    /// Which way.
    pub direction: Direction,
    /// What to take of what was crossed.
    pub take: Take,
    /// What the first sight of a key means.
    pub first_run: FirstRun,
    /// Proves the claims.
    pub token: Token,
    /// Who asks.
    pub who: Who,
    /// How long a claim lasts without a renewal.
    pub ttl: Duration,
}

/// What to take of what was crossed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Take {
    /// Every boundary.
    #[default]
    Each,
    /// The last one only; those before it are passed over for ever.
    Highest,
}

/// What the first sight of a key means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FirstRun {
    /// Counting begins at the value seen: nothing is crossed yet.
    #[default]
    Baseline,
    /// All boundaries up to the value are crossed now.
    Fire,
    /// The value was this before.
    Previous(i64),
}

/// A boundary that is ours to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Claimed {
    /// The boundary.
    pub milestone: i64,
    /// Reports it done or failed.
    pub fence: Fence,
    /// Whether somebody had it before and did not end it.
    pub again: bool,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What is ours to do now, in the order of crossing.
    pub claimed: Vec<Claimed>,
    /// What others are doing now.
    pub elsewhere: Vec<i64>,
    /// How many more are open than one check hands out.
    pub more: usize,
    /// The value of the check before, or the one this first check counts from.
    pub previous: i64,
    /// How far the value is beyond the last boundary it crossed, or from where the count began.
    pub since_last: i64,
    /// Whether this was the first sight of the key.
    pub is_first: bool,
}

/// How a report on a boundary ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closing {
    /// It is accepted, now or by an earlier call with this fence.
    Closed,
    /// The fence is not that of the claim: it was given to somebody else since, or is done.
    Stale {
        /// Who has it, or did it.
        by: Option<Who>,
    },
    /// Nobody claimed this boundary.
    NotClaimed,
}

impl Ledger {
    /// Crosses what there is to cross up to a value, and claims it.
    pub fn check(&mut self, check: &Check, now: &Now) -> Result<Report, Error> {
        check.boundaries.validate()?;
        let is_first = self.reach.is_none();
        let mut reach = self.reach.unwrap_or_else(|| Reach::begin(check));
        if reach.direction != check.direction {
            let why = "this key counts the other way; take another key for this direction";
            return Err(Error::Request(why.to_owned()));
        }
        let previous = reach.last;
        self.cross(check, &mut reach)?;
        self.reach = Some(reach);
        let (claimed, more) = self.claim(check, now);
        let is_theirs =
            |due: &Due| due.claim.as_ref().is_some_and(|claim| *claim.life.token() != check.token);
        let elsewhere =
            self.due.iter().filter(|(_, due)| is_theirs(due)).map(|(number, _)| *number);
        let since_last = match check.direction {
            Direction::Up => check.value.saturating_sub(reach.milestone),
            Direction::Down => reach.milestone.saturating_sub(check.value),
        };
        let elsewhere = elsewhere.collect();
        Ok(Report { claimed, elsewhere, more, previous, since_last, is_first })
    }

    /// Notes what the value has crossed since it came the farthest.
    fn cross(&mut self, check: &Check, reach: &mut Reach) -> Result<(), Error> {
        let (from, to) = (reach.farthest, check.value);
        reach.last = to;
        let crossed = match check.take {
            Take::Highest => check.boundaries.last(check.direction, from, to).into_iter().collect(),
            Take::Each => {
                let room = MAX_OPEN - self.due.len().min(MAX_OPEN);
                check.boundaries.crossed(check.direction, from, to, room).map_err(|count| {
                    Error::Request(format!(
                        "from {from} to {to} there are {count} boundaries, and {MAX_OPEN} may be \
                         open: take only the highest, or a larger step"
                    ))
                })?
            }
        };
        if let Some(last) = crossed.last() {
            reach.milestone = *last;
        }
        for number in crossed {
            self.due.insert(number, Due { value: to, claim: None });
        }
        let is_farther = match check.direction {
            Direction::Up => to > from,
            Direction::Down => to < from,
        };
        if is_farther {
            reach.farthest = to;
        }
        Ok(())
    }

    /// Claims what is open, in the order of crossing, and says how many had to be left.
    fn claim(&mut self, check: &Check, now: &Now) -> (Vec<Claimed>, usize) {
        let mut open: Vec<i64> = Vec::new();
        let (mut claimed, mut held) = (Vec::new(), 0);
        for (number, due) in &mut self.due {
            match &mut due.claim {
                Some(claim) if *claim.life.token() == check.token => {
                    claim.life.renew_for(check.ttl);
                    claimed.push(Claimed { milestone: *number, fence: claim.fence, again: false });
                }
                Some(claim) if !claim.is_over(check, now) => held += 1,
                _ => open.push(*number),
            }
        }
        if check.direction == Direction::Down {
            open.reverse();
        }
        if check.take == Take::Highest
            && let Some(highest) = open.pop()
        {
            for passed in std::mem::replace(&mut open, vec![highest]) {
                self.due.remove(&passed);
            }
        }
        let room = MAX_CLAIMS.saturating_sub(held + claimed.len());
        let more = open.len().saturating_sub(room);
        for number in open.into_iter().take(room) {
            self.fence = self.fence.next();
            let fence = self.fence;
            let life = Life::new(check.token.clone(), check.ttl);
            let claim = Claim { fence, who: check.who.clone(), life };
            let due = self.due.get_mut(&number).expect("it was found in there");
            let again = due.claim.replace(claim).is_some();
            claimed.push(Claimed { milestone: number, fence, again });
        }
        claimed.sort_by_key(|claimed| claimed.milestone);
        if check.direction == Direction::Down {
            claimed.reverse();
        }
        (claimed, more)
    }

    /// Lets claims last another length. Returns those that are not ours any more.
    pub fn renew(&mut self, claims: &[Claimed]) -> Vec<Claimed> {
        let is_lost = |claimed: &&Claimed| match self.claim_mut(claimed.milestone) {
            Some(claim) if claim.fence == claimed.fence => {
                claim.life.renew();
                false
            }
            _ => true,
        };
        claims.iter().filter(is_lost).copied().collect()
    }

    /// Accepts a boundary as done, if the fence is that of its claim.
    ///
    /// A claim that was not renewed in time and that nobody took over can still be closed.
    pub fn done(&mut self, milestone: i64, fence: Fence, at: Timestamp) -> Closing {
        let Some(claim) = self.claim_mut(milestone).filter(|claim| claim.fence == fence) else {
            return match self.not_ours(milestone) {
                // The same report again: its first answer was lost.
                _ if self.was_done_under(milestone, fence) => Closing::Closed,
                closing => closing,
            };
        };
        let who = Some(claim.who.clone());
        let value = self.due.remove(&milestone).map_or(milestone, |due| due.value);
        self.remember(Past { milestone, value, fence: Some(fence), who, timestamp: at });
        Closing::Closed
    }

    /// Opens a boundary again, if the fence is that of its claim.
    pub fn failed(&mut self, milestone: i64, fence: Fence) -> Closing {
        match self.due.get_mut(&milestone) {
            Some(due) if due.claim.as_ref().is_some_and(|claim| claim.fence == fence) => {
                due.claim = None;
                Closing::Closed
            }
            _ => self.not_ours(milestone),
        }
    }

    /// Takes over what was done elsewhere, in the order in which it was done. Returns how much is new.
    ///
    /// Counting goes on from the farthest of it, and from the value that is known here if that is farther.
    pub fn import(&mut self, past: &[Past], direction: Direction) -> Result<usize, Error> {
        if self.reach.is_some_and(|reach| reach.direction != direction) {
            let why = "this key counts the other way; import into another key";
            return Err(Error::Request(why.to_owned()));
        }
        let (mut count, is_first) = (0, self.reach.is_none());
        for one in past {
            if self.history.iter().any(|known| known.milestone == one.milestone) {
                continue;
            }
            self.due.remove(&one.milestone);
            let start = Reach {
                direction,
                farthest: one.milestone,
                last: one.value,
                milestone: one.milestone,
            };
            let reach = self.reach.get_or_insert(start);
            let farther = |a: i64, b: i64| match direction {
                Direction::Up => a.max(b),
                Direction::Down => a.min(b),
            };
            if is_first {
                reach.last = one.value;
            }
            reach.farthest = farther(reach.farthest, one.milestone);
            reach.milestone = farther(reach.milestone, one.milestone);
            self.remember(one.clone());
            count += 1;
        }
        Ok(count)
    }

    /// Returns what was done, as far as it is remembered, the newest last.
    pub fn history(&self) -> &[Past] {
        &self.history
    }

    /// Returns how much was done that is not remembered any more.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns what is crossed and not done, with who has claimed it.
    pub fn due(&self) -> impl Iterator<Item = (i64, Option<&Who>)> {
        self.due.iter().map(|(number, due)| (*number, due.claim.as_ref().map(|claim| &claim.who)))
    }

    /// Returns the value of the last check, and the farthest there was.
    pub fn values(&self) -> Option<(i64, i64)> {
        self.reach.map(|reach| (reach.last, reach.farthest))
    }

    fn claim_mut(&mut self, milestone: i64) -> Option<&mut Claim> {
        self.due.get_mut(&milestone).and_then(|due| due.claim.as_mut())
    }

    fn was_done_under(&self, milestone: i64, fence: Fence) -> bool {
        let is_it = |past: &Past| past.milestone == milestone && past.fence == Some(fence);
        self.history.iter().rev().any(is_it)
    }

    fn not_ours(&self, milestone: i64) -> Closing {
        if let Some(due) = self.due.get(&milestone) {
            return match &due.claim {
                Some(claim) => Closing::Stale { by: Some(claim.who.clone()) },
                None => Closing::Stale { by: None },
            };
        }
        let past = self.history.iter().rev().find(|past| past.milestone == milestone);
        past.map_or(Closing::NotClaimed, |past| Closing::Stale { by: past.who.clone() })
    }

    fn remember(&mut self, past: Past) {
        self.history.push(past);
        if self.history.len() > MAX_HISTORY {
            let surplus = self.history.len() - MAX_HISTORY;
            self.history.drain(..surplus);
            self.dropped += u64::try_from(surplus).unwrap_or_default();
        }
    }
}

impl Reach {
    fn begin(check: &Check) -> Self {
        let from = match check.first_run {
            FirstRun::Baseline => check.value,
            FirstRun::Fire => check.boundaries.origin(check.direction, check.value),
            FirstRun::Previous(value) => value,
        };
        Self { direction: check.direction, farthest: from, last: from, milestone: from }
    }
}

impl Claim {
    /// Returns whether the claimant died: by time, or since a later attempt of its run is asking.
    fn is_over(&self, check: &Check, now: &Now) -> bool {
        check.who.is_rerun_of(&self.who) || self.life.is_over(now)
    }
}

impl Value for Ledger {
    fn fence(&self) -> Fence {
        self.fence
    }

    fn raise(&mut self, above: Fence) {
        self.fence = self.fence.max(above);
    }

    fn each_life(&mut self, visit: &mut dyn FnMut(&mut Life)) {
        let claims = self.due.values_mut().filter_map(|due| due.claim.as_mut());
        claims.for_each(|claim| visit(&mut claim.life));
    }
}
