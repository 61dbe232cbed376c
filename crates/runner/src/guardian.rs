//! Two processes that watch each other, so that nothing survives the death of either.
//!
//! The process that people start is the *front*: it starts itself again as the *worker*, passes signals
//! on to it and its exit status back. If the front is killed, the kernel tells the worker, which ends
//! everything it started. If the worker is killed, its orphans come to the front, which ends them. Only
//! who kills both at once leaves something behind; [`crate::process::sweep`] is for that.

use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use tokio::runtime::{Builder, Runtime};
use tokio::select;
use tokio::signal::unix::SignalKind;

use crate::interrupt::{Interrupt, Interrupts};
use crate::process::{Stray, adopt_orphans, children, end_descendants, start_no_more};

/// Names the front to the worker.
const FRONT: &str = "INTERLOCK_FRONT";

/// The variables that are between front and worker; no job should see them.
pub const VARIABLES: [&str; 1] = [FRONT];

/// What this process is to do.
#[derive(Debug)]
pub enum Role {
    /// The work.
    Worker,
    /// Nothing more: the worker has ended, and nothing of it is left.
    Front(Departure),
}

/// How the worker went.
#[derive(Debug)]
pub struct Departure {
    /// The exit code to pass on; 128 and the signal's number if it was killed.
    pub code: u8,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// What it had left behind, and what was ended therefore.
    pub strays: Vec<Stray>,
}

/// Splits this process in two, and returns in both.
///
/// It must be called before any runtime or thread is started: the front's thread that started the worker
/// must live as long as the front. Where the split is impossible, the only process works unguarded.
pub fn enter() -> io::Result<Role> {
    enter_as(Group::Own)
}

/// Does the same, but keeps the worker in the process group of the front, so that what it runs can read
/// from a terminal. The terminal's signals then reach both.
pub fn enter_on_terminal() -> io::Result<Role> {
    enter_as(Group::Shared)
}

/// Whose process group the worker is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Group {
    Own,
    Shared,
}

fn enter_as(group: Group) -> io::Result<Role> {
    adopt_orphans();
    let parent = Pid::as_raw(getppid());
    if std::env::var(FRONT).is_ok_and(|front| front == parent.to_string()) {
        watch_front(parent)?;
        return Ok(Role::Worker);
    }
    // A shell that became us with `exec` may have left us children. They are none of our business.
    let inherited = children();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(lead(&inherited, group))
}

/// Starts the worker and waits for it.
async fn lead(inherited: &[i32], group: Group) -> io::Result<Role> {
    let mut interrupts = Interrupts::listen()?;
    let mut arguments = std::env::args_os();
    // The link still works where the file was replaced or removed meanwhile; its name is no use to people.
    let program = std::env::current_exe().ok().filter(|path| path.is_file());
    let mut command = Command::new(program.unwrap_or_else(|| "/proc/self/exe".into()));
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments).env(FRONT, std::process::id().to_string());
    if group == Group::Own {
        command.process_group(0);
    }
    let mut worker = match tokio::process::Command::from(command).spawn() {
        Ok(worker) => worker,
        Err(error) => {
            tracing::warn!(%error, "no second process to watch over this one");
            return Ok(Role::Worker);
        }
    };
    let id = worker.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let status = loop {
        select! {
            biased;
            status = worker.wait() => break status?,
            interrupt = interrupts.next() => pass_on(interrupt, id),
        }
    };
    Ok(Role::Front(depart(status, inherited)))
}

fn pass_on(interrupt: Interrupt, worker: Option<Pid>) {
    let signal = match interrupt {
        Interrupt::Interrupt => Signal::INT,
        Interrupt::Terminate => Signal::TERM,
        Interrupt::HangUp => Signal::HUP,
    };
    if let Some(worker) = worker {
        // It is not waited for yet, so the number is still its own.
        let _ended = kill_process(worker, signal);
    }
}

fn depart(status: ExitStatus, inherited: &[i32]) -> Departure {
    let strays = end_descendants(inherited);
    let signal = status.signal();
    let code = status.code().or(signal.map(|signal| 128 + signal)).unwrap_or(1);
    Departure { code: u8::try_from(code).unwrap_or(1), signal, strays }
}

/// Ends this process and everything it started as soon as the front is gone.
///
/// It has a thread of its own, so that it works whatever the rest of the program is busy with.
fn watch_front(front: i32) -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let watch = move || {
        if runtime.block_on(front_is_gone(front)).is_ok() {
            leave();
        }
        drop::<Runtime>(runtime);
    };
    std::thread::Builder::new().name("front".into()).spawn(watch).map(drop)
}

async fn front_is_gone(front: i32) -> io::Result<()> {
    let mut news = tokio::signal::unix::signal(SignalKind::user_defined2())?;
    // This must be the thread that stays: the kernel forgets it with the thread that asked for it.
    set_parent_process_death_signal(Some(Signal::USR2))?;
    while Pid::as_raw(getppid()) == front {
        news.recv().await;
    }
    Ok(())
}

#[expect(clippy::exit, reason = "the front is dead: there is nobody to return to")]
fn leave() {
    start_no_more();
    end_descendants(&[]);
    std::process::exit(128 + SignalKind::hangup().as_raw_value());
}
