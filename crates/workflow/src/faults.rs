//! The faults of groups: what is allowed, and costs days when it happens.
//!
//! Each is a warning. They are found by evaluating a group for imagined events:
//! two subjects (two issues, two branches), two runs of each.

mod approval;
mod caller;
mod field;
mod killing;
mod legs;
mod sample;
mod uniqueness;

use expr::Template;

use crate::{
    diagnostic::Diagnostic,
    model::{Job, Workflow},
    rules::group_of,
    span::{Span, Spanned},
    token::Token,
};

/// A group, where it is set, and what it excludes.
#[derive(Clone, Copy, Debug)]
struct Group<'a> {
    template: &'a Template,
    span: Span,
    concurrency: &'a Spanned<Token>,
    /// The job, for a group of a job.
    job: Option<&'a Job>,
}

/// Returns the faults of the groups of a workflow.
pub fn faults(workflow: &Workflow) -> Vec<Diagnostic> {
    let outer = workflow.concurrency.as_ref().map(|concurrency| (concurrency, None));
    let inner =
        workflow.jobs.values().filter_map(|job| Some((job.concurrency.as_ref()?, Some(job))));
    let mut found = Vec::new();
    for (concurrency, job) in outer.into_iter().chain(inner) {
        let Some((template, span)) = group_of(concurrency) else { continue };
        let group = Group { template, span, concurrency, job };
        legs::check(group, &mut found);
        uniqueness::check(workflow, group, &mut found);
        field::check(workflow, group, &mut found);
        killing::check(workflow, group, &mut found);
        caller::check(workflow, group, &mut found);
        approval::check(workflow, group, &mut found);
    }
    found.sort_by_key(|diagnostic| diagnostic.span.start);
    found
}

/// Returns the events that start a workflow by themselves.
fn events(workflow: &Workflow) -> impl Iterator<Item = &str> {
    workflow.on.events.keys().map(String::as_str).filter(|event| *event != "workflow_call")
}
