//! What a writer says about a task, and how it is told what became of that.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};
use status::{Annotation, Change, Kept, Post, Posted, Posting, Publication, State};

use super::backing::{Said, Shown};
use super::place::Place;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Level, Session};
use crate::settings::duration;

/// How a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Word {
    /// It waits.
    Queued,
    /// It runs.
    Running,
    /// It is over, and somebody should look.
    Warning,
    /// It runs, and something failed already.
    Failing,
    /// It is over and good.
    Passed,
    /// It is over and bad.
    Failed,
    /// It ended without a result.
    Aborted,
    /// It was not needed.
    Skipped,
}

/// What people see of a task besides its state.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct DetailFlags {
    /// What people call the task.
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// Where people see more; the run if absent.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// What is to be said about the state.
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// What the task is at.
    #[arg(long, value_name = "TEXT")]
    phase: Option<String>,
    /// How far it is, such as `3/7`.
    #[arg(long, value_name = "TEXT")]
    progress: Option<String>,
    /// A short remark, such as `flaky`; may be repeated.
    #[arg(long, value_name = "TEXT")]
    flag: Vec<String>,
    /// A command that shows the failure again; may be repeated.
    #[arg(long, value_name = "COMMAND")]
    reproduce: Vec<String>,
    /// A command that repairs it; may be repeated.
    #[arg(long, value_name = "COMMAND")]
    fix: Vec<String>,
    /// Advice; may be repeated.
    #[arg(long, value_name = "TEXT")]
    tip: Vec<String>,
    /// A JSON file with remarks on places: `[{"level", "path", "line", "message"}]`.
    #[arg(long, value_name = "FILE")]
    annotations: Option<PathBuf>,
    /// How long it took, such as `90s`; measured if absent.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    elapsed: Option<Duration>,
}

impl Word {
    pub(super) fn state(self) -> State {
        match self {
            Self::Queued => State::Queued,
            Self::Running => State::Running,
            Self::Warning => State::Warning,
            Self::Failing => State::Failing,
            Self::Passed => State::Passed,
            Self::Failed => State::Failed,
            Self::Aborted => State::Aborted,
            Self::Skipped => State::Skipped,
        }
    }
}

impl DetailFlags {
    /// Makes a change of a task to `state`.
    pub(super) fn change(&self, state: State, session: &Session) -> Result<Change, Failure> {
        let some = |texts: &Vec<String>| (!texts.is_empty()).then(|| texts.clone());
        Ok(Change {
            state,
            title: self.title.clone(),
            url: self.url.clone().or_else(|| session.surroundings.run_link()),
            started: None,
            elapsed: self.elapsed,
            phase: self.phase.clone(),
            progress: self.progress.clone(),
            flags: some(&self.flag),
            message: self.message.clone(),
            reproduce: some(&self.reproduce),
            fix: some(&self.fix),
            tips: some(&self.tip),
            annotations: self.annotations.as_ref().map(|path| read(path, session)).transpose()?,
        })
    }
}

fn read(path: &PathBuf, session: &Session) -> Result<Vec<Annotation>, Failure> {
    let path = session.directory.join(path);
    let refused =
        |why: String| Failure::new(Exit::Usage, format!("annotations {}: {why}", path.display()));
    let text = std::fs::read(&path).map_err(|error| refused(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| refused(error.to_string()))
}

/// Makes a post of one writer about its tasks.
pub(super) fn post(place: &Place, tasks: Vec<(String, Change)>, ttl: Duration) -> Post {
    Post {
        writer: place.writer.clone(),
        attempt: place.attempt,
        process: place.process.clone(),
        head: place.head.clone(),
        tasks,
        ttl: Some(ttl),
    }
}

/// Tells what became of a post. Returns whether it counts.
pub(super) fn tell(
    said: &Said,
    mut fields: Map<String, Value>,
    session: &Session,
) -> Result<bool, Failure> {
    let (word, text) = outcome(said);
    let counts = !matches!(word, "older-head" | "earlier-attempt" | "finished");
    fields.insert("outcome".to_owned(), json!(word));
    fields.insert("published".to_owned(), json!(word == "shown"));
    fields.insert("reason".to_owned(), json!(text));
    if let Posting::OlderHead { current } = &said.posting {
        fields.insert("current_head".to_owned(), json!(current));
    }
    if let Posting::Posted { posted: Posted::Stored { revision }, unchecked } = &said.posting {
        fields.insert("revision".to_owned(), json!(revision));
        if let Some(why) = unchecked {
            let text = format!("the current head could not be looked up: {why}");
            session.annotate(Level::Warning, "status", &text);
        }
    }
    session.answer(&Value::Object(fields), &format!("{word}: {text}"))?;
    if !counts {
        session.annotate(Level::Notice, &format!("status: {word}"), &text);
    } else if let Shown::Published(Publication::Refused { why }) = &said.shown {
        // What is stored is not lost, so this is never a failure of the task.
        session.annotate(Level::Warning, "status", &format!("stored, and not shown yet: {why}"));
    }
    Ok(counts)
}

fn outcome(said: &Said) -> (&'static str, String) {
    match &said.posting {
        Posting::OlderHead { current } => {
            return ("older-head", format!("the head is {current} now; nothing was changed"));
        }
        Posting::Posted { posted: Posted::Finished, .. } => {
            let text = "it was finished in this attempt already; nothing was changed";
            return ("finished", text.to_owned());
        }
        Posting::Posted { posted: Posted::EarlierAttempt { latest }, .. } => {
            let text = format!("attempt {latest} has written already; nothing was changed");
            return ("earlier-attempt", text);
        }
        Posting::Posted { posted: Posted::Stored { .. }, .. } => {}
    }
    match &said.shown {
        Shown::Published(Publication::Shown) => ("shown", "the comment shows it".to_owned()),
        Shown::Published(Publication::Underway) => {
            ("stored", "another writer is about to show it".to_owned())
        }
        Shown::Published(Publication::Later { wait }) => {
            let text = format!("the comment shows it with the next write, due in {wait:.0?}");
            ("stored", text)
        }
        Shown::Published(Publication::Refused { why }) => ("stored", format!("not shown: {why}")),
        Shown::Kept(Kept::Confirmed) => ("shown", "a read of the comment shows it".to_owned()),
        Shown::Kept(Kept::Unconfirmed { why }) => {
            let why = why.clone().unwrap_or_else(|| "no read of the comment shows it".to_owned());
            ("unconfirmed", why)
        }
        Shown::Kept(Kept::Nothing) | Shown::Nowhere => {
            ("stored", "there is no comment to show it in from here".to_owned())
        }
        Shown::Failed(failure) => ("stored", format!("not shown: {}", failure.render())),
    }
}
