//! The file in which problem matchers are written, and what it may say.

use serde::Deserialize;
use thiserror::Error;

use super::Matcher;
use super::pattern::{Pattern, Property};

/// A file of matchers that cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// It is not JSON of the right shape.
    #[error("it is not a file of problem matchers: {0}")]
    Json(#[from] serde_json::Error),
    /// It says something that has no meaning.
    #[error("{0}")]
    Invalid(String),
    /// A regular expression cannot be read.
    #[error("the regular expression '{regexp}' of the matcher '{owner}' cannot be read: {source}")]
    Regexp {
        /// Whose it is.
        owner: String,
        /// As it was written.
        regexp: String,
        /// Why.
        source: Box<fancy_regex::Error>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    problem_matcher: Vec<MatcherEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatcherEntry {
    #[serde(default)]
    owner: String,
    severity: Option<String>,
    from_path: Option<String>,
    #[serde(default)]
    pattern: Vec<PatternEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PatternEntry {
    #[serde(default)]
    regexp: String,
    file: Option<i64>,
    from_path: Option<i64>,
    line: Option<i64>,
    column: Option<i64>,
    severity: Option<i64>,
    code: Option<i64>,
    message: Option<i64>,
    #[serde(default)]
    r#loop: bool,
}

impl PatternEntry {
    fn properties(&self) -> [(Property, Option<i64>); 7] {
        [
            (Property::File, self.file),
            (Property::FromPath, self.from_path),
            (Property::Line, self.line),
            (Property::Column, self.column),
            (Property::Severity, self.severity),
            (Property::Code, self.code),
            (Property::Message, self.message),
        ]
    }
}

/// Reads the matchers of a file.
pub fn read(text: &str) -> Result<Vec<Matcher>, ConfigError> {
    let file: File = serde_json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text))?;
    let mut matchers: Vec<Matcher> = Vec::new();
    for entry in file.problem_matcher {
        let matcher = build(entry)?;
        let same = |other: &Matcher| other.owner.to_lowercase() == matcher.owner.to_lowercase();
        if matchers.iter().any(same) {
            return Err(invalid(format!("duplicate owner name '{}'", matcher.owner)));
        }
        matchers.push(matcher);
    }
    Ok(matchers)
}

fn build(entry: MatcherEntry) -> Result<Matcher, ConfigError> {
    let owner = entry.owner;
    if owner.trim().is_empty() {
        return Err(invalid("owner must not be empty"));
    }
    let last = entry.pattern.len().checked_sub(1);
    let Some(last) = last else {
        return Err(invalid(format!("matcher '{owner}' does not contain any patterns")));
    };
    let mut set = Vec::new();
    let mut patterns = Vec::new();
    for (index, entry) in entry.pattern.into_iter().enumerate() {
        if entry.r#loop && (index == 0 || index != last) {
            return Err(invalid(format!(
                "only the last pattern of several may set 'loop', in the matcher '{owner}'"
            )));
        }
        if entry.r#loop && entry.message.is_none() {
            return Err(invalid(format!("a pattern with 'loop' must set 'message', in '{owner}'")));
        }
        patterns.push(pattern(&owner, &entry, &mut set)?);
    }
    if !set.contains(&Property::Message) {
        return Err(invalid(format!("a pattern of the matcher '{owner}' must set 'message'")));
    }
    let running = vec![None; last];
    Ok(Matcher { owner, severity: entry.severity, from_path: entry.from_path, patterns, running })
}

fn pattern(
    owner: &str,
    entry: &PatternEntry,
    set: &mut Vec<Property>,
) -> Result<Pattern, ConfigError> {
    let mut groups = Vec::new();
    for (property, group) in entry.properties() {
        let Some(group) = group else { continue };
        if set.contains(&property) {
            return Err(invalid(format!("'{property}' is set twice, in the matcher '{owner}'")));
        }
        set.push(property);
        let group = usize::try_from(group).map_err(|_| {
            invalid(format!("'{property}' is not a group, in the matcher '{owner}'"))
        })?;
        groups.push((property, group));
    }
    let pattern = Pattern::new(&entry.regexp, groups, entry.r#loop).map_err(|source| {
        let (owner, regexp) = (owner.to_owned(), entry.regexp.clone());
        ConfigError::Regexp { owner, regexp, source: Box::new(source) }
    })?;
    match pattern.without_group() {
        Some(property) => Err(invalid(format!(
            "'{property}' names a group that '{}' does not have, in the matcher '{owner}'",
            entry.regexp
        ))),
        None => Ok(pattern),
    }
}

fn invalid(message: impl Into<String>) -> ConfigError {
    ConfigError::Invalid(message.into())
}
