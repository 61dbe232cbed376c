//! Diagnostics of workflows, as `check`, `plan` and `run` show them.

use workflow::{Diagnostic, Source};

/// Draws a diagnostic with its source line and its hint.
pub(crate) fn render(source: &Source, diagnostic: &Diagnostic) -> String {
    let (line, column) = source.line_column(diagnostic.span.start);
    let hint = diagnostic.hint.as_ref().map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
    format!(
        "{}:{line}:{column}: {}: {}{hint}",
        source.path,
        diagnostic.severity.as_str(),
        diagnostic.message
    )
}
