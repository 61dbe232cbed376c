//! `status settle`: the last word, proven.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use status::State;

use super::backing::{BackingFlags, Kind};
use super::publish::{counts, own_run};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Level, Session};
use crate::settings::duration;

/// The arguments of `interlock status settle`.
#[derive(Debug, Args)]
pub(super) struct Settle {
    /// How long to wait for tasks that go on.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1h")]
    timeout: Duration,
    /// Take in, and wait for, the jobs of the head's runs as the API knows them.
    #[arg(long)]
    include_jobs: bool,
    /// Exit with 1 if a task has failed.
    #[arg(long)]
    fail: bool,
    #[command(flatten)]
    backing: BackingFlags,
}

impl Settle {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(self.perform(session))?
    }

    async fn perform(&self, session: &Session) -> Result<Exit, Failure> {
        let backing = self.backing.open(session).await?;
        let (unfinished, proven, repairs) = match &backing.kind {
            Kind::Board(board) => {
                drop(backing.place.client(&self.backing.place.forge, session)?);
                let own = own_run(session);
                let include = self.include_jobs.then_some(own.as_str());
                let settled = board.settle(self.timeout, include).await?;
                (settled.unfinished, settled.proven, settled.repairs)
            }
            Kind::Comment(unbacked) => (unbacked.settle(self.timeout).await?, false, 0),
        };
        backing.show_elsewhere(session).await?;
        let looked = backing.look().await?;
        let view = looked.view();
        let is_board = matches!(backing.kind, Kind::Board(_));
        let word = match (unfinished, proven || !is_board) {
            (0, true) => "settled",
            (0, false) => "unproven",
            _ => "unfinished",
        };
        let answer = json!({
            "outcome": word,
            "proven": proven,
            "unfinished": unfinished,
            "repairs": repairs,
            "overall": view.overall().word(),
            "counts": counts(&view),
        });
        session.answer(&answer, &format!("{word}: {}", view.line(200)))?;
        if word == "unproven" {
            let text = "the API kept showing another comment than the document";
            session.annotate(Level::Warning, "status", text);
        }
        let failed = matches!(view.overall(), State::Failed | State::Failing);
        Ok(match word {
            "unfinished" => session.no(false),
            _ if self.fail && failed => Exit::Failed,
            _ => Exit::Done,
        })
    }
}
