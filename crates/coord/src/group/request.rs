//! What a newcomer asks of a group: GitHub's two settings, and what GitHub cannot say.

use std::cmp::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Error;

/// How a member wants to enter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Whether whoever is in progress is told to end. The newcomer's wish decides.
    pub cancel_in_progress: bool,
    /// How many may wait.
    pub queue: Queue,
    /// A named rule that takes the place of the two above.
    pub policy: Option<Policy>,
    /// What the order is.
    pub order: Order,
    /// What the work is about: equal work is done once, changed work supersedes.
    pub digest: Option<String>,
    /// How long newcomers collapse into the newest of them before anything starts.
    pub debounce: Option<Duration>,
}

/// How many may wait, as GitHub says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// One; a newcomer takes its place.
    #[default]
    Single,
    /// A hundred, in order; beyond that a newcomer is cancelled.
    Max,
}

/// A rule by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The newest wins: whoever is in progress is told to end, whoever waits is replaced.
    Latest,
    /// The first wins: while anyone is there, newcomers are turned away.
    First,
    /// Everybody gets a turn, in order.
    Queue,
    /// One works and one waits, which stands for all that came since; nothing is cancelled in progress
    /// unless its digest shows that its work has changed.
    Coalesce,
}

/// What the order of members is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// That of arrival.
    #[default]
    Arrival,
    /// That of commits: an older one never runs after a newer one has.
    Commit(Position),
}

/// Where a commit stands in the order of commits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Position {
    /// Its place: a count of commits, or a time.
    pub number: u64,
    /// Its name, for people.
    pub label: String,
}

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Whether whoever is in progress is told to end.
    pub(super) supersedes: bool,
    /// Whether those who wait are replaced.
    pub(super) replaces: bool,
    /// Whether a newcomer is turned away if anyone is there.
    pub(super) yields: bool,
}

impl Request {
    /// Checks that the request does not contradict itself.
    pub fn validate(&self) -> Result<(), Error> {
        if self.policy.is_none() && self.cancel_in_progress && self.queue == Queue::Max {
            let why = "`queue: max` and `cancel-in-progress: true` cannot be combined";
            return Err(Error::Request(why.to_owned()));
        }
        Ok(())
    }

    /// Returns what the request comes to for work that has changed since, or not, or nobody knows.
    pub(super) fn rule(&self, changed: bool) -> Rule {
        let rule = |supersedes, replaces, yields| Rule { supersedes, replaces, yields };
        match self.policy {
            Some(Policy::Latest) => rule(true, true, false),
            Some(Policy::First) => rule(false, true, true),
            Some(Policy::Queue) => rule(false, false, false),
            Some(Policy::Coalesce) => rule(changed, true, false),
            None => {
                let single = self.queue == Queue::Single;
                rule((self.cancel_in_progress || changed) && single, single, false)
            }
        }
    }

    pub(super) fn position(&self) -> Option<&Position> {
        match &self.order {
            Order::Arrival => None,
            Order::Commit(position) => Some(position),
        }
    }
}

impl PartialEq for Position {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Position {}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number.cmp(&other.number)
    }
}
