//! A sequence of steps: the job's own, or those of a composite action.

use std::collections::HashMap;
use std::sync::Arc;

use engine::steps::{Decision, decide};
use engine::{Conclusion, StepReport};
use expr::Scope;
use tokio::time::Instant;
use workflow::{Step, StepAction};

use super::Job;
use super::background::{Background, Ended};
use super::frame::{Done, Frame, Post};
use super::signal::Signal;
use super::step;
use super::task::{Spot, Task};
use crate::context::StepScope;
use crate::notice::Notice;

/// Steps that run one after the other, and what they have come to.
#[derive(Debug)]
pub(super) struct Sequence {
    job: Arc<Job>,
    frame: Frame,
    /// The step that uses the action, if this is one.
    around: Option<Spot>,
    background: Background,
    actions: ActionNames,
    left: Left,
}

/// What a sequence leaves to whatever comes after it.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) frame: Frame,
    pub(super) env: Vec<(String, String)>,
    pub(super) paths: Vec<String>,
    pub(super) posts: Vec<Post>,
    /// What the first step that failed said of it.
    pub(super) error: Option<String>,
}

impl Sequence {
    pub(super) fn new(job: &Arc<Job>, frame: Frame, around: Option<&Spot>) -> Self {
        Self {
            job: Arc::clone(job),
            frame,
            around: around.cloned(),
            background: Background::default(),
            actions: ActionNames::default(),
            left: Left::default(),
        }
    }

    /// Runs steps. Those that nothing can run any more are not even skipped.
    pub(super) async fn run(&mut self, steps: &[Step]) {
        for step in steps {
            if self.is_over() {
                break;
            }
            self.hear_cancel();
            match &step.action {
                StepAction::Wait { steps } => {
                    let ids: Vec<String> = steps.iter().map(|id| id.value.clone()).collect();
                    self.control(step, Control::Wait(ids)).await;
                }
                StepAction::WaitAll => self.control(step, Control::WaitAll).await,
                StepAction::Cancel { step: id } => {
                    self.control(step, Control::Cancel(id.value.clone())).await;
                }
                StepAction::Parallel { steps } => self.parallel(steps).await,
                StepAction::Run { .. } | StepAction::Uses { .. } if step.background => {
                    self.start(step);
                }
                StepAction::Run { .. } | StepAction::Uses { .. } => {
                    let spot = self.spot(step);
                    let run =
                        step::run(Arc::clone(&self.job), self.frame.clone(), step.clone(), spot);
                    let done = run.await;
                    self.hear_cancel();
                    self.take(step.id.as_ref().map(|id| id.value.as_str()), done, Counting::Full);
                }
            }
        }
    }

    /// Waits for what still runs in the background, and returns what is left.
    pub(super) async fn finish(mut self) -> Left {
        let all = self.background.not_waited();
        self.wait(&all, Counting::FailureAlone).await;
        self.hear_cancel();
        self.left.frame = self.frame;
        self.left
    }

    /// Tells whether no step can run any more.
    fn is_over(&self) -> bool {
        let around = self.around.as_ref();
        let late =
            around.and_then(|spot| spot.deadline).is_some_and(|end| end.at <= Instant::now());
        let cancelled = around.is_some_and(|spot| spot.cancel.is_stopped());
        late || cancelled || self.job.ear.now() == Signal::Kill
    }

    fn hear_cancel(&mut self) {
        if self.job.ear.now() >= Signal::Cancel {
            self.frame.status.cancel();
        }
    }

    fn spot(&mut self, step: &Step) -> Spot {
        let action = self.actions.next(step);
        match &self.around {
            Some(around) => Spot { action, ..around.clone() },
            None => Spot::new(self.job.next_step(), action),
        }
    }

    fn start(&mut self, step: &Step) -> usize {
        let mut spot = self.spot(step);
        spot.background = true;
        self.background.start(&self.job, &self.frame, step, spot)
    }

    /// Starts steps at once and waits for all of them.
    async fn parallel(&mut self, steps: &[Step]) {
        if self.decide() == Decision::Skip {
            // Each is skipped by its own condition, so that it is seen in the report.
            for step in steps {
                let spot = self.spot(step);
                let run = step::run(Arc::clone(&self.job), self.frame.clone(), step.clone(), spot);
                let done = run.await;
                self.take(step.id.as_ref().map(|id| id.value.as_str()), done, Counting::Full);
            }
            return;
        }
        let started: Vec<usize> = steps.iter().map(|step| self.start(step)).collect();
        self.wait(&started, Counting::FailureAlone).await;
    }

