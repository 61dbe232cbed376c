//! What cannot be run is refused before anything starts, with the place and what to do.

use std::collections::BTreeSet;

use dispatch::planner::{Planner, Seed, Verdict};
use workflow::{Body, Diagnostic, Workflow};

use crate::command::diagnostics;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Refuses faulty workflows, and unsupported features of those that would run.
pub(crate) fn check(session: &Session, planner: &Planner) -> Result<(), Failure> {
    let mut shown = 0;
    for file in planner.project.files.iter().filter(|file| planner.is_wanted(&file.path)) {
        for diagnostic in file.errors() {
            session.note(&diagnostics::render(&file.source, diagnostic));
            shown += 1;
        }
    }
    if shown > 0 {
        let what = if shown == 1 { "one fault".to_owned() } else { format!("{shown} faults") };
        return Err(Failure::new(
            Exit::Usage,
            format!("{what} in workflows, and nothing was started"),
        )
        .hinted("`interlock check` lists them; name a workflow to run that one alone"));
    }
    let mut judged = BTreeSet::new();
    for index in 0..planner.deliveries.len() {
        for verdict in planner.verdicts(index) {
            let Verdict::Run(seed) = verdict else { continue };
            if judged.insert(seed.path.clone()) {
                shown += show(session, &seed);
            }
        }
    }
    if shown == 0 {
        return Ok(());
    }
    let what = if shown == 1 { "one thing is".to_owned() } else { format!("{shown} things are") };
    Err(Failure::new(Exit::Usage, format!("{what} not supported here, and nothing was started"))
        .hinted("name other workflows, or choose jobs with --job"))
}

/// Shows what a run would need and we do not have. Returns how many things that are.
pub(crate) fn show(session: &Session, seed: &Seed) -> usize {
    let mut shown = 0;
    let mut visited = BTreeSet::new();
    let mut waiting = vec![(std::sync::Arc::clone(&seed.workflow), seed.only.clone())];
    while let Some((workflow, only)) = waiting.pop() {
        if !visited.insert(workflow.source.path.clone()) {
            continue;
        }
        for diagnostic in relevant(&workflow, &only) {
            session.note(&diagnostics::render(&workflow.source, &diagnostic));
            shown += 1;
        }
        let chosen = closure(&workflow, &only);
        for job in workflow.jobs.values().filter(|job| chosen.contains(job.id.as_str())) {
            if let Body::Call { uses, .. } = &job.body
                && let Some(called) = seed.called.get(uses.as_str())
            {
                waiting.push((std::sync::Arc::clone(called), Vec::new()));
            }
        }
    }
    shown
}

/// Returns what is not supported of the jobs that would run.
fn relevant(workflow: &Workflow, only: &[String]) -> Vec<Diagnostic> {
    let chosen = closure(workflow, only);
    // A job reaches to the key of the next one.
    let starts: Vec<(usize, &str)> =
        workflow.jobs.values().map(|job| (job.id.span.start, job.id.as_str())).collect();
    let owner =
        |at: usize| starts.iter().filter(|(start, _)| *start <= at).max().map(|(_, id)| *id);
    let all = workflow::unsupported(workflow);
    all.into_iter()
        .filter(|diagnostic| owner(diagnostic.span.start).is_none_or(|id| chosen.contains(id)))
        .collect()
}

/// Returns the jobs that were asked for and everything they need; all if none was named.
fn closure<'a>(workflow: &'a Workflow, only: &'a [String]) -> BTreeSet<&'a str> {
    if only.is_empty() {
        return workflow.jobs.keys().map(String::as_str).collect();
    }
    let mut chosen = BTreeSet::new();
    let mut waiting: Vec<&str> = only.iter().map(String::as_str).collect();
    while let Some(id) = waiting.pop() {
        if let Some(job) = workflow.jobs.get(id)
            && chosen.insert(id)
        {
            waiting.extend(job.needs.iter().map(|need| need.as_str()));
        }
    }
    chosen
}
