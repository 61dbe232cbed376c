//! Who a job is, in full, with the directory name that follows from it.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Everything that tells one job from every other. Nothing is left out, or data is lost by it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The host of the repository, such as `github.com`, or `local`.
    pub host: String,
    /// The owner of the repository.
    pub owner: String,
    /// The name of the repository.
    pub repository: String,
    /// The path of the workflow file in the repository.
    pub workflow: String,
    /// The name of the event.
    pub event: String,
    /// The run.
    pub run: u64,
    /// The attempt of the run, from 1.
    pub attempt: u32,
    /// The job's id; ids of calling jobs stand before it, divided by `/`.
    pub job: String,
    /// Which job of a matrix.
    pub leg: Option<usize>,
}

/// The most bytes of a name that stay readable in a path.
const READABLE: usize = 40;

impl Identity {
    /// Returns the directory below the root, such as `octo/hello/ci.yml/17-1-build-0`.
    pub(crate) fn path(&self) -> PathBuf {
        let workflow = self.workflow.strip_prefix(".github/workflows/").unwrap_or(&self.workflow);
        let mut last = format!("{}-{}-{}", self.run, self.attempt, segment(&self.job));
        if let Some(leg) = self.leg {
            write!(last, "-{leg}").expect("a string takes all that is written");
        }
        // GitHub's owners and repositories differ by more than case.
        let owner = segment(&self.owner.to_lowercase());
        let repository = segment(&self.repository.to_lowercase());
        PathBuf::from(owner).join(repository).join(segment(workflow)).join(last)
    }

    /// Returns a short digest of all of it, for the rare case that two jobs would share a path.
    pub(crate) fn digest(&self) -> String {
        let text = serde_json::to_string(self).expect("an identity is text and numbers");
        short_digest(text.as_bytes())
    }
}

/// Turns any text into one path segment: different texts give different segments, also where case is ignored.
pub(crate) fn segment(text: &str) -> String {
    let readable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_plain = !text.is_empty()
        && text.len() <= READABLE
        && !text.starts_with('.')
        && text.chars().all(|c| readable(c) && !c.is_ascii_uppercase());
    if is_plain {
        return text.to_owned();
    }
    let kept: String = text
        .trim_start_matches('.')
        .chars()
        .map(|c| if readable(c) { c } else { '-' })
        .take(READABLE)
        .collect();
    format!("{kept}~{}", short_digest(text.as_bytes()))
}

/// Returns twelve hexadecimal digits that stand for the bytes.
pub(crate) fn short_digest(bytes: &[u8]) -> String {
    let mut text = hex(&Sha256::digest(bytes));
    text.truncate(12);
    text
}

/// Returns the bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Component;

    use super::*;

    #[test]
    fn plain_names_stay_as_they_are() {
        for name in ["build", "ci.yml", "a_b-c.9"] {
            assert_eq!(segment(name), name);
        }
    }

    #[test]
    fn no_name_leaves_its_directory_or_meets_another() {
        let long = "x".repeat(5000);
        let names = [
            "",
            ".",
            "..",
            "../..",
            "/etc/passwd",
            "a/b",
            "a-b",
            "a\\b",
            "A-b",
            "CI",
            "ci",
            "Ci",
            ".git",
            "~",
            "nul\0",
            "line\nbreak",
            "ä",
            "a b",
            long.as_str(),
            &long[1..],
            "a-b~c6a5d6c2ff1e",
        ];
        let mut seen = BTreeSet::new();
        for name in names {
            let made = segment(name);
            assert!(made.len() <= 64 && !made.starts_with('.'), "{made:?}");
            assert!(!made.is_empty() && !made.contains(['/', '\\', '\0', '\n']), "{made:?}");
            assert!(seen.insert(made.to_lowercase()), "{name:?} meets another: {made}");
        }
    }

    #[test]
    fn path_has_four_normal_parts_whatever_it_is_told() {
        let evil = "../../../../etc";
        let identity = Identity {
            host: evil.to_owned(),
            owner: evil.to_owned(),
            repository: evil.to_owned(),
            workflow: evil.to_owned(),
            event: evil.to_owned(),
            run: 1,
            attempt: 1,
            job: evil.to_owned(),
            leg: None,
        };
        let path = identity.path();
        assert_eq!(path.components().count(), 4, "{path:?}");
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
    }
}
