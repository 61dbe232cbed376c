//! `interlock group`: GitHub's concurrency groups, and policies beyond them, for any job anywhere.

mod asked;
mod cancel;
mod enter;
mod gc;
mod place;
mod show;
mod told;
mod wrap;

use clap::{Args, Subcommand};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The arguments of `interlock group`.
#[derive(Debug, Args)]
pub(crate) struct Group {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Enters a group and says at once how one stands: in progress, pending, or out.
    Enter(Box<enter::Enter>),
    /// Waits until a group that was entered is ours, and keeps the place meanwhile.
    Wait(enter::Wait),
    /// Keeps a place for another length, and says how one stands.
    Renew(enter::Renew),
    /// Leaves a group that was entered.
    Leave(enter::Leave),
    /// Enters, waits, runs a command, and leaves; the command is stopped when it is superseded.
    Run(Box<wrap::Wrap>),
    /// Shows the groups of this repository.
    List(show::List),
    /// Removes the records of groups that nobody uses; what a fence or an order depends on is kept.
    Gc(gc::Gc),
    /// Shows who is in a group, and who waits for it.
    Show(show::Show),
}

impl Group {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        match self.action {
            Action::Enter(enter) => session.block_on(enter.run(session))?,
            Action::Wait(wait) => session.block_on(wait.run(session))?,
            Action::Renew(renew) => session.block_on(renew.run(session))?,
            Action::Leave(leave) => session.block_on(leave.run(session))?,
            Action::Run(wrap) => wrap.run(session),
            Action::List(list) => session.block_on(list.run(session))?,
            Action::Gc(gc) => session.block_on(gc.run(session))?,
            Action::Show(show) => session.block_on(show.run(session))?,
        }
    }
}
