//! A JavaScript action: its main script now, its post script when the job ends.

use std::path::Path;

use indexmap::IndexMap;
use workflow::Runs;

use super::frame::{Done, Post};
use super::program::{self, Program};
use super::task::Task;
use super::uses::{Found, place};

/// Runs the main script of an action.
pub(super) async fn run(task: &Task, found: Found) -> Done {
    let Runs::Node { using, main, pre, post, post_if, .. } = &found.action.runs else {
        return Done::failed("The action has no script.");
    };
    if pre.is_some() {
        let uses = place(&found.action.source, 0);
        task.say(&format!(
            "##[warning]`pre` execution is not supported for a local action, as on GitHub ({uses})"
        ));
    }
    let inputs = input_variables(&found.inputs);
    let mut done = script(task, using, &found.directory, main, inputs.clone()).await;
    if let Some(post) = post {
        let mut variables = inputs;
        variables.extend(state_variables(&done.state));
        done.posts.push(Post {
            name: task.name.clone(),
            action: task.spot.action.clone(),
            directory: found.directory.clone(),
            script: post.clone(),
            condition: post_if.clone(),
            overrides: task.overrides.clone(),
            variables,
        });
    }
    done
}

/// Runs one script with the Node that this machine has.
pub(super) async fn script(
    task: &Task,
    using: &str,
    directory: &Path,
    script: &str,
    variables: IndexMap<String, String>,
) -> Done {
    let fail = |message: String| {
        task.error(&message);
        Done::failed(message)
    };
    let Some(node) = task.with_search(|search| search.find("node")) else {
        return fail(format!(
            "node: command not found. The action needs {using}, and Interlock runs it with the `node` in PATH"
        ));
    };
    let file = directory.join(script);
    let inside = match (file.canonicalize(), directory.canonicalize()) {
        (Ok(file), Ok(directory)) => file.starts_with(directory) || !script.starts_with('/'),
        _ => false,
    };
    if !inside {
        return fail(format!("File not found: '{}'", file.display()));
    }
    let program = Program {
        path: node,
        arguments: vec![file.to_string_lossy().into_owned()],
        directory: task.job.place.directories.workspace.clone(),
        variables,
    };
    program::run(task, program).await
}

/// Returns the variables in which an action finds its inputs.
fn input_variables(inputs: &IndexMap<String, String>) -> IndexMap<String, String> {
    let name = |name: &str| format!("INPUT_{}", name.replace(' ', "_").to_uppercase());
    inputs.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

fn state_variables(state: &IndexMap<String, String>) -> IndexMap<String, String> {
    state.iter().map(|(key, value)| (format!("STATE_{key}"), value.clone())).collect()
}
