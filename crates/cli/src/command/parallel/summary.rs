//! What became of all jobs, as a value that survives being written down.

use std::path::{Path, PathBuf};
use std::time::Duration;

use runner::fanout::{Report, Verdict};
use serde::{Deserialize, Serialize};

use crate::exit::Exit;

/// What became of all jobs.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Summary {
    pub(crate) result: Overall,
    pub(crate) duration_ms: u64,
    pub(crate) log_dir: PathBuf,
    /// The boundaries that the jobs worked for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) milestones: Vec<i64>,
    /// What else there is to say, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) note: Option<String>,
    /// Why a boundary is not ours any more.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) lost: Option<String>,
    /// Logs that are not whole, and why.
    pub(crate) log_errors: Vec<String>,
    pub(crate) jobs: Vec<Row>,
}

/// All results in one word.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Overall {
    /// Every critical job passed.
    Passed,
    /// A critical job did not.
    Failed,
    /// Somebody interrupted it.
    Cancelled,
    /// There was no reason to run anything.
    NoMilestone,
}

impl Overall {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::NoMilestone => "no-milestone",
        }
    }
}

/// What became of one job.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The boundary it worked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) milestone: Option<i64>,
    /// One word: `passed`, `failed`, `killed`, `timed-out`, `could-not-start`, `cancelled`, `skipped`.
    pub(crate) result: String,
    /// The word with its detail, for people.
    pub(crate) detail: String,
    /// Why it was skipped or could not start.
    pub(crate) reason: Option<String>,
    pub(crate) exit_code: Option<i32>,
    /// The signal that killed it.
    pub(crate) signal: Option<i32>,
    pub(crate) critical: bool,
    pub(crate) attempts: u32,
    /// Whether it passed only at a later attempt.
    pub(crate) flaky: bool,
    /// How many processes it had left behind, which were ended.
    pub(crate) left_behind: usize,
    /// When it started, from the beginning of all.
    pub(crate) started_ms: Option<u64>,
    pub(crate) duration_ms: u64,
    /// Its log, if it ran.
    pub(crate) log: Option<PathBuf>,
}

impl Row {
    /// Makes a row of a report.
    pub(crate) fn new(report: &Report, log: &Path, left_behind: usize) -> Self {
        let reason = match &report.verdict {
            Verdict::CouldNotStart(why) | Verdict::Skipped(why) => Some(why.clone()),
            _ => None,
        };
        let signal = match report.verdict {
            Verdict::Killed(signal) => Some(signal),
            _ => None,
        };
        Self {
            name: report.name.clone(),
            milestone: None,
            result: report.verdict.word().to_owned(),
            detail: report.verdict.to_string(),
            reason,
            exit_code: report.exit_code,
            signal,
            critical: report.critical,
            attempts: report.attempts,
            flaky: report.verdict.passed() && report.attempts > 1,
            left_behind,
            started_ms: report.started.map(milliseconds),
            duration_ms: milliseconds(report.duration),
            log: (report.attempts > 0).then(|| log.to_owned()),
        }
    }

    pub(crate) fn passed(&self) -> bool {
        self.result == Verdict::Passed.word()
    }

    /// Returns the name by which people tell it from the same job for another boundary.
    pub(crate) fn title(&self) -> String {
        match self.milestone {
            Some(milestone) => format!("{milestone}: {}", self.name),
            None => self.name.clone(),
        }
    }
}

impl Summary {
    /// Returns the exit code of it all; `no` is that of having had nothing to do.
    pub(crate) fn exit(&self, no: Exit) -> Exit {
        match self.result {
            Overall::NoMilestone => no,
            _ if self.lost.is_some() => Exit::Lost,
            Overall::Cancelled => Exit::Interrupted,
            Overall::Failed => Exit::Failed,
            // Everything went well, and yet what was promised is not there.
            Overall::Passed if !self.log_errors.is_empty() => Exit::Failed,
            Overall::Passed => Exit::Done,
        }
    }

    /// Adds what the same jobs came to for another boundary.
    pub(crate) fn absorb(&mut self, other: Self) {
        self.result = match (self.result, other.result) {
            (Overall::Cancelled, _) | (_, Overall::Cancelled) => Overall::Cancelled,
            (Overall::Failed, _) | (_, Overall::Failed) => Overall::Failed,
            (_, result) => result,
        };
        self.duration_ms += other.duration_ms;
        self.milestones.extend(other.milestones);
        self.log_errors.extend(other.log_errors);
        self.lost = self.lost.take().or(other.lost);
        self.jobs.extend(other.jobs);
    }

    /// Returns the jobs that did not pass and need not.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = &Row> {
        self.jobs.iter().filter(|row| !row.passed() && !row.critical)
    }
}

/// Returns what the rows come to.
pub(crate) fn overall(jobs: &[Row], interrupted: bool) -> Overall {
    if interrupted {
        Overall::Cancelled
    } else if jobs.iter().any(|row| row.critical && !row.passed()) {
        Overall::Failed
    } else {
        Overall::Passed
    }
}

/// Returns a duration in milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Writes milliseconds as people say them.
pub(crate) fn spoken(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spoken() {
        let check = |milliseconds, expected: &str| assert_eq!(spoken(milliseconds), expected);
        check(7, "7 ms");
        check(1_290, "1.2 s");
        check(61_000, "1 min 1 s");
        check(3_660_000, "1 h 1 min");
    }
}
