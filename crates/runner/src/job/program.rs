//! A program of a step: how it is run, heard, timed and ended, and what it leaves behind.

use std::ffi::OsString;
use std::path::PathBuf;
use std::pin::pin;

use engine::Conclusion;
use indexmap::IndexMap;
use tokio::sync::mpsc;

use super::frame::Done;
use super::hearing::{Hearing, Said};
use super::signal::Signal;
use super::task::Task;
use crate::files::{self, FileError};
use crate::notice::Notice;
use crate::process::{
    Cause, Command, CouldNotStart, Ending, Exit, Finished, Limits, Stopper, orders,
};

/// How many chunks of output may wait to be read.
const CHUNKS: usize = 8;

/// A program to be run for a step.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) directory: PathBuf,
    /// Variables that only this program has.
    pub(super) variables: IndexMap<String, String>,
}

/// Runs a program to its end and reads what it wrote to the step's files.
pub(super) async fn run(task: &Task, program: Program) -> Done {
    let command = Command {
        program: program.path.clone().into_os_string(),
        arguments: program.arguments.iter().map(OsString::from).collect(),
        environment: task.environment(&program.variables).pairs(),
        directory: program.directory.clone(),
        inherited: task.job.place.inherited.clone(),
    };
    task.job.matchers().reset();
    let (finished, mut said) = supervise(task, &command).await;
    read_files(task, &mut said);
    let mut done = Done::new(Conclusion::Success);
    ending(task, &program, &finished, &mut done);
    if said.failed && done.outcome == Conclusion::Success {
        done.end(Conclusion::Failure);
        done.error = Some("The step said something that could not be understood.".to_owned());
    }
    (done.outputs, done.state, done.env, done.paths) =
        (said.outputs, said.state, said.env, said.paths);
    done
}

async fn supervise(task: &Task, command: &Command) -> (Finished, Said) {
    let (stopper, wish) = orders();
    let limits = Limits { timeout: task.time_left(), ..Limits::default() };
    let (sink, mut chunks) = mpsc::channel(CHUNKS);
    let mut hearing = Hearing::new(task);
    let finished = {
        let run = task.job.tree.run(command, &limits, &wish, sink);
        let hear = async {
            while let Some(chunk) = chunks.recv().await {
                hearing.hear(&chunk);
            }
        };
        let mut running = pin!(async { tokio::join!(run, hear).0 });
        let mut listening = pin!(listen(task, &stopper));
        tokio::select! {
            biased;
            finished = &mut running => finished,
            () = &mut listening => running.await,
        }
    };
    (finished, hearing.end())
}

/// Passes on what is heard from outside, until there is nothing more to be said.
async fn listen(task: &Task, stopper: &Stopper) {
    let mut ear = task.job.ear.clone();
    let mut cancel = task.spot.cancel.clone();
    let mut known = ear.now().min(Signal::Cancel);
    let mut told = cancel.is_stopped();
    if told {
        stopper.cancel();
    }
    loop {
        tokio::select! {
            signal = ear.more_than(known) => {
                if signal == Signal::Kill {
                    return stopper.kill();
                }
                known = signal;
                if !told && !task.outlives_cancel() {
                    told = true;
                    stopper.cancel();
                }
            }
            () = cancel.stopped(), if !told => {
                told = true;
                stopper.cancel();
            }
        }
    }
}

fn ending(task: &Task, program: &Program, finished: &Finished, done: &mut Done) {
    let (outcome, message) = match (&finished.ending, finished.stopped) {
        (Ending::CouldNotStart(error), _) => (Conclusion::Failure, why(program, error)),
        (_, Some(Cause::TimedOut)) => {
            done.timed_out = true;
            (Conclusion::Failure, task.lateness())
        }
        (_, Some(Cause::Cancelled)) => {
            (Conclusion::Cancelled, "The operation was canceled.".to_owned())
        }
        (Ending::Exited(Exit::Code(0)), None) => {
            done.exit_code = Some(0);
            return;
        }
        (Ending::Exited(exit), None) => {
            let code = match exit {
                Exit::Code(code) => *code,
                Exit::Signal(signal) => 128 + signal,
            };
            done.exit_code = Some(code);
            task.error(format!("Process completed with exit code {code}."));
            return done.end(Conclusion::Failure);
        }
    };
    task.error(&message);
    done.end(outcome);
    done.error = Some(message);
}

fn why(program: &Program, error: &CouldNotStart) -> String {
    match error {
        CouldNotStart::NoDirectory { directory } => format!(
            "An error occurred trying to start process '{}' with working directory '{directory}'. No such file or directory",
            program.path.display()
        ),
        CouldNotStart::Refused { source, .. } => format!("{error}: {source}"),
        other => other.to_string(),
    }
}

fn read_files(task: &Task, said: &mut Said) {
    let Some(step_files) = &task.files else { return };
    let mut faults = Vec::new();
    let mut pairs = |name: &'static str, path| match files::read(path)
        .and_then(|text| files::parse_pairs(&text))
    {
        Ok(pairs) => pairs,
        Err(error) => {
            faults.push((name, error));
            Vec::new()
        }
    };
    said.outputs.extend(pairs("output", &step_files.output));
    said.state.extend(pairs("state", &step_files.state));
    for (name, value) in pairs("env", &step_files.env) {
        if files::may_set(&name) {
            said.env.push((name, value));
        } else {
            task.error(format!("Can't store {name} output parameter using '$GITHUB_ENV' command."));
        }
    }
    match files::read(&step_files.path) {
        Ok(text) => said.paths.extend(files::parse_paths(&text)),
        Err(error) => faults.push(("path", error)),
    }
    for (name, error) in faults {
        task.error(format!("Unable to process file command '{name}' successfully."));
        task.error(error.to_string());
        said.failed = true;
    }
    summary(task, files::read_summary(&step_files.summary));
}

/// Passes on what the step wrote into its summary; one that is too large is an error that fails nothing.
fn summary(task: &Task, text: Result<String, FileError>) {
    match text {
        Ok(text) if text.trim().is_empty() => {}
        Ok(text) => {
            let markdown = task.job.desk.masked(&text);
            task.job.desk.tell(Notice::Summary { step: task.spot.step, markdown });
        }
        Err(FileError::TooLarge { size, limit }) => task.error(format!(
            "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of {}k, got {}k.",
            limit / 1024,
            size.div_ceil(1024)
        )),
        Err(error) => task.error(format!("$GITHUB_STEP_SUMMARY could not be read: {error}")),
    }
}
