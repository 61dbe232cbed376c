//! Proving a store before it is trusted: what locks need of it, tried with the user's own credentials.
//!
//! Many servers that speak S3's protocol ignore its conditions, or check them and then write without a
//! lock in between. Nothing but trying tells.

mod trial;

use std::time::{Duration, Instant};

use crate::{Error, Store};

use trial::Trial;

/// How many writers race in a trial.
const WRITERS: usize = 16;
/// More than a signed request may be off.
const CLOCK_LIMIT: Duration = Duration::from_mins(5);

/// What the trials showed.
#[derive(Debug)]
pub struct Report {
    /// One finding for each check, in order.
    pub findings: Vec<Finding>,
    /// How long each operation took.
    pub latencies: Vec<Latency>,
    /// How the store's clock differs from ours, if it shows the time of day.
    pub clock: Option<ClockDifference>,
}

/// How one check ended.
#[derive(Debug)]
pub struct Finding {
    /// Which.
    pub check: Check,
    /// How.
    pub outcome: Outcome,
}

/// A question that is put to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Check {
    /// Does a second client read what the first has written?
    Shared,
    /// When many create one record, does exactly one win?
    DoubleCreate,
    /// Is a write refused whose version is out of date?
    StaleSwap,
    /// When many change one record, is every change kept?
    LostUpdate,
    /// Does a version never return, also when the bytes do?
    RepeatedVersion,
    /// Is a removal refused whose version is out of date?
    StaleRemoval,
    /// Does a list show what was written just before?
    ListAfterWrite,
    /// Does a waiter hear of a change?
    Waiting,
    /// Is the store's clock near ours?
    Clock,
}

/// What came of a check.
#[derive(Debug)]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Not as it should be.
    Failed {
        /// What was seen.
        seen: String,
    },
    /// It could not be tried to the end.
    Broken(Error),
    /// The store has nothing of the kind, and need not.
    Absent,
}

/// How long one operation took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Which operation.
    pub operation: &'static str,
    /// Half of them were faster.
    pub median: Duration,
    /// The slowest.
    pub slowest: Duration,
}

/// How two clocks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDifference {
    /// By how much, give or take a second and the time of a request.
    pub by: Duration,
    /// Whether the store's clock is behind ours.
    pub store_is_behind: bool,
}

/// Tries a store through two clients, and removes what the trials wrote.
///
/// `today` is the time since 1970 on the observer's clock.
pub async fn examine(
    one: &dyn Store,
    other: &dyn Store,
    today: &(dyn Fn() -> Duration + Sync),
) -> Report {
    let trial = Trial::new(one, other);
    let mut report = Report { findings: Vec::new(), latencies: Vec::new(), clock: None };
    for check in Check::ALL {
        let result = match check {
            Check::Shared => trial.shared().await,
            Check::DoubleCreate => trial.double_create().await,
            Check::StaleSwap => trial.stale_swap().await,
            Check::LostUpdate => trial.lost_update().await,
            Check::RepeatedVersion => trial.repeated_version().await,
            Check::StaleRemoval => trial.stale_removal().await,
            Check::ListAfterWrite => trial.list_after_write().await,
            Check::Waiting => trial.waiting().await,
            Check::Clock => clock(one, today).await.map(|difference| {
                report.clock = difference;
                judged(difference)
            }),
        };
        let clockless = check == Check::Clock && report.clock.is_none();
        let outcome = match result {
            Ok(None) if clockless => Outcome::Absent,
            Ok(None) => Outcome::Passed,
            Ok(Some(seen)) => Outcome::Failed { seen },
            Err(error) => Outcome::Broken(error),
        };
        // Who cannot read and write once will not do better in the other checks.
        let hopeless = check == Check::Shared && matches!(outcome, Outcome::Broken(_));
        report.findings.push(Finding { check, outcome });
        if hopeless {
            return report;
        }
    }
    report.latencies = trial.latencies().await.unwrap_or_default();
    trial.clean_up().await;
    report
}

