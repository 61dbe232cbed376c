//! Identifiers: how the ids of jobs and steps may look, and that each is there once.

use std::collections::HashMap;

use crate::{
    diagnostic::Diagnostic,
    model::Workflow,
    span::{Span, Spanned},
};

/// An id must be shorter than this.
const LENGTH: usize = 100;

/// Checks the ids of jobs.
pub(super) fn check_jobs(workflow: &Workflow, diagnostics: &mut Vec<Diagnostic>) {
    for job in workflow.jobs.values() {
        diagnostics.extend(syntax(&job.id));
    }
}

/// The ids of some steps.
#[derive(Debug, Default)]
pub(super) struct Identifiers {
    seen: HashMap<String, Span>,
}

impl Identifiers {
    /// Adds an id, or says why it cannot be one.
    pub(super) fn add(&mut self, id: &Spanned<String>) -> Result<(), Diagnostic> {
        if let Some(diagnostic) = syntax(id) {
            return Err(diagnostic);
        }
        match self.seen.insert(id.to_lowercase(), id.span) {
            None => Ok(()),
            Some(first) => {
                let message = format!("the id '{}' is used more than once", id.value);
                Err(Diagnostic::error("duplicate-id", id.span, message)
                    .hinted("ids that differ only in case count as the same")
                    .related(first, "used here"))
            }
        }
    }

    /// Returns whether an id was added.
    pub(super) fn has(&self, id: &str) -> bool {
        self.seen.contains_key(&id.to_lowercase())
    }
}

/// Checks how an id looks.
fn syntax(id: &Spanned<String>) -> Option<Diagnostic> {
    let text = id.as_str();
    let is_start = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let hint = if text.starts_with("__") {
        "ids that start with '__' are reserved".to_owned()
    } else if !text.starts_with(is_start) {
        "an id starts with a letter or '_'".to_owned()
    } else if !text.chars().all(is_part) {
        "an id has only letters, digits, '_' and '-'".to_owned()
    } else if text.len() >= LENGTH {
        format!("an id has fewer than {LENGTH} characters")
    } else {
        return None;
    };
    let message = format!("'{text}' cannot be an id");
    Some(Diagnostic::error("invalid-id", id.span, message).hinted(hint))
}
