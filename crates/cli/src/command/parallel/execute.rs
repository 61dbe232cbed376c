//! Runs the plan: processes, logs, signals, and the summary at the end.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use runner::fanout::{
    self, Notice, Outcome, Printer, PrinterHandle, Report, Request, Spool, Start,
};
use runner::interrupt::Interrupts;
use runner::process::{Cause, Ending, Exit as ProcessExit, Finished, Limits, Token, Tree};
use tokio::sync::mpsc;

use super::files::Files;
use super::flags::Order;
use super::invoke::{Invocation, environment};
use super::narrator::{Style, narrate, prefix};
use super::plan::{Plan, Task};
use super::summary::{Row, Summary, milliseconds, overall};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Session};

/// How many chunks of a job's output may wait for its log.
const BACKLOG: usize = 4;

/// What all attempts share.
struct Shared {
    tasks: Vec<Task>,
    shell: Option<String>,
    environment: Vec<(OsString, OsString)>,
    logs: Vec<PathBuf>,
    run: Token,
    /// Where lines go as they come, if they do.
    live: Option<PrinterHandle>,
    names: Vec<String>,
    remarks: Mutex<Vec<Remarks>>,
}

/// What there is to say of a job besides its result.
#[derive(Clone, Debug, Default)]
struct Remarks {
    left_behind: usize,
    log_error: Option<String>,
}

/// Runs all jobs to their ends.
pub(crate) fn execute(
    plan: &Plan,
    files: &Files,
    run: &Token,
    session: &Session,
) -> Result<Summary, Failure> {
    let unavailable = |error: std::io::Error| Failure::from_error(Exit::Unavailable, &error);
    // One thread is enough: the work is done by the jobs, and the printer has its own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(unavailable)?.block_on(async {
        let mut interrupts = Interrupts::listen().map_err(unavailable)?;
        // JSON has standard output for itself.
        let output: Box<dyn Write + Send> = match session.format {
            Format::Human => Box::new(std::io::stdout()),
            Format::Json => Box::new(std::io::stderr()),
        };
        let printer = Printer::new(output).map_err(unavailable)?;
        let shared = Arc::new(Shared::new(plan, files, run, printer.handle()));
        let began = Instant::now();
        let style = Style { order: files.order, folds: session.surroundings.in_github_actions() };
        let (reports, interrupted) =
            conduct(plan, &shared, style, printer.handle(), &mut interrupts).await?;
        let summary = shared.summarize(&reports, interrupted, files, began);
        drop(shared);
        printer.finish().await;
        Ok(summary)
    })
}

/// Drives the schedule, listens for signals and tells what happens, all at once.
async fn conduct(
    plan: &Plan,
    shared: &Arc<Shared>,
    style: Style,
    printer: PrinterHandle,
    interrupts: &mut Interrupts,
) -> Result<(Vec<Report>, bool), Failure> {
    let schedule = plan.schedule()?;
    let (requester, requests) = mpsc::unbounded_channel();
    let (notify, notices) = mpsc::unbounded_channel::<Notice>();
    let jobs = shared.names.iter().cloned().zip(shared.logs.iter().cloned()).collect();
    let work = |start: Start| attempt(Arc::clone(shared), start);
    let drive = async move {
        let observe = |notice| {
            // The narrator lives as long as there is something to tell.
            let _told = notify.send(notice);
        };
        fanout::drive(schedule, requests, work, observe).await
    };
    let tell = narrate(notices, printer, style, jobs);
    let mut interrupted = false;
    let listen = async {
        loop {
            interrupts.next().await;
            interrupted = true;
            // If it is already over, nobody listens.
            let _heard = requester.send(Request::Cancel);
        }
    };
    let reports = tokio::select! {
        (reports, ()) = async { tokio::join!(drive, tell) } => reports,
        () = listen => Vec::new(),
    };
    Ok((reports, interrupted))
}

impl Shared {
    fn new(plan: &Plan, files: &Files, run: &Token, printer: PrinterHandle) -> Self {
        let count = plan.tasks.len();
        Self {
            shell: plan.shell.clone(),
            environment: environment(),
            logs: plan.tasks.iter().map(|task| files.logs.join(&task.log)).collect(),
            names: plan.tasks.iter().map(|task| task.job.name.clone()).collect(),
            run: run.clone(),
            live: (files.order == Order::Interleaved).then_some(printer),
            tasks: plan.tasks.clone(),
            remarks: Mutex::new(vec![Remarks::default(); count]),
        }
    }

