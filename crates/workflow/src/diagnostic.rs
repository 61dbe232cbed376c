//! The diagnostic: one fault of a file, where it is and what to do about it.

use crate::span::Span;

/// The code of what works here and is an error on GitHub: a warning to `run`, an error to `check`.
pub const NOT_ON_GITHUB: &str = "not-on-github";

/// How bad a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It works, and probably not as meant.
    Warning,
    /// It cannot work.
    Error,
}

impl Severity {
    /// Returns the severity as one lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The kind of fault, in kebab-case; it does not change between releases.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where it is.
    pub span: Span,
    /// What to do.
    pub hint: Option<String>,
    /// Other places that have to do with it, each with what is there.
    pub related: Vec<(Span, String)>,
}

impl Diagnostic {
    /// Makes an error.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, span, message)
    }

    /// Makes a warning.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, span, message)
    }

    fn new(severity: Severity, code: &'static str, span: Span, message: impl Into<String>) -> Self {
        let message = legible(&message.into());
        Self { severity, code, message, span, hint: None, related: Vec::new() }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(legible(&hint.into()));
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn related(mut self, span: Span, what: impl Into<String>) -> Self {
        self.related.push((span, what.into()));
        self
    }

    /// Returns whether it cannot work.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The most errors, and the most warnings, that one file gets.
pub(crate) const MOST: usize = 100;

/// The longest message, in characters.
const LONGEST: usize = 400;

/// Shortens a message and takes away what a terminal would obey, since it quotes the file.
fn legible(text: &str) -> String {
    let mut letters = text.chars();
    let mut legible: String = letters
        .by_ref()
        .take(LONGEST)
        .map(|letter| if letter.is_control() { '\u{fffd}' } else { letter })
        .collect();
    if letters.next().is_some() {
        legible.push('…');
    }
    legible
}

/// What came of reading a file.
#[derive(Clone, Debug)]
pub struct Reading<T> {
    /// The model; absent if any diagnostic is an error.
    pub value: Option<T>,
    /// What was found, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_obey_nobody() {
        let text = format!("\u{1b}[31m{}", "x".repeat(500));
        let diagnostic = Diagnostic::error("x", Span::default(), text.clone()).hinted(text);
        assert_eq!(diagnostic.message.chars().count(), LONGEST + 1);
        assert!(diagnostic.message.starts_with("\u{fffd}[31mx"));
        assert_eq!(diagnostic.hint.as_deref(), Some(diagnostic.message.as_str()));
    }
}
