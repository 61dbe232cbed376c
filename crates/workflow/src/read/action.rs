//! The reading of `action.yml`.

use expr::Condition;

use crate::{
    action::{Action, ActionInput, ActionOutput, Runs},
    read::{condition, entries, flag, step, text, token},
    schema::{COMPOSITE_IF, RUNS_IF},
    source::Source,
    span::Spanned,
    token::Token,
};

/// Makes an action.
pub(super) fn action(source: Source, root: &Spanned<Token>) -> Action {
    let inputs = entries(root.get("inputs")).map(|(name, input)| {
        let input = ActionInput {
            required: flag(input, "required") || is_true(input.get("required")),
            default: token(input, "default"),
            deprecation: text(input, "deprecationMessage"),
        };
        (name.value, input)
    });
    let outputs = entries(root.get("outputs"))
        .map(|(name, output)| (name.value, ActionOutput { value: token(output, "value") }));
    Action {
        name: text(root, "name"),
        description: text(root, "description"),
        inputs: inputs.collect(),
        outputs: outputs.collect(),
        runs: runs(root),
        source,
    }
}

/// Returns whether a text says `true`, which is how many actions write it.
fn is_true(value: Option<&Spanned<Token>>) -> bool {
    value.and_then(|value| value.as_literal()) == Some("true")
}

fn runs(root: &Spanned<Token>) -> Runs {
    let Some(runs) = root.get("runs") else { return Runs::Composite { steps: Vec::new() } };
    let written = |key| text(runs, key).map(|text| text.value);
    let when = |key| condition(runs, key, &RUNS_IF).map(|c: Spanned<Condition>| c.value);
    if let Some(main) = written("main") {
        return Runs::Node {
            using: written("using").unwrap_or_default(),
            main,
            pre: written("pre"),
            post: written("post"),
            pre_if: when("pre-if"),
            post_if: when("post-if"),
        };
    }
    match runs.get("image") {
        Some(_) => Runs::Docker { span: runs.span },
        None => Runs::Composite { steps: step::steps(runs.get("steps"), &COMPOSITE_IF) },
    }
}
