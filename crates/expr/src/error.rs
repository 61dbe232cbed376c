//! The error: what was wrong with an expression, and where.

/// The step at which an expression was found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The text is not made of tokens.
    Lexing,
    /// The tokens do not form an expression, or a name in it is not known here.
    Parsing,
    /// The expression is well formed and has no value.
    Evaluation,
}

impl ErrorKind {
    /// Returns the kind as one lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lexing => "lexing",
            Self::Parsing => "parsing",
            Self::Evaluation => "evaluation",
        }
    }
}

/// Says why an expression cannot be read or has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The step that failed.
    pub kind: ErrorKind,
    /// One sentence fragment for people.
    pub message: String,
    /// The place, as a byte offset in the text that was given.
    pub offset: usize,
}

impl Error {
    pub(crate) fn lexing(message: impl Into<String>, offset: usize) -> Self {
        Self { kind: ErrorKind::Lexing, message: message.into(), offset }
    }

    pub(crate) fn parsing(message: impl Into<String>, offset: usize) -> Self {
        Self { kind: ErrorKind::Parsing, message: message.into(), offset }
    }

    pub(crate) fn evaluation(message: impl Into<String>, offset: usize) -> Self {
        Self { kind: ErrorKind::Evaluation, message: message.into(), offset }
    }
}
