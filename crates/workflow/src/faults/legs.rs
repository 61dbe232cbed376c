//! One group for every leg of a matrix, so that the legs replace each other.

use crate::{diagnostic::Diagnostic, faults::Group, model::Job, token::Token};

/// Warns of a job whose legs all have the same group.
pub(super) fn check(group: Group<'_>, found: &mut Vec<Diagnostic>) {
    let Some(job) = group.job.filter(|job| has_legs(job)) else { return };
    let differs = group.template.references().iter().any(|reference| {
        matches!(reference.path.first().map(String::as_str), Some("matrix" | "strategy"))
    });
    let waits = group.concurrency.get("queue").and_then(|queue| queue.as_literal()) == Some("max");
    if differs || waits {
        return;
    }
    let message = format!(
        "every leg of job '{}' has this group, so that they cancel one another",
        job.id.value
    );
    found.push(
        Diagnostic::warning("group-shared-by-legs", group.span, message)
            .hinted("add '${{ strategy.job-index }}' to the group, or set 'queue: max'"),
    );
}

/// Returns whether a matrix has, or can have, more than one leg.
fn has_legs(job: &Job) -> bool {
    let Some(matrix) = job.strategy.as_ref().and_then(|strategy| strategy.matrix.as_ref()) else {
        return false;
    };
    let Token::Mapping(entries) = &matrix.value else { return true };
    let mut legs: usize = 1;
    for (key, value) in entries {
        let count = match &value.value {
            Token::Sequence(items) => items.len(),
            _ => return true,
        };
        match key.source() {
            "exclude" => {}
            "include" if entries.len() == 1 => legs = count,
            "include" => return count > 1 || legs > 1,
            _ => legs = legs.saturating_mul(count),
        }
    }
    legs > 1
}
