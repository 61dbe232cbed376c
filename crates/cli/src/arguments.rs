//! The arguments of the process, and the way from them to a command.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::command;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Session};
use crate::settings::Settings;
use crate::surroundings::Surroundings;

/// Runs CI workflows side by side and keeps them out of each other's way.
#[derive(Debug, Parser)]
#[command(name = "interlock", version, max_term_width = 100, propagate_version = true)]
struct Arguments {
    /// Run as if started in DIR.
    #[arg(short = 'C', long, global = true, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t = FormatFlag::Human, value_name = "FORMAT")]
    format: FormatFlag,
    /// Read these settings instead of the repository's interlock.toml.
    #[arg(long, global = true, value_name = "FILE", env = "INTERLOCK_SETTINGS")]
    settings: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// How results are printed, as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum FormatFlag {
    /// Text for people.
    Human,
    /// JSON for programs, on standard output alone.
    Json,
    /// The same; a list is one object a line.
    Jsonl,
    /// The text of a comment; only `status show` has one.
    Markdown,
}

impl From<FormatFlag> for Format {
    fn from(flag: FormatFlag) -> Self {
        match flag {
            FormatFlag::Human | FormatFlag::Markdown => Self::Human,
            FormatFlag::Json | FormatFlag::Jsonl => Self::Json,
        }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs workflows side by side on this machine, as GitHub would.
    Run(command::run::Run),
    /// Says what events would start, and why or why not, without running anything.
    Plan(command::plan::Plan),
    /// Says what is wrong with workflows and local actions, before anything starts.
    Check(command::check::Check),
    /// Evaluates one expression, exactly as GitHub does, and prints its value.
    Eval(command::eval::Eval),
    /// Shows what ran here, how it ended, and where its logs are.
    Runs(command::runs::Runs),
    /// One holder at a time: runs a command under a lock, with a fence that only grows.
    Lock(command::lock::Lock),
    /// Decides, once, whether a piece of work goes on, before it starts.
    Guard(Box<command::guard::Guard>),
    /// Keeps jobs anywhere to one at a time, as GitHub's `concurrency` does and beyond it.
    Group(command::group::Group),
    /// Hands out each boundary that a count crosses, and accepts it as done once.
    Milestone(command::milestone::Milestone),
    /// Runs named commands at once, each with one true result.
    Parallel(Box<command::parallel::Parallel>),
    /// Shows the directories of jobs, and removes those nobody uses.
    Workspace(command::workspace::Workspace),
    /// Keeps one comment that many writers share, and loses no row of it.
    Status(command::status::Status),
    /// Tries whether locks on a store are safe, and says what to do if they are not.
    Doctor(command::doctor::Doctor),
    /// Prints the script that completes Interlock's commands in a shell.
    Completions(command::completions::Completions),
}

/// Parses the arguments, runs the command and reports how it ended.
pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are answers, not errors; clap knows which stream each belongs to.
            drop(error.print());
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let format = arguments.format.into();
    let exit = session(&arguments).and_then(|session| dispatch(arguments.command, &session));
    exit.unwrap_or_else(|failure| report(&failure, format)).into()
}

fn session(arguments: &Arguments) -> Result<Session, Failure> {
    let here = || std::env::current_dir().map_err(|error| Failure::from_error(Exit::Usage, &error));
    let directory = match &arguments.directory {
        Some(path) => {
            std::path::absolute(path).map_err(|error| Failure::from_error(Exit::Usage, &error))?
        }
        None => here()?,
    };
    if arguments.format == FormatFlag::Markdown && !matches!(arguments.command, Command::Status(_))
    {
        let what = "only `status show` prints Markdown";
        return Err(Failure::new(Exit::Usage, what).hinted("choose human or json"));
    }
    if !directory.is_dir() {
        let what = format!("{} is not a directory", directory.display());
        return Err(Failure::new(Exit::Usage, what).hinted("-C takes the directory to work in"));
    }
    let settings = match &arguments.settings {
        Some(path) => Settings::read(path)?,
        None => Settings::find(&directory)?,
    };
    Ok(Session {
        format: arguments.format.into(),
        lines: arguments.format == FormatFlag::Jsonl,
        is_markdown: arguments.format == FormatFlag::Markdown,
        surroundings: Surroundings::of_process(),
        settings,
        directory,
    })
}

fn dispatch(command: Command, session: &Session) -> Result<Exit, Failure> {
    match command {
        Command::Milestone(command) => command.run(session),
        Command::Parallel(command) => command.run(session),
        Command::Check(command) => command.run(session),
        Command::Completions(command) => Ok(command.run::<Arguments>(session)),
        Command::Doctor(command) => command.run(session),
        Command::Eval(command) => command.run(session),
        Command::Group(command) => command.run(session),
        Command::Lock(command) => command.run(session),
        Command::Guard(command) => command.run(session),
        Command::Status(command) => command.run(session),
        Command::Plan(command) => command.run(session),
        Command::Run(command) => command.run(session),
        Command::Runs(command) => command.run(session),
        Command::Workspace(command) => command.run(session),
    }
}

fn report(failure: &Failure, format: Format) -> Exit {
    let text = match format {
        Format::Human => failure.render(),
        Format::Json => failure.to_json().to_string(),
    };
    let mut stream = anstream::stderr().lock();
    drop(std::io::Write::write_all(&mut stream, format!("{text}\n").as_bytes()));
    failure.exit()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
