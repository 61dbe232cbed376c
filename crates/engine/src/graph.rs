//! The graph: which jobs of a workflow wait for which.

use std::collections::{BTreeMap, BTreeSet};

use workflow::Workflow;

use crate::error::Error;

/// Holds the jobs of one workflow, or those of them that were asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Graph {
    /// The jobs, in the order in which they are written.
    pub(crate) jobs: Vec<Dependencies>,
}

/// Holds what one job waits for, as indexes into the graph.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dependencies {
    pub(crate) id: String,
    /// The jobs in `needs`, as they are written.
    pub(crate) needs: Vec<usize>,
    /// All jobs that must end before it, near and far.
    pub(crate) ancestors: BTreeSet<usize>,
}

impl Graph {
    /// Reads the graph of a workflow, kept to some jobs and what they need unless `only` is empty.
    pub(crate) fn read(workflow: &Workflow, only: &[String]) -> Result<Self, Error> {
        let needs = all_needs(workflow)?;
        let order = order(workflow, &needs)?;
        let ancestors = ancestors(&needs, &order);
        let kept = kept(workflow, &ancestors, only)?;
        let place = |job: &usize| kept.binary_search(job).ok();
        let jobs = kept.iter().map(|&job| Dependencies {
            id: workflow.jobs.get_index(job).map(|(id, _)| id.clone()).unwrap_or_default(),
            needs: needs[job].iter().filter_map(place).collect(),
            ancestors: ancestors[job].iter().filter_map(place).collect(),
        });
        Ok(Self { jobs: jobs.collect() })
    }

    /// Returns the jobs so that each comes after what it needs, else as they are written.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = Vec::with_capacity(self.jobs.len());
        let mut placed = vec![false; self.jobs.len()];
        // A graph that was read has no cycle, so each round places a job.
        while order.len() < self.jobs.len() {
            let before = order.len();
            for (index, job) in self.jobs.iter().enumerate() {
                if !placed[index] && job.needs.iter().all(|need| placed[*need]) {
                    placed[index] = true;
                    order.push(index);
                }
            }
            if order.len() == before {
                break;
            }
        }
        order
    }
}

fn all_needs(workflow: &Workflow) -> Result<Vec<Vec<usize>>, Error> {
    let ids = workflow.jobs.keys().enumerate();
    let places: BTreeMap<String, usize> =
        ids.rev().map(|(place, id)| (id.to_ascii_lowercase(), place)).collect();
    let position = |id: &str| places.get(&id.to_ascii_lowercase()).copied();
    let mut all = Vec::with_capacity(workflow.jobs.len());
    for (id, job) in &workflow.jobs {
        let mut needs = Vec::new();
        for need in &job.needs {
            let Some(index) = position(&need.value) else {
                let message = format!("job '{id}' needs job '{}', which is not there", need.value);
                return Err(Error::new(&workflow.source, need.span, message));
            };
            if !needs.contains(&index) {
                needs.push(index);
            }
        }
        all.push(needs);
    }
    Ok(all)
}

/// Returns the jobs with what they need first, or the error of a cycle.
fn order(workflow: &Workflow, needs: &[Vec<usize>]) -> Result<Vec<usize>, Error> {
    let mut waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut wanted_by = vec![Vec::new(); needs.len()];
    for (job, needs) in needs.iter().enumerate() {
        for need in needs {
            wanted_by[*need].push(job);
        }
    }
    let mut order: Vec<usize> = (0..needs.len()).filter(|job| waiting[*job] == 0).collect();
    let mut next = 0;
    while let Some(&job) = order.get(next) {
        next += 1;
        for &later in &wanted_by[job] {
            waiting[later] -= 1;
            if waiting[later] == 0 {
                order.push(later);
            }
        }
    }
    match waiting.iter().position(|count| *count > 0) {
        None => Ok(order),
        Some(job) => {
            let (id, job) = workflow.jobs.get_index(job).expect("the index came from the jobs");
            let message = format!("job '{id}' waits for itself through its 'needs'");
            Err(Error::new(&workflow.source, job.id.span, message))
        }
    }
}

/// Returns all that each job waits for, near and far.
fn ancestors(needs: &[Vec<usize>], order: &[usize]) -> Vec<BTreeSet<usize>> {
    let mut rank = vec![0; needs.len()];
    for (place, &job) in order.iter().enumerate() {
        rank[job] = place;
    }
    let mut ancestors = vec![BTreeSet::new(); needs.len()];
    for &job in order {
        let mut above = vec![false; needs.len()];
        let mut near = needs[job].clone();
        // From the last to the first, so that what one brings along is not looked at again.
        near.sort_unstable_by_key(|need| std::cmp::Reverse(rank[*need]));
        for need in near {
            if !std::mem::replace(&mut above[need], true) {
                for far in &ancestors[need] {
                    let far: usize = *far;
                    above[far] = true;
                }
            }
        }
        let above = above.iter().enumerate().filter(|(_, is_above)| **is_above);
        ancestors[job] = above.map(|(job, _)| job).collect();
    }
    ancestors
}

fn kept(
    workflow: &Workflow,
    ancestors: &[BTreeSet<usize>],
    only: &[String],
) -> Result<Vec<usize>, Error> {
    if only.is_empty() {
        return Ok((0..ancestors.len()).collect());
    }
    let mut kept = BTreeSet::new();
    for wanted in only {
        let found = workflow.jobs.keys().position(|id| id.eq_ignore_ascii_case(wanted));
        let job = found.ok_or_else(|| {
            let ids: Vec<&str> = workflow.jobs.keys().map(String::as_str).collect();
            let message = format!("there is no job '{wanted}', only {}", ids.join(", "));
            Error::new(&workflow.source, workflow::Span::default(), message)
        })?;
        kept.insert(job);
        kept.extend(&ancestors[job]);
    }
    Ok(kept.into_iter().collect())
}
