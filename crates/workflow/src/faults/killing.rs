//! A comment, or an unrelated label, that cancels work in progress.

use expr::Partial;

use crate::{
    conform::list,
    diagnostic::Diagnostic,
    faults::{Group, events, sample::Sample},
    model::Workflow,
    token::Token,
    trigger::Trigger,
};

/// The activities that change nothing about what there is to do.
const INCIDENTAL: [&str; 14] = [
    "assigned",
    "auto_merge_disabled",
    "auto_merge_enabled",
    "demilestoned",
    "edited",
    "labeled",
    "locked",
    "milestoned",
    "pinned",
    "review_requested",
    "unassigned",
    "unlabeled",
    "unlocked",
    "unpinned",
];

/// Warns of a group in which anybody's comment or label cancels a run.
pub(super) fn check(workflow: &Workflow, group: Group<'_>, found: &mut Vec<Diagnostic>) {
    // A job whose `if` is false never gets as far as its group.
    if group.job.is_some_and(|job| job.condition.is_some()) {
        return;
    }
    for event in events(workflow).filter(|event| may_cancel(group, event)) {
        // Where the group is new for every run, nothing is there to be cancelled.
        let first = Sample::of(event);
        if first.group(group.template) != first.next_run().group(group.template) {
            continue;
        }
        let trigger = &workflow.on.events[event];
        let (code, message) = match event {
            "issue_comment"
            | "discussion_comment"
            | "pull_request_review"
            | "pull_request_review_comment" => (
                "cancelled-by-comment",
                format!(
                    "on GitHub any '{event}' cancels what is in progress here, before an 'if' is looked at"
                ),
            ),
            "issues" | "pull_request" | "pull_request_target" | "discussion" => {
                let activities = incidental(event, trigger);
                if activities.is_empty() {
                    continue;
                }
                let what = list(&activities);
                (
                    "cancelled-by-label",
                    format!(
                        "on GitHub '{event}' with {what} cancels what is in progress here, before an 'if' is \
                         looked at"
                    ),
                )
            }
            _ => continue,
        };
        found.push(Diagnostic::warning(code, place(group), message).related(trigger.span, "by this event").hinted(
            "move 'concurrency' to the job, behind its 'if', or make 'cancel-in-progress' an expression",
        ));
    }
}

/// Returns whether a run of an event may cancel others.
fn may_cancel(group: Group<'_>, event: &str) -> bool {
    let Some(cancel) = group.concurrency.get("cancel-in-progress") else { return false };
    match &cancel.value {
        Token::Bool(truth) => *truth,
        Token::Text(template) => match Sample::of(event).evaluate(template) {
            Some(Partial::Known(value)) => value.truthy(),
            _ => true,
        },
        _ => false,
    }
}

/// Returns the activities of a trigger that are incidental.
fn incidental<'a>(event: &str, trigger: &'a Trigger) -> Vec<&'a str> {
    match &trigger.types {
        Some(types) => types
            .iter()
            .map(|activity| activity.as_str())
            .filter(|activity| INCIDENTAL.contains(activity))
            .collect(),
        None if event.starts_with("pull_request") => Vec::new(),
        None => vec!["labeled", "edited"],
    }
}

fn place(group: Group<'_>) -> crate::span::Span {
    let cancel = group.concurrency.get("cancel-in-progress");
    cancel.map_or(group.span, |cancel| cancel.span)
}
