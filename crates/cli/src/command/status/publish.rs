//! `status publish`: shows what is stored.

use clap::Args;
use serde_json::{Value, json};
use status::{Publication, Stay};

use super::backing::{Backing, BackingFlags, Kind};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Level, Session};

/// The arguments of `interlock status publish`.
#[derive(Debug, Args)]
pub(super) struct Publish {
    /// Stay until everything that is stored now is shown, and repair a comment that was edited or deleted.
    #[arg(long = "final")]
    is_final: bool,
    /// Take in the jobs of the head's runs as the API knows them, also those that never call us.
    #[arg(long)]
    include_jobs: bool,
    #[command(flatten)]
    backing: BackingFlags,
}

impl Publish {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(self.perform(session))?
    }

    async fn perform(&self, session: &Session) -> Result<Exit, Failure> {
        let backing = self.backing.open(session).await?;
        let publication = self.publish(&backing, session).await?;
        backing.show_elsewhere(session).await?;
        let (word, text) = match &publication {
            None => ("stored", "the comment is the document already".to_owned()),
            Some(Publication::Shown) => ("shown", "the comment shows what is stored".to_owned()),
            Some(Publication::Underway) => ("stored", "another writer is showing it".to_owned()),
            Some(Publication::Later { wait }) => ("stored", format!("it is due in {wait:.0?}")),
            Some(Publication::Refused { why }) => {
                session.annotate(Level::Warning, "status", &format!("not shown yet: {why}"));
                ("stored", format!("not shown: {why}"))
            }
        };
        let published = word == "shown";
        let answer = json!({ "outcome": word, "published": published, "reason": text });
        session.answer(&answer, &format!("{word}: {text}"))?;
        Ok(Exit::Done)
    }

    async fn publish(
        &self,
        backing: &Backing,
        session: &Session,
    ) -> Result<Option<Publication>, Failure> {
        let Kind::Board(board) = &backing.kind else { return Ok(None) };
        // Fails with what is missing, before anything is asked.
        drop(backing.place.client(&self.backing.place.forge, session)?);
        if self.include_jobs {
            match board.include_jobs(&own_run(session)).await {
                Err(error) if error.is_passing() => session.annotate(
                    Level::Warning,
                    "status",
                    &format!("the jobs of the API are not taken in: {error}"),
                ),
                result => result?,
            }
        }
        if self.is_final {
            return Ok(Some(board.publish_and_repair().await?));
        }
        let revision = board.snapshot().await?.assignment.revision;
        Ok(Some(board.publish(revision, Stay::IfDue).await?))
    }
}

/// Returns the run that asks.
pub(super) fn own_run(session: &Session) -> String {
    session.surroundings.get("GITHUB_RUN_ID").unwrap_or_default().to_owned()
}

/// Returns the counts of a document by state.
pub(super) fn counts(view: &status::View<'_>) -> Value {
    use status::State::{Aborted, Failed, Failing, Passed, Queued, Running, Skipped, Warning};
    let states = [Failed, Aborted, Failing, Running, Queued, Warning, Passed, Skipped];
    let counts = states.map(|state| (state.word().to_owned(), json!(view.count(state))));
    Value::Object(counts.into_iter().collect())
}