    fn remark(&self, job: usize, remark: impl FnOnce(&mut Remarks)) {
        let mut remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(remarks) = remarks.get_mut(job) {
            remark(remarks);
        }
    }

    fn summarize(
        &self,
        reports: &[Report],
        interrupted: bool,
        files: &Files,
        began: Instant,
    ) -> Summary {
        let remarks = self.remarks.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = reports.iter().zip(remarks.iter()).zip(&self.logs);
        let jobs: Vec<Row> = rows
            .map(|((report, remarks), log)| Row::new(report, log, remarks.left_behind))
            .collect();
        Summary {
            result: overall(&jobs, interrupted),
            duration_ms: milliseconds(began.elapsed()),
            log_dir: files.logs.clone(),
            milestone: None,
            log_errors: remarks.iter().filter_map(|remarks| remarks.log_error.clone()).collect(),
            jobs,
        }
    }

    /// Opens the log of a job, which holds all its attempts.
    fn spool(&self, job: usize, attempt: u32) -> Result<Spool, Outcome> {
        let live = self.live.clone();
        let live = live.map(|printer| (printer, prefix(&self.names[job], &self.names)));
        let path = self.logs[job].clone();
        // Only a log that names a directory of its own needs one.
        let nested = path.parent().filter(|_| self.tasks[job].log.contains('/'));
        let parent = nested.map_or(Ok(()), std::fs::create_dir_all);
        let spool = match parent {
            Err(source) => Err(fanout::LogError { path, source }),
            Ok(()) if attempt == 1 => Spool::create(path, live),
            Ok(()) => Spool::go_on(path, live),
        };
        // A job whose log cannot be written is not started: nobody could see what it did.
        spool.map_err(|error| Outcome::CouldNotStart(format!("{error}: {}", error.source)))
    }
}

/// Makes one attempt, with everything that belongs to it.
async fn attempt(shared: Arc<Shared>, start: Start) -> Outcome {
    let job = start.job.0;
    let task = &shared.tasks[job];
    let mut spool = match shared.spool(job, start.attempt) {
        Ok(spool) => spool,
        Err(outcome) => return outcome,
    };
    if start.attempt > 1 {
        spool.remark(&format!("interlock: attempt {}", start.attempt)).await;
    }
    let invocation = match Invocation::new(task, shared.shell.as_deref(), &shared.environment) {
        Ok(invocation) => invocation,
        Err(error) => return Outcome::CouldNotStart(format!("no file for its script: {error}")),
    };
    let tree = Tree::new(&shared.run);
    let limits = Limits { timeout: task.timeout, ..Limits::default() };
    let (sink, mut output) = mpsc::channel(BACKLOG);
    let (finished, ()) = tokio::join!(
        tree.run(&invocation.command, &limits, &start.orders, sink),
        spool.collect(&mut output)
    );
    let strays = tree.end().await;
    if !strays.is_empty() {
        let names: Vec<_> = strays.iter().map(|it| format!("{} ({})", it.name, it.id)).collect();
        spool.remark(&format!("interlock: ended what it left behind: {}", names.join(", "))).await;
    }
    let outcome = outcome(&finished);
    if let Outcome::CouldNotStart(why) = &outcome {
        spool.remark(&format!("interlock: {why}")).await;
    } else if outcome == Outcome::TimedOut {
        let limit = task.timeout.map(|limit| format!(" after {limit:?}")).unwrap_or_default();
        spool.remark(&format!("interlock: timed out{limit}")).await;
    }
    let log_error = spool.finish().err().map(|error| format!("{error}: {}", error.source));
    shared.remark(job, |remarks| {
        // Those that it was told to end are not left behind.
        if finished.stopped.is_none() {
            remarks.left_behind += strays.len();
        }
        remarks.log_error = remarks.log_error.take().or(log_error);
    });
    outcome
}

fn outcome(finished: &Finished) -> Outcome {
    match (&finished.ending, finished.stopped) {
        (Ending::CouldNotStart(error), _) => {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
            Outcome::CouldNotStart(format!("{error}{}", cause.unwrap_or_default()))
        }
        (Ending::Exited(_), Some(Cause::Cancelled)) => Outcome::Cancelled,
        (Ending::Exited(_), Some(Cause::TimedOut)) => Outcome::TimedOut,
        (Ending::Exited(ProcessExit::Code(code)), None) => Outcome::Exited(*code),
        (Ending::Exited(ProcessExit::Signal(signal)), None) => Outcome::Signalled(*signal),
    }
}
