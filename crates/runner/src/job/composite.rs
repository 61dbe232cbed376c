//! A composite action: steps with contexts of their own, and outputs for the step that uses them.

use engine::Conclusion;
use engine::steps::ActionStatus;
use expr::{Object, Value};
use indexmap::IndexMap;
use tokio::task::JoinSet;
use workflow::{Runs, Step};

use super::frame::{Done, Frame, InAction};
use super::sequence::{Left, Sequence};
use super::task::Task;
use super::uses::Found;

/// Runs the steps of a composite action.
pub(super) async fn run(task: &Task, found: Found) -> Done {
    let Runs::Composite { steps } = &found.action.runs else {
        return Done::failed("The action has no steps.");
    };
    introduce(task, &found.inputs);
    let inputs: Object = found.inputs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let action = InAction {
        path: found.directory.clone(),
        source: found.action.source.clone(),
        status: ActionStatus::new(),
    };
    let frame = Frame {
        env: task.frame.env.clone(),
        overrides: task.overrides.clone(),
        paths: task.frame.paths.clone(),
        steps: Object::new(),
        inputs: inputs.into(),
        status: task.frame.status,
        action: Some(action),
        shell: None,
        working_directory: None,
        depth: task.frame.depth + 1,
    };
    let sequence = Sequence::new(&task.job, frame, Some(&task.spot));
    let Some(left) = apart(sequence, steps.clone()).await else {
        return Done::failed("The action was lost.");
    };
    let outcome =
        left.frame.action.as_ref().map_or(Conclusion::Success, |action| action.status.outcome());
    let mut done = Done::new(outcome);
    done.outputs = outputs(task, &found, &left.frame);
    (done.env, done.paths, done.posts) = (left.env, left.paths, left.posts);
    if task.is_late() {
        let message = task.lateness();
        task.error(&message);
        done.end(Conclusion::Failure);
        (done.error, done.timed_out) = (Some(message), true);
    } else if outcome == Conclusion::Failure {
        done.error = left.error;
    }
    done
}

/// Runs the steps as a task of their own, so that actions within actions do not pile up on one stack.
async fn apart(mut sequence: Sequence, steps: Vec<Step>) -> Option<Left> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        sequence.run(&steps).await;
        sequence.finish().await
    });
    tasks.join_next().await?.ok()
}

fn introduce(task: &Task, inputs: &IndexMap<String, String>) {
    let desk = &task.job.desk;
    desk.note(&format!("##[group]{}", task.name));
    if !inputs.is_empty() {
        desk.note("with:");
    }
    for (name, value) in inputs.iter().filter(|(_, value)| !value.is_empty()) {
        desk.note(&format!("  {name}: {value}"));
    }
    super::script::environment(task);
    desk.note("##[endgroup]");
}

/// Evaluates the outputs of the action; one that cannot be is left out, and said.
fn outputs(task: &Task, found: &Found, frame: &Frame) -> IndexMap<String, String> {
    let inner = Task::new(&task.job, frame.clone(), task.spot.clone());
    let mut outputs = IndexMap::new();
    for (name, output) in &found.action.outputs {
        let Some(token) = &output.value else { continue };
        match token.evaluate(&inner.scope) {
            Ok(Value::Null) => drop(outputs.insert(name.clone(), String::new())),
            Ok(value) => drop(outputs.insert(name.clone(), value.to_text())),
            Err(error) => task.error(format!(
                "The output '{name}' of the action could not be evaluated: {}",
                error.message
            )),
        }
    }
    outputs
}
