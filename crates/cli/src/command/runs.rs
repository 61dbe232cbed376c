//! `interlock runs`: what ran on this machine, how it ended, and where its logs are.

use std::path::Path;

use clap::Args;
use dispatch::record::{self, Entry, Found, State};
use dispatch::result::RunResult;
use serde_json::{Value, json};

use crate::command::run::table;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Session};

/// Largest result that is read.
const MAX_RESULT: u64 = 64 << 20;

/// The arguments of `interlock runs`.
#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// The run to show with its steps [default: the newest ones, a row each]
    #[arg(value_name = "ID")]
    id: Option<u64>,
    /// How many of the newest are shown.
    #[arg(long, value_name = "N", default_value_t = 20)]
    last: usize,
}

impl Runs {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let root = session.state_directory()?.join("runs");
        let refused = |error: std::io::Error| Failure::from_error(Exit::Unavailable, &error);
        let mut found = record::list(&root).map_err(refused)?;
        if let Some(id) = self.id {
            found.retain(|found| found.id == id);
            let found = found.first().ok_or_else(|| {
                Failure::new(Exit::Usage, format!("there is no run {id}"))
                    .hinted("`interlock runs` lists them; their records are kept for 14 days")
            })?;
            show(session, found, true)?;
            return Ok(Exit::Done);
        }
        let older = found.len().saturating_sub(self.last);
        for found in found.iter().skip(older) {
            show(session, found, false)?;
        }
        if found.is_empty() && session.format == Format::Human {
            session.note("nothing has run here yet");
        }
        Ok(Exit::Done)
    }
}

fn show(session: &Session, found: &Found, whole: bool) -> Result<(), Failure> {
    let name = found.id.to_string();
    match &found.state {
        State::Ended => {
            let result = read(&found.path)?;
            match session.format {
                Format::Human => session.line(&human(&name, &result, whole)),
                Format::Json => session.line(&json!(result).to_string()),
            }
        }
        State::Live => told(session, found, "in progress"),
        State::Orphaned(_) => told(session, found, "interrupted"),
        State::Damaged(why) => told(session, found, &format!("damaged: {why}")),
    }
    Ok(())
}

fn human(name: &str, result: &RunResult, whole: bool) -> String {
    let text = table::run(name, result);
    if !whole {
        return text.lines().next().unwrap_or_default().to_owned();
    }
    let mut lines = vec![text];
    for job in &result.jobs {
        lines.push(format!("{}:", job.name));
        let steps = job.steps.iter();
        lines.extend(steps.map(|step| format!("  {:<10} {}", step.conclusion, step.name)));
        lines.extend(job.log.as_ref().map(|log| format!("  log: {}", log.display())));
    }
    lines.join("\n")
}

/// Tells what is known of a run that has no result.
fn told(session: &Session, found: &Found, state: &str) {
    let entries = record::journal(&found.path).unwrap_or_default();
    let created = entries.into_iter().find_map(|entry| match entry {
        Entry::Created { workflow, event, .. } => Some((workflow, event)),
        _ => None,
    });
    let (workflow, event) = created.unwrap_or_default();
    if session.format == Format::Human {
        session.line(&format!("  {:<24} {state:<11} {workflow} · {event}", found.id));
        return;
    }
    let answer: Value = json!({
        "id": found.id.to_string(),
        "workflow": workflow,
        "event": event,
        "conclusion": null,
        "state": state,
    });
    session.line(&answer.to_string());
}

fn read(path: &Path) -> Result<RunResult, Failure> {
    let path = path.join("result.json");
    let refused = |why: String| Failure::new(Exit::Unknown, format!("{}: {why}", path.display()));
    let size = std::fs::metadata(&path).map_err(|error| refused(error.to_string()))?.len();
    if size > MAX_RESULT {
        return Err(refused("is too large to be a result".to_owned()));
    }
    let bytes = std::fs::read(&path).map_err(|error| refused(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))
}
