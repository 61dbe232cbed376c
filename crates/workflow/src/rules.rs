//! The rules that no table can say: what must hold between the parts of a file.

mod call;
mod concurrency;
mod filter;
mod identifier;
mod input;
mod needs;
mod reference;
mod schedule;
mod step;

use crate::{
    action::{Action, Runs},
    diagnostic::{Diagnostic, Severity},
    model::{Body, Workflow},
};

pub(crate) use concurrency::{group as group_of, same as same_group};

/// Checks a workflow.
pub(crate) fn check(workflow: &Workflow) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    identifier::check_jobs(workflow, &mut diagnostics);
    needs::check(workflow, &mut diagnostics);
    concurrency::check(workflow, &mut diagnostics);
    filter::check(&workflow.on, &mut diagnostics);
    schedule::check(&workflow.on, &mut diagnostics);
    input::check(&workflow.on, &mut diagnostics);
    call::check(workflow, &mut diagnostics);
    reference::check(workflow, &mut diagnostics);
    for job in workflow.jobs.values() {
        if let Body::Steps { steps, .. } = &job.body {
            step::check(steps, &mut diagnostics);
        }
    }
    diagnostics
}

/// Checks an action.
pub(crate) fn check_action(action: &Action) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    if let Runs::Composite { steps } = &action.runs {
        step::check(steps, &mut diagnostics);
    }
    reference::check_action(action, &mut diagnostics);
    for diagnostic in &mut diagnostics {
        // Published actions repeat ids; there the last step of a name is the one that counts.
        if diagnostic.code == "duplicate-id" {
            diagnostic.severity = Severity::Warning;
        }
    }
    diagnostics
}
