//! The reading of steps.

use crate::{
    model::{Step, StepAction},
    read::{condition, flag, text, texts, token, whole},
    schema::Allowed,
    span::Spanned,
    token::Token,
};

/// Makes steps; `allowed` is what their `if` may use.
pub(super) fn steps(value: Option<&Spanned<Token>>, allowed: &Allowed) -> Vec<Step> {
    let items = value.map_or(&[][..], |value| value.items());
    items.iter().filter_map(|item| step(item, allowed)).collect()
}

/// Makes a step; one that is of no kind was reported when it was checked.
fn step(value: &Spanned<Token>, allowed: &Allowed) -> Option<Step> {
    Some(Step {
        span: whole(value),
        id: text(value, "id"),
        name: token(value, "name"),
        condition: condition(value, "if", allowed),
        env: token(value, "env"),
        continue_on_error: token(value, "continue-on-error"),
        timeout_minutes: token(value, "timeout-minutes"),
        background: flag(value, "background"),
        action: action(value, allowed)?,
    })
}

fn action(value: &Spanned<Token>, allowed: &Allowed) -> Option<StepAction> {
    if let Some(run) = token(value, "run") {
        return Some(StepAction::Run {
            run,
            shell: token(value, "shell"),
            working_directory: token(value, "working-directory"),
        });
    }
    if let Some(uses) = text(value, "uses") {
        return Some(StepAction::Uses { uses, with: token(value, "with") });
    }
    if let Some(steps) = texts(value, "wait") {
        return Some(StepAction::Wait { steps });
    }
    if value.get("wait-all").is_some() {
        return Some(StepAction::WaitAll);
    }
    if let Some(step) = text(value, "cancel") {
        return Some(StepAction::Cancel { step });
    }
    let parallel = value.get("parallel")?;
    Some(StepAction::Parallel { steps: steps(Some(parallel), allowed) })
}
