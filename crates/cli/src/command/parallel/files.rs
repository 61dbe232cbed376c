//! The files that a call writes besides its answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use runner::process::Token;

use super::flags::{Order, PlanFlags};
use super::junit;
use super::keeper::whole;
use super::summary::Summary;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Says that a directory of logs is ours to remove.
const RECORD: &str = ".interlock-logs";

/// Remembers when old logs were removed.
const SWEPT: &str = ".swept";

/// How often that is done.
const PERIOD: Duration = Duration::from_hours(24);

/// How long logs are kept where nobody chose a directory.
const KEPT: Duration = Duration::from_hours(14 * 24);

/// Where everything goes.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) logs: PathBuf,
    pub(crate) order: Order,
    json: Option<PathBuf>,
    junit: Option<PathBuf>,
}

impl Files {
    /// Makes the directory of logs, and checks that the others can be written before anything runs.
    pub(crate) fn prepare(flags: &PlanFlags, session: &Session) -> Result<Self, Failure> {
        let whole = |path: &PathBuf| session.directory.join(path);
        let logs = match &flags.log_dir {
            Some(directory) => whole(directory),
            None => default_logs(session)?,
        };
        fs::create_dir_all(&logs).map_err(|error| {
            let what = format!("cannot create the directory of logs {}: {error}", logs.display());
            Failure::new(Exit::Unavailable, what).hinted("--log-dir chooses another")
        })?;
        let files = Self {
            logs,
            order: flags.order,
            json: flags.json.as_ref().map(whole),
            junit: flags.junit.as_ref().map(whole),
        };
        for file in [&files.json, &files.junit].into_iter().flatten() {
            let parent = file.parent().unwrap_or(Path::new("/"));
            if !parent.is_dir() || file.is_dir() {
                let what = format!("cannot write {}: there is no such place", file.display());
                return Err(Failure::new(Exit::Usage, what));
            }
        }
        Ok(files)
    }

    /// Writes what was asked for besides the logs.
    pub(crate) fn write(&self, summary: &Summary) -> Result<(), Failure> {
        if let Some(path) = &self.json {
            let text = serde_json::to_string_pretty(summary);
            let text = text.expect("a summary has only texts and numbers") + "\n";
            write_whole(path, &text)?;
        }
        match &self.junit {
            Some(path) => write_whole(path, &junit::render(summary)),
            None => Ok(()),
        }
    }
}

fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let parent = path.parent().unwrap_or(Path::new("/"));
    // What is no regular file, such as /dev/stdout, cannot be replaced.
    let written = if path.exists() && !path.is_file() {
        fs::write(path, text)
    } else {
        whole(parent, name, text)
    };
    written.map_err(|error| {
        Failure::new(Exit::Unavailable, format!("cannot write {}: {error}", path.display()))
    })
}

/// A directory of this call, below the job's or the user's.
fn default_logs(session: &Session) -> Result<PathBuf, Failure> {
    let name = Token::random();
    if let Some(temporary) = session.surroundings.get("RUNNER_TEMP") {
        return Ok(Path::new(temporary).join("interlock-parallel").join(name.as_str()));
    }
    let all = session.state_directory()?.join("parallel/logs");
    forget_old(&all);
    let logs = all.join(name.as_str());
    let made = fs::create_dir_all(&logs).and_then(|()| fs::write(logs.join(RECORD), ""));
    made.map_err(|error| {
        let what = format!("cannot create the directory of logs {}: {error}", logs.display());
        Failure::new(Exit::Unavailable, what).hinted("--log-dir chooses another")
    })?;
    Ok(logs)
}

/// Removes directories that carry our record and are old. What cannot be removed stays.
fn forget_old(all: &Path) {
    let now = SystemTime::now();
    let Some(oldest) = now.checked_sub(KEPT) else { return };
    let swept = fs::metadata(all.join(SWEPT)).and_then(|record| record.modified());
    if swept.is_ok_and(|swept| now.duration_since(swept).is_ok_and(|since| since < PERIOD)) {
        return;
    }
    let _next_time = fs::create_dir_all(all).and_then(|()| fs::write(all.join(SWEPT), ""));
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let made = fs::symlink_metadata(path.join(RECORD)).and_then(|record| record.modified());
        if ours && made.is_ok_and(|made| made < oldest) {
            let _stays = fs::remove_dir_all(path);
        }
    }
}
