//! The error: why a run or a job cannot be, and the place that says so.

use workflow::{Source, Span};

/// Says why a run cannot be made from its spec, or why a job cannot be evaluated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{path}:{line}:{column}: {message}")]
pub struct Error {
    /// What is wrong, for people.
    pub message: String,
    /// The workflow file.
    pub path: String,
    /// The place, as byte offsets.
    pub span: Span,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Error {
    /// Creates an error at a place in a source.
    pub fn new(source: &Source, span: Span, message: impl Into<String>) -> Self {
        let (line, column) = source.line_column(span.start);
        Self { message: message.into(), path: source.path.clone(), span, line, column }
    }
}
