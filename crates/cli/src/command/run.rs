//! `interlock run`: runs workflows side by side on this machine, as GitHub would.

mod json;
mod live;
pub(crate) mod names;
mod plain;
pub(crate) mod refusal;
mod report;
pub(crate) mod table;
mod view;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use dispatch::local::LocalHands;
use dispatch::membership::Groups;
use dispatch::notice::Hub;
use dispatch::planner::Planner;
use dispatch::world::{Ended, Setup, Stop, World};
use runner::guardian::{self, Role};
use runner::interrupt::{Interrupt, Interrupts};
use status::Look;
use store::Store;
use tokio::sync::mpsc;
use workdir::{Keep, Mirrors, Repository, Workdirs};

use crate::command::run::report::Report;
use crate::command::stimulus::{self, Stimulus};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::forge::{self, ForgeFlags};
use crate::session::{Format, Session};

/// Says once per user what running a workflow means.
const FIRST_RUN: &str =
    "note: jobs run on this machine as you, not in a container: run only workflows you trust";

/// The arguments of `interlock run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    stimulus: Stimulus,
    /// A variable in the environment of every job.
    #[arg(long = "env", value_name = "K=V")]
    env: Vec<String>,
    /// How many jobs may run at once on this machine [default: one per core]
    #[arg(long, value_name = "N")]
    max_parallel: Option<NonZeroUsize>,
    /// Where concurrency groups live [default: the embedded store]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Show the jobs of a pull request's runs in its status comment; needs a token.
    #[arg(long)]
    status_comment: bool,
    /// Keep the directories of all jobs; those of failed ones stay for a day anyway.
    #[arg(long)]
    keep: bool,
}

/// A call that is ready to begin.
struct Prepared {
    setup: Setup,
    report: Option<Report>,
    remarks: Vec<String>,
}

/// How many files this process may have open without any run.
const FILES: u64 = 256;

/// Lets this process, and what it starts, open a file for each delivery, if the system allows so many.
fn allow_files(deliveries: usize) {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let wanted = FILES + u64::try_from(deliveries).unwrap_or(u64::MAX / 2);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let current = Some(limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    let raised = rustix::process::Rlimit { current, ..limit };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised) {
        tracing::warn!(%error, "the number of open files stays as it is");
    }
}

