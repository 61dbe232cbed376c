//! A group that is new for every run, so that it excludes nothing.

use crate::{
    conform::list,
    diagnostic::Diagnostic,
    faults::{Group, events, sample::Sample},
    model::Workflow,
};

/// Warns of a group in which two runs for one subject never meet.
pub(super) fn check(workflow: &Workflow, group: Group<'_>, found: &mut Vec<Diagnostic>) {
    let all: Vec<&str> = events(workflow).collect();
    let new: Vec<&str> = all
        .iter()
        .copied()
        .filter(|event| {
            let first = Sample::of(event);
            let (first, next) =
                (first.group(group.template), first.next_run().group(group.template));
            matches!((first, next), (Some(first), Some(next)) if first != next)
        })
        .collect();
    if new.is_empty() {
        return;
    }
    let message = if new.len() == all.len() {
        "this group is new for every run, so that it excludes nothing".to_owned()
    } else {
        format!("on {} this group is new for every run, so that it excludes nothing", list(&new))
    };
    found.push(Diagnostic::warning("group-never-matches", group.span, message).hinted(
        "use what runs have in common, as '${{ github.ref }}', instead of a run id or a commit",
    ));
}
