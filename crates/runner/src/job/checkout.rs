//! `actions/checkout`, built in.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use engine::Conclusion;
use expr::{Scope as _, Value};
use indexmap::IndexMap;
use workdir::{CheckedOut, CheckoutRequest, Surroundings};

use super::frame::Done;
use super::signal::Signal;
use super::task::Task;
use crate::place::Source;

/// Puts what the run's jobs are to see into the workspace.
pub(super) async fn run(task: &Task, given: IndexMap<String, String>) -> Done {
    introduce(task, &given);
    let ended = tokio::select! {
        biased;
        result = check_out(task, given) => match result {
            Ok(out) => return finish(task, &out),
            Err(message) => Done::failed(message),
        },
        () = told_to_end(task) => Done {
            error: Some("The operation was canceled.".to_owned()),
            ..Done::new(Conclusion::Cancelled)
        },
        () = late(task) => Done { timed_out: true, ..Done::failed(task.lateness()) },
    };
    task.error(ended.error.clone().unwrap_or_default());
    ended
}

async fn check_out(task: &Task, given: IndexMap<String, String>) -> Result<CheckedOut, String> {
    let Source { snapshot, job } = task
        .job
        .place
        .source
        .as_ref()
        .ok_or("There is nothing to check out: this run belongs to no repository")?;
    let github = task.scope.context("github").unwrap_or(Value::Null);
    let text = |name: &str| github.get(name).map(Value::to_text).unwrap_or_default();
    let (repository, server, token) = (text("repository"), text("server_url"), text("token"));
    let surroundings = Surroundings {
        repositories: &[&repository],
        token: (!token.is_empty()).then_some(token.as_str()),
        server: &server,
    };
    let given: BTreeMap<_, _> = given.into_iter().collect();
    let request = CheckoutRequest::from_inputs(&given, &surroundings).map_err(told)?;
    workdir::checkout(snapshot, &request, job).await.map_err(told)
}

fn told(error: workdir::Error) -> String {
    let hint = error.hint().map(|hint| format!(". {hint}")).unwrap_or_default();
    format!("{error}{hint}")
}

fn finish(task: &Task, out: &CheckedOut) -> Done {
    task.job.checked_out.store(true, Ordering::Relaxed);
    if out.has_credentials {
        task.job.remember_credentials(&out.path);
    }
    let reference = out.reference.clone().unwrap_or_default();
    let shown = out.reference.as_deref().unwrap_or(&out.sha);
    task.say(&format!(
        "Checked out {shown} ({}) in {} ms",
        out.sha.get(..12).unwrap_or(&out.sha),
        out.duration.as_millis()
    ));
    let mut done = Done::new(Conclusion::Success);
    done.outputs.insert("ref".to_owned(), reference);
    done.outputs.insert("commit".to_owned(), out.sha.clone());
    done
}

fn introduce(task: &Task, given: &IndexMap<String, String>) {
    let desk = &task.job.desk;
    desk.note(&format!("##[group]{}", task.name));
    if !given.is_empty() {
        desk.note("with:");
    }
    for (name, value) in given {
        desk.note(&format!("  {name}: {value}"));
    }
    desk.note("##[endgroup]");
}

/// Waits until the step is to end, for whatever reason but time.
async fn told_to_end(task: &Task) {
    let mut ear = task.job.ear.clone();
    let mut cancel = task.spot.cancel.clone();
    let mut known = ear.now().min(Signal::Cancel);
    loop {
        tokio::select! {
            signal = ear.more_than(known) => {
                if signal == Signal::Kill || !task.outlives_cancel() {
                    return;
                }
                known = signal;
            }
            () = cancel.stopped() => return,
        }
    }
}

async fn late(task: &Task) {
    match task.spot.deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.at).await,
        None => std::future::pending().await,
    }
}
