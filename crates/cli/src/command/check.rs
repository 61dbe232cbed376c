//! `interlock check`: what is wrong with workflows and local actions, before anything starts.

mod document;
mod local;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use workflow::{Diagnostic, Severity, Source};

use crate::command::diagnostics;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Session};

use document::Finding;
use local::Tree;

/// The arguments of `interlock check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Workflows and action.yml files [default: every workflow of the repository, and the local
    /// actions that they use]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Check {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let tree = Tree::around(&session.directory);
        let mut report = Report { session, files: 0, errors: 0, warnings: 0, faulty: 0 };
        let mut unreadable = Vec::new();
        let findings = if self.files.is_empty() {
            document::check_all(&tree)?
        } else {
            self.files
                .iter()
                .map(|file| document::check_file(&tree, &session.directory, file))
                .collect()
        };
        if findings.is_empty() {
            let folder = tree.workflows();
            session.note(&format!("there are no workflows in {}", folder.display()));
        }
        for finding in findings {
            match finding {
                Ok(finding) => report.add(&finding),
                Err(failure) => unreadable.push(failure),
            }
        }
        report.end()?;
        if let Some(failure) = unreadable.pop() {
            for failure in unreadable {
                session.note(&failure.render());
            }
            return Err(failure);
        }
        Ok(if report.errors > 0 { Exit::Failed } else { Exit::Done })
    }
}

/// What was found so far.
struct Report<'a> {
    session: &'a Session,
    files: usize,
    errors: usize,
    warnings: usize,
    faulty: usize,
}

impl Report<'_> {
    /// Prints what was found in one file.
    fn add(&mut self, finding: &Finding) {
        self.files += 1;
        self.faulty += usize::from(!finding.diagnostics.is_empty());
        let mut foreign = finding.diagnostics.iter().filter(|found| found.code == FOREIGN).count();
        for diagnostic in &finding.diagnostics {
            match diagnostic.severity {
                Severity::Error => self.errors += 1,
                Severity::Warning => self.warnings += 1,
            }
            match self.session.format {
                Format::Json => self.session.line(&diagnostic.to_json(&finding.source).to_string()),
                // Most workflows use many, and one says it all.
                Format::Human if diagnostic.code == FOREIGN => {
                    if foreign > 0 {
                        self.draw(&finding.source, &with_others(diagnostic, foreign - 1));
                        foreign = 0;
                    }
                }
                Format::Human => self.draw(&finding.source, diagnostic),
            }
            // What only Interlock cannot run is of no concern to a job on GitHub.
            let concerns_github = !diagnostic.code.starts_with("unsupported-");
            if concerns_github && self.session.surroundings.in_github_actions() {
                self.session.note(&annotation(&finding.source, diagnostic));
            }
        }
    }

    fn draw(&self, source: &Source, diagnostic: &Diagnostic) {
        self.session.line(&diagnostics::render(source, diagnostic));
        self.session.line("");
    }

    /// Prints the counts.
    fn end(&self) -> Result<(), Failure> {
        let (errors, warnings) = (count(self.errors, "error"), count(self.warnings, "warning"));
        if self.session.format == Format::Human && self.files > 0 {
            let files = count(self.files, "file");
            self.session.line(&if self.errors + self.warnings == 0 {
                format!("nothing is wrong in {files}")
            } else {
                format!("{errors} and {warnings} in {} of {files}", self.faulty)
            });
        }
        self.session.step_outputs(&json!({
            "files": self.files, "errors": self.errors, "warnings": self.warnings
        }))
    }
}

/// The code of an action of another repository.
const FOREIGN: &str = "unsupported-action";

/// Adds how many more there are.
fn with_others(diagnostic: &Diagnostic, others: usize) -> Diagnostic {
    let mut diagnostic = diagnostic.clone();
    if others > 0 {
        let steps = if others == 1 { "step uses" } else { "steps use" };
        diagnostic.message =
            format!("{}, and {others} more {steps} such an action", diagnostic.message);
    }
    diagnostic
}

/// Counts things in words.
fn count(number: usize, noun: &str) -> String {
    match number {
        0 => format!("no {noun}s"),
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// Returns the command that shows a diagnostic beside its line on GitHub.
fn annotation(source: &Source, diagnostic: &Diagnostic) -> String {
    let (line, column) = source.line_column(diagnostic.span.start);
    let (end_line, end_column) = source.line_column(diagnostic.span.end);
    let hint = diagnostic.hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default();
    // GitHub takes columns only where they are on one line.
    let columns = if line == end_line {
        format!(",col={column},endColumn={end_column}")
    } else {
        String::new()
    };
    format!(
        "::{} file={},line={line},endLine={end_line}{columns},title={}::{}",
        diagnostic.severity.as_str(),
        property(&source.path),
        property(diagnostic.code),
        data(&format!("{}{hint}", diagnostic.message)),
    )
}

/// Escapes the message of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use workflow::Span;

    use super::*;

    #[test]
    fn annotations_escape_what_they_quote() {
        let source = Source::new("a,b:c.yml", "on: 100%\n");
        let diagnostic = Diagnostic::error("unknown-value", Span::new(4, 8), "'100%' is not known")
            .hinted("did you mean 'push'?");
        assert_eq!(
            annotation(&source, &diagnostic),
            "::error file=a%2Cb%3Ac.yml,line=1,endLine=1,col=5,endColumn=9,title=unknown-value\
             ::'100%25' is not known: did you mean 'push'?"
        );
    }
}
