//! Problem matchers: patterns that find errors and warnings of tools in their output.

mod config;
mod pattern;

use std::borrow::Cow;

pub use config::{ConfigError, read};
use pattern::Pattern;

/// What a matcher has found in one or several lines.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Match {
    /// The file, as the tool wrote it.
    pub file: Option<String>,
    /// The file that `file` is relative to, such as a project.
    pub from_path: Option<String>,
    /// The line.
    pub line: Option<String>,
    /// The column.
    pub column: Option<String>,
    /// The severity, as the tool wrote it.
    pub severity: Option<String>,
    /// The code of the error.
    pub code: Option<String>,
    /// What it says.
    pub message: Option<String>,
}

/// A matcher with what it has seen of a problem that goes over several lines.
#[derive(Clone, Debug)]
pub struct Matcher {
    owner: String,
    severity: Option<String>,
    from_path: Option<String>,
    patterns: Vec<Pattern>,
    /// What each pattern but the last has found so far.
    running: Vec<Option<Match>>,
}

impl Matcher {
    /// Shows it the next line; returns a problem when it is complete.
    pub fn look(&mut self, line: &str) -> Option<Match> {
        let last = self.patterns.len().checked_sub(1)?;
        // From the last pattern to the first, so that one line does not go through several of them.
        for index in (0..=last).rev() {
            let before = index.checked_sub(1).map(|before| self.running[before].clone());
            if before == Some(None) {
                continue;
            }
            let before = before.flatten();
            let found = self.patterns[index].look(line, before.as_ref());
            if index < last {
                self.running[index] = found;
            } else if let Some(found) = found {
                self.reset();
                if self.patterns[index].repeats() && index > 0 {
                    self.running[index - 1] = before;
                }
                return Some(self.complete(found));
            } else if index > 0 {
                self.running[index - 1] = None;
            }
        }
        None
    }

    /// Forgets what it has seen.
    pub fn reset(&mut self) {
        self.running.fill(None);
    }

    /// Returns who owns it.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    fn complete(&self, mut found: Match) -> Match {
        let absent = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
        if absent(&found.severity) && !absent(&self.severity) {
            found.severity.clone_from(&self.severity);
        }
        if absent(&found.from_path) && !absent(&self.from_path) {
            found.from_path.clone_from(&self.from_path);
        }
        found
    }
}

/// The matchers of a job; an owner has one.
#[derive(Clone, Debug, Default)]
pub struct Matchers(Vec<Matcher>);

impl Matchers {
    /// Adds matchers, each in place of the one its owner had; the newest is asked first.
    pub fn add(&mut self, matchers: Vec<Matcher>) {
        for matcher in matchers {
            self.remove(matcher.owner());
            self.0.insert(0, matcher);
        }
    }

    /// Removes the matcher of an owner.
    pub fn remove(&mut self, owner: &str) {
        self.0.retain(|matcher| !matcher.owner.eq_ignore_ascii_case(owner));
    }

    /// Shows them the next line, without its colours; the first that completes a problem has it.
    pub fn look(&mut self, line: &str) -> Option<Match> {
        if self.0.is_empty() {
            return None;
        }
        let line = without_colours(line);
        let (by, found) = self
            .0
            .iter_mut()
            .enumerate()
            .find_map(|(index, matcher)| Some((index, matcher.look(&line)?)))?;
        for (index, matcher) in self.0.iter_mut().enumerate() {
            if index != by {
                matcher.reset();
            }
        }
        Some(found)
    }

    /// Forgets what they have seen, as between two steps.
    pub fn reset(&mut self) {
        self.0.iter_mut().for_each(Matcher::reset);
    }
}

/// Removes the escape sequences that set colours.
pub fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains("\u{1b}[") {
        return Cow::Borrowed(line);
    }
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        plain.push_str(rest.strip_prefix('m').unwrap_or(rest));
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::vectors;

    fn shown(found: &Match) -> Value {
        let fields = [
            ("file", &found.file),
            ("fromPath", &found.from_path),
            ("line", &found.line),
            ("column", &found.column),
            ("severity", &found.severity),
            ("code", &found.code),
            ("message", &found.message),
        ];
        let set = fields.into_iter().filter_map(|(name, value)| {
            let value = value.as_deref().filter(|value| !value.is_empty())?;
            Some((name.to_owned(), Value::from(value)))
        });
        Value::Object(set.collect::<Map<_, _>>())
    }

    #[test]
    fn matchers_hold_as_on_github() {
        for case in vectors::cases("issue-matcher.json") {
            let name = &case["name"];
            let matchers = read(&case["config"].to_string());
            assert_eq!(matchers.is_ok(), case["valid"] == true, "{name}");
            let Ok(mut matchers) = matchers else { continue };
            for step in case["steps"].as_array().unwrap() {
                if name.as_str().unwrap().ends_with("_DefaultFromPath")
                    && step["line"].as_str().unwrap().contains(" fromPath:")
                {
                    matchers = read(&with_from_path(&case["config"]).to_string()).unwrap();
                }
                let found = matchers[0].look(step["line"].as_str().unwrap());
                // An empty object is a line whose answer GitHub's own test does not look at.
                if step["expect"] != json!({}) {
                    let found = found.as_ref().map_or(Value::Null, shown);
                    assert_eq!(found, step["expect"], "{name} {}", step["line"]);
                }
            }
        }
    }

    /// Makes the change that GitHub's own test makes to its matcher between two lines, and that the table
    /// has lost: the first pattern gets a group for the path.
    fn with_from_path(config: &Value) -> Value {
        let mut config = config.clone();
        let pattern = &mut config["problemMatcher"][0]["pattern"][0];
        let regexp = pattern["regexp"].as_str().unwrap().replace('$', " fromPath:(.+)$");
        pattern["fromPath"] = regexp.matches("(.+)").count().into();
        pattern["regexp"] = regexp.into();
        config
    }

    fn of(owner: &str, regexp: &str) -> Vec<Matcher> {
        let pattern = json!([{ "regexp": regexp, "message": 1 }]);
        read(&json!({ "problemMatcher": [{ "owner": owner, "pattern": pattern }] }).to_string())
            .unwrap()
    }

    #[test]
    fn the_newest_matcher_is_asked_first_and_replaces_its_owners_other() {
        let mut matchers = Matchers::default();
        matchers.add(of("a", "^(.*)$"));
        matchers.add(of("b", "^b: (.*)$"));
        assert_eq!(matchers.look("b: x").unwrap().message.as_deref(), Some("x"));
        matchers.add(of("A", "^a: (.*)$"));
        assert_eq!(matchers.look("c: x"), None);
        matchers.remove("B");
        assert_eq!(matchers.look("b: x"), None);
    }

    #[test]
    fn colours_are_not_looked_at() {
        let mut matchers = Matchers::default();
        matchers.add(of("a", "^error: (.*)$"));
        let found = matchers.look("\u{1b}[1;31merror\u{1b}[0m: x").unwrap();
        assert_eq!(found.message.as_deref(), Some("x"));
    }

    #[test]
    fn a_pattern_that_would_take_for_ever_finds_nothing() {
        let mut matchers = Matchers::default();
        matchers.add(of("a", r"^((?:a+)+)(?=b)\1$"));
        assert_eq!(matchers.look(&"a".repeat(2000)), None);
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(lines in prop::collection::vec(r"(\x1b\[|[0-9;]|m|[^x])*", 0..9)) {
            let mut matchers = Matchers::default();
            matchers.add(of("a", "^(.)"));
            for line in &lines {
                drop(matchers.look(line));
            }
        }
    }
}
