//! The document: one file, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use workflow::{
    Action, Body, Diagnostic, Runs, Severity, Source, Spanned, Step, StepAction, Token, Workflow,
};

use crate::command::check::local::{self, Tree};
use crate::exit::Exit;
use crate::failure::Failure;

/// What was found in one file.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) source: Source,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Checks every workflow of a repository, and then the local actions that they use.
pub(super) fn check_all(tree: &Tree) -> Result<Vec<Result<Finding, Failure>>, Failure> {
    let mut findings = Vec::new();
    let mut actions = BTreeSet::new();
    for path in tree.all()? {
        // A file that went away in between is no fault.
        let Some(source) = tree.read(&path) else { continue };
        findings.push(source.map(|source| workflow(tree, source, &mut actions)));
    }
    let mut seen = BTreeMap::new();
    while let Some(path) = actions.pop_first() {
        if seen.contains_key(&path) {
            continue;
        }
        let Some(source) = tree.read(&path) else { continue };
        let mut used = BTreeSet::new();
        seen.insert(path, source.map(|source| action(tree, source, &mut used)));
        actions.extend(used);
    }
    findings.extend(seen.into_values());
    Ok(findings)
}

/// Checks one file that was named.
pub(super) fn check_file(tree: &Tree, directory: &Path, file: &Path) -> Result<Finding, Failure> {
    let place = directory.join(file);
    if place.is_dir() {
        let what = format!("{} is a directory", file.display());
        return Err(Failure::new(Exit::Usage, what)
            .hinted("name the files, or use -C to check the repository there"));
    }
    let source = local::read(&place, &file.to_string_lossy())?;
    let mut used = BTreeSet::new();
    Ok(match file.file_name().and_then(|name| name.to_str()) {
        Some("action.yml" | "action.yaml") => action(tree, source, &mut used),
        _ => workflow(tree, source, &mut used),
    })
}

/// Checks a workflow; `actions` takes the local actions that it uses.
fn workflow(tree: &Tree, source: Source, actions: &mut BTreeSet<String>) -> Finding {
    let reading = workflow::read(source.clone());
    let mut diagnostics = reading.diagnostics;
    if let Some(workflow) = &reading.value {
        diagnostics.extend(workflow::unsupported(workflow).into_iter().map(as_warning));
        diagnostics.extend(workflow::faults(workflow));
        for job in workflow.jobs.values() {
            match &job.body {
                Body::Call { uses, .. } => called(tree, (workflow, job), uses, &mut diagnostics),
                Body::Steps { steps, .. } => used(tree, steps, actions, &mut diagnostics),
            }
        }
    }
    finish(source, diagnostics)
}

/// Checks an action; `actions` takes the local actions that it uses.
fn action(tree: &Tree, source: Source, actions: &mut BTreeSet<String>) -> Finding {
    let reading = workflow::read_action(source.clone());
    let mut diagnostics = reading.diagnostics;
    match reading.value.as_ref().map(|action| &action.runs) {
        Some(Runs::Composite { steps }) => {
            diagnostics.extend(workflow::unsupported_steps(steps).into_iter().map(as_warning));
            used(tree, steps, actions, &mut diagnostics);
        }
        Some(Runs::Docker { span }) => diagnostics.push(
            Diagnostic::warning(
                "unsupported-docker",
                *span,
                "Interlock runs steps on the host, and cannot run this action",
            )
            .hinted("write it as a composite or a Node action"),
        ),
        Some(Runs::Node { .. }) | None => {}
    }
    finish(source, diagnostics)
}

fn finish(source: Source, mut diagnostics: Vec<Diagnostic>) -> Finding {
    for diagnostic in &mut diagnostics {
        if diagnostic.code == workflow::NOT_ON_GITHUB {
            diagnostic.severity = Severity::Error;
        }
    }
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
    Finding { source, diagnostics }
}

/// What cannot be run here may well run on GitHub.
fn as_warning(mut diagnostic: Diagnostic) -> Diagnostic {
    diagnostic.severity = Severity::Warning;
    diagnostic
}

/// Checks the call of a workflow of this repository.
fn called(
    tree: &Tree,
    (caller, job): (&Workflow, &workflow::Job),
    uses: &Spanned<String>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Some(path) = local::inside(uses) else { return };
    match tree.read(&path) {
        None => {
            let message = format!("there is no workflow '{path}'");
            diagnostics.push(Diagnostic::error("missing-workflow", uses.span, message));
        }
        // A workflow that cannot be read is reported for itself.
        Some(Err(_)) => {}
        Some(Ok(source)) => {
            if let Some(target) = workflow::read(source).value {
                diagnostics.extend(workflow::check_call(caller, job, &target));
            }
        }
    }
}

/// Checks the uses of local actions.
fn used(
    tree: &Tree,
    steps: &[Step],
    actions: &mut BTreeSet<String>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut uses = Vec::new();
    collect(steps, &mut uses);
    // Another checkout can bring the action, and another directory can hold it.
    let is_here = !uses.iter().any(|(name, with)| brings_files(name, *with));
    for (name, with) in uses {
        if !name.starts_with("./") && !name.starts_with("$/") {
            continue;
        }
        match tree.action(name) {
            Some(path) => {
                if let Some(action) = read_action(tree, &path) {
                    diagnostics.extend(workflow::check_use(with, &action));
                }
                actions.insert(path);
            }
            None if is_here && !tree.has_dockerfile(name) => {
                let message = format!("there is no 'action.yml' in '{}'", name.value);
                diagnostics.push(
                    Diagnostic::warning("missing-action", name.span, message)
                        .hinted("the path counts from the root of the repository"),
                );
            }
            None => {}
        }
    }
}

/// Returns every `uses` with its `with`, those inside `parallel` included.
fn collect<'a>(
    steps: &'a [Step],
    uses: &mut Vec<(&'a Spanned<String>, Option<&'a Spanned<Token>>)>,
) {
    for step in steps {
        match &step.action {
            StepAction::Uses { uses: name, with } => uses.push((name, with.as_ref())),
            StepAction::Parallel { steps } => collect(steps, uses),
            _ => {}
        }
    }
}

fn brings_files(name: &str, with: Option<&Spanned<Token>>) -> bool {
    let is_checkout =
        name.split_once('@').is_some_and(|(name, _)| name.eq_ignore_ascii_case("actions/checkout"));
    is_checkout
        && with.is_some_and(|with| {
            ["path", "repository", "ref"].iter().any(|input| with.get(input).is_some())
        })
}

fn read_action(tree: &Tree, path: &str) -> Option<Action> {
    workflow::read_action(tree.read(path)?.ok()?).value
}
