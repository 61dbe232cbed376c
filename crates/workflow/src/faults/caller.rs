//! A workflow that can be called and has its caller's group.

use crate::{diagnostic::Diagnostic, faults::Group, model::Workflow};

/// Warns of a group that a caller with the same words has as well.
pub(super) fn check(workflow: &Workflow, group: Group<'_>, found: &mut Vec<Diagnostic>) {
    if workflow.on.call.is_none() {
        return;
    }
    let uses_name = group.template.references().iter().any(|reference| {
        matches!(reference.path.as_slice(), [github, name, ..]
            if github == "github" && name.eq_ignore_ascii_case("workflow"))
    });
    if !uses_name || has_own_words(group.template.source()) {
        return;
    }
    let message = "in a called workflow 'github.workflow' is its caller, so that both can have the \
                   same group and wait for each other";
    found.push(
        Diagnostic::warning("group-of-caller", group.span, message)
            .hinted("start the group with a word of its own"),
    );
}

/// Returns whether there are letters outside of expressions.
fn has_own_words(source: &str) -> bool {
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("${{") {
        if before.contains(char::is_alphanumeric) {
            return true;
        }
        rest = after.split_once("}}").map_or("", |(_, after)| after);
    }
    rest.contains(char::is_alphanumeric)
}
