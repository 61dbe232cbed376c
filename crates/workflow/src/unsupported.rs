//! The unsupported: what GitHub runs and Interlock does not, said before anything starts.

use crate::{
    diagnostic::Diagnostic,
    model::{Body, Job, Step, StepAction, Workflow},
    span::Spanned,
    suggest::did_you_mean,
    token::Token,
};

/// The inputs of `actions/checkout` that are built in.
const CHECKOUT: [&str; 6] =
    ["path", "ref", "clean", "repository", "fetch-depth", "persist-credentials"];

/// Returns everything in a workflow that cannot be run here, each with what to do.
pub fn unsupported(workflow: &Workflow) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for job in workflow.jobs.values() {
        job_of(job, &mut found);
    }
    found.sort_by_key(|diagnostic| diagnostic.span.start);
    found
}

/// Returns everything in the steps of a composite action that cannot be run here.
pub fn unsupported_steps(steps: &[Step]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for step in steps {
        step_of(step, &mut found);
    }
    found
}

fn job_of(job: &Job, found: &mut Vec<Diagnostic>) {
    let id = &job.id.value;
    let without = format!("run the other jobs with '--job ID', or leave '{id}' to GitHub");
    for (key, value) in
        [("container", &job.container), ("services", &job.services), ("snapshot", &job.snapshot)]
    {
        if let Some(value) = value {
            let message = format!("job '{id}' has '{key}', and Interlock runs jobs on the host");
            found.push(
                Diagnostic::error("unsupported-container", value.span, message)
                    .hinted(without.clone()),
            );
        }
    }
    match &job.body {
        Body::Call { uses, .. } => {
            if let Some(path) = uses.strip_prefix("$/") {
                found.push(self_repository("unsupported-call", uses, path));
            } else if !uses.starts_with("./") {
                let message = format!("'{}' is a workflow of another repository", uses.value);
                found.push(Diagnostic::error("unsupported-call", uses.span, message).hinted(
                    "copy it into '.github/workflows' and call it by './.github/workflows/…'",
                ));
            }
        }
        Body::Steps { runs_on, steps } => {
            if let Some((label, span)) = foreign(runs_on) {
                let message =
                    format!("job '{id}' runs on '{label}', and this machine runs Linux jobs");
                found.push(Diagnostic::error("unsupported-system", span, message).hinted(without));
            }
            for step in steps {
                step_of(step, found);
            }
        }
    }
}

/// Returns a label that names another operating system, with its place.
fn foreign(runs_on: &Spanned<Token>) -> Option<(&str, crate::span::Span)> {
    let labels: Vec<&Spanned<Token>> = match &runs_on.value {
        Token::Sequence(items) => items.iter().collect(),
        Token::Mapping(_) => match runs_on.get("labels") {
            Some(labels) if labels.items().is_empty() => vec![labels],
            Some(labels) => labels.items().iter().collect(),
            None => Vec::new(),
        },
        _ => vec![runs_on],
    };
    labels.into_iter().find_map(|label| {
        let text = label.as_literal()?;
        is_foreign(text).then_some((text, label.span))
    })
}

/// Returns whether a label of `runs-on` names another operating system than Linux.
pub fn is_foreign(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    ["windows", "macos"].iter().any(|system| {
        label.strip_prefix(system).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}

fn step_of(step: &Step, found: &mut Vec<Diagnostic>) {
    match &step.action {
        StepAction::Uses { uses, with } => action_of(uses, with.as_ref(), found),
        StepAction::Parallel { steps } => {
            for step in steps {
                step_of(step, found);
            }
        }
        _ => {}
    }
}

fn action_of(uses: &Spanned<String>, with: Option<&Spanned<Token>>, found: &mut Vec<Diagnostic>) {
    if uses.starts_with("./") {
        return;
    }
    if let Some(path) = uses.strip_prefix("$/") {
        found.push(self_repository("unsupported-self", uses, path));
        return;
    }
    if uses.starts_with("docker://") {
        let message = "an image cannot be run, since Interlock runs steps on the host";
        found.push(
            Diagnostic::error("unsupported-docker", uses.span, message)
                .hinted("use 'run', or an action of this repository"),
        );
        return;
    }
    let name = uses.split('@').next().unwrap_or_default();
    if name.eq_ignore_ascii_case("actions/checkout") {
        return checkout(with, found);
    }
    let message = format!("'{}' is an action of another repository", uses.value);
    found.push(
        Diagnostic::error("unsupported-action", uses.span, message)
            .hinted("copy the action into this repository and use it by './path', or use 'run'"),
    );
}

/// Reports `$/path`, which GitHub resolves in the repository of the file that says it.
fn self_repository(code: &'static str, uses: &Spanned<String>, path: &str) -> Diagnostic {
    let message = format!("'{}' is a path that only GitHub resolves", uses.value);
    Diagnostic::error(code, uses.span, message).hinted(format!("write './{path}'"))
}

fn checkout(with: Option<&Spanned<Token>>, found: &mut Vec<Diagnostic>) {
    for (key, _) in with.map_or(&[][..], |with| with.entries()) {
        let name = key.source();
        if CHECKOUT.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            continue;
        }
        let message = format!("the built-in 'actions/checkout' has no input '{name}'");
        let hint = did_you_mean(name, CHECKOUT)
            .unwrap_or_else(|| format!("its inputs are {}", crate::conform::list(&CHECKOUT)));
        found.push(Diagnostic::error("unsupported-input", key.span, message).hinted(hint));
    }
}
