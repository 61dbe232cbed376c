//! A command that runs while something is held, and is stopped when that is lost.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runner::guardian::{self, Role};
use runner::interrupt::{Interrupt, Interrupts};
use runner::process::{
    Chunk, Command, Ending, Exit as ProcessExit, Grace, Limits, Stream, Token, Tree, orders,
};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Session};

/// How many chunks of output may wait for whoever reads ours.
const BACKLOG: usize = 16;

/// The command after `--`, and what comes with every wrapper.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct WrappedFlags {
    /// Write our own outcome to FILE, as JSON, to tell it from the command's exit code.
    #[arg(long, value_name = "FILE")]
    pub(crate) outcome_file: Option<PathBuf>,
    /// The command, started directly, without a shell.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// How it went.
#[derive(Debug)]
pub(crate) enum Ended<L> {
    /// The command ended by itself, with this code; 128 and more if a signal killed it.
    Exited(u8),
    /// The command never ran.
    CouldNotStart(String),
    /// Somebody asked us to stop, and the command has been stopped.
    Interrupted,
    /// What was held was lost, and the command has been stopped.
    Lost(L),
}

/// Splits the process in two, so that nothing survives the death of either; returns the exit code in the
/// one that has nothing more to do.
///
/// Must be called before anything is started or taken.
pub(crate) fn split(session: &Session) -> Result<Option<Exit>, Failure> {
    let role = guardian::enter().map_err(|error| {
        Failure::from_error(Exit::Unavailable, &error)
            .hinted("is /proc mounted, and may processes fork?")
    })?;
    let Role::Front(departure) = role else { return Ok(None) };
    if let Some(signal) = departure.signal {
        let count = departure.strays.len();
        session.note(&format!(
            "error: a signal ({signal}) killed interlock; {count} processes were ended"
        ));
    }
    Ok(Some(Exit::Passed(departure.code)))
}

/// Waits for somebody to ask us to stop; for the time before there is a command.
pub(crate) async fn interrupted() -> Result<Interrupt, Failure> {
    let mut interrupts = listen()?;
    Ok(interrupts.next().await)
}

/// Runs the command until it ends, or until `keeper` does: then what was held is lost.
///
/// A lost command has `margin` to clean up before it is killed with everything it started. While a command
/// that was interrupted cleans up, the keeper goes on.
pub(crate) async fn run<L>(
    flags: &WrappedFlags,
    session: &Session,
    environment: &[(&str, String)],
    margin: Duration,
    keeper: impl Future<Output = L>,
) -> Result<Ended<L>, Failure> {
    run_heard(flags, session, environment, margin, keeper, |_| {}).await
}

/// Does the same, and lets `hear` listen to what the command prints.
#[expect(
    clippy::too_many_arguments,
    reason = "it is `run` with one more, and both have one caller each"
)]
pub(crate) async fn run_heard<L>(
    flags: &WrappedFlags,
    session: &Session,
    environment: &[(&str, String)],
    margin: Duration,
    keeper: impl Future<Output = L>,
    hear: impl Fn(&Chunk) + Send + 'static,
) -> Result<Ended<L>, Failure> {
    let mut interrupts = listen()?;
    let command = command(flags, session, environment);
    // A little is left for what comes after the command has ended.
    let grace = Grace { interrupt: margin.mul_f64(0.6), terminate: margin.mul_f64(0.2) };
    let limits = Limits { grace, ..Limits::default() };
    let tree = Tree::new(&Token::random());
    let (stopper, orders) = orders();
    let (sink, chunks) = mpsc::channel(BACKLOG);
    let printed = print(chunks, session.format, hear);
    let mut lost = None;
    let mut is_interrupted = false;
    let finished = {
        let running = tree.run(&command, &limits, &orders, sink);
        tokio::pin!(running, keeper);
        loop {
            tokio::select! {
                finished = &mut running => break finished,
                how = &mut keeper, if lost.is_none() => {
                    lost = Some(how);
                    stopper.cancel();
                }
                _ = interrupts.next() => {
                    is_interrupted = true;
                    stopper.cancel();
                }
            }
        }
    };
    tree.end().await;
    // A printer that died has nothing more to say.
    drop(printed.await);
    Ok(match (lost, finished.ending) {
        (Some(how), _) => Ended::Lost(how),
        (None, Ending::CouldNotStart(why)) => Ended::CouldNotStart(why.to_string()),
        (None, _) if is_interrupted => Ended::Interrupted,
        (None, Ending::Exited(exit)) => Ended::Exited(code(exit)),
    })
}

/// Writes our own outcome where it was asked for.
pub(crate) fn write_outcome(path: Option<&Path>, outcome: &Value) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    std::fs::write(path, format!("{outcome}\n")).map_err(|error| {
        Failure::new(Exit::Unavailable, format!("cannot write {}: {error}", path.display()))
    })
}

fn listen() -> Result<Interrupts, Failure> {
    Interrupts::listen().map_err(|error| Failure::from_error(Exit::Unavailable, &error))
}

fn command(flags: &WrappedFlags, session: &Session, environment: &[(&str, String)]) -> Command {
    let mut words = flags.command.iter().cloned();
    let is_between_us = |name: &OsString| guardian::VARIABLES.iter().any(|other| name == *other);
    let mut variables: Vec<_> =
        std::env::vars_os().filter(|(name, _)| !is_between_us(name)).collect();
    variables.extend(environment.iter().map(|(name, value)| (name.into(), value.into())));
    Command {
        program: words.next().unwrap_or_default(),
        arguments: words.collect(),
        environment: variables,
        directory: session.directory.clone(),
        inherited: Vec::new(),
    }
}

fn code(exit: ProcessExit) -> u8 {
    match exit {
        ProcessExit::Code(code) => u8::try_from(code & 0xff).unwrap_or(u8::MAX),
        ProcessExit::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
    }
}

/// Passes on what the command prints, from a thread: a reader that does not read stops nobody else.
fn print(
    mut chunks: mpsc::Receiver<Chunk>,
    format: Format,
    hear: impl Fn(&Chunk) + Send + 'static,
) -> oneshot::Receiver<()> {
    let (done, printed) = oneshot::channel();
    std::thread::spawn(move || {
        while let Some(chunk) = chunks.blocking_recv() {
            hear(&chunk);
            // JSON has standard output for itself. A reader that went away is no error.
            let written = match (chunk.stream, format) {
                (Stream::Stdout, Format::Human) => write(&mut std::io::stdout().lock(), &chunk),
                _ => write(&mut std::io::stderr().lock(), &chunk),
            };
            drop(written.err());
        }
        // Nobody may be waiting any more.
        let _nobody = done.send(());
    });
    printed
}

fn write(stream: &mut impl std::io::Write, chunk: &Chunk) -> std::io::Result<()> {
    stream.write_all(&chunk.bytes)?;
    stream.flush()
}
