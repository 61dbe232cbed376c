//! The calling of another file: what the caller gives and what the called one takes.

use expr::Template;

use crate::{
    action::Action,
    conform::list,
    diagnostic::Diagnostic,
    input::{Input, InputKind},
    model::{Body, Job, Workflow},
    rules::{group_of, same_group},
    span::{Span, Spanned},
    suggest::did_you_mean,
    token::Token,
    trigger::Call,
};

/// The most names that a hint lists.
const LISTED: usize = 30;

/// Checks what a job gives to the workflow that it calls; the places are those of the caller.
pub fn check_call(workflow: &Workflow, job: &Job, target: &Workflow) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let Body::Call { uses, with, secrets } = &job.body else { return diagnostics };
    let Some(call) = &target.on.call else {
        let message = format!("'{}' cannot be called", uses.value);
        diagnostics.push(
            Diagnostic::error("not-callable", uses.span, message)
                .hinted("add 'workflow_call' to its 'on'"),
        );
        return diagnostics;
    };
    shared_group(workflow, job, (uses, target), &mut diagnostics);
    inputs(uses.span, with.as_ref(), call, &mut diagnostics);
    if secrets.as_ref().and_then(|secrets| secrets.as_literal()) != Some("inherit") {
        self::secrets(uses.span, secrets.as_ref(), call, &mut diagnostics);
    }
    diagnostics
}

/// Warns where the called workflow waits for a group that its caller holds.
fn shared_group(
    workflow: &Workflow,
    job: &Job,
    (uses, target): (&Spanned<String>, &Workflow),
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Some((wanted, _)) = target.concurrency.as_ref().and_then(group_of) else { return };
    let held = [(&workflow.concurrency, "this workflow"), (&job.concurrency, "this job")];
    for (concurrency, holder) in held {
        // Both are evaluated with the caller's contexts, so that equal words are equal groups.
        let Some((group, span)) = concurrency.as_ref().and_then(group_of) else { continue };
        if same_group(group, wanted) {
            let message = format!("'{}' waits for a group that {holder} holds", uses.value);
            diagnostics.push(
                Diagnostic::warning("group-of-caller", uses.span, message)
                    .related(span, "held here")
                    .hinted("give one of them another group"),
            );
        }
    }
}

/// Checks what a step gives to a local action; GitHub warns of what the action does not take.
pub fn check_use(with: Option<&Spanned<Token>>, action: &Action) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for (key, _) in entries(with) {
        let name = key.source();
        if action.inputs.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            continue;
        }
        let known: Vec<&str> = action.inputs.keys().map(String::as_str).take(LISTED).collect();
        let message = format!("the action has no input '{name}'");
        diagnostics.push(
            Diagnostic::warning("unknown-input", key.span, message)
                .hinted(hint("input", name, &known)),
        );
    }
    diagnostics
}

fn inputs(
    call_site: Span,
    with: Option<&Spanned<Token>>,
    call: &Call,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for (key, value) in entries(with) {
        let known = call.inputs.iter().find(|(name, _)| name.eq_ignore_ascii_case(key.source()));
        match known {
            Some((_, input)) => diagnostics.extend(mismatch(input, value)),
            None => diagnostics.push(unknown("input", key, call.inputs.keys())),
        }
    }
    let required = call.inputs.values().filter(|input| input.required && input.default.is_none());
    for input in required {
        missing("input", &input.name, (call_site, with), diagnostics);
    }
}

fn secrets(
    call_site: Span,
    secrets: Option<&Spanned<Token>>,
    call: &Call,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for (key, _) in entries(secrets) {
        if !call.secrets.keys().any(|name| name.eq_ignore_ascii_case(key.source())) {
            diagnostics.push(unknown("secret", key, call.secrets.keys()));
        }
    }
    for (name, _) in call.secrets.iter().filter(|(_, secret)| secret.required) {
        missing("secret", name, (call_site, secrets), diagnostics);
    }
}

/// Returns the entries of a mapping; no key of a call can be an expression.
fn entries(mapping: Option<&Spanned<Token>>) -> &[(Spanned<Template>, Spanned<Token>)] {
    mapping.map_or(&[], |mapping| mapping.entries())
}

/// Reports a value without expressions that does not have the type of its input.
fn mismatch(input: &Input, value: &Spanned<Token>) -> Option<Diagnostic> {
    let fits = match (input.kind, &value.value) {
        (_, Token::Text(template)) if !template.is_literal() => true,
        (InputKind::Boolean, token) => matches!(token, Token::Bool(_)),
        (InputKind::Number, token) => matches!(token, Token::Number(_)),
        _ => true,
    };
    (!fits).then(|| {
        let kind = input.kind.as_str();
        let message = format!("input '{}' takes a {kind}, and this is none", input.name.value);
        Diagnostic::error("wrong-input", value.span, message)
            .hinted("remove the quotes, or use 'fromJSON' where the value is a string")
    })
}

