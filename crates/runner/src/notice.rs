//! Notices: what a job says while it runs, with its secrets masked.

use std::time::Duration;

use engine::Conclusion;

use crate::process::Stream;

/// Something that happened in a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A step has begun; a step that is skipped does not.
    StepStarted {
        /// Its place in the job's report.
        step: usize,
        /// Its name, as shown.
        name: String,
    },
    /// A step printed a line. Where nobody reads them fast enough, lines go to the log alone.
    Line {
        /// The step, if it is not the job itself.
        step: Option<usize>,
        /// The pipe it came through; our own lines come as standard output.
        stream: Stream,
        /// The line.
        text: String,
    },
    /// Lines went to the log alone, because nobody read them here.
    Dropped {
        /// How many.
        lines: u64,
    },
    /// A step has ended, or was skipped.
    StepEnded {
        /// Its place in the job's report.
        step: usize,
        /// Its name, as shown.
        name: String,
        /// How it ended.
        outcome: Conclusion,
        /// How it counts, after `continue-on-error`.
        conclusion: Conclusion,
        /// How long it took.
        duration: Duration,
        /// The last lines it printed, if it failed.
        last_lines: Vec<String>,
    },
    /// Something to be shown beside the code, or above all.
    Annotation {
        /// The step, if it is not the job itself.
        step: Option<usize>,
        /// What it says.
        annotation: Annotation,
    },
    /// A step has written a part of the job's summary.
    Summary {
        /// The step.
        step: usize,
        /// What it wrote.
        markdown: String,
    },
}

/// How grave an annotation is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Level {
    /// An error; it does not fail a step by itself.
    Error,
    /// A warning.
    Warning,
    /// Good to know.
    Notice,
}

impl Level {
    /// Returns the word that commands and logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// A message with a place in the code, if it has one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Annotation {
    /// How grave it is.
    pub level: Level,
    /// What it says.
    pub message: String,
    /// What stands above it.
    pub title: Option<String>,
    /// The file, from the workspace.
    pub file: Option<String>,
    /// The line.
    pub line: Option<u64>,
    /// The last line.
    pub end_line: Option<u64>,
    /// The column.
    pub column: Option<u64>,
    /// The last column.
    pub end_column: Option<u64>,
}

impl Annotation {
    /// Returns an annotation without a place.
    pub fn new(level: Level, message: impl Into<String>) -> Self {
        let (title, file, line, end_line, column, end_column) =
            (None, None, None, None, None, None);
        Self { level, message: message.into(), title, file, line, end_line, column, end_column }
    }
}
