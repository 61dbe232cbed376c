//! `interlock parallel start` and `wait`: jobs that go on while other steps do.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;
use runner::interrupt::Interrupts;
use runner::process::{Token, sweep};
use rustix::process::{Pid, Signal, kill_process};

use super::flags::PlanFlags;
use super::keeper::{LOCK, RESULT, RUN, try_lock};
use super::plan::{Plan, check_name};
use super::present::tell;
use super::summary::Summary;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Session};

/// What the jobs printed, and what went wrong with themselves.
const OUTPUT: &str = "output";
const ERRORS: &str = "errors";

/// How often we look whether somebody lives.
const GLANCE: Duration = Duration::from_millis(20);

/// The arguments of `interlock parallel start`.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The name by which `parallel wait` finds these jobs.
    #[arg(long, value_name = "NAME")]
    name: String,
    #[command(flatten)]
    flags: PlanFlags,
}

/// The arguments of `interlock parallel wait`.
#[derive(Debug, Args)]
pub(crate) struct Wait {
    /// The name that was given to `parallel start`.
    #[arg(value_name = "NAME")]
    name: String,
}

impl Start {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        // A plan that cannot be run is refused here, where people see it.
        Plan::read(&self.flags, session)?;
        let place = place(&self.name, session)?;
        fs::create_dir_all(&place).map_err(|error| failed(&place, &error))?;
        if lock(&place)?.is_none() {
            let what = format!("`{}` is already running", self.name);
            let hint = format!("`interlock parallel wait {}` collects it", self.name);
            return Err(Failure::new(Exit::Usage, what).hinted(hint));
        }
        for old in [RUN, RESULT, OUTPUT, ERRORS] {
            let _absent = fs::remove_file(place.join(old));
        }
        launch(&place, session)?;
        let answer = serde_json::json!({ "name": self.name, "started": true });
        session.answer(&answer, &format!("{}: started", self.name))?;
        Ok(Exit::Done)
    }
}

/// Starts this program again, without `start` and `--name`, and waits until it has begun.
fn launch(place: &Path, session: &Session) -> Result<(), Failure> {
    let failed = |error: std::io::Error| failed(place, &error);
    let output = File::create(place.join(OUTPUT)).map_err(failed)?;
    let errors = File::create(place.join(ERRORS)).map_err(failed)?;
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments(std::env::args_os().skip(1))).arg("--keep-in").arg(place);
    command.current_dir(&session.directory).process_group(0);
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut child = command.spawn().map_err(failed)?;
    while !place.join(RUN).exists() {
        if let Some(status) = child.try_wait().map_err(failed)? {
            let why = fs::read_to_string(place.join(ERRORS)).unwrap_or_default();
            let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            let what = format!("the jobs could not be started\n{}", why.trim_end());
            return Err(Failure::new(Exit::Passed(code), what));
        }
        std::thread::sleep(GLANCE / 10);
    }
    Ok(())
}

/// Takes `start` and `--name` out of the arguments; the directory is set in another way.
fn arguments(all: impl Iterator<Item = std::ffi::OsString>) -> Vec<std::ffi::OsString> {
    let mut kept = Vec::new();
    let mut started = false;
    let mut skip_next = false;
    for argument in all {
        let text = argument.to_string_lossy();
        if std::mem::take(&mut skip_next) {
            continue;
        }
        match text.as_ref() {
            "start" if !started => started = true,
            "--name" | "-C" | "--directory" => skip_next = true,
            text if text.starts_with("--name=") || text.starts_with("--directory=") => {}
            text if text.starts_with("-C") => {}
            _ => kept.push(argument.clone()),
        }
    }
    kept
}

