//! One job's processes, from the first command to the last orphan.

mod attached;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::process::Child;
use tokio::select;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::capture::{PATIENCE, Pipes, QUIET, capture, swallow};
use super::command::Streams;
use super::family::{self, JOB, RUN, Stray, TreeId, with_registry};
use super::lines::Chunk;
pub use attached::Attached;

use super::{Cause, Command, CouldNotStart, Ending, Exit, Finished, Grace, Limits, Orders, Token};

/// How often the members of a group that is being ended are counted.
const GLANCE: Duration = Duration::from_millis(10);

/// How often orphans that ended are waited for while a command runs.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// The processes of one job.
///
/// [`Tree::end`] must be called; a tree that is dropped ends its processes too, but blocks for it.
#[derive(Debug)]
pub struct Tree {
    id: TreeId,
    run: String,
    job: String,
    /// Reads from processes that were left behind.
    listeners: Mutex<JoinSet<()>>,
    ended: AtomicBool,
}

impl Tree {
    /// Returns a tree without processes; they will carry the run's mark and one of their own.
    pub fn new(run: &Token) -> Self {
        family::adopt_orphans();
        let job = Token::random();
        let id = with_registry(|registry| registry.open(run, job.clone()));
        let listeners = Mutex::new(JoinSet::new());
        Self {
            id,
            run: nested(RUN, run),
            job: nested(JOB, &job),
            listeners,
            ended: AtomicBool::new(false),
        }
    }

    /// Runs a command until it has ended and its output is delivered.
    ///
    /// A process that it left in the background lives on, as on GitHub, until the tree ends; its
    /// further output is read and forgotten. Several commands may run at once.
    pub async fn run(
        &self,
        command: &Command,
        limits: &Limits,
        orders: &Orders,
        sink: mpsc::Sender<Chunk>,
    ) -> Finished {
        let began = Instant::now();
        let (mut running, pipes) = match self.start(command, Streams::Piped) {
            Ok(started) => started,
            Err(error) => {
                let ending = Ending::CouldNotStart(error);
                return Finished { ending, stopped: None, duration: began.elapsed() };
            }
        };
        let (tell, ended) = oneshot::channel();
        let supervision = async {
            let outcome = running.supervise(limits, orders.clone()).await;
            // Whoever was told to stop has had its time; whoever asked has no more of it.
            let patience = if outcome.1.is_some() { QUIET } else { PATIENCE };
            // The other side may have seen the end of both pipes already.
            let _heard = tell.send(patience);
            outcome
        };
        let (outcome, open) =
            tokio::join!(supervision, capture(pipes, limits.line_limit, sink, ended));
        if let Some(pipes) = open {
            let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.spawn(swallow(pipes));
        }
        let (exit, stopped) = outcome;
        Finished { ending: Ending::Exited(exit), stopped, duration: began.elapsed() }
    }

    /// Ends every process that remains, and tells which there were.
    ///
    /// Nothing may run in it afterwards.
    pub async fn end(&self) -> Vec<Stray> {
        let strays = family::end_tree(self.id).await;
        self.ended.store(true, Ordering::Release);
        strays
    }

    fn start(
        &self,
        command: &Command,
        streams: Streams,
    ) -> Result<(Running, Pipes), CouldNotStart> {
        let marks = [(RUN, self.run.as_str()), (JOB, self.job.as_str())];
        // The lock is held from before the start, so that a child is never taken for an orphan.
        with_registry(|registry| {
            if registry.closing {
                let source = std::io::Error::from(std::io::ErrorKind::Interrupted);
                return Err(command.refused(source));
            }
            let limit = registry.mark(self.id).map_or(0, |mark| mark.limit);
            let mut child = command.spawn(&marks, limit, streams)?;
            let id = child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or_default();
            registry.enlist(id, self.id);
            let pipes = Pipes { stdout: child.stdout.take(), stderr: child.stderr.take() };
            Ok((Running { child, id }, pipes))
        })
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !self.ended.load(Ordering::Acquire) {
            family::end_tree_now(self.id);
        }
        with_registry(|registry| registry.close(self.id));
    }
}

/// A command that has started.
#[derive(Debug)]
struct Running {
    child: Child,
    /// Of the process, and of its group.
    id: i32,
}

impl Running {
    /// Waits for the end, and brings it about where time is up or somebody wants it.
    async fn supervise(&mut self, limits: &Limits, mut orders: Orders) -> (Exit, Option<Cause>) {
        let timeout = async {
            match limits.timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let mut wish = orders.clone();
        let cause = select! {
            biased;
            exit = self.exit() => return (exit, None),
            () = wish.stopped() => Cause::Cancelled,
            () = timeout => Cause::TimedOut,
        };
        let exit = self.stop(limits.grace, &mut orders).await;
        (exit, Some(cause))
    }

    /// Waits for the process, and meanwhile for orphans.
    async fn exit(&mut self) -> Exit {
        loop {
            select! {
                exit = self.child.wait() => {
                    let closing = with_registry(|registry| {
                        registry.commands.remove(&self.id);
                        registry.closing
                    });
                    if closing {
                        // It was killed because this process must end, and that is nobody's result.
                        return std::future::pending().await;
                    }
                    return read_exit(exit);
                }
                () = tokio::time::sleep(HOUSEKEEPING) => family::reap(),
            }
        }
    }

    /// Ends the process, its group and everything that stems from it: politely, clearly, surely.
    async fn stop(&mut self, grace: Grace, orders: &mut Orders) -> Exit {
        let mut members = Vec::new();
        let mut exit = None;
        for (signal, patience) in [(Signal::INT, grace.interrupt), (Signal::TERM, grace.terminate)]
        {
            members.extend(family::command_members(self.id));
            self.signal(signal, exit.is_some());
            let gone = async {
                if exit.is_none() {
                    exit = Some(self.exit().await);
                }
                while family::group_lives(self.id) {
                    tokio::time::sleep(GLANCE).await;
                }
            };
            select! {
                biased;
                () = orders.killed() => break,
                () = gone => break,
                () = tokio::time::sleep(patience) => {}
            }
        }
        members.extend(family::command_members(self.id));
        members.extend(family::group_members(self.id));
        let (exit, ()) = tokio::join!(
            async {
                match exit {
                    Some(exit) => exit,
                    None => self.exit().await,
                }
            },
            family::end_processes(&members)
        );
        exit
    }

    /// Signals the group; once its leader is waited for, only as long as members of ours are in it.
    fn signal(&self, signal: Signal, leader_gone: bool) {
        if leader_gone && !family::group_lives(self.id) {
            return;
        }
        if let Some(group) = Pid::from_raw(self.id) {
            // An empty group is what we want; one that never was means that the command shares ours.
            if rustix::process::kill_process_group(group, signal).is_err() {
                for member in &family::command_members(self.id) {
                    member.signal(signal);
                }
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A command whose future was dropped is an orphan of ours from now on.
        with_registry(|registry| registry.commands.remove(&self.id));
    }
}

fn read_exit(status: std::io::Result<std::process::ExitStatus>) -> Exit {
    use std::os::unix::process::ExitStatusExt as _;
    match status {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, signal) => Exit::Signal(signal.unwrap_or_default()),
        },
        // Somebody else waited for our child, so nobody can know; it must not pass for a success.
        Err(_) => Exit::Code(255),
    }
}

/// Adds our mark to those we ourselves carry, so that an outer run finds what an inner one left.
fn nested(name: &str, token: &Token) -> String {
    match std::env::var(name) {
        Ok(outer) if !outer.is_empty() => format!("{outer}/{token}"),
        _ => token.to_string(),
    }
}
