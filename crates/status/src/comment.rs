//! Our comment on an issue or pull request: found by marker and author, one and not several.

use std::time::Duration;

use github::{Client, Comment, ErrorKind};

use crate::error::Error;

/// The login of the token that GitHub gives every job.
pub const JOB_LOGIN: &str = "github-actions[bot]";

/// How often a new comment is searched for again before it is written again.
const SEARCHES: u32 = 3;

/// One comment of ours, wherever it is.
#[derive(Clone, Debug)]
pub struct Spot {
    /// The issue or pull request.
    pub issue: u64,
    /// What the comment begins with.
    pub marker: String,
    /// Who writes it. Comments of others are not ours, whatever they begin with.
    pub author: String,
}

/// What there is of our comment.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The one that stays: the oldest.
    pub ours: Option<Comment>,
    /// The others, which came by accident.
    pub twins: Vec<Comment>,
}

/// Finds out as whom a client writes: as somebody said, as was seen before, or as the API says.
///
/// The token of a job may not ask; `job` is its login.
pub async fn author(
    client: &Client,
    said: Option<&str>,
    seen: Option<&str>,
    job: Option<&str>,
) -> Result<String, Error> {
    if let Some(known) = said.or(seen) {
        return Ok(known.to_owned());
    }
    let told = client.login().await?;
    told.or_else(|| job.map(ToOwned::to_owned)).ok_or(Error::NoAuthor)
}

impl Spot {
    /// Searches all comments.
    pub async fn find(&self, client: &Client) -> Result<Found, Error> {
        let comments = client.comments(self.issue).await?;
        let mut ours: Vec<Comment> =
            comments.into_iter().filter(|comment| self.is_ours(comment)).collect();
        ours.sort_by_key(|comment| comment.id);
        let mut ours = ours.into_iter();
        Ok(Found { ours: ours.next(), twins: ours.collect() })
    }

    /// Says whether a comment is ours.
    pub fn is_ours(&self, comment: &Comment) -> bool {
        let is_author = comment.author().is_some_and(|a| a.eq_ignore_ascii_case(&self.author));
        is_author && comment.body.trim_start().starts_with(&self.marker)
    }

    /// Writes the body into the comment `known`, else into the one that is found, else into a new one;
    /// then removes twins that were found.
    ///
    /// An answer that was lost is [`ErrorKind::Lost`]: the body may land later.
    pub async fn write(
        &self,
        client: &Client,
        known: Option<u64>,
        body: &str,
    ) -> Result<Comment, Error> {
        if let Some(id) = known {
            match client.update_comment(id, body).await {
                // It was deleted, or is another token's: search.
                Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Denied) => {}
                result => return Ok(result?),
            }
        }
        let found = self.find(client).await?;
        self.write_found(client, &found, body).await
    }

    /// Writes the body into what was found, the one that stays first; then removes the twins.
    pub async fn write_found(
        &self,
        client: &Client,
        found: &Found,
        body: &str,
    ) -> Result<Comment, Error> {
        let comment = match &found.ours {
            None => client.create_comment(self.issue, body).await?,
            Some(ours) => match client.update_comment(ours.id, body).await {
                // The list was older than the truth.
                Err(error) if error.kind == ErrorKind::NotFound => {
                    client.create_comment(self.issue, body).await?
                }
                result => result?,
            },
        };
        for twin in found.twins.iter().filter(|twin| twin.id != comment.id) {
            // A twin that stays is removed by the next one who looks.
            if let Err(error) = client.delete_comment(twin.id).await {
                tracing::debug!("a second comment stays for now: {error}");
            }
        }
        Ok(comment)
    }

    /// Keeps a notice: writes it once, changes it when it says something else, and never repeats it.
    pub async fn notify(
        &self,
        client: &Client,
        text: &str,
        settling: Duration,
    ) -> Result<Comment, Error> {
        let body = format!("{}\n{text}\n", self.marker);
        let mut found = self.find(client).await?;
        for search in 0.. {
            if let Some(ours) = found.ours.as_ref().filter(|ours| ours.body.trim() == body.trim())
                && found.twins.is_empty()
            {
                return Ok(ours.clone());
            }
            match self.write_found(client, &found, &body).await {
                Err(Error::Api(error)) if error.kind == ErrorKind::Lost && search < SEARCHES => {
                    tokio::time::sleep(settling).await;
                    found = self.find(client).await?;
                }
                result => return result,
            }
        }
        unreachable!("the last search returns what it finds")
    }
}