    /// Waits for some background steps and takes in what they have left; returns whether none failed.
    async fn wait(&mut self, steps: &[usize], counting: Counting) -> Conclusion {
        let ended = self.background.wait(steps).await;
        self.hear_cancel();
        let mut conclusion = Conclusion::Success;
        for Ended { id, done } in ended {
            if done.conclusion == Conclusion::Failure {
                conclusion = Conclusion::Failure;
            }
            self.take(id.as_deref(), done, counting);
        }
        conclusion
    }

    fn take(&mut self, id: Option<&str>, done: Done, counting: Counting) {
        self.frame.absorb(id, &done);
        match counting {
            Counting::Full => self.frame.count(done.conclusion),
            Counting::FailureAlone if done.conclusion == Conclusion::Failure => {
                self.frame.count(done.conclusion);
            }
            Counting::FailureAlone | Counting::Nothing => {}
        }
        if done.conclusion == Conclusion::Failure && self.left.error.is_none() {
            self.left.error = done.error;
        }
        self.left.env.extend(done.env);
        self.left.paths.extend(done.paths);
        self.left.posts.extend(done.posts);
    }

    fn decide(&self) -> Decision {
        decide(None, self.frame.standing(), &StepScope::default()).unwrap_or(Decision::Skip)
    }

    /// Does a step that waits for others or ends them.
    async fn control(&mut self, step: &Step, control: Control) {
        let began = Instant::now();
        let spot = self.spot(step);
        let mut task = Task::new(&self.job, self.frame.clone(), spot);
        task.name = step::name(step, &task.scope);
        let mut done = Done::new(Conclusion::Skipped);
        if self.decide() == Decision::Run {
            self.announce(&task);
            let outcome = match control {
                Control::Wait(ids) => {
                    let steps = self.background.find(&ids);
                    self.wait(&steps, Counting::Nothing).await
                }
                Control::WaitAll => {
                    let steps = self.background.not_waited();
                    self.wait(&steps, Counting::Nothing).await
                }
                Control::Cancel(id) => {
                    let steps = self.background.find(&[id]);
                    self.background.cancel(&steps);
                    self.wait(&steps, Counting::FailureAlone).await;
                    Conclusion::Success
                }
            };
            done.end(outcome);
            if outcome == Conclusion::Failure && forgives(step, &task.scope) {
                done.conclusion = Conclusion::Success;
            }
        }
        self.conclude(&task, step, &done, began);
        let id = step.id.as_ref().map(|id| id.value.as_str());
        self.frame.absorb(id, &done);
        self.frame.count(done.conclusion);
    }

    fn announce(&self, task: &Task) {
        if self.around.is_none() {
            let name = self.job.desk.masked(&task.name);
            self.job.desk.tell(Notice::StepStarted { step: task.spot.step, name });
        }
    }

    fn conclude(&self, task: &Task, step: &Step, done: &Done, began: Instant) {
        if self.around.is_some() {
            return;
        }
        let (name, duration) = (self.job.desk.masked(&task.name), began.elapsed());
        let (outcome, conclusion) = (done.outcome, done.conclusion);
        self.job.report(
            task.spot.step,
            StepReport {
                name: name.clone(),
                id: step.id.as_ref().map(|id| id.value.clone()),
                outcome,
                conclusion,
                duration,
                exit_code: None,
                error: None,
                timed_out: false,
            },
        );
        let (step, last_lines) = (task.spot.step, Vec::new());
        self.job.desk.tell(Notice::StepEnded {
            step,
            name,
            outcome,
            conclusion,
            duration,
            last_lines,
        });
    }
}

/// What a step does to others.
enum Control {
    Wait(Vec<String>),
    WaitAll,
    Cancel(String),
}

/// How a step counts for the sequence.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Counting {
    /// As it ended.
    Full,
    /// Only if it failed: a background step that was cancelled has done what it was asked to.
    FailureAlone,
    /// Not at all: the step that waited for it counts.
    Nothing,
}

fn forgives(step: &Step, scope: &dyn Scope) -> bool {
    step.continue_on_error.as_ref().is_some_and(|token| step::truth(token, scope) == Ok(true))
}

/// Makes the values of `GITHUB_ACTION`: a step's id, or a name with a number from the second on.
#[derive(Debug, Default)]
struct ActionNames(HashMap<String, u32>);

impl ActionNames {
    fn next(&mut self, step: &Step) -> String {
        if let Some(id) = &step.id {
            return id.value.clone();
        }
        let name = match &step.action {
            StepAction::Uses { uses, .. } if uses.starts_with('.') => "__self".to_owned(),
            StepAction::Uses { uses, .. } => {
                let name = uses.split_once('@').map_or(uses.as_str(), |(name, _)| name);
                format!("__{}", name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "_"))
            }
            _ => "__run".to_owned(),
        };
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name}_{count}") }
    }
}
