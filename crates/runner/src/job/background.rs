//! Background steps: they run beside the others, and nothing of them is seen until somebody waits.
//!
//! They are the jobs of an open [`fanout`](crate::fanout), as those of `interlock parallel` are of a
//! closed one.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use engine::Conclusion;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use workflow::Step;

use super::frame::{Done, Frame};
use super::task::Spot;
use super::{Job, step};
use crate::fanout::schedule::Schedule;
use crate::fanout::{self, JobId, Outcome, Request, Start, Window, drive};
use crate::process::{Orders, orders};

/// How many run at once, as on GitHub.
const AT_ONCE: usize = 10;

/// The background steps of a sequence.
#[derive(Debug, Default)]
pub(super) struct Background {
    steps: Vec<Entry>,
    /// There once there is a step.
    running: Option<Running>,
}

#[derive(Debug)]
struct Entry {
    id: Option<String>,
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

/// The fan-out, and the two ways to talk to it.
#[derive(Debug)]
struct Running {
    requests: mpsc::UnboundedSender<Request>,
    told: mpsc::UnboundedReceiver<Told>,
    waiting: Waiting,
    /// Ends what still runs when it is dropped.
    _driver: JoinSet<()>,
}

#[derive(Debug)]
enum Told {
    /// What a step has left behind.
    Done(JobId, Box<Done>),
    /// Nothing more will be told of a step, also if nothing was.
    Settled(JobId),
}

/// Steps for which there was no room yet.
type Waiting = Arc<Mutex<HashMap<JobId, Prepared>>>;

#[derive(Debug)]
struct Prepared {
    job: Arc<Job>,
    frame: Frame,
    step: Step,
    spot: Spot,
}

impl Prepared {
    async fn run(self, cancel: Orders) -> Done {
        step::run(self.job, self.frame, self.step, Spot { cancel, ..self.spot }).await
    }
}

impl Running {
    fn new() -> Self {
        let (requests, asked) = mpsc::unbounded_channel();
        let (tell, told) = mpsc::unbounded_channel();
        let waiting = Waiting::default();
        let mut driver = JoinSet::new();
        let (outlet, steps) = (tell.clone(), Arc::clone(&waiting));
        let work = move |start: Start| attempt(start, Arc::clone(&steps), outlet.clone());
        let observe = move |notice| {
            if let fanout::Notice::Settled(report) = notice {
                // Whoever waited is gone, and so is the job.
                drop(tell.send(Told::Settled(report.job)));
            }
        };
        let window = Window { max_parallel: NonZeroUsize::new(AT_ONCE), ..Window::default() };
        driver.spawn(async move {
            drive(Schedule::open(window), asked, work, observe).await;
        });
        Self { requests, told, waiting, _driver: driver }
    }

    fn ask(&self, request: Request) {
        // It listens as long as it is there.
        drop(self.requests.send(request));
    }
}

async fn attempt(start: Start, waiting: Waiting, tell: mpsc::UnboundedSender<Told>) -> Outcome {
    let Some(prepared) = take(&waiting, start.job) else {
        return Outcome::CouldNotStart("it has run already".to_owned());
    };
    let done = prepared.run(start.orders).await;
    let outcome = match (done.outcome, done.exit_code) {
        (Conclusion::Cancelled, _) => Outcome::Cancelled,
        (Conclusion::Failure, _) if done.timed_out => Outcome::TimedOut,
        (Conclusion::Failure, code) => Outcome::Exited(code.unwrap_or(1)),
        (Conclusion::Success | Conclusion::Skipped, _) => Outcome::Exited(0),
    };
    drop(tell.send(Told::Done(start.job, Box::new(done))));
    outcome
}

fn take(waiting: &Waiting, step: JobId) -> Option<Prepared> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&step)
}

impl Background {
    /// Starts a step, as soon as there is room for it.
    pub(super) fn start(
        &mut self,
        job: &Arc<Job>,
        frame: &Frame,
        step: &Step,
        spot: Spot,
    ) -> usize {
        let index = self.steps.len();
        let id = step.id.as_ref().map(|id| id.value.clone());
        self.steps.push(Entry { id, state: State::Running });
        let running = self.running.get_or_insert_with(Running::new);
        let (job, frame, step) = (Arc::clone(job), frame.clone(), step.clone());
        let prepared = Prepared { job, frame, step, spot };
        let mut waiting = running.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(JobId(index), prepared);
        drop(waiting);
        running.ask(Request::Add(fanout::Job::new(index.to_string())));
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
            if let Some(running) = &self.running {
                running.ask(Request::CancelJob(JobId(*index)));
            }
        }
    }

    /// Waits for some steps and hands out what they have left, each once.
    pub(super) async fn wait(&mut self, steps: &[usize]) -> Vec<Ended> {
        while steps.iter().any(|index| matches!(self.steps[*index].state, State::Running)) {
            let Some(running) = &mut self.running else { break };
            match running.told.recv().await {
                Some(Told::Done(step, done)) => self.steps[step.0].state = State::Ended(done),
                Some(Told::Settled(step)) => self.settle(step).await,
                None => break,
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

    /// Ends a step that never had room: it runs as one that was cancelled, so that it is reported.
    async fn settle(&mut self, step: JobId) {
        if !matches!(self.steps[step.0].state, State::Running) {
            return;
        }
        let prepared = self.running.as_ref().and_then(|running| take(&running.waiting, step));
        let done = match prepared {
            Some(prepared) => {
                let (stopper, cancelled) = orders();
                stopper.cancel();
                prepared.run(cancelled).await
            }
            None => Done::failed("The step was lost."),
        };
        self.steps[step.0].state = State::Ended(Box::new(done));
    }
}
