//! The question whether a value has crossed a boundary, as people put it.

use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};
use coord::Token;
use coord::milestone::{Boundaries, Check, Direction, FirstRun, Take};

use crate::caller::{Caller, StoreFlags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The longest file that a value is read from.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What counts where nobody says it.
const STEP: i64 = 100;

/// A value, and the boundaries it may have crossed.
#[derive(Clone, Debug, Args)]
pub(crate) struct Question {
    /// The value now.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    value: Option<i64>,
    /// Where the value is: a JSON file, and after `#` a pointer into it, as in `graph.json#/nodes`.
    #[arg(long, value_name = "FILE#/POINTER", conflicts_with = "value")]
    value_from: Option<String>,
    /// Every multiple of it is a boundary; 100 if neither this nor --at is given.
    #[arg(long, value_name = "N", conflicts_with = "at")]
    step: Option<i64>,
    /// These are the boundaries.
    #[arg(long, value_name = "N,N,…", value_delimiter = ',', allow_negative_numbers = true)]
    at: Vec<i64>,
    /// Take every boundary that was crossed, which is also the default.
    #[arg(long)]
    each: bool,
    /// Take only the last boundary that was crossed, and pass over those before it.
    #[arg(long, conflicts_with = "each")]
    highest: bool,
    /// Which way the value must go.
    #[arg(long, value_enum, value_name = "WAY")]
    direction: Option<Way>,
    /// What the first sight of a key means.
    #[arg(long, value_enum, value_name = "WHAT")]
    first_run: Option<First>,
    /// The value before, for a key that was never seen.
    #[arg(long, value_name = "N", conflicts_with = "first_run", allow_negative_numbers = true)]
    previous: Option<i64>,
    #[command(flatten)]
    pub(crate) store: StoreFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    /// It grows.
    Up,
    /// It falls.
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum First {
    /// Counting begins here; nothing is crossed.
    Baseline,
    /// Every boundary up to here is crossed now.
    Fire,
}

impl Question {
    /// Tells whether any part of the question was given, the store aside.
    pub(crate) fn is_put(&self) -> bool {
        let numbers = [self.value, self.step, self.previous];
        numbers.iter().any(Option::is_some)
            || self.value_from.is_some()
            || !self.at.is_empty()
            || self.each
            || self.highest
            || self.direction.is_some()
            || self.first_run.is_some()
    }

    /// Returns the value now; what cannot be read is unknown, and never "no milestone".
    pub(crate) fn value(&self, session: &Session) -> Result<i64, Failure> {
        match (self.value, &self.value_from) {
            (Some(value), _) => Ok(value),
            (None, Some(place)) => read(place, &session.directory).map_err(|why| {
                Failure::new(Exit::Unknown, format!("the value cannot be read from {place}: {why}"))
                    .hinted("was the file written whole? Nothing was counted")
            }),
            (None, None) => Err(Failure::new(Exit::Usage, "there is no value")
                .hinted("give it with --value N or --value-from FILE#/POINTER")),
        }
    }

    /// Puts the question for this caller.
    pub(crate) fn check(&self, value: i64, caller: &Caller, ttl: Duration) -> Check {
        Check {
            value,
            boundaries: match (self.step, self.at.as_slice()) {
                (step, []) => Boundaries::Step(step.unwrap_or(STEP)),
                (_, list) => Boundaries::At(list.to_vec()),
            },
            direction: match self.direction {
                None | Some(Way::Up) => Direction::Up,
                Some(Way::Down) => Direction::Down,
            },
            take: if self.highest { Take::Highest } else { Take::Each },
            first_run: match (self.previous, self.first_run) {
                (Some(previous), _) => FirstRun::Previous(previous),
                (None, Some(First::Fire)) => FirstRun::Fire,
                (None, None | Some(First::Baseline)) => FirstRun::Baseline,
            },
            token: Token::random(),
            who: caller.who.clone(),
            ttl,
        }
    }
}

fn read(place: &str, directory: &Path) -> Result<i64, String> {
    let (path, pointer) = place.split_once('#').unwrap_or((place, ""));
    let path = directory.join(path);
    let length = path.metadata().map_err(|error| error.to_string())?.len();
    if length > MAX_BYTES {
        return Err(format!(
            "the file has {length} bytes, and the most that is read is {MAX_BYTES}"
        ));
    }
    let text = std::fs::read(&path).map_err(|error| error.to_string())?;
    let json: serde_json::Value =
        serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let found = json.pointer(pointer).ok_or_else(|| format!("there is no `{pointer}` in it"))?;
    whole(found).ok_or_else(|| format!("`{pointer}` is no whole number but {}", kind(found)))
}

/// Reads 3, and also 3.0, which some programs write for it.
fn whole(json: &serde_json::Value) -> Option<i64> {
    json.as_i64().or_else(|| {
        let text = json.as_number()?.to_string();
        text.strip_suffix(".0").and_then(|text| text.parse().ok())
    })
}

fn kind(json: &serde_json::Value) -> &'static str {
    match json {
        serde_json::Value::Null => "null",
        serde_json::Value::Bool(_) => "a boolean",
        serde_json::Value::Number(_) => "another number",
        serde_json::Value::String(_) => "a string",
        serde_json::Value::Array(_) => "an array",
        serde_json::Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, pointer: &str, expected: Result<i64, &str>) {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("value.json"), text).expect("written");
        let value = read(&format!("value.json{pointer}"), directory.path());
        match expected {
            Ok(expected) => assert_eq!(value, Ok(expected)),
            Err(part) => assert!(value.as_ref().is_err_and(|why| why.contains(part)), "{value:?}"),
        }
    }

    #[test]
    fn a_value_is_read_by_its_pointer() {
        check("105", "", Ok(105));
        check(r#"{"a": {"b/c": [1, 2.0]}}"#, "#/a/b~1c/1", Ok(2));
        check(r#"{"a": -3}"#, "#/a", Ok(-3));
    }

    #[test]
    fn what_is_no_whole_number_is_unknown() {
        check(r#"{"nodes": 10"#, "#/nodes", Err("EOF"));
        check(r#"{"nodes": 10}"#, "#/total", Err("there is no `/total`"));
        check(r#"{"nodes": "10"}"#, "#/nodes", Err("a string"));
        check("1.5", "", Err("another number"));
        check("1e30", "", Err("another number"));
        check("", "", Err("EOF"));
    }
}
