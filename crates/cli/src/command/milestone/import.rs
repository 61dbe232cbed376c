//! `milestone import`: takes over what was done before there was a ledger.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use coord::milestone::{Direction, Past};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::claims::open;
use crate::caller::{Caller, StoreFlags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The longest file that is imported.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The arguments of `interlock milestone import`.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// What is counted.
    #[arg(value_name = "KEY")]
    key: String,
    /// One JSON object a line with `milestone` (or `milestone_number`), and, if known, `value` and
    /// `timestamp`.
    #[arg(value_name = "FILE.jsonl")]
    file: PathBuf,
    /// Which way the value goes.
    #[arg(long, value_enum, default_value_t = Way::Up, value_name = "WAY")]
    direction: Way,
    #[command(flatten)]
    store: StoreFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// It grows.
    Up,
    /// It falls.
    Down,
}

impl Import {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(self.perform(session))?
    }

    async fn perform(&self, session: &Session) -> Result<Exit, Failure> {
        let path = session.directory.join(&self.file);
        let refused = |exit, why: String| {
            Failure::new(exit, format!("{}: {why}", self.file.display())).hinted(
                "nothing was imported: repair the file, or take the line out, and call again",
            )
        };
        let length =
            path.metadata().map_err(|error| refused(Exit::Usage, error.to_string()))?.len();
        if length > MAX_BYTES {
            let why = format!("it has {length} bytes, and the most that is read is {MAX_BYTES}");
            return Err(refused(Exit::Usage, why));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|error| refused(Exit::Unknown, error.to_string()))?;
        let past = parse(&text, Timestamp::now()).map_err(|why| refused(Exit::Unknown, why))?;
        let caller = Caller::of(session).await;
        let Some(book) = open(&self.key, &self.store, &caller, session).await? else {
            let answer = json!({ "outcome": "disabled", "key": self.key });
            session.answer(&answer, "disabled: there is no store to count in")?;
            return Ok(Exit::Done);
        };
        let direction = if self.direction == Way::Down { Direction::Down } else { Direction::Up };
        let count = book.import(&past, direction).await?;
        let answer = json!({
            "outcome": "imported", "key": self.key, "imported": count, "known": past.len() - count,
        });
        let known = past.len() - count;
        session.answer(&answer, &format!("imported {count}; {known} were known"))?;
        Ok(Exit::Done)
    }
}

/// Reads all lines or none: a torn line is somebody's lost boundary, and is not guessed.
fn parse(text: &str, now: Timestamp) -> Result<Vec<Past>, String> {
    let mut past = Vec::new();
    for (place, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let at = |why: String| format!("line {}: {why}", place + 1);
        let json: Value = serde_json::from_str(line).map_err(|error| at(error.to_string()))?;
        past.push(one(&json, now).map_err(at)?);
    }
    Ok(past)
}

fn one(json: &Value, now: Timestamp) -> Result<Past, String> {
    let number = |names: &[&str]| names.iter().find_map(|name| json.get(name)?.as_i64());
    let milestone = number(&["milestone", "milestone_number"])
        .ok_or("there is no whole number `milestone` in it")?;
    let value = number(&["value", "current", "nodes"]).unwrap_or(milestone);
    let timestamp = match json.get("timestamp") {
        None | Some(Value::Null) => now,
        Some(Value::String(text)) => {
            text.parse().map_err(|_| format!("`{text}` is no time like 2026-01-31T12:00:00Z"))?
        }
        Some(_) => return Err("`timestamp` is no text".to_owned()),
    };
    Ok(Past { milestone, value, fence: None, who: None, timestamp })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Vec<(i64, i64)>, String> {
        let past = parse(text, Timestamp::UNIX_EPOCH)?;
        Ok(past.iter().map(|past| (past.milestone, past.value)).collect())
    }

    #[test]
    fn several_spellings_are_read() {
        let text = "{\"milestone\": 100, \"value\": 105, \"timestamp\": \"2026-01-31T12:00:00Z\"}\n\n\
                    {\"milestone_number\": 200}\n";
        assert_eq!(check(text), Ok(vec![(100, 105), (200, 200)]));
    }

    #[test]
    fn a_torn_line_is_named_and_nothing_is_taken() {
        let torn = check("{\"milestone\": 100}\n{\"milesto").expect_err("it is torn");
        assert!(torn.starts_with("line 2: EOF"), "{torn}");
        assert!(check("{\"milestone\": \"100\"}").is_err());
        assert!(check("{\"milestone\": 1, \"timestamp\": \"soon\"}").is_err());
        assert!(check("[1]").is_err());
    }
}
