//! The names: what a document is about, and who writes into it.

use std::fmt;

use serde::{Deserialize, Serialize};
use store::Key;

/// What a document is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// The host, for example `github.com`.
    pub host: String,
    /// `owner/name`.
    pub repository: String,
    /// The pull request or the commit.
    pub target: Target,
    /// Which of several documents on one target; `status` unless somebody says otherwise.
    pub name: String,
}

/// A pull request, or a commit without one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A pull request.
    Pull(u64),
    /// A commit.
    Commit(String),
}

impl Subject {
    /// Returns where the document is kept. Hosts and repositories have no case.
    pub fn key(&self) -> Key {
        let (host, repository) = (self.host.to_lowercase(), self.repository.to_lowercase());
        Key::new(["status", &host, &repository, &self.target.to_string(), &self.name])
    }

    /// Returns what our comment on it begins with, and no other comment does.
    pub fn marker(&self) -> String {
        // A comment in HTML ends at `-->`, and `--` is not allowed in it.
        let safe = |text: &str| -> String {
            let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | ' ');
            text.chars().map(|c| if legal(c) { c } else { '_' }).take(200).collect()
        };
        let repository = safe(&self.repository.to_lowercase());
        format!("<!-- interlock status {} {} {} -->", repository, self.target, safe(&self.name))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pull(number) => write!(f, "pull {number}"),
            Self::Commit(sha) => write!(f, "commit {sha}"),
        }
    }
}

/// Who writes: the whole identity of a job, but for the attempt, which orders what it writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Writer {
    /// The host that the run belongs to, for example `github.com`.
    pub host: String,
    /// `owner/name`.
    pub repository: String,
    /// The path of the workflow.
    pub workflow: String,
    /// The event that started the run.
    pub event: String,
    /// The id of the run.
    pub run: String,
    /// The job.
    pub job: String,
    /// The leg of the job's matrix; empty without one.
    pub leg: String,
}

impl Writer {
    /// Returns the workflow, job and leg, as short as people know them.
    pub fn place(&self) -> String {
        let file = self.workflow.rsplit('/').next().unwrap_or_default();
        let file = file.trim_end_matches(".yml").trim_end_matches(".yaml");
        let parts = [file, &self.event, &self.job, &self.leg];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &str) -> Subject {
        Subject {
            host: "GitHub.com".to_owned(),
            repository: "Octo/Tones".to_owned(),
            target: Target::Pull(7),
            name: name.to_owned(),
        }
    }

    #[test]
    fn names_without_case_mean_one_document() {
        let mut lower = subject("status");
        lower.repository = "octo/tones".to_owned();
        assert_eq!(lower.key(), subject("status").key());
        assert_eq!(lower.marker(), subject("status").marker());
        assert_ne!(subject("other").key(), subject("status").key());
    }

    #[test]
    fn name_cannot_end_the_marker() {
        let marker = subject("x --><script>").marker();
        assert_eq!(marker.matches("-->").count(), 1);
        assert!(marker.ends_with("-->") && !marker.contains("<s"));
    }
}
