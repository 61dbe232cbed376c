//! Diagnostics of workflows, as `check`, `plan` and `run` show them.

use workflow::{Diagnostic, Paint, Source};

/// Draws a diagnostic with its source line and its hint.
///
/// The colours are taken away again where nobody can see them.
pub(crate) fn render(source: &Source, diagnostic: &Diagnostic) -> String {
    diagnostic.render(source, Paint::Colored)
}
