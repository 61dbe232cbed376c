//! One row: a task of a writer, how it stands, and what people need to know about it.

use std::time::Duration;

use coord::Life;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How a task stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits.
    Queued,
    /// It runs.
    #[default]
    Running,
    /// It is over, and somebody should look.
    Warning,
    /// It runs, and something failed already.
    Failing,
    /// It is over and good.
    Passed,
    /// It is over and bad.
    Failed,
    /// It ended without a result.
    Aborted,
    /// It was not needed.
    Skipped,
}

impl State {
    /// Says whether the task is over.
    pub fn is_finished(self) -> bool {
        !matches!(self, Self::Queued | Self::Running | Self::Failing)
    }

    /// Says whether somebody must look: it failed, or it ended without a result.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Aborted)
    }

    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Warning => "warning",
            Self::Failing => "failing",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Skipped => "skipped",
        }
    }

    /// Returns its sign, which never stands without a word.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Queued => "🕓",
            Self::Running => "⏳",
            Self::Warning => "⚠️",
            Self::Failing => "🔥",
            Self::Passed => "✅",
            Self::Failed => "❌",
            Self::Aborted => "🛑",
            Self::Skipped => "⏭️",
        }
    }
}

/// A remark on a place in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Annotation {
    /// `notice`, `warning` or `error`.
    pub level: String,
    /// The file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What is to be said.
    pub message: String,
}

/// One task of a writer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Row {
    /// What the writer calls it; the row's identity within its slot.
    pub task: String,
    /// Grows with each write of the row.
    pub seq: u64,
    /// How it stands.
    pub state: State,
    /// What people call it, if not as the writer does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Where people see more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When it started, by the writer's clock; only shown, never compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// How long it has taken so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
    /// What it is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Short remarks, such as `flaky`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// What is to be said about the state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Commands that show the failure again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reproduce: Vec<String>,
    /// Commands that repair it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<String>,
    /// Advice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tips: Vec<String>,
    /// Remarks on places in files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Annotation>,
    /// When the writer last gave a sign of life, by its own clock; only shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The heartbeat of an unfinished task. Without one it is never given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life: Option<Life>,
    /// Whether details were left out where it came from.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lean: bool,
    /// What newer writers say and we do not understand.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What a writer says about a task. What it does not say stays as it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// How it stands now.
    pub state: State,
    /// What people call it.
    pub title: Option<String>,
    /// Where people see more.
    pub url: Option<String>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// How long it has taken.
    pub elapsed: Option<Duration>,
    /// What it is at.
    pub phase: Option<String>,
    /// How far it is.
    pub progress: Option<String>,
    /// Short remarks; they replace those before.
    pub flags: Option<Vec<String>>,
    /// What is to be said about the state.
    pub message: Option<String>,
    /// Commands that show the failure again.
    pub reproduce: Option<Vec<String>>,
    /// Commands that repair it.
    pub fix: Option<Vec<String>>,
    /// Advice.
    pub tips: Option<Vec<String>>,
    /// Remarks on places in files.
    pub annotations: Option<Vec<Annotation>>,
}

impl Change {
    /// Says how a task stands, and nothing else.
    pub fn to(state: State) -> Self {
        Self { state, ..Self::default() }
    }
}

impl Row {
    /// Makes a row that nobody has said anything about yet.
    pub fn new(task: &str) -> Self {
        Self { task: task.to_owned(), state: State::Queued, ..Self::default() }.bounded()
    }

    /// Returns what people call it.
    pub fn name(&self) -> &str {
        self.title.as_deref().filter(|title| !title.trim().is_empty()).unwrap_or(&self.task)
    }

