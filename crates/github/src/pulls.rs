//! Pull requests and branches: what work exists already.

use serde::Deserialize;

use crate::client::{Client, segment_text};
use crate::error::{Error, ErrorKind};

/// One pull request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PullRequest {
    /// Its number.
    pub number: u64,
    /// `open` or `closed`.
    #[serde(default)]
    pub state: String,
    /// When it was merged, if it was.
    #[serde(default)]
    pub merged_at: Option<String>,
    /// Where people see it.
    #[serde(default)]
    pub html_url: String,
    /// Its source.
    pub head: Head,
}

/// The source of a pull request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// The commit.
    #[serde(default)]
    pub sha: String,
    /// The branch.
    #[serde(default, rename = "ref")]
    pub reference: String,
}

/// One branch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Branch {
    /// Its name.
    pub name: String,
}

/// How far a pull request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullState {
    /// It is open.
    Open,
    /// It was merged.
    Merged,
    /// It was closed without being merged.
    Closed,
}

impl PullRequest {
    /// Returns how far it is.
    pub fn pull_state(&self) -> PullState {
        match (&self.merged_at, self.state.as_str()) {
            (Some(_), _) => PullState::Merged,
            (None, "open") => PullState::Open,
            (None, _) => PullState::Closed,
        }
    }
}

impl Client {
    /// Reads a pull request.
    pub async fn pull(&self, number: u64) -> Result<PullRequest, Error> {
        self.get(&self.path(&["pulls", &number.to_string()])).await
    }

    /// Lists all pull requests, of any state, whose source is `branch` of this repository, newest first.
    pub async fn pulls_from(&self, branch: &str) -> Result<Vec<PullRequest>, Error> {
        self.pulls_from_fork(self.repository().owner(), branch).await
    }

    /// Lists all pull requests, of any state, whose source is `branch` of `owner`'s fork, newest first.
    pub async fn pulls_from_fork(
        &self,
        owner: &str,
        branch: &str,
    ) -> Result<Vec<PullRequest>, Error> {
        let head = format!("{owner}:{branch}");
        let path = format!("{}?state=all&head={}", self.path(&["pulls"]), segment_text(&head));
        let pulls: Vec<PullRequest> = self.pages(&path, None).await?;
        // Some forges ignore the filter.
        Ok(pulls.into_iter().filter(|pull| pull.head.reference == branch).collect())
    }

    /// Lists the pull requests that contain a commit.
    pub async fn pulls_of_commit(&self, sha: &str) -> Result<Vec<PullRequest>, Error> {
        self.pages(&self.path(&["commits", sha, "pulls"]), None).await
    }

    /// Says whether a branch exists.
    pub async fn has_branch(&self, name: &str) -> Result<bool, Error> {
        match self.get::<Branch>(&self.path(&["branches", name])).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}
