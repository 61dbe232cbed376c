//! The key: the name by which a run or a job is known, in journals as well as in memory.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Identifies a run, as GitHub's numbers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Identifies a job inside its run.
///
/// The path holds job ids, caller first. A caller that is itself a leg of a
/// matrix stands in it as `id.leg`; a job id has no dot and does not begin with a digit, so
/// this is never ambiguous. A key without a leg is a job without a matrix, or one
/// that ended before its matrix was expanded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct JobKey {
    /// The job ids, caller first.
    pub path: Vec<String>,
    /// The index in the matrix, where there is one.
    pub leg: Option<usize>,
}

impl JobKey {
    /// Returns the key of a job that stands in the workflow itself.
    pub fn new(id: impl Into<String>) -> Self {
        Self { path: vec![id.into()], leg: None }
    }

    /// Returns the same job's key for one leg of its matrix.
    #[must_use]
    pub fn with_leg(mut self, leg: usize) -> Self {
        self.leg = Some(leg);
        self
    }

    /// Returns the job's own id.
    pub fn id(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// Returns the key as one path segment, for logs and directories.
    pub fn file_stem(&self) -> String {
        self.to_string().replace('/', ".")
    }

    /// Returns the last path segment, with its leg.
    pub(crate) fn segment(&self) -> String {
        match self.leg {
            Some(leg) => format!("{}.{leg}", self.id()),
            None => self.id().to_owned(),
        }
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path.join("/"))?;
        match self.leg {
            Some(leg) => write!(f, ".{leg}"),
            None => Ok(()),
        }
    }
}

impl From<JobKey> for String {
    fn from(key: JobKey) -> Self {
        key.to_string()
    }
}

/// Says that a text is not the key of a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not the key of a job")]
pub struct BadKey(pub String);

impl TryFrom<String> for JobKey {
    type Error = BadKey;

    fn try_from(text: String) -> Result<Self, BadKey> {
        text.parse()
    }
}

impl FromStr for JobKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let bad = || BadKey(text.to_owned());
        let mut path: Vec<String> = text.split('/').map(str::to_owned).collect();
        let last = path.pop().ok_or_else(bad)?;
        let (id, leg) = match last.rsplit_once('.') {
            Some((id, leg)) => (id.to_owned(), Some(leg.parse().map_err(|_| bad())?)),
            None => (last, None),
        };
        path.push(id);
        if path.iter().any(String::is_empty) { Err(bad()) } else { Ok(Self { path, leg }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, path: &[&str], leg: Option<usize>) {
        let key = JobKey { path: path.iter().map(|id| (*id).to_owned()).collect(), leg };
        assert_eq!(key.to_string(), text);
        assert_eq!(text.parse(), Ok(key));
    }

    #[test]
    fn a_key_is_read_back_from_its_text() {
        check("build", &["build"], None);
        check("build.0", &["build"], Some(0));
        check("call.2/build.11", &["call.2", "build"], Some(11));
        check("call/test", &["call", "test"], None);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "a//b", ".1", "a.b", "a/"] {
            assert!(text.parse::<JobKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_names_one_file() {
        assert_eq!("call.2/build.1".parse::<JobKey>().unwrap().file_stem(), "call.2.build.1");
    }

    #[test]
    fn a_key_is_a_string_in_json() {
        let key = JobKey::new("a").with_leg(1);
        assert_eq!(serde_json::to_string(&key).unwrap(), "\"a.1\"");
        assert_eq!(serde_json::from_str::<JobKey>("\"a.1\"").unwrap(), key);
    }
}