fn unknown<'a>(
    what: &str,
    key: &Spanned<Template>,
    known: impl Iterator<Item = &'a String>,
) -> Diagnostic {
    let known: Vec<&str> = known.map(String::as_str).take(LISTED).collect();
    let message = format!("the called workflow has no {what} '{}'", key.source());
    let hint = hint(what, key.source(), &known);
    Diagnostic::error("unknown-input", key.span, message).hinted(hint)
}

/// Returns what an unknown name may have meant, or what there is.
fn hint(what: &str, name: &str, known: &[&str]) -> String {
    did_you_mean(name, known.iter().copied()).unwrap_or_else(|| {
        if known.is_empty() {
            format!("it has no {what}s")
        } else {
            format!("its {what}s are {}", list(known))
        }
    })
}

fn missing(
    what: &str,
    name: &str,
    (call_site, mapping): (Span, Option<&Spanned<Token>>),
    diagnostics: &mut Vec<Diagnostic>,
) {
    if entries(mapping).iter().any(|(key, _)| key.source().eq_ignore_ascii_case(name)) {
        return;
    }
    let key = if what == "input" { "with" } else { "secrets" };
    let message = format!("the called workflow needs the {what} '{name}'");
    diagnostics.push(
        Diagnostic::error("missing-input", call_site, message)
            .hinted(format!("add '{name}' under '{key}'")),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, read};

    const CALLED: &str = "on:\n  workflow_call:\n    inputs:\n      \
        flag: {type: boolean, required: true}\n      name: {type: string, default: x}\n    \
        secrets: {token: {required: true}}\njobs: {a: {runs-on: x, steps: [run: x]}}\n";

    #[track_caller]
    fn check(call: &str, expected: &[&str]) {
        let text = format!("on: push\njobs:\n  a:\n    uses: ./.github/workflows/b.yml\n{call}");
        let caller = read(Source::new("a.yml", text)).value.unwrap();
        let target = read(Source::new("b.yml", CALLED)).value.unwrap();
        let found = check_call(&caller, &caller.jobs["a"], &target);
        let found: Vec<_> = found.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        assert_eq!(found, expected, "{call}");
    }

    #[test]
    fn a_call_gives_what_is_taken() {
        check("    with: {FLAG: true}\n    secrets: {TOKEN: x}\n", &[]);
        check("    with: {flag: '${{ github.x }}'}\n    secrets: inherit\n", &[]);
        check(
            "    with: {flag: 'true', nam: y}\n",
            &[
                "input 'flag' takes a boolean, and this is none",
                "the called workflow has no input 'nam'",
                "the called workflow needs the secret 'token'",
            ],
        );
        check("    secrets: inherit\n", &["the called workflow needs the input 'flag'"]);
        check(
            "    with: {flag: true}\n    secrets: {token: x, other: y}\n",
            &["the called workflow has no secret 'other'"],
        );
    }

    #[test]
    fn a_step_gives_what_an_action_takes() {
        let action = "inputs: {name: {}}\nruns: {using: node20, main: x}\n";
        let action = crate::read_action(Source::new("action.yml", action)).value.unwrap();
        let text =
            "on: push\njobs: {a: {runs-on: x, steps: [{uses: ./x, with: {NAME: a, nmae: b}}]}}";
        let caller = read(Source::new("a.yml", text)).value.unwrap();
        let Body::Steps { steps, .. } = &caller.jobs["a"].body else { panic!("a job with steps") };
        let crate::StepAction::Uses { with, .. } = &steps[0].action else { panic!("uses") };
        let found = check_use(with.as_ref(), &action);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].hint.as_deref(), Some("did you mean 'name'?"));
    }

    #[test]
    fn a_called_workflow_does_not_wait_for_its_caller() {
        let group = "concurrency: 'ci-${{ github.ref }}'\n";
        let text =
            format!("on: workflow_call\n{group}jobs: {{a: {{runs-on: x, steps: [run: x]}}}}\n");
        let target = read(Source::new("b.yml", text)).value.unwrap();
        let outer = format!("on: push\n{group}jobs: {{a: {{uses: ./.github/workflows/b.yml}}}}\n");
        let inner = "on: push\njobs: {a: {uses: ./.github/workflows/b.yml, concurrency: 'CI-${{github.ref}}'}}\n";
        let other = "on: push\njobs: {a: {uses: ./.github/workflows/b.yml, concurrency: ci}}\n";
        for (text, expected) in [(outer.as_str(), 1), (inner, 1), (other, 0)] {
            let caller = read(Source::new("a.yml", text)).value.unwrap();
            let found = check_call(&caller, &caller.jobs["a"], &target);
            assert_eq!(found.iter().filter(|d| d.code == "group-of-caller").count(), expected);
        }
    }

    #[test]
    fn a_workflow_says_that_it_may_be_called() {
        let caller = "on: push\njobs: {a: {uses: ./.github/workflows/a.yml}}\n";
        let caller = read(Source::new("a.yml", caller)).value.unwrap();
        let found = check_call(&caller, &caller.jobs["a"], &caller);
        assert_eq!(found[0].code, "not-callable");
    }
}
