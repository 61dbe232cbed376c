//! `interlock lock`: one holder at a time, for whatever CI jobs, bots and people share.

mod acquire;
mod asking;
mod identity;
mod mend;
mod os_lock;
mod present;
mod push;
mod put;
mod show;
mod token;
mod waiting;
mod wrap;

use clap::{Args, Subcommand};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The arguments of `interlock lock`.
#[derive(Debug, Args)]
pub(crate) struct Lock {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Takes locks, runs a command, renews meanwhile, and releases when it has ended.
    Run(Box<wrap::Wrap>),
    /// Takes locks, and keeps the proof for `lock release` in a later step.
    Acquire(Box<acquire::Acquire>),
    /// Releases locks that `lock acquire` took here.
    Release(acquire::Release),
    /// Lets locks that `lock acquire` took here last another length.
    Renew(acquire::Renew),
    /// Says whether a fence is still that of the holder; exits 0 only if it is.
    Check(show::Check),
    /// Shows who holds a lock, who waits, and how the last grants ended.
    Show(show::Show),
    /// Lists locks.
    List(show::List),
    /// Ends somebody's grant, and keeps who did it and why.
    Break(mend::Break),
    /// Sets a damaged record aside and starts again above every fence it can have given.
    Repair(mend::Repair),
    /// Pushes to a Git remote, unless somebody with a larger fence has pushed there.
    Push(push::Push),
    /// Writes a file into the store, unless somebody with a larger fence has written there.
    Put(put::Put),
    /// Reads what `lock put` wrote.
    Get(put::Get),
}

impl Lock {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        match self.action {
            Action::Run(wrap) => wrap.run(session),
            Action::Acquire(acquire) => session.block_on(acquire.run(session))?,
            Action::Release(release) => session.block_on(release.run(session))?,
            Action::Renew(renew) => session.block_on(renew.run(session))?,
            Action::Check(check) => session.block_on(check.run(session))?,
            Action::Show(show) => session.block_on(show.run(session))?,
            Action::List(list) => session.block_on(list.run(session))?,
            Action::Break(action) => session.block_on(action.run(session))?,
            Action::Repair(repair) => session.block_on(repair.run(session))?,
            Action::Push(push) => session.block_on(push.run(session))?,
            Action::Put(put) => session.block_on(put.run(session))?,
            Action::Get(get) => session.block_on(get.run(session))?,
        }
    }
}
