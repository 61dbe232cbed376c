//! `interlock milestone`: hands out each boundary, and accepts it as done once.

mod check;
pub(crate) mod claims;
mod close;
mod history;
mod import;
mod proof;
pub(crate) mod question;
mod wrap;

use clap::{Args, Subcommand};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The arguments of `interlock milestone`.
#[derive(Debug, Args)]
pub(crate) struct Milestone {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Says which boundaries a value has crossed, and claims them.
    Check(Box<check::CheckFlags>),
    /// Claims, runs a command for each boundary, renews meanwhile, and reports it done or failed.
    Run(Box<wrap::Wrap>),
    /// Lets claims last another length.
    Renew(close::Renew),
    /// Reports a boundary as done.
    Done(close::Close),
    /// Reports a boundary as not done: it is handed out again.
    Failed(close::Close),
    /// Shows what was done, and what is open.
    History(history::HistoryFlags),
    /// Takes over what was done before there was a ledger.
    Import(import::Import),
}

impl Milestone {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        match self.action {
            Action::Check(check) => check.run(session),
            Action::Run(wrap) => wrap.run(session),
            Action::Renew(renew) => renew.run(session),
            Action::Done(close) => close.done(session),
            Action::Failed(close) => close.failed(session),
            Action::History(history) => history.run(session),
            Action::Import(import) => import.run(session),
        }
    }
}
