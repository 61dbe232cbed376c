//! Comments on issues and pull requests.

use serde::Deserialize;
use serde_json::json;

use crate::client::Client;
use crate::error::Error;

/// One comment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Comment {
    /// Its id; a lower one is older.
    pub id: u64,
    /// Its text, Markdown.
    #[serde(default)]
    pub body: String,
    /// Who wrote it.
    #[serde(default)]
    pub user: Option<Author>,
    /// Where people see it.
    #[serde(default)]
    pub html_url: String,
}

/// Whoever wrote something.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Author {
    /// The login, for example `octocat` or `github-actions[bot]`.
    pub login: String,
}

impl Comment {
    /// Returns the login of whoever wrote it.
    pub fn author(&self) -> Option<&str> {
        self.user.as_ref().map(|user| user.login.as_str())
    }
}

impl Client {
    /// Lists all comments of an issue or pull request, oldest first.
    pub async fn comments(&self, issue: u64) -> Result<Vec<Comment>, Error> {
        let path = self.path(&["issues", &issue.to_string(), "comments"]);
        let mut comments: Vec<Comment> = self.pages(&path, None).await?;
        comments.sort_by_key(|comment| comment.id);
        comments.dedup_by_key(|comment| comment.id);
        Ok(comments)
    }

    /// Reads one comment.
    pub async fn comment(&self, id: u64) -> Result<Comment, Error> {
        self.get(&self.path(&["issues", "comments", &id.to_string()])).await
    }

    /// Writes a new comment. If the answer is lost, search for your marker before you write again.
    pub async fn create_comment(&self, issue: u64, body: &str) -> Result<Comment, Error> {
        let path = self.path(&["issues", &issue.to_string(), "comments"]);
        self.post(&path, &json!({ "body": body })).await
    }

    /// Replaces the text of a comment.
    pub async fn update_comment(&self, id: u64, body: &str) -> Result<Comment, Error> {
        self.patch(&self.path(&["issues", "comments", &id.to_string()]), &json!({ "body": body }))
            .await
    }

    /// Removes a comment.
    pub async fn delete_comment(&self, id: u64) -> Result<(), Error> {
        self.delete(&self.path(&["issues", "comments", &id.to_string()])).await
    }

    /// Returns the login that our comments will carry; none where the API does not say, as for the
    /// token of a job, whose login is `github-actions[bot]`.
    pub async fn login(&self) -> Result<Option<String>, Error> {
        use crate::error::ErrorKind::{Denied, NotFound};
        match self.get::<Author>("/user").await {
            Ok(author) => Ok(Some(author.login)),
            Err(error) if matches!(error.kind, Denied | NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
