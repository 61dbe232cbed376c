//! `status import`: the result of `interlock parallel` as rows.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Map, json};
use status::{Change, State};

use super::backing::{BackingFlags, Shown};
use super::say::{post, tell};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The longest result that is read.
const MAX_RESULT: u64 = 16 << 20;
/// The most rows that are taken in at once.
const MAX_ROWS: usize = 5000;

/// The arguments of `interlock status import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The result that `interlock parallel --json FILE` wrote, or `--format json` printed.
    #[arg(long, value_name = "FILE", required = true)]
    parallel: PathBuf,
    /// Exit with 3 for "not taken in" also where step outputs carry the answer.
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    backing: BackingFlags,
}

/// As much of the result as becomes rows; more is left to newer versions.
#[derive(Debug, Deserialize)]
struct Summary {
    jobs: Vec<Job>,
}

#[derive(Debug, Deserialize)]
struct Job {
    name: String,
    result: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default = "critical")]
    critical: bool,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    flaky: bool,
    #[serde(default)]
    left_behind: usize,
    #[serde(default)]
    duration_ms: u64,
}

fn critical() -> bool {
    true
}

impl Import {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let tasks = self.read(session)?;
        session.block_on(self.perform(tasks, session))?
    }

    async fn perform(
        &self,
        tasks: Vec<(String, Change)>,
        session: &Session,
    ) -> Result<Exit, Failure> {
        let backing = self.backing.open(session).await?;
        backing.place.must_have_head()?;
        let count = tasks.len();
        let said = backing.say(&post(&backing.place, tasks, Duration::from_hours(6))).await?;
        let mut fields = Map::new();
        fields.insert("rows".to_owned(), json!(count));
        fields.insert("head".to_owned(), json!(backing.place.head));
        if !tell(&said, fields, session)? {
            return Ok(session.no(self.exit_code));
        }
        backing.show_elsewhere(session).await?;
        match said.shown {
            Shown::Failed(failure) => Err(failure),
            _ => Ok(Exit::Done),
        }
    }

    fn read(&self, session: &Session) -> Result<Vec<(String, Change)>, Failure> {
        let path = session.directory.join(&self.parallel);
        let refused = |why: String| {
            Failure::new(Exit::Unknown, format!("{}: {why}", path.display()))
                .hinted("write it with `interlock parallel --json FILE …`")
        };
        let size = std::fs::metadata(&path).map_err(|error| refused(error.to_string()))?.len();
        if size > MAX_RESULT {
            return Err(refused(format!("it has {size} bytes, and {MAX_RESULT} are read")));
        }
        let text = std::fs::read(&path).map_err(|error| refused(error.to_string()))?;
        let summary: Summary =
            serde_json::from_slice(&text).map_err(|error| refused(error.to_string()))?;
        if summary.jobs.len() > MAX_ROWS {
            let count = summary.jobs.len();
            return Err(refused(format!("it has {count} jobs, and {MAX_ROWS} are taken in")));
        }
        let url = session.surroundings.run_link();
        Ok(summary.jobs.iter().map(|job| (job.name.clone(), change(job, url.clone()))).collect())
    }
}

fn change(job: &Job, url: Option<String>) -> Change {
    let state = match job.result.as_str() {
        "passed" => State::Passed,
        "skipped" => State::Skipped,
        "cancelled" => State::Aborted,
        // An advisory job that did not pass warns.
        _ if !job.critical => State::Warning,
        _ => State::Failed,
    };
    let mut flags = Vec::new();
    if job.flaky {
        flags.push("flaky".to_owned());
    }
    if job.attempts > 1 {
        flags.push(format!("{} attempts", job.attempts));
    }
    if job.left_behind > 0 {
        flags.push(format!("{} left behind", job.left_behind));
    }
    let message = job
        .reason
        .clone()
        .or_else(|| (state != State::Passed && !job.detail.is_empty()).then(|| job.detail.clone()));
    Change {
        state,
        url,
        elapsed: Some(Duration::from_millis(job.duration_ms)),
        flags: Some(flags),
        message,
        ..Change::default()
    }
}