    /// Takes in what its writer says, at the writer's time `now`. Says whether anything was taken in: a
    /// finished row takes no unfinished state.
    pub(crate) fn take(&mut self, change: &Change, now: Timestamp) -> bool {
        if self.state.is_finished() && !change.state.is_finished() {
            return false;
        }
        let started = self.started.is_none() && change.state != State::Queued;
        self.state = change.state;
        if started && !change.state.is_finished() {
            self.started = Some(now);
        }
        replace(&mut self.title, change.title.as_ref());
        replace(&mut self.url, change.url.as_ref());
        replace(&mut self.started, change.started.as_ref());
        replace(&mut self.message, change.message.as_ref());
        // A phase and a progress belong to the state they were said with.
        self.phase.clone_from(&change.phase);
        self.progress.clone_from(&change.progress);
        for (ours, theirs) in [
            (&mut self.flags, &change.flags),
            (&mut self.reproduce, &change.reproduce),
            (&mut self.fix, &change.fix),
            (&mut self.tips, &change.tips),
        ] {
            if let Some(theirs) = theirs {
                ours.clone_from(theirs);
            }
        }
        if let Some(annotations) = &change.annotations {
            self.annotations.clone_from(annotations);
        }
        self.elapsed_ms = change.elapsed.map(milliseconds).or_else(|| self.since_start(now));
        self.at = Some(now);
        self.seq += 1;
        if self.state.is_finished() {
            self.life = None;
        }
        *self = std::mem::take(self).bounded();
        true
    }

    /// Cuts everything to a size that a document can hold five thousand of.
    #[must_use]
    pub(crate) fn bounded(mut self) -> Self {
        cut(&mut self.task, 200);
        for (text, most) in [
            (&mut self.title, 300),
            (&mut self.url, 2000),
            (&mut self.phase, 200),
            (&mut self.progress, 200),
            (&mut self.message, 4000),
        ] {
            if let Some(text) = text {
                cut(text, most);
            }
        }
        for (texts, count, most) in [
            (&mut self.flags, 10, 60),
            (&mut self.reproduce, 20, 2000),
            (&mut self.fix, 20, 2000),
            (&mut self.tips, 10, 1000),
        ] {
            texts.truncate(count);
            for text in texts.iter_mut() {
                cut(text, most);
            }
        }
        self.annotations.truncate(50);
        for annotation in &mut self.annotations {
            cut(&mut annotation.level, 20);
            cut(&mut annotation.path, 300);
            cut(&mut annotation.message, 500);
        }
        if !self.rest.is_empty() && Value::from(self.rest.clone()).to_string().len() > 2000 {
            self.rest.clear();
        }
        self
    }

    fn since_start(&self, now: Timestamp) -> Option<u64> {
        let elapsed = now.duration_since(self.started?);
        u64::try_from(elapsed.as_millis()).ok()
    }
}

fn replace<T: Clone>(ours: &mut Option<T>, theirs: Option<&T>) {
    if let Some(theirs) = theirs {
        *ours = Some(theirs.clone());
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Cuts a text to at most `most` characters, visibly.
pub(crate) fn cut(text: &mut String, most: usize) {
    if text.len() <= most {
        return;
    }
    if let Some((end, _)) = text.char_indices().nth(most) {
        let keep = text.char_indices().nth(most.saturating_sub(1)).map_or(end, |(at, _)| at);
        text.truncate(keep);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn later(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn finished_row_never_runs_again_but_may_be_corrected() {
        let mut row = Row::new("test");
        assert!(row.take(&Change::to(State::Failed), NOW));
        for state in [State::Running, State::Queued, State::Failing] {
            let before = row.clone();
            assert!(!row.take(&Change::to(state), NOW));
            assert_eq!(row, before);
        }
        assert!(row.take(&Change::to(State::Passed), NOW));
    }

    #[test]
    fn what_is_not_said_stays_but_progress_passes() {
        let mut row = Row::new("test");
        let change = Change {
            progress: Some("3 of 7".to_owned()),
            title: Some("Tests".to_owned()),
            ..Change::to(State::Running)
        };
        assert!(row.take(&change, NOW));
        assert!(row.take(&Change::to(State::Passed), later(3)));
        assert_eq!((row.title.as_deref(), row.progress.as_deref()), (Some("Tests"), None));
        assert_eq!((row.elapsed_ms, row.seq), (Some(3000), 2));
    }

    #[test]
    fn long_texts_are_cut_visibly() {
        let mut text = "ü".repeat(300);
        cut(&mut text, 200);
        assert_eq!(text.chars().count(), 200);
        assert!(text.ends_with('…'));
        let mut short = "ü".repeat(200);
        cut(&mut short, 200);
        assert_eq!(short.chars().count(), 200);
        assert!(!short.ends_with('…'));
    }
}
