//! `concurrency`: groups that would wait for themselves, and settings that exclude each other.

use expr::Template;

use crate::{diagnostic::Diagnostic, model::Workflow, span::Spanned, token::Token};

/// Checks the groups of a workflow and its jobs.
pub(super) fn check(workflow: &Workflow, diagnostics: &mut Vec<Diagnostic>) {
    let outer = workflow.concurrency.as_ref();
    let outer_group = outer.and_then(group);
    diagnostics.extend(outer.and_then(exclusive));
    for job in workflow.jobs.values() {
        let Some(inner) = &job.concurrency else { continue };
        diagnostics.extend(exclusive(inner));
        let (Some(outer), Some(inner)) = (outer_group, group(inner)) else { continue };
        if same(outer.0, inner.0) {
            let message = format!(
                "job '{}' waits for the group that its own workflow holds: '{}'",
                job.id.value,
                inner.0.source()
            );
            diagnostics.push(
                Diagnostic::error("same-group", inner.1, message)
                    .hinted("give the job another group, or remove one of the two")
                    .related(outer.1, "held by the workflow here"),
            );
        }
    }
}

/// Returns the group and its place.
pub(crate) fn group(concurrency: &Spanned<Token>) -> Option<(&Template, crate::span::Span)> {
    match &concurrency.value {
        Token::Text(template) => Some((template, concurrency.span)),
        value => {
            let group = value.get("group")?;
            Some((group.as_template()?, group.span))
        }
    }
}

/// Returns whether two groups are equal whatever their expressions come to.
///
/// White space inside `${{ }}` does not count, and neither does case.
pub(crate) fn same(left: &Template, right: &Template) -> bool {
    let key = |template: &Template| normal(template.source()).to_lowercase();
    key(left) == key(right)
}

fn normal(source: &str) -> String {
    let mut normal = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("${{") {
        let (inside, after) = after.split_once("}}").unwrap_or((after, ""));
        normal.push_str(before);
        normal.push_str("${{");
        let mut in_string = false;
        for letter in inside.chars() {
            in_string ^= letter == '\'';
            if in_string || !letter.is_whitespace() {
                normal.push(letter);
            }
        }
        normal.push_str("}}");
        rest = after;
    }
    normal.push_str(rest);
    normal
}

/// Reports `queue: max` together with `cancel-in-progress: true`.
fn exclusive(concurrency: &Spanned<Token>) -> Option<Diagnostic> {
    let queue = concurrency.get("queue")?;
    let cancel = concurrency.get("cancel-in-progress")?;
    let is_max = queue.as_literal() == Some("max");
    let cancels = matches!(cancel.value, Token::Bool(true));
    (is_max && cancels).then(|| {
        let message = "'queue: max' keeps every run, and 'cancel-in-progress: true' none";
        Diagnostic::error("queue-and-cancel", queue.span, message)
            .hinted("remove one of the two")
            .related(cancel.span, "set here")
    })
}
