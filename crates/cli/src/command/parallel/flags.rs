//! The flags that say what runs and how.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use crate::command::milestone::question::Question;

/// What runs, and how; the same for `parallel` and `parallel start`.
#[derive(Debug, Args)]
pub(crate) struct PlanFlags {
    /// A file with jobs; docs/parallel.md has its keys.
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) commands: NamedCommands,
    /// How many jobs run at once; all of them, unless the file says otherwise.
    #[arg(long, value_name = "N")]
    pub(crate) max_parallel: Option<NonZeroUsize>,
    /// Stop the rest when a critical job fails.
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// How the output of the jobs is shown.
    #[arg(long, value_enum, default_value_t = Order::Grouped)]
    pub(crate) order: Order,
    /// Where each job's NAME.log is written; by default below `RUNNER_TEMP` or the state directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) log_dir: Option<PathBuf>,
    /// Write the results as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the results as `JUnit` XML, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// The shell for every job that names none; the text is its last argument, or a file for `{0}`.
    #[arg(long, value_name = "SHELL")]
    pub(crate) shell: Option<String>,
    /// How long a job that names no timeout may take, as in `90s` or `1h 30m`.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Run the jobs only if the value of KEY has crossed a boundary, once for each, and report it done.
    #[arg(long, value_name = "KEY", help_heading = "Milestones")]
    pub(crate) on_milestone: Option<String>,
    #[command(flatten, next_help_heading = "Milestones")]
    pub(crate) question: Question,
}

/// How output is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// A job's output in one piece when it has ended; failed jobs come last.
    Grouped,
    /// Every line as it comes, behind the name of its job.
    Interleaved,
}

/// The jobs given as `NAME=COMMAND`, in the order in which they were written.
#[derive(Debug, Default)]
pub(crate) struct NamedCommands(pub(crate) Vec<NamedCommand>);

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct NamedCommand {
    pub(crate) name: String,
    pub(crate) command: String,
    pub(crate) critical: bool,
}

/// Whether a flag makes critical jobs.
const FLAGS: [(&str, bool, &str); 2] = [
    ("critical", true, "A job whose failure fails everything"),
    ("advisory", false, "A job whose failure is a warning"),
];

impl FromArgMatches for NamedCommands {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut found = Vec::new();
        for (flag, critical, _) in FLAGS {
            let places = matches.indices_of(flag).into_iter().flatten();
            let values = matches.get_many::<(String, String)>(flag).into_iter().flatten();
            for (place, (name, command)) in places.zip(values) {
                let (name, command) = (name.clone(), command.clone());
                found.push((place, NamedCommand { name, command, critical }));
            }
        }
        found.sort_by_key(|(place, _)| *place);
        Ok(Self(found.into_iter().map(|(_, command)| command).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for NamedCommands {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, (flag, _, help)| {
            let flag = Arg::new(*flag).long(*flag).action(ArgAction::Append).help(*help);
            command.arg(flag.value_name("NAME=COMMAND").value_parser(named_command))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn named_command(text: &str) -> Result<(String, String), String> {
    let (name, command) = text.split_once('=').ok_or("a name, `=` and a command are needed")?;
    if command.trim().is_empty() {
        return Err("there is no command after the `=`".to_owned());
    }
    super::plan::check_name(name)?;
    Ok((name.to_owned(), command.to_owned()))
}

/// Reads `90`, `1.5`, `90s`, `1h 30m`; a bare number is in seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = |number: f64| Duration::try_from_secs_f64(number).ok();
    let read = match text.trim().parse::<f64>() {
        Ok(number) => seconds(number),
        Err(_) => text.parse::<jiff::SignedDuration>().ok().and_then(|it| it.try_into().ok()),
    };
    let longest = Duration::from_hours(24 * 365);
    read.filter(|it| (Duration::from_millis(1)..=longest).contains(it)).ok_or_else(|| {
        format!("`{text}` is no duration between 1 ms and a year; write 90s, 10m or 1h 30m")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_or_are_seconds() {
        let check = |text, seconds| {
            assert_eq!(duration(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        };
        check("90", 90.0);
        check("0.5", 0.5);
        check("1h 30m", 5400.0);
        check("250ms", 0.25);
        for text in ["", "0", "-5s", "x", "1y1", "NaN", "inf", "1e400", "99999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn commands_keep_the_order_they_were_written_in() {
        let command = NamedCommands::augment_args(Command::new("x"));
        let arguments = ["x", "--advisory", "b=1", "--critical", "a=x=y", "--advisory=c=3"];
        let matches = command.clone().try_get_matches_from(arguments).expect("they are right");
        let read = NamedCommands::from_arg_matches(&matches).expect("they are right");
        let seen: Vec<_> =
            read.0.iter().map(|it| (it.name.as_str(), it.command.as_str())).collect();
        assert_eq!(seen, [("b", "1"), ("a", "x=y"), ("c", "3")]);
        assert_eq!(read.0.iter().filter(|it| it.critical).count(), 1);
        for wrong in ["a", "a=", "=x", "a b=x", "../a=x"] {
            let arguments = ["x", "--critical", wrong];
            assert!(command.clone().try_get_matches_from(arguments).is_err(), "{wrong}");
        }
    }
}
