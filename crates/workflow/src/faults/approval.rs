//! An approval inside a group, which holds the group for as long as it waits.

use crate::{
    diagnostic::Diagnostic,
    faults::Group,
    model::{Job, Workflow},
};

/// The environment of GitHub Pages, which asks nobody.
const PAGES: &str = "github-pages";

/// Warns of a job that waits for an environment while it, or its run, holds a group.
pub(super) fn check(workflow: &Workflow, group: Group<'_>, found: &mut Vec<Diagnostic>) {
    let jobs: Vec<&Job> = match group.job {
        Some(job) => vec![job],
        None => workflow.jobs.values().collect(),
    };
    for job in jobs {
        let Some(environment) = &job.environment else { continue };
        let name = environment.get("name").unwrap_or(environment);
        if name.as_literal().is_some_and(|name| name == PAGES || name.is_empty()) {
            continue;
        }
        let holder = if group.job.is_some() { "the job" } else { "the run" };
        let message = format!(
            "{holder} holds its group while job '{}' waits for an approval of its environment",
            job.id.value
        );
        found.push(
            Diagnostic::warning("approval-in-group", name.span, message)
                .related(group.span, "this group")
                .hinted("put the approval into a job of its own, before the one with the group"),
        );
    }
}
