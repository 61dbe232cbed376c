//! A step from its condition to its conclusion.

use std::sync::Arc;
use std::time::Duration;

use engine::steps::{Decision, conclude};
use engine::{Conclusion, StepReport};
use expr::{Scope, Value};
use futures::future::BoxFuture;
use tokio::time::Instant;
use workflow::{Step, StepAction, Token};

use super::frame::{Done, Frame};
use super::signal::Signal;
use super::task::{Deadline, Spot, Task};
use super::{Job, script, uses};
use crate::notice::Notice;

/// Runs a step, whatever comes of it. It owns all it needs, so that it may run in the background.
pub(super) fn run(job: Arc<Job>, frame: Frame, step: Step, spot: Spot) -> BoxFuture<'static, Done> {
    Box::pin(async move {
        let began = Instant::now();
        let is_top = frame.depth == 0;
        let mut task = Task::new(&job, frame, spot);
        task.name = plain_name(&step);
        let done = attempt(&mut task, &step).await;
        if is_top {
            report(&task, &step, &done, began.elapsed());
        }
        done
    })
}

async fn attempt(task: &mut Task, step: &Step) -> Done {
    task.condition = step.condition.as_ref().map(|condition| condition.value.clone());
    if let Err(error) = task.add_env(step.env.as_deref()) {
        return fault(task, "env", &error);
    }
    if is_too_late(task) {
        return Done::new(Conclusion::Cancelled);
    }
    match task.decide() {
        Err(error) => return fault(task, "if", &error),
        Ok(Decision::Skip) => {
            task.name = name(step, &task.scope);
            return Done::new(Conclusion::Skipped);
        }
        Ok(Decision::Run) => {}
    }
    if let Err(error) = task.create_files() {
        let message = format!("The files of the step could not be created: {error}");
        task.error(&message);
        return Done::failed(message);
    }
    task.name = name(step, &task.scope);
    if task.frame.depth == 0 {
        let name = task.job.desk.masked(&task.name);
        task.job.desk.tell(Notice::StepStarted { step: task.spot.step, name });
    }
    match minutes(step.timeout_minutes.as_deref(), &task.scope) {
        Ok(own) => task.spot.deadline = sooner(own, task.spot.deadline),
        Err(error) => {
            task.error("An error occurred when attempting to determine the step timeout.");
            task.error(error.message);
        }
    }
    let mut done = act(task, step).await;
    settle(task, step, &mut done);
    done
}

/// Tells whether a step was to end before it began: one in the background that waited for room, or any
/// of a job that was killed.
fn is_too_late(task: &Task) -> bool {
    let signal = task.job.ear.now();
    let cancelled = task.spot.background && signal >= Signal::Cancel;
    cancelled || signal == Signal::Kill || task.spot.cancel.is_stopped()
}

async fn act(task: &Task, step: &Step) -> Done {
    match &step.action {
        StepAction::Run { run, shell, working_directory } => {
            script::run(task, run, shell.as_deref(), working_directory.as_deref()).await
        }
        StepAction::Uses { uses, with } => uses::run(task, uses, with.as_deref()).await,
        // The sequence does these itself.
        StepAction::Wait { .. }
        | StepAction::WaitAll
        | StepAction::Cancel { .. }
        | StepAction::Parallel { .. } => {
            Done::failed("A step that controls others runs by itself.")
        }
    }
}

/// Looks at `continue-on-error`.
fn settle(task: &Task, step: &Step, done: &mut Done) {
    if done.outcome != Conclusion::Failure {
        return;
    }
    let Some(token) = &step.continue_on_error else { return };
    match truth(token, &task.scope) {
        Ok(forgiven) => done.conclusion = conclude(done.outcome, forgiven),
        Err(message) => {
            task.error("The step's continue-on-error could not be evaluated.");
            task.error(message);
        }
    }
}

