//! Inputs: a default fits its type, and a choice has something to choose from.

use crate::{
    diagnostic::Diagnostic,
    input::{Input, InputKind},
    suggest::did_you_mean,
    token::Token,
    trigger::Triggers,
};

/// Checks the inputs of `workflow_dispatch` and `workflow_call`.
pub(super) fn check(on: &Triggers, diagnostics: &mut Vec<Diagnostic>) {
    let called = on.call.iter().flat_map(|call| call.inputs.values());
    for input in on.dispatch_inputs.values().chain(called) {
        options(input, diagnostics);
        default(input, diagnostics);
    }
}

fn options(input: &Input, diagnostics: &mut Vec<Diagnostic>) {
    let is_choice = input.kind == InputKind::Choice;
    let span = input.name.span;
    if is_choice && input.options.is_empty() {
        let message = format!("input '{}' is a choice and has no 'options'", input.name.value);
        diagnostics.push(Diagnostic::error("missing-options", span, message));
    }
    if let Some(option) = input.options.first().filter(|_| !is_choice) {
        let message = format!("input '{}' has 'options' and is not a choice", input.name.value);
        let diagnostic = Diagnostic::error("unused-options", option.span, message);
        diagnostics.push(diagnostic.hinted("add 'type: choice'"));
    }
}

fn default(input: &Input, diagnostics: &mut Vec<Diagnostic>) {
    let Some(default) = &input.default else { return };
    if default.as_template().is_some_and(|template| !template.is_literal()) {
        return;
    }
    let written = default.as_literal();
    let fits = match (input.kind, &default.value) {
        (InputKind::Boolean, token) => matches!(token, Token::Bool(_)),
        (InputKind::Number, token) => matches!(token, Token::Number(_)),
        // GitHub takes any scalar where no type says otherwise.
        (_, Token::Text(_)) => true,
        _ => !input.is_typed,
    };
    if !fits {
        let kind = input.kind.as_str();
        let message = format!("input '{}' is a {kind}, and its default is not", input.name.value);
        let diagnostic = Diagnostic::error("wrong-default", default.span, message);
        let unquoted = match (input.kind, written) {
            (InputKind::Boolean, Some("true" | "false")) => true,
            (InputKind::Number, Some(text)) => text.parse::<f64>().is_ok(),
            _ => false,
        };
        diagnostics.push(match input.kind {
            InputKind::Boolean | InputKind::Number if unquoted => {
                diagnostic.hinted("remove the quotes")
            }
            InputKind::Boolean => diagnostic.hinted("it may be true or false"),
            InputKind::Number => diagnostic.hinted("it must be a number"),
            _ => diagnostic.hinted("put it in quotes"),
        });
    }
    if let (InputKind::Choice, Some(text)) = (input.kind, written)
        && !input.options.is_empty()
        && !input.options.iter().any(|option| option.value == text)
    {
        let message = format!("'{text}' is not one of the options of input '{}'", input.name.value);
        let mut diagnostic = Diagnostic::error("wrong-default", default.span, message);
        diagnostic.hint = did_you_mean(text, input.options.iter().map(|option| option.as_str()));
        diagnostics.push(diagnostic);
    }
}
