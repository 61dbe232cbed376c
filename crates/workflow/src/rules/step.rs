//! Steps: their ids, the actions they use, and what waits for what.

use crate::{
    diagnostic::Diagnostic,
    model::{Step, StepAction},
    rules::identifier::Identifiers,
    span::Spanned,
};

/// Checks the steps of a job or an action.
pub(super) fn check(steps: &[Step], diagnostics: &mut Vec<Diagnostic>) {
    let mut before = Identifiers::default();
    for step in steps {
        if let Some(id) = &step.id {
            diagnostics.extend(before.add(id).err());
        }
        match &step.action {
            StepAction::Uses { uses, .. } => diagnostics.extend(action(uses)),
            StepAction::Wait { steps } => {
                for target in steps {
                    diagnostics.extend(waited(target, step, &before));
                }
            }
            StepAction::Cancel { step: target } => {
                diagnostics.extend(waited(target, step, &before));
            }
            StepAction::Parallel { steps } => {
                for inner in steps {
                    diagnostics.extend(parallel(inner));
                }
                // The steps inside have ids of their own, as on GitHub.
                check(steps, diagnostics);
            }
            StepAction::Run { .. } | StepAction::WaitAll => {}
        }
    }
}

/// Checks a step that `wait` or `cancel` names.
fn waited(target: &Spanned<String>, step: &Step, before: &Identifiers) -> Option<Diagnostic> {
    let is_itself = step.id.as_ref().is_some_and(|id| id.eq_ignore_ascii_case(target));
    let (message, hint) = if is_itself {
        (format!("step '{}' names itself", target.value), "name a step with 'background: true'")
    } else if before.has(target) {
        return None;
    } else {
        (
            format!("there is no step '{}' before this one", target.value),
            "name the 'id' of a step above this one that has 'background: true'",
        )
    };
    Some(Diagnostic::error("unknown-step", target.span, message).hinted(hint))
}

/// Checks a step inside `parallel`.
fn parallel(step: &Step) -> Option<Diagnostic> {
    let (what, hint) = match &step.action {
        StepAction::Wait { .. } | StepAction::WaitAll => ("'wait'", NOTHING_TO_WAIT_FOR),
        StepAction::Cancel { .. } => ("'cancel'", NOTHING_TO_WAIT_FOR),
        StepAction::Parallel { .. } => ("'parallel'", "put the steps of both into one 'parallel'"),
        StepAction::Run { .. } | StepAction::Uses { .. } if step.background => {
            ("'background'", "remove it: these steps run at the same time already")
        }
        StepAction::Run { .. } | StepAction::Uses { .. } => return None,
    };
    let message = format!("{what} may not stand inside 'parallel'");
    Some(Diagnostic::error("inside-parallel", step.span, message).hinted(hint))
}

const NOTHING_TO_WAIT_FOR: &str = "move it after 'parallel', which ends when all its steps have";

/// Checks how an action is named.
fn action(uses: &Spanned<String>) -> Option<Diagnostic> {
    let text = uses.as_str();
    let hint = if text.starts_with("./") || text.starts_with(".\\") || text.starts_with("$/") {
        return None;
    } else if let Some(image) = text.strip_prefix("docker://") {
        if !image.is_empty() {
            return None;
        }
        "name an image after 'docker://'"
    } else {
        match text.split_once('@') {
            None if text.contains('/') => "add '@' and a branch, a tag or a commit",
            None => "write 'owner/repository@ref', or './path' for an action of this repository",
            Some((name, reference)) => {
                let mut parts = name.split('/');
                let is_named = parts.next().is_some_and(|owner| !owner.is_empty())
                    && parts.next().is_some_and(|repository| !repository.is_empty());
                if is_named && !reference.is_empty() {
                    return None;
                }
                "write 'owner/repository@ref', or './path' for an action of this repository"
            }
        }
    };
    let message = format!("'{text}' is not an action");
    Some(Diagnostic::error("invalid-action", uses.span, message).hinted(hint))
}