fn report(task: &Task, step: &Step, done: &Done, duration: Duration) {
    let desk = &task.job.desk;
    let name = desk.masked(&task.name);
    let failed = done.outcome == Conclusion::Failure;
    let last_lines = desk.last_lines(task.spot.step);
    let (outcome, conclusion) = (done.outcome, done.conclusion);
    task.job.report(
        task.spot.step,
        StepReport {
            name: name.clone(),
            id: step.id.as_ref().map(|id| id.value.clone()),
            outcome,
            conclusion,
            duration,
            exit_code: done.exit_code,
            error: done.error.as_deref().map(|error| desk.masked(error)),
            timed_out: done.timed_out,
        },
    );
    let last_lines = if failed { last_lines } else { Vec::new() };
    let step = task.spot.step;
    desk.tell(Notice::StepEnded { step, name, outcome, conclusion, duration, last_lines });
    desk.flush();
}

fn fault(task: &Task, key: &str, error: &expr::Error) -> Done {
    let message = format!("The step's `{key}` could not be evaluated: {}", error.message);
    task.error(&message);
    Done::failed(message)
}

/// Reads `timeout-minutes`; zero and less are no limit.
pub(super) fn minutes(
    token: Option<&Token>,
    scope: &dyn Scope,
) -> Result<Option<Deadline>, expr::Error> {
    let Some(token) = token else { return Ok(None) };
    let minutes = token.evaluate(scope)?.to_number();
    let duration = Duration::try_from_secs_f64(minutes * 60.0).ok();
    let at = duration.filter(|duration| !duration.is_zero());
    let at = at.and_then(|duration| Instant::now().checked_add(duration));
    Ok(at.map(|at| Deadline { at, minutes }))
}

fn sooner(one: Option<Deadline>, other: Option<Deadline>) -> Option<Deadline> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if other.at < one.at { other } else { one }),
        (one, other) => one.or(other),
    }
}

pub(super) fn truth(token: &Token, scope: &dyn Scope) -> Result<bool, String> {
    match token.evaluate(scope).map_err(|error| error.message)? {
        Value::Bool(truth) => Ok(truth),
        other => match other.to_text().as_str() {
            "true" => Ok(true),
            "false" | "" => Ok(false),
            text => Err(format!("Unexpected value '{text}'; it must be true or false.")),
        },
    }
}

/// Returns the name of a step as GitHub shows it.
pub(super) fn name(step: &Step, scope: &dyn Scope) -> String {
    let evaluate = |token: &Token| token.evaluate(scope).ok().map(|value| value.to_text());
    let named = step.name.as_ref().and_then(|name| evaluate(name));
    let (prefix, text) = match (&named, &step.action) {
        (Some(name), _) if !name.trim().is_empty() => ("", name.clone()),
        (_, StepAction::Run { run, .. }) => match evaluate(run) {
            Some(script) => ("Run ", script),
            None => return plain_name(step),
        },
        _ => return plain_name(step),
    };
    format!("{prefix}{}", first_line(&text))
}

/// Returns the name of a step without looking at what its expressions mean.
pub(super) fn plain_name(step: &Step) -> String {
    let source = |token: &Token| match token {
        Token::Text(template) => template.source().to_owned(),
        Token::Bool(truth) => truth.to_string(),
        Token::Number(number) => number.to_string(),
        _ => String::new(),
    };
    if let Some(name) = step.name.as_ref().map(|name| source(name)).filter(|name| !name.is_empty())
    {
        return first_line(&name).to_owned();
    }
    match &step.action {
        StepAction::Run { run, .. } => format!("Run {}", first_line(&source(run))),
        StepAction::Uses { uses, .. } => format!("Run {}", uses.value),
        StepAction::Wait { steps } => {
            let ids: Vec<_> = steps.iter().map(|id| id.value.as_str()).collect();
            format!("Wait for {}", ids.join(", "))
        }
        StepAction::WaitAll => "Wait for all background steps".to_owned(),
        StepAction::Cancel { step } => format!("Cancel {}", step.value),
        StepAction::Parallel { .. } => "Run steps in parallel".to_owned(),
    }
}

fn first_line(text: &str) -> &str {
    text.trim_start().lines().next().unwrap_or_default()
}
