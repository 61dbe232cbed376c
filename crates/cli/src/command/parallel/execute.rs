//! Runs the plan: processes, logs, signals, and the summary at the end.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use runner::fanout::{
    self, Notice, Outcome, Printer, PrinterHandle, Report, Request, Schedule, Spool, Start,
};
use runner::interrupt::Interrupts;
use runner::process::{Cause, Ending, Exit as ProcessExit, Finished, Limits, Token, Tree};
use tokio::sync::mpsc;

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

/// What the jobs are run for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion<'a> {
    pub(crate) plan: &'a Plan,
    /// Where the logs go this time.
    pub(crate) logs: &'a Path,
    pub(crate) order: Order,
    pub(crate) run: &'a Token,
    /// What the jobs are told about it.
    pub(crate) environment: &'a [(&'a str, String)],
}

/// Runs all jobs to their ends; `lost` ends them before.
pub(crate) async fn execute(
    occasion: Occasion<'_>,
    interrupts: &mut Interrupts,
    lost: impl Future<Output = ()>,
    session: &Session,
) -> Result<Summary, Failure> {
    // JSON has standard output for itself.
    let output: Box<dyn Write + Send> = match session.format {
        Format::Human => Box::new(std::io::stdout()),
        Format::Json => Box::new(std::io::stderr()),
    };
    let printer = Printer::new(output);
    let printer = printer.map_err(|error| Failure::from_error(Exit::Unavailable, &error))?;
    let shared = Arc::new(Shared::new(occasion, printer.handle()));
    let began = Instant::now();
    let style = Style { order: occasion.order, folds: session.surroundings.in_github_actions() };
    let jobs = shared.names.iter().cloned().zip(shared.logs.iter().cloned()).collect();
    let tell = |notices| narrate(notices, printer.handle(), style, jobs);
    let schedule = occasion.plan.schedule()?;
    let (reports, interrupted) = conduct(schedule, &shared, tell, interrupts, lost).await;
    let summary = shared.summarize(&reports, interrupted, occasion.logs, began);
    drop(shared);
    printer.finish().await;
    Ok(summary)
}

/// Drives the schedule, listens for signals and tells what happens, all at once.
async fn conduct<T: Future<Output = ()>>(
    schedule: Schedule,
    shared: &Arc<Shared>,
    tell: impl FnOnce(mpsc::UnboundedReceiver<Notice>) -> T,
    interrupts: &mut Interrupts,
    lost: impl Future<Output = ()>,
) -> (Vec<Report>, bool) {
    let (requester, requests) = mpsc::unbounded_channel();
    let (notify, notices) = mpsc::unbounded_channel::<Notice>();
    let work = |start: Start| attempt(Arc::clone(shared), start);
    let drive = async move {
        let observe = |notice| {
            // The narrator lives as long as there is something to tell.
            let _told = notify.send(notice);
        };
        fanout::drive(schedule, requests, work, observe).await
    };
    let mut interrupted = false;
    let listen = async {
        tokio::pin!(lost);
        let mut is_lost = false;
        loop {
            tokio::select! {
                _ = interrupts.next() => interrupted = true,
                () = &mut lost, if !is_lost => is_lost = true,
            }
            // If it is already over, nobody listens.
            let _heard = requester.send(Request::Cancel);
        }
    };
    let tell = tell(notices);
    let reports = tokio::select! {
        (reports, ()) = async { tokio::join!(drive, tell) } => reports,
        () = listen => Vec::new(),
    };
    (reports, interrupted)
}

impl Shared {
    fn new(occasion: Occasion<'_>, printer: PrinterHandle) -> Self {
        let plan = occasion.plan;
        let count = plan.tasks.len();
        let more = occasion.environment.iter();
        let more = more.map(|(name, value)| (OsString::from(*name), OsString::from(value)));
        Self {
            shell: plan.shell.clone(),
            environment: environment().into_iter().chain(more).collect(),
            logs: plan.tasks.iter().map(|task| occasion.logs.join(&task.log)).collect(),
            names: plan.tasks.iter().map(|task| task.job.name.clone()).collect(),
            run: occasion.run.clone(),
            live: (occasion.order == Order::Interleaved).then_some(printer),
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
        logs: &Path,
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
            log_dir: logs.to_owned(),
            milestones: Vec::new(),
            note: None,
            lost: None,
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
