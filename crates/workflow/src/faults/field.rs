//! A group made of what an event does not have, so that unrelated runs share it.

use crate::{
    conform::list,
    diagnostic::Diagnostic,
    faults::{Group, events, sample::Sample},
    model::Workflow,
};

/// The events that are about one of many subjects.
const ABOUT_SUBJECTS: [&str; 9] = [
    "discussion",
    "discussion_comment",
    "issue_comment",
    "issues",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_target",
    "push",
];

/// Warns of a group that is the same for every subject of an event, and was meant to differ.
pub(super) fn check(workflow: &Workflow, group: Group<'_>, found: &mut Vec<Diagnostic>) {
    let references = group.template.references();
    for event in events(workflow) {
        let sample = Sample::of(event);
        let (one, other) =
            (sample.group(group.template), sample.other_subject().group(group.template));
        if one.is_none() || one != other {
            continue;
        }
        let missing: Vec<String> = references
            .iter()
            .filter(|reference| sample.lacks(&reference.path))
            .map(|reference| reference.path.join("."))
            .collect();
        if !missing.is_empty() {
            let names: Vec<&str> = missing.iter().map(String::as_str).collect();
            let message =
                format!("'{event}' has no {}, so that all its runs share this group", list(&names));
            found.push(
                Diagnostic::warning("group-field-missing", group.span, message)
                    .hinted("add '|| github.ref' after it, or use another group for this event"),
            );
        } else if ABOUT_SUBJECTS.contains(&event)
            && references.iter().any(|reference| is_ref(&reference.path))
        {
            let message = format!(
                "on '{event}' the ref is that of the default or base branch, so that all its runs \
                 share this group"
            );
            found.push(
                Diagnostic::warning("group-shared-by-subjects", group.span, message)
                    .hinted(format!("add '{}'", subject(event))),
            );
        }
    }
}

fn is_ref(path: &[String]) -> bool {
    matches!(path, [github, name, ..] if github == "github"
        && ["ref", "ref_name", "sha"].iter().any(|known| name.eq_ignore_ascii_case(known)))
}

fn subject(event: &str) -> &'static str {
    match event {
        "issues" | "issue_comment" => "${{ github.event.issue.number }}",
        "discussion" | "discussion_comment" => "${{ github.event.discussion.number }}",
        _ => "${{ github.event.pull_request.number }}",
    }
}