impl Report {
    /// Returns whether everything that locks depend on was tried and passed.
    pub fn is_safe(&self) -> bool {
        Check::ALL.into_iter().filter(|check| check.is_vital()).all(|check| {
            let finding = self.findings.iter().find(|finding| finding.check == check);
            finding.is_some_and(|finding| matches!(finding.outcome, Outcome::Passed))
        })
    }
}

impl Check {
    /// All of them, in the order in which they are tried.
    pub const ALL: [Self; 9] = [
        Self::Shared,
        Self::DoubleCreate,
        Self::StaleSwap,
        Self::LostUpdate,
        Self::RepeatedVersion,
        Self::StaleRemoval,
        Self::ListAfterWrite,
        Self::Waiting,
        Self::Clock,
    ];

    /// Returns its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::DoubleCreate => "double-create",
            Self::StaleSwap => "stale-swap",
            Self::LostUpdate => "lost-update",
            Self::RepeatedVersion => "repeated-version",
            Self::StaleRemoval => "stale-removal",
            Self::ListAfterWrite => "list-after-write",
            Self::Waiting => "waiting",
            Self::Clock => "clock",
        }
    }

    /// Returns what it asks, for people.
    pub fn question(self) -> &'static str {
        match self {
            Self::Shared => "a second client reads what the first wrote",
            Self::DoubleCreate => "of many creates, exactly one wins",
            Self::StaleSwap => "a write over a newer version is refused",
            Self::LostUpdate => "no concurrent change is lost",
            Self::RepeatedVersion => "a version never returns",
            Self::StaleRemoval => "a removal of a newer version is refused",
            Self::ListAfterWrite => "a list shows the latest write",
            Self::Waiting => "a waiter hears of a change",
            Self::Clock => "the store's clock is near ours",
        }
    }

    /// Returns whether locks are unsafe without it.
    pub fn is_vital(self) -> bool {
        // Locks never list, wait only to be quick, and compare the store's clock only with itself.
        !matches!(self, Self::ListAfterWrite | Self::Waiting | Self::Clock)
    }

    /// Returns what to do if it fails.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Shared => {
                "each client has its own records, so nothing is locked: use a store that all of them \
                 reach, and the same URL everywhere"
            }
            Self::DoubleCreate => {
                "the server ignores `If-None-Match: *` or does not keep it under concurrency: \
                 update it, or use another; two jobs would hold one lock"
            }
            Self::StaleSwap | Self::LostUpdate => {
                "the server ignores `If-Match` or does not keep it under concurrency: update it, or \
                 use another; a holder that was overtaken would overwrite its successor"
            }
            Self::RepeatedVersion => {
                "the server gives equal versions to different writes: a stale writer would match again"
            }
            Self::StaleRemoval => "housekeeping would remove records that are in use",
            Self::ListAfterWrite => {
                "lists are late here: `lock list` may not show the newest; locks do not depend on it"
            }
            Self::Waiting => {
                "waiters notice changes late or not at all, and wait until their time is up"
            }
            Self::Clock => {
                "set this machine's clock (NTP): signed requests are refused when it is far off; \
                 locks do not compare it with others"
            }
        }
    }
}

impl Outcome {
    /// Returns its name for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::Broken(_) => "broken",
            Self::Absent => "absent",
        }
    }
}

async fn clock(
    store: &dyn Store,
    today: &(dyn Fn() -> Duration + Sync),
) -> Result<Option<ClockDifference>, Error> {
    let began = Instant::now();
    let before = today();
    let Some(time) = store.now().await? else { return Ok(None) };
    // A clock that counts from this machine's boot is this machine's.
    if !time.epoch.is_empty() {
        return Ok(None);
    }
    let here = before + began.elapsed() / 2;
    let store_is_behind = time.since < here;
    Ok(Some(ClockDifference { by: time.since.abs_diff(here), store_is_behind }))
}

fn judged(difference: Option<ClockDifference>) -> Option<String> {
    let difference = difference.filter(|difference| difference.by > CLOCK_LIMIT)?;
    let side = if difference.store_is_behind { "behind" } else { "ahead of" };
    Some(format!("the store's clock is {} s {side} ours", difference.by.as_secs()))
}

#[cfg(test)]
mod tests;
