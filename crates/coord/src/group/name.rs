//! The name of a group: host, repository and what the workflow calls it.

use std::fmt;

use store::Key;

/// Names a group. Runs and jobs share one namespace for each repository, whatever the workflow.
///
/// Letter case means nothing, as for GitHub.
#[derive(Clone, Debug)]
pub struct GroupName {
    host: String,
    repository: String,
    name: String,
}

impl GroupName {
    /// Joins host, repository (`owner/name`) and the text of `concurrency.group`.
    pub fn new(
        host: impl Into<String>,
        repository: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self { host: host.into(), repository: repository.into(), name: name.into() }
    }

    /// Returns where the group lives in a store.
    pub fn key(&self) -> Key {
        let [host, repository, name] =
            [&self.host, &self.repository, &self.name].map(|text| text.to_lowercase());
        Key::new(["group", &host, &repository, &name])
    }

    /// Returns the beginning of the keys of all groups of a repository.
    pub fn prefix(host: &str, repository: &str) -> String {
        format!("{}/", Key::new(["group", &host.to_lowercase(), &repository.to_lowercase()]))
    }

    /// Returns the text of `concurrency.group`.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for GroupName {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for GroupName {}
