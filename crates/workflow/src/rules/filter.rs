//! Filters: which of them exclude each other, and patterns that cannot be read.

use crate::{
    diagnostic::Diagnostic,
    pattern::Pattern,
    span::Spanned,
    trigger::{Trigger, Triggers},
};

type Patterns = Option<Vec<Spanned<String>>>;

/// Checks the filters of every event.
pub(super) fn check(on: &Triggers, diagnostics: &mut Vec<Diagnostic>) {
    for (event, trigger) in &on.events {
        for (name, keep, ignore) in pairs(trigger) {
            if let (Some(_), Some(ignored)) = (keep, ignore) {
                let message = format!(
                    "'{event}' has both '{name}' and '{name}-ignore', of which it may have one"
                );
                let span = ignored.first().map_or(trigger.span, |pattern| pattern.span);
                diagnostics.push(Diagnostic::error("both-filters", span, message).hinted(format!(
                    "use '{name}' alone, with patterns that start with '!' for what is ignored"
                )));
            }
            let keep = keep.iter().flatten();
            only_negative(name, keep.clone(), diagnostics);
            for pattern in keep.chain(ignore.iter().flatten()) {
                if let Err(error) = Pattern::parse(pattern) {
                    let message =
                        format!("the pattern '{}' cannot be read: {error}", pattern.value);
                    diagnostics.push(
                        Diagnostic::error("invalid-pattern", pattern.span, message)
                            .hinted("a '\\' takes the character after it as it is"),
                    );
                }
            }
        }
    }
}

fn pairs(trigger: &Trigger) -> [(&'static str, &Patterns, &Patterns); 3] {
    [
        ("branches", &trigger.branches, &trigger.branches_ignore),
        ("tags", &trigger.tags, &trigger.tags_ignore),
        ("paths", &trigger.paths, &trigger.paths_ignore),
    ]
}

/// Reports a list in which every pattern takes something away, so that nothing is left.
fn only_negative<'a>(
    name: &str,
    patterns: impl Iterator<Item = &'a Spanned<String>> + Clone,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut all = patterns.clone();
    if let Some(first) = patterns.clone().next()
        && all.all(|pattern| pattern.starts_with('!'))
    {
        let message = format!("every pattern of '{name}' starts with '!', so that nothing matches");
        diagnostics.push(Diagnostic::error("only-negative-patterns", first.span, message).hinted(
            format!("use '{name}-ignore', or add a pattern without '!' before these, as '**'"),
        ));
    }
}
