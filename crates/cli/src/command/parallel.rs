//! `interlock parallel`: named commands at once, each with one true result.

mod background;
mod execute;
mod files;
mod flags;
mod invoke;
mod jobs_file;
mod junit;
mod keeper;
mod narrator;
mod occasions;
mod plan;
mod present;
mod summary;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use runner::guardian::{self, Role};

use self::files::Files;
use self::flags::PlanFlags;
use self::plan::Plan;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The arguments of `interlock parallel`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Parallel {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    flags: PlanFlags,
    /// The directory that `parallel start` prepared for this process.
    #[arg(long, hide = true, value_name = "DIR")]
    keep_in: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Starts the jobs and returns at once; `parallel wait` collects their results.
    Start(Box<background::Start>),
    /// Waits for jobs that `parallel start` began, and reports as if they had run now.
    Wait(background::Wait),
}

impl Parallel {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        match self.action {
            Some(Action::Start(start)) => start.run(session),
            Some(Action::Wait(wait)) => wait.run(session),
            None => run(&self.flags, self.keep_in, session),
        }
    }
}

/// Runs the jobs here and now; in the background, where `keep_in` says so.
fn run(flags: &PlanFlags, keep_in: Option<PathBuf>, session: &Session) -> Result<Exit, Failure> {
    // Whatever can be wrong with the plan is said before anything is split or started.
    let plan = Plan::read(flags, session)?;
    if let Role::Front(departure) = guardian::enter().map_err(|error| split_failed(&error))? {
        return Ok(front(&departure, session));
    }
    let files = Files::prepare(flags, session)?;
    let keeper = keeper::Keeper::begin(session, keep_in)?;
    let summary = occasions::run(flags, &plan, &files, keeper.run(), session)?;
    if keeper.keep(&summary)? {
        files.write(&summary)?;
    } else {
        present::present(&summary, &files, session)?;
    }
    Ok(summary.exit(session.no(false)))
}

fn front(departure: &guardian::Departure, session: &Session) -> Exit {
    if let Some(signal) = departure.signal {
        let count = departure.strays.len();
        let what = format!("a signal ({signal}) killed interlock; {count} processes were ended");
        session.note(&format!("error: {what}"));
    }
    Exit::Passed(departure.code)
}

fn split_failed(error: &std::io::Error) -> Failure {
    Failure::from_error(Exit::Unavailable, error)
        .hinted("is /proc mounted, and may processes fork?")
}
