//! Whole files are read, and what is said about them.

#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]
#![expect(clippy::disallowed_methods, reason = "the brain is pure, and its tests read files")]

mod conformance;
mod expressions;
mod faults;
mod grammar;
mod hostile;
mod rules;
mod triggers;
mod unsupported;

use workflow::{Diagnostic, Paint, Source, Workflow, read};

/// Reads a workflow that has no errors.
#[track_caller]
fn workflow(text: &str) -> Workflow {
    let source = Source::new("ci.yml", text);
    let reading = read(source.clone());
    reading.value.unwrap_or_else(|| panic!("{}", drawn(&source, &reading.diagnostics)))
}

/// Draws diagnostics as people see them.
fn drawn(source: &Source, diagnostics: &[Diagnostic]) -> String {
    let drawn: Vec<_> =
        diagnostics.iter().map(|diagnostic| diagnostic.render(source, Paint::Plain)).collect();
    drawn.join("\n\n")
}

/// Draws what is said about a workflow.
fn said(text: &str) -> String {
    let source = Source::new("ci.yml", text);
    drawn(&source, &read(source.clone()).diagnostics)
}

/// Returns the codes of what is said about a workflow, each with what it is about.
fn codes(text: &str) -> Vec<String> {
    let source = Source::new("ci.yml", text);
    brief(&source, &read(source.clone()).diagnostics)
}

fn brief(source: &Source, diagnostics: &[Diagnostic]) -> Vec<String> {
    let about = |diagnostic: &Diagnostic| {
        let part = &source.text[diagnostic.span.start..diagnostic.span.end];
        format!("{} {part}", diagnostic.code)
    };
    diagnostics.iter().map(about).collect()
}

/// Wraps the lines of a job, each at its depth, in a workflow.
fn job(lines: &str) -> String {
    let lines: Vec<_> = lines.lines().map(|line| format!("    {line}")).collect();
    format!("on: push\njobs:\n  a:\n    runs-on: x\n{}\n", lines.join("\n"))
}
