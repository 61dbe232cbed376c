//! `interlock status`: one comment that many writers share, and no lost row.

mod backing;
mod import;
mod place;
mod publish;
mod say;
mod set;
mod settle;
mod show;
mod tail;
mod wrap;

use clap::{Args, Subcommand};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The arguments of `interlock status`.
#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Says how a task stands.
    Set(Box<set::Set>),
    /// Runs a command as a task: running, how far it is, and how it ended.
    Run(Box<wrap::Wrap>),
    /// Takes in the result of `interlock parallel` as rows.
    Import(Box<import::Import>),
    /// Shows what is stored, if that is due; with --final until it is shown.
    Publish(publish::Publish),
    /// Waits until every known task is finished or silent, and proves that the comment shows it.
    Settle(settle::Settle),
    /// Prints the document.
    Show(show::Show),
    /// Prints the document whenever it changes, until every task is finished.
    Watch(show::Watch),
}

impl Status {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        match self.action {
            Action::Set(set) => set.run(session),
            Action::Run(wrap) => wrap.run(session),
            Action::Import(import) => import.run(session),
            Action::Publish(publish) => publish.run(session),
            Action::Settle(settle) => settle.run(session),
            Action::Show(show) => show.run(session),
            Action::Watch(watch) => watch.run(session),
        }
    }
}
