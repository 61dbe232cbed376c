//! `needs`: every job it names is there, and no job waits for itself.

use std::collections::HashMap;

use indexmap::IndexSet;

use crate::{
    conform::list,
    diagnostic::{Diagnostic, MOST},
    model::Workflow,
    suggest::did_you_mean,
};

/// The most jobs that an unknown one is compared with.
const COMPARED: usize = 50;

/// Checks `needs` of every job.
pub(super) fn check(workflow: &Workflow, diagnostics: &mut Vec<Diagnostic>) {
    if workflow.jobs.is_empty() {
        return;
    }
    let graph = graph(workflow, diagnostics);
    let cycle = cycle(&graph);
    if let Some(cycle) = &cycle {
        diagnostics.push(report(workflow, cycle));
    } else if workflow.jobs.values().all(|job| !job.needs.is_empty()) {
        let (_, first) = workflow.jobs.first().expect("there is a job");
        let message = "every job waits for another, so that none can start";
        diagnostics.push(
            Diagnostic::error("no-first-job", first.id.span, message)
                .hinted("remove 'needs' from the job that comes first"),
        );
    }
}

/// Returns for every job those it needs, and reports what is not there.
fn graph(workflow: &Workflow, diagnostics: &mut Vec<Diagnostic>) -> Vec<Vec<usize>> {
    let ids: Vec<&str> = workflow.jobs.keys().map(String::as_str).collect();
    let places: HashMap<String, usize> =
        ids.iter().enumerate().map(|(place, id)| (id.to_ascii_lowercase(), place)).collect();
    let mut graph = Vec::with_capacity(ids.len());
    for job in workflow.jobs.values() {
        let mut needs = IndexSet::new();
        for need in &job.needs {
            match places.get(&need.to_ascii_lowercase()) {
                Some(place) if !needs.insert(*place) => {
                    let message = format!("'{}' is needed twice", need.value);
                    diagnostics.push(Diagnostic::warning("repeated-need", need.span, message));
                }
                Some(_) => {}
                None => {
                    let message = format!(
                        "job '{}' needs job '{}', which is not there",
                        job.id.value, need.value
                    );
                    let known = if diagnostics.len() < MOST {
                        &ids[..ids.len().min(COMPARED)]
                    } else {
                        &[]
                    };
                    let hint = did_you_mean(need, known.iter().copied())
                        .unwrap_or_else(|| format!("the jobs are {}", list(known)));
                    diagnostics
                        .push(Diagnostic::error("unknown-job", need.span, message).hinted(hint));
                }
            }
        }
        graph.push(needs.into_iter().collect());
    }
    graph
}

/// Returns the jobs of a cycle, each needing the next and the last the first.
fn cycle(graph: &[Vec<usize>]) -> Option<Vec<usize>> {
    // A job is done when none of what it needs, however far, leads back to it.
    let mut done = vec![false; graph.len()];
    let mut place: Vec<Option<usize>> = vec![None; graph.len()];
    for start in 0..graph.len() {
        let mut path: Vec<(usize, usize)> = Vec::new();
        if !done[start] {
            place[start] = Some(0);
            path.push((start, 0));
        }
        while let Some((job, next)) = path.last_mut() {
            let Some(&need) = graph[*job].get(*next) else {
                done[*job] = true;
                place[*job] = None;
                path.pop();
                continue;
            };
            *next += 1;
            if let Some(from) = place[need] {
                return Some(path[from..].iter().map(|(job, _)| *job).collect());
            }
            if !done[need] {
                place[need] = Some(path.len());
                path.push((need, 0));
            }
        }
    }
    None
}

fn report(workflow: &Workflow, cycle: &[usize]) -> Diagnostic {
    let job = |index: usize| {
        let (_, job) = workflow.jobs.get_index(index).expect("the index is that of a job");
        job
    };
    let first = job(cycle[0]);
    let ids: Vec<String> = cycle
        .iter()
        .chain(&cycle[..1])
        .map(|index| format!("'{}'", job(*index).id.value))
        .collect();
    let second = job(cycle[1 % cycle.len()]);
    let need = first.needs.iter().find(|need| need.eq_ignore_ascii_case(&second.id));
    let span = need.map_or(first.id.span, |need| need.span);
    let message = format!("these jobs wait for each other: {}", ids.join(" needs "));
    Diagnostic::error("needs-cycle", span, message)
        .hinted("remove one of these needs, so that one job can start")
}
