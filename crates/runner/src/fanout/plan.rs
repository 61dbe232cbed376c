//! What can be wrong with a list of jobs before any of them runs.

use std::collections::HashMap;

use thiserror::Error;

use super::{Job, JobId};

/// A list of jobs that cannot be run.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Fault {
    /// Two jobs have one name.
    #[error("there are two jobs named `{name}`")]
    Duplicate {
        /// The second of them.
        job: JobId,
        /// Their name.
        name: String,
    },
    /// A job needs one that is not there.
    #[error("`{name}` needs `{need}`, which does not exist")]
    UnknownNeed {
        /// The job.
        job: JobId,
        /// Its name.
        name: String,
        /// What it needs.
        need: String,
    },
    /// Jobs wait for each other.
    #[error("these jobs wait for each other: {}", path.join(" → "))]
    Cycle {
        /// The first of them.
        job: JobId,
        /// Their names, the first one again at the end.
        path: Vec<String>,
    },
}

/// Finds for each job the places of those it needs.
pub(super) fn resolve(jobs: &[Job]) -> Result<Vec<Vec<usize>>, Fault> {
    let mut places = HashMap::new();
    for (place, job) in jobs.iter().enumerate() {
        if places.insert(job.name.as_str(), place).is_some() {
            return Err(Fault::Duplicate { job: JobId(place), name: job.name.clone() });
        }
    }
    let mut needs = Vec::new();
    for (place, job) in jobs.iter().enumerate() {
        let found = job.needs.iter().map(|need| {
            places.get(need.as_str()).copied().ok_or_else(|| Fault::UnknownNeed {
                job: JobId(place),
                name: job.name.clone(),
                need: need.clone(),
            })
        });
        needs.push(found.collect::<Result<Vec<_>, _>>()?);
    }
    match cycle(&needs) {
        None => Ok(needs),
        Some(path) => {
            let names = path.iter().map(|place| jobs[*place].name.clone()).collect();
            Err(Fault::Cycle { job: JobId(path[0]), path: names })
        }
    }
}

/// Returns a path that ends where it began.
fn cycle(needs: &[Vec<usize>]) -> Option<Vec<usize>> {
    // Take away what waits for nothing until only cycles, and what waits for them, are left.
    let mut open: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut dependents = vec![Vec::new(); needs.len()];
    for (place, needed) in needs.iter().enumerate() {
        for need in needed {
            dependents[*need].push(place);
        }
    }
    let mut free: Vec<usize> = (0..needs.len()).filter(|place| open[*place] == 0).collect();
    while let Some(place) = free.pop() {
        for dependent in &dependents[place] {
            open[*dependent] -= 1;
            if open[*dependent] == 0 {
                free.push(*dependent);
            }
        }
    }
    // From any of these, one that it waits for is left, too; sooner or later one comes back.
    let mut path = vec![(0..needs.len()).find(|place| open[*place] > 0)?];
    loop {
        let next = *needs[*path.last()?].iter().find(|place| open[**place] > 0)?;
        if let Some(begin) = path.iter().position(|place| *place == next) {
            path.drain(..begin);
            path.push(next);
            return Some(path);
        }
        path.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `a: b c` as "a needs b and c".
    #[track_caller]
    fn check(lines: &[&str], expected: &str) {
        let job = |line: &&str| {
            let (name, needs) = line.split_once(':').expect("a colon");
            Job {
                needs: needs.split_whitespace().map(ToOwned::to_owned).collect(),
                ..Job::new(name)
            }
        };
        let jobs: Vec<_> = lines.iter().map(job).collect();
        let text =
            resolve(&jobs).map_or_else(|fault| fault.to_string(), |needs| format!("{needs:?}"));
        assert_eq!(text, expected);
    }

    #[test]
    fn needs_are_found_before_and_behind() {
        check(&["a: b", "b:", "c: a b"], "[[1], [], [0, 1]]");
        check(&[], "[]");
    }

    #[test]
    fn faults_are_named() {
        check(&["a:", "a:"], "there are two jobs named `a`");
        check(&["a: x"], "`a` needs `x`, which does not exist");
        check(&["a: a"], "these jobs wait for each other: a → a");
        check(
            &["z: a", "a: b", "b: c", "c: a", "d:"],
            "these jobs wait for each other: a → b → c → a",
        );
    }
}
