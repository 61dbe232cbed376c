//! Background steps: they run beside the others, and nothing of them is seen until somebody waits.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use workflow::Step;

use super::frame::{Done, Frame};
use super::task::Spot;
use super::{Job, step};
use crate::process::{Stopper, orders};

/// How many run at once, as on GitHub.
const AT_ONCE: usize = 10;

/// The background steps of a sequence.
#[derive(Debug)]
pub(super) struct Background {
    steps: Vec<Entry>,
    tasks: JoinSet<(usize, Done)>,
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct Entry {
    id: Option<String>,
    stopper: Stopper,
    state: State,
}

#[derive(Debug)]
enum State {
    Running,
    /// It has ended, and what it left behind is kept back.
    Ended(Box<Done>),
    /// Somebody has waited for it.
    Waited,
}

/// A background step that somebody has waited for.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) id: Option<String>,
    pub(super) done: Done,
}

impl Default for Background {
    fn default() -> Self {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        Self { steps: Vec::new(), tasks: JoinSet::new(), room }
    }
}

impl Background {
    /// Starts a step, as soon as there is room for it.
    pub(super) fn start(&mut self, job: &Arc<Job>, frame: &Frame, step: &Step, mut spot: Spot) -> usize {
        let index = self.steps.len();
        let (stopper, cancel) = orders();
        spot.cancel = cancel;
        let id = step.id.as_ref().map(|id| id.value.clone());
        self.steps.push(Entry { id, stopper, state: State::Running });
        let run = step::run(Arc::clone(job), frame.clone(), step.clone(), spot);
        let room = Arc::clone(&self.room);
        self.tasks.spawn(async move {
            // It is never closed.
            let _permit = room.acquire_owned().await;
            (index, run.await)
        });
        index
    }

    /// Returns the steps of some ids; where one is used again, the last.
    pub(super) fn find(&self, ids: &[String]) -> Vec<usize> {
        let place = |id: &String| {
            self.steps.iter().rposition(|entry| {
                entry.id.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(id))
            })
        };
        ids.iter().filter_map(place).collect()
    }

    /// Returns the steps that nobody has waited for.
    pub(super) fn not_waited(&self) -> Vec<usize> {
        let waited = |entry: &Entry| matches!(entry.state, State::Waited);
        (0..self.steps.len()).filter(|index| !waited(&self.steps[*index])).collect()
    }

    /// Asks some steps to end.
    pub(super) fn cancel(&self, steps: &[usize]) {
        for index in steps {
            let entry = &self.steps[*index];
            if matches!(entry.state, State::Running) {
                entry.stopper.cancel();
            }
        }
    }

    /// Waits for some steps and hands out what they have left, each once.
    pub(super) async fn wait(&mut self, steps: &[usize]) -> Vec<Ended> {
        while steps.iter().any(|index| matches!(self.steps[*index].state, State::Running)) {
            let Some(ended) = self.tasks.join_next().await else { break };
            // A task that broke is one of ours with a fault; its step counts as failed below.
            if let Ok((index, done)) = ended {
                self.steps[index].state = State::Ended(Box::new(done));
            }
        }
        let mut ended = Vec::new();
        for index in steps {
            let entry = &mut self.steps[*index];
            let done = match std::mem::replace(&mut entry.state, State::Waited) {
                State::Ended(done) => *done,
                State::Running => Done::failed("The step was lost."),
                State::Waited => continue,
            };
            ended.push(Ended { id: entry.id.clone(), done });
        }
        ended
    }
}
