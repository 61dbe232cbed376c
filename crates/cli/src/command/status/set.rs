//! `status set`: says how a task stands.

use std::time::Duration;

use clap::Args;
use serde_json::{Map, json};

use super::backing::{BackingFlags, Shown};
use super::say::{DetailFlags, Word, post, tell};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::settings::duration;

/// The arguments of `interlock status set`.
#[derive(Debug, Args)]
pub(super) struct Set {
    /// What the writer calls the task; the same name changes the same row.
    #[arg(value_name = "TASK")]
    task: String,
    /// How it stands.
    #[arg(long, value_enum, value_name = "STATE")]
    state: Word,
    #[command(flatten)]
    details: DetailFlags,
    /// How long an unfinished task may be silent before it is shown as aborted.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "6h")]
    ttl: Duration,
    /// Exit with 3 for "not taken in" also where step outputs carry the answer.
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    backing: BackingFlags,
}

impl Set {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(self.perform(session))?
    }

    async fn perform(&self, session: &Session) -> Result<Exit, Failure> {
        let state = self.state.state();
        let change = self.details.change(state, session)?;
        let backing = self.backing.open(session).await?;
        backing.place.must_have_head()?;
        let post = post(&backing.place, vec![(self.task.clone(), change)], self.ttl);
        let said = backing.say(&post).await?;
        let mut fields = Map::new();
        fields.insert("task".to_owned(), json!(self.task));
        fields.insert("state".to_owned(), json!(state.word()));
        fields.insert("head".to_owned(), json!(backing.place.head));
        let counts = tell(&said, fields, session)?;
        if !counts {
            return Ok(session.no(self.exit_code));
        }
        backing.show_elsewhere(session).await?;
        match said.shown {
            Shown::Failed(failure) => Err(failure),
            _ => Ok(Exit::Done),
        }
    }
}
