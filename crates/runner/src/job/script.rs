//! A `run` step: a script, its shell and its directory.

use std::path::PathBuf;

use indexmap::IndexMap;
use workflow::Token;

use super::frame::Done;
use super::program::{self, Program};
use super::task::Task;
use crate::shell::Shell;

/// Runs a script.
pub(super) async fn run(
    task: &Task,
    script: &Token,
    shell: Option<&Token>,
    directory: Option<&Token>,
) -> Done {
    let prepared = prepare(task, script, shell, directory);
    let (program, file) = match prepared {
        Ok(prepared) => prepared,
        Err(message) => {
            task.error(&message);
            return Done::failed(message);
        }
    };
    let done = program::run(task, program).await;
    // What remains goes with the directory of the job.
    drop(std::fs::remove_file(file));
    done
}

fn prepare(
    task: &Task,
    script: &Token,
    shell: Option<&Token>,
    directory: Option<&Token>,
) -> Result<(Program, PathBuf), String> {
    let text = |token: &Token, key: &str| {
        let value = token.evaluate(&task.scope);
        value
            .map(|value| value.to_text())
            .map_err(|error| format!("`{key}` could not be evaluated: {}", error.message))
    };
    let script = text(script, "run")?;
    let shell = shell.map(|shell| text(shell, "shell")).transpose()?;
    let shell = shell.filter(|shell| !shell.is_empty()).or_else(|| task.frame.shell.clone());
    let directory = directory.map(|token| text(token, "working-directory")).transpose()?;
    let directory =
        directory.filter(|text| !text.is_empty()).or_else(|| task.frame.working_directory.clone());
    let shell = task
        .with_search(|search| Shell::find(shell.as_deref(), search))
        .map_err(|error| error.to_string())?;
    let directories = &task.job.place.directories;
    let name = format!("{}{}", uuid::Uuid::new_v4(), shell.extension);
    let file = directories.temp.join(name);
    std::fs::write(&file, shell.contents(&script)).map_err(|error| {
        format!("The script could not be written to {}: {error}", file.display())
    })?;
    introduce(task, &script, &shell);
    let program = Program {
        arguments: shell.arguments_for(&file),
        path: shell.program,
        directory: directories.workspace.join(directory.unwrap_or_default()),
        variables: IndexMap::new(),
    };
    Ok((program, file))
}

/// Writes down what is about to run, folded, as GitHub's logs begin a step.
fn introduce(task: &Task, script: &str, shell: &Shell) {
    let trimmed = script.trim_start();
    task.job.desk.note(&format!("##[group]Run {}", trimmed.lines().next().unwrap_or_default()));
    for line in script.trim_end().lines() {
        task.job.desk.note(&format!("\u{1b}[36;1m{line}\u{1b}[0m"));
    }
    task.job.desk.note(&format!("shell: {}", shell.display()));
    environment(task);
    task.job.desk.note("##[endgroup]");
}

/// Writes down what the workflow and its steps have put into the environment.
pub(super) fn environment(task: &Task) {
    let mut all = task.frame.env.clone();
    all.extend(task.overrides.iter().map(|(k, v)| (k.clone(), v.clone())));
    if !all.is_empty() {
        task.job.desk.note("env:");
    }
    for (name, value) in &all {
        for (index, line) in value.split('\n').enumerate() {
            task.job.desk.note(&if index == 0 {
                format!("  {name}: {line}")
            } else {
                format!("  {line}")
            });
        }
    }
}
