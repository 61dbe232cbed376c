//! Room for jobs on this machine: so many at once, in order of arrival.

use std::collections::VecDeque;

use engine::{JobKey, JobPlan, RunId};

/// The jobs that wait for room, and how many have it.
#[derive(Debug)]
pub(crate) struct Slots {
    limit: usize,
    taken: usize,
    waiting: VecDeque<(RunId, Box<JobPlan>)>,
}

impl Slots {
    /// Makes room for `limit` jobs, at least one.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), taken: 0, waiting: VecDeque::new() }
    }

    /// Puts a job at the end of the line. Returns whether it has to wait.
    pub(crate) fn queue(&mut self, run: RunId, plan: Box<JobPlan>) -> bool {
        self.waiting.push_back((run, plan));
        self.taken + self.waiting.len() > self.limit
    }

    /// Gives room to the first in line, if there is any.
    pub(crate) fn take(&mut self) -> Option<(RunId, Box<JobPlan>)> {
        if self.taken == self.limit {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.taken += 1;
        Some(next)
    }

    /// Gives back the room of a job that has ended.
    pub(crate) fn give_back(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }

    /// Takes a job out of the line, if it stands there.
    pub(crate) fn withdraw(&mut self, run: RunId, job: &JobKey) -> Option<Box<JobPlan>> {
        let place = self.waiting.iter().position(|(id, plan)| *id == run && plan.key == *job)?;
        self.waiting.remove(place).map(|(_, plan)| plan)
    }
}