impl Wait {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let place = place(&self.name, session)?;
        if !place.join(RUN).is_file() {
            let what = format!("nothing named `{}` was started here", self.name);
            let hint = "`interlock parallel start FILE --name NAME`, in this job and directory";
            return Err(Failure::new(Exit::Usage, what).hinted(hint));
        }
        let interrupted = session.block_on(until_free(&place))??;
        let summary = fs::read_to_string(place.join(RESULT)).ok();
        let summary = summary.and_then(|text| serde_json::from_str::<Summary>(&text).ok());
        show(&place.join(OUTPUT), session);
        show_errors(&place.join(ERRORS), session);
        let Some(summary) = summary else { return Err(vanished(&self.name, &place)) };
        tell(&summary, session)?;
        // It is collected once; the logs stay.
        let _stays = fs::remove_dir_all(&place);
        Ok(if interrupted { Exit::Interrupted } else { summary.exit(session.no(false)) })
    }
}

/// Waits until nobody holds the lock; passes interrupts on to who does.
async fn until_free(place: &Path) -> Result<bool, Failure> {
    let mut interrupts = Interrupts::listen().map_err(|error| failed(place, &error))?;
    let mut interrupted = false;
    while lock(place)?.is_none() {
        tokio::select! {
            () = tokio::time::sleep(GLANCE) => {}
            _ = interrupts.next() => {
                interrupted = true;
                if let Some((process, _)) = read_run(place) {
                    // It holds the lock, so the number is its own.
                    let _ended = kill_process(process, Signal::INT);
                }
            }
        }
    }
    Ok(interrupted)
}

/// Says that the background died before it could report, and ends what it left.
fn vanished(name: &str, place: &Path) -> Failure {
    let strays = read_run(place).map(|(_, run)| sweep(&run)).unwrap_or_default();
    let what = format!("`{name}` ended without a result; {} processes were ended", strays.len());
    Failure::new(Exit::Unknown, what).hinted("was it killed? Its output is above")
}

fn read_run(place: &Path) -> Option<(Pid, Token)> {
    let text = fs::read_to_string(place.join(RUN)).ok()?;
    let (process, run) = text.split_once(' ')?;
    Some((Pid::from_raw(process.parse().ok()?)?, Token::parse(run.trim())?))
}

/// Takes the lock, or finds that somebody holds it.
fn lock(place: &Path) -> Result<Option<File>, Failure> {
    let file = File::options().create(true).truncate(false).write(true).open(place.join(LOCK));
    file.and_then(try_lock).map_err(|error| failed(place, &error))
}

fn show(path: &Path, session: &Session) {
    let Ok(mut file) = File::open(path) else { return };
    // A reader that went away is not an error.
    let _closed = match session.format {
        Format::Human => std::io::copy(&mut file, &mut std::io::stdout()),
        Format::Json => std::io::copy(&mut file, &mut std::io::stderr()),
    };
}

fn show_errors(path: &Path, _session: &Session) {
    if let Ok(mut file) = File::open(path) {
        let _closed = std::io::copy(&mut file, &mut std::io::stderr());
    }
}

/// Returns the directory of the jobs with this name, in this CI job or, elsewhere, this directory.
fn place(name: &str, session: &Session) -> Result<PathBuf, Failure> {
    check_name(name).map_err(|why| Failure::new(Exit::Usage, why))?;
    if let Some(temporary) = session.surroundings.get("RUNNER_TEMP") {
        return Ok(Path::new(temporary).join("interlock-parallel/named").join(name));
    }
    let mut hasher = DefaultHasher::new();
    session.directory.hash(&mut hasher);
    let here = format!("{:016x}", hasher.finish());
    Ok(session.state_directory()?.join("parallel/named").join(here).join(name))
}

fn failed(place: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Unavailable, format!("cannot write in {}: {error}", place.display()))
        .hinted("is the disk full, or the directory not yours?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_background_gets_the_arguments_of_the_plan() {
        let check = |given: &[&str], expected: &[&str]| {
            let kept = arguments(given.iter().map(Into::into));
            assert_eq!(kept, expected);
        };
        check(
            &["-C", "/x", "parallel", "start", "jobs.yml", "--name", "M", "--fail-fast"],
            &["parallel", "jobs.yml", "--fail-fast"],
        );
        check(&["parallel", "start", "--name=start", "./start"], &["parallel", "./start"]);
    }
}
