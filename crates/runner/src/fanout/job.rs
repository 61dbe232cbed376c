//! A job as its author wrote it, and what became of it.

use std::fmt;
use std::time::Duration;

/// The place of a job in the order in which jobs were added.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct JobId(pub usize);

/// What must be known of a job to decide when it runs and what its end means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Job {
    /// Its name; no two jobs have the same.
    pub name: String,
    /// The jobs that must have passed before it starts.
    pub needs: Vec<String>,
    /// The resources it reads; several may read at once.
    pub reads: Vec<String>,
    /// The resources it writes; meanwhile nobody else reads or writes them.
    pub writes: Vec<String>,
    /// Whether all fails when it does not pass.
    pub critical: bool,
    /// The exit codes that mean success.
    pub accept: Vec<i32>,
    /// When it is tried again.
    pub retry: Retry,
}

impl Job {
    /// Returns a critical job that depends on nothing and is tried once.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            needs: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            critical: true,
            accept: vec![0],
            retry: Retry::default(),
        }
    }

    /// Tells whether the two must not run at the same time.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        let writes_of = |one: &Self, two: &Self| {
            one.writes.iter().any(|name| two.writes.contains(name) || two.reads.contains(name))
        };
        writes_of(self, other) || writes_of(other, self)
    }

    pub(super) fn judge(&self, outcome: Outcome) -> Verdict {
        match outcome {
            Outcome::Exited(code) if self.accept.contains(&code) => Verdict::Passed,
            Outcome::Exited(code) => Verdict::Failed(code),
            Outcome::Signalled(signal) => Verdict::Killed(signal),
            Outcome::TimedOut => Verdict::TimedOut,
            Outcome::CouldNotStart(why) => Verdict::CouldNotStart(why),
            Outcome::Cancelled => Verdict::Cancelled,
        }
    }
}

/// How often, when and after which ends a job is tried again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Retry {
    /// How often at most, after the first time.
    pub times: u32,
    /// The pause before each time.
    pub delay: Duration,
    /// The exit codes that are worth another try; if empty, every failure, death and timeout is.
    pub codes: Vec<i32>,
}

impl Retry {
    /// Tells whether this end of this attempt is followed by another.
    pub(super) fn wants(&self, attempt: u32, verdict: &Verdict) -> bool {
        attempt <= self.times
            && match verdict {
                Verdict::Failed(code) => self.codes.is_empty() || self.codes.contains(code),
                Verdict::Killed(_) | Verdict::TimedOut => self.codes.is_empty(),
                Verdict::Passed
                | Verdict::CouldNotStart(_)
                | Verdict::Cancelled
                | Verdict::Skipped(_) => false,
            }
    }
}

/// How one attempt ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It exited with this code.
    Exited(i32),
    /// A signal that was not ours killed it.
    Signalled(i32),
    /// It was ended because it took too long.
    TimedOut,
    /// It never ran, and why.
    CouldNotStart(String),
    /// It was ended because somebody asked for it.
    Cancelled,
}

/// What became of a job.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// It exited with a code that means success.
    Passed,
    /// It exited with another code.
    Failed(i32),
    /// A signal that was not ours killed it.
    Killed(i32),
    /// It was ended because it took too long.
    TimedOut,
    /// It never ran, because the system would not start it; why.
    CouldNotStart(String),
    /// It ran and was ended because somebody asked for it.
    Cancelled,
    /// It never ran, because we would not start it; why.
    Skipped(String),
}

impl Verdict {
    /// Tells whether it passed.
    pub fn passed(&self) -> bool {
        *self == Self::Passed
    }

    /// Returns the word for it alone, without details.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Killed(_) => "killed",
            Self::TimedOut => "timed-out",
            Self::CouldNotStart(_) => "could-not-start",
            Self::Cancelled => "cancelled",
            Self::Skipped(_) => "skipped",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word();
        match self {
            Self::Failed(code) => write!(formatter, "{word} ({code})"),
            Self::Killed(signal) => match signal_name(*signal) {
                Some(name) => write!(formatter, "{word} ({name})"),
                None => write!(formatter, "{word} (signal {signal})"),
            },
            Self::CouldNotStart(why) | Self::Skipped(why) => write!(formatter, "{word} ({why})"),
            Self::Passed | Self::TimedOut | Self::Cancelled => formatter.write_str(word),
        }
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_meets_nobody_and_readers_meet_each_other() {
        let job = |reads: &[&str], writes: &[&str]| Job {
            reads: reads.iter().map(ToString::to_string).collect(),
            writes: writes.iter().map(ToString::to_string).collect(),
            ..Job::new("a")
        };
        let (reader, writer, other) = (job(&["x"], &[]), job(&[], &["x"]), job(&["y"], &["z"]));
        assert!(reader.conflicts_with(&writer));
        assert!(writer.conflicts_with(&reader));
        assert!(writer.conflicts_with(&writer));
        assert!(!reader.conflicts_with(&reader));
        assert!(!other.conflicts_with(&writer));
    }

    #[test]
    fn an_accepted_code_is_a_success() {
        let job = Job { accept: vec![0, 3], ..Job::new("a") };
        assert_eq!(job.judge(Outcome::Exited(3)), Verdict::Passed);
        assert_eq!(job.judge(Outcome::Exited(1)), Verdict::Failed(1));
        let strict = Job { accept: vec![3], ..Job::new("a") };
        assert_eq!(strict.judge(Outcome::Exited(0)), Verdict::Failed(0));
    }

    #[test]
    fn only_what_may_help_is_tried_again() {
        let retry = Retry { times: 2, codes: vec![75], ..Retry::default() };
        assert!(retry.wants(1, &Verdict::Failed(75)));
        assert!(retry.wants(2, &Verdict::Failed(75)));
        assert!(!retry.wants(3, &Verdict::Failed(75)));
        assert!(!retry.wants(1, &Verdict::Failed(1)));
        assert!(!retry.wants(1, &Verdict::TimedOut));
        let any = Retry { times: 1, ..Retry::default() };
        assert!(any.wants(1, &Verdict::TimedOut));
        assert!(any.wants(1, &Verdict::Killed(11)));
        assert!(!any.wants(1, &Verdict::Cancelled));
        assert!(!any.wants(1, &Verdict::CouldNotStart(String::new())));
    }

    #[test]
    fn results_read_well() {
        assert_eq!(Verdict::Failed(3).to_string(), "failed (3)");
        assert_eq!(Verdict::Killed(9).to_string(), "killed (SIGKILL)");
        assert_eq!(Verdict::Killed(42).to_string(), "killed (signal 42)");
        assert_eq!(Verdict::Skipped("a failed".into()).to_string(), "skipped (a failed)");
    }
}