impl Run {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        // Before any thread: whatever becomes of this process, its jobs end.
        match guardian::enter().map_err(|error| Failure::from_error(Exit::Unavailable, &error))? {
            Role::Front(departure) => {
                if departure.signal.is_some() && !departure.strays.is_empty() {
                    let count = departure.strays.len();
                    session.note(&format!(
                        "the worker was killed; {count} processes of its jobs were ended"
                    ));
                }
                Ok(Exit::Passed(departure.code))
            }
            Role::Worker => session.block_on(self.work(session))?,
        }
    }

    async fn work(self, session: &Session) -> Result<Exit, Failure> {
        let interrupts =
            Interrupts::listen().map_err(|error| Failure::from_error(Exit::Unavailable, &error))?;
        let state = session.state_directory()?;
        let Prepared { setup, report, remarks } = self.prepare(session, &state).await?;
        for remark in remarks {
            session.note(&remark);
        }
        let planner_is_bare = self.stimulus.is_bare() && self.stimulus.names_workflows();
        let deliveries = setup.planner.deliveries.len();
        let mut hub = Hub::default();
        let observer = hub.subscribe();
        let reporter = report.map(|report| tokio::spawn(report.follow(hub.subscribe())));
        let (stops, inlet) = mpsc::channel(4);
        let world = World::new(setup, hub);
        let watcher = tokio::spawn(watch(interrupts, stops));
        let viewer = tokio::spawn(view::show(observer, session.format, session.is_watched()));
        let ended = world.run(inlet).await;
        watcher.abort();
        let ignored = viewer.await.map_err(|error| Failure::from_error(Exit::Failed, &error))?;
        if let Some(reporter) = reporter {
            // Trouble with the report is never trouble of a run.
            drop(reporter.await);
        }
        let outcome = ended.map_err(|error| {
            Failure::from_error(Exit::Unavailable, &error).hinted(
                "free some space there, or set INTERLOCK_STATE_DIR to a directory you may write",
            )
        })?;
        view::summarize(session, &outcome.ended)?;
        self.judge(session, &outcome, &ignored, planner_is_bare && deliveries == 1)
    }

    fn judge(
        &self,
        session: &Session,
        outcome: &dispatch::world::Outcome,
        ignored: &[String],
        named: bool,
    ) -> Result<Exit, Failure> {
        if outcome.stopped.is_some() {
            return Ok(Exit::Interrupted);
        }
        if let Some(trouble) = &outcome.trouble {
            let hint = "`interlock doctor` shows what the store can and cannot do";
            return Err(Failure::new(Exit::Unavailable, trouble.clone()).hinted(hint));
        }
        if outcome.ended.is_empty() && named {
            let event = self.stimulus.event_name();
            let why = ignored.first().map(|why| format!(": {why}")).unwrap_or_default();
            let what = format!("nothing ran for the event {event}{why}");
            return Err(Failure::new(Exit::Usage, what)
                .hinted("name another event with --event, for example --event workflow_dispatch"));
        }
        if outcome.ended.is_empty() && session.format == Format::Human {
            session.note("no workflow wants these events; `interlock plan` says why");
        }
        let good = |ended: &Ended| {
            ended.superseded
                || matches!(
                    ended.conclusion,
                    engine::Conclusion::Success | engine::Conclusion::Skipped
                )
        };
        Ok(if outcome.ended.iter().all(good) { Exit::Done } else { Exit::Failed })
    }

    async fn prepare(&self, session: &Session, state: &Path) -> Result<Prepared, Failure> {
        let mirrors =
            Mirrors::open(state.join("mirrors")).map_err(|error| stimulus::advise(&error))?;
        let repository = Repository::discover(&session.directory)
            .await
            .map_err(|error| stimulus::advise(&error))?;
        let planner = self.stimulus.planner(session, &repository, &mirrors).await?;
        refusal::check(session, &planner)?;
        allow_files(planner.deliveries.len());
        let workdirs =
            Workdirs::open(state.join("work")).map_err(|error| stimulus::advise(&error))?;
        let url = session.store_url(self.store.as_deref())?;
        let store = session.open_store(self.store.as_deref()).await?;
        let runs = state.join("runs");
        let report = self.report(session, &store, &planner)?;
        let groups = Groups::new(store, url.clone(), runs.clone());
        let mut remarks = first_run(state);
        for recovered in dispatch::recovery::recover(&runs, &groups, &workdirs).await {
            remarks.push(recovered.to_string());
        }
        dispatch::recovery::forget(&runs, session.settings.runs.keep_logs());
        let mut environment = runner::environment::lent(session.surroundings.variables().clone());
        // A job's `HOME` is its own, so a store of its own would be too: what it locks is locked in our world.
        environment.insert("INTERLOCK_STORE".to_owned(), url.clone());
        let hands = LocalHands {
            workdirs,
            keep: Keep { always: self.keep, after_failure: session.settings.runs.keep_failed() },
            environment,
            asked: stimulus::pairs("--env", &self.env)?.into_iter().collect(),
            secrets: Vec::new(),
        };
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let max_parallel = self.max_parallel.map_or(cores, NonZeroUsize::get);
        let setup = Setup { planner, hands: Arc::new(hands), groups, runs, max_parallel };
        Ok(Prepared { setup, report, remarks })
    }

    /// Prepares the report of runs for pull requests.
    fn report(
        &self,
        session: &Session,
        store: &Arc<dyn Store>,
        planner: &Planner,
    ) -> Result<Option<Report>, Failure> {
        let report = Report::new(Arc::clone(store), &planner.deliveries, &planner.facts);
        let Some(report) = report.filter(|_| !planner.project.files.is_empty()) else {
            return Ok(None);
        };
        if !self.status_comment {
            return Ok(Some(report));
        }
        let flags = ForgeFlags::default();
        let look = Look { job_author: forge::job_author(&session.surroundings), ..Look::default() };
        report.shown_by(look, |host, repository| flags.client(session, host, repository)).map(Some)
    }
}

fn first_run(state: &Path) -> Vec<String> {
    let marker: PathBuf = state.join("first-run");
    match std::fs::OpenOptions::new().create_new(true).write(true).open(marker) {
        Ok(_) => vec![FIRST_RUN.to_owned()],
        Err(_) => Vec::new(),
    }
}

/// Turns signals into stops: the first cancels, the second kills.
async fn watch(mut interrupts: Interrupts, stops: mpsc::Sender<Stop>) {
    let mut stop = Stop::Cancel;
    loop {
        let interrupt = interrupts.next().await;
        // Whoever asks again, or is hung up on, does not wait for clean-up.
        if interrupt == Interrupt::HangUp && stop == Stop::Kill {
            continue;
        }
        if stops.send(stop).await.is_err() {
            return;
        }
        stop = Stop::Kill;
    }
}
