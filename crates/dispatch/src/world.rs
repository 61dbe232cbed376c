//! The loop that owns every run: one inbox, one set of tasks, one place where effects are performed.

mod births;
mod jobs;
mod places;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use engine::{Conclusion, Effect, Event, JobKey, JobReport, Member, RunId};
use jiff::Timestamp;
use runner::Order;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::driven::Driven;
use crate::error::Error;
use crate::hands::{Hands, RunFacts};
use crate::membership::{Groups, Told, Turns};
use crate::notice::{Hub, News, Notice};
use crate::planner::{Planner, Verdict};
use crate::slots::Slots;

/// How much news of jobs may wait for the loop before the jobs wait.
const WAITING_NEWS: usize = 256;

/// How many places may be asked for before the next delivery waits.
const MOST_ASKING: usize = 64;

/// What a world needs to begin.
#[derive(Debug)]
pub struct Setup {
    /// Knows the deliveries and what they start.
    pub planner: Planner,
    /// Runs the jobs.
    pub hands: Arc<dyn Hands>,
    /// Where the groups live.
    pub groups: Groups,
    /// The directory of the runs' records.
    pub runs: PathBuf,
    /// How many jobs may run at once.
    pub max_parallel: usize,
}

/// Asks a world to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Cancel every run as GitHub would.
    Cancel,
    /// Kill everything at once.
    Kill,
}

/// A run that has ended, as little of it as the caller needs to find the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The run.
    pub id: RunId,
    /// How it ended.
    pub conclusion: Conclusion,
    /// Whether a newer run took its place.
    pub superseded: bool,
    /// Whether a job failed that was allowed to.
    pub warning: bool,
    /// Its directory.
    pub directory: PathBuf,
}

/// What came of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The runs, in the order in which they ended.
    pub ended: Vec<Ended>,
    /// Whether somebody stopped it.
    pub stopped: Option<Stop>,
    /// What the store did not answer, if it did not.
    pub trouble: Option<String>,
}

/// Everything that can happen to a world.
#[derive(Debug)]
enum Incoming {
    Group { run: RunId, member: Member, told: Told },
    JobEnded { run: RunId, job: JobKey, report: JobReport },
}

/// All runs of one call, and what they share.
#[derive(Debug)]
pub struct World {
    setup: Setup,
    hub: Hub,
    runs: BTreeMap<RunId, Driven>,
    slots: Slots,
    turns: Turns,
    /// How many places are asked for that no group has answered for yet.
    asking: usize,
    ended: Vec<Ended>,
    inbox: mpsc::UnboundedReceiver<Incoming>,
    outbox: mpsc::UnboundedSender<Incoming>,
    news: mpsc::Receiver<(RunId, News)>,
    news_outlet: mpsc::Sender<(RunId, News)>,
    tasks: JoinSet<()>,
    stopping: Option<Stop>,
    last_id: u64,
    /// What the store did not answer, if it did not.
    trouble: Option<String>,
}

impl World {
    /// Makes a world in which nothing has happened yet.
    pub fn new(setup: Setup, hub: Hub) -> Self {
        let (outbox, inbox) = mpsc::unbounded_channel();
        let (news_outlet, news) = mpsc::channel(WAITING_NEWS);
        let slots = Slots::new(setup.max_parallel);
        let (runs, ended, tasks) = (BTreeMap::new(), Vec::new(), JoinSet::new());
        let (stopping, last_id, trouble) = (None, 0, None);
        Self {
            setup,
            hub,
            runs,
            slots,
            turns: Turns::default(),
            asking: 0,
            ended,
            inbox,
            outbox,
            news,
            news_outlet,
            tasks,
            stopping,
            last_id,
            trouble,
        }
    }

    /// Lets every delivery happen at its time, and drives the runs to their ends.
    pub async fn run(mut self, mut stops: mpsc::Receiver<Stop>) -> Result<Outcome, Error> {
        let mut due: VecDeque<_> = self.schedule();
        loop {
            let next = due.front().map(|(at, _)| *at);
            if self.runs.is_empty() && self.tasks.is_empty() && next.is_none() {
                let (ended, stopped, trouble) = (self.ended, self.stopping, self.trouble);
                return Ok(Outcome { ended, stopped, trouble });
            }
            tokio::select! {
                biased;
                Some(stop) = stops.recv() => {
                    due.clear();
                    self.stop(stop)?;
                }
                Some(incoming) = self.inbox.recv() => self.receive(incoming)?,
                Some((run, news)) = self.news.recv() => self.tell(run, news),
                Some(task) = self.tasks.join_next(), if !self.tasks.is_empty() => {
                    task.map_err(|error| Error::Task { what: error.to_string() })?;
                }
                // Those who were first are let in first, so that a storm does not pile up in memory.
                () = sleep_until(next), if next.is_some() && self.asking < MOST_ASKING => {
                    if let Some((_, index)) = due.pop_front() {
                        self.deliver(index)?;
                    }
                }
            }
        }
    }

    fn schedule(&self) -> VecDeque<(Instant, usize)> {
        let mut at = Instant::now();
        let delays = self.setup.planner.delays();
        let times = delays.enumerate().map(|(index, delay)| {
            at += delay;
            (at, index)
        });
        times.collect()
    }

    fn stop(&mut self, stop: Stop) -> Result<(), Error> {
        self.stopping = Some(stop);
        let reason = "The run was interrupted.".to_owned();
        let ids: Vec<_> = self.runs.keys().copied().collect();
        for id in ids {
            if stop == Stop::Kill {
                self.kill(id);
            }
            if let Some(driven) = self.runs.get_mut(&id) {
                driven.story.reason.get_or_insert_with(|| reason.clone());
            }
            self.feed(id, Event::Cancel { reason: reason.clone() })?;
        }
        Ok(())
    }

    fn kill(&mut self, id: RunId) {
        let Some(driven) = self.runs.get(&id) else { return };
        for working in driven.working.values() {
            // A full channel holds an order already; the job task reads `Kill` next.
            drop(working.orders.try_send(Order::Kill));
        }
    }

    fn receive(&mut self, incoming: Incoming) -> Result<(), Error> {
        match incoming {
            Incoming::Group { run, member, told } => self.group_told(run, member, told),
            Incoming::JobEnded { run, job, report } => {
                self.slots.give_back();
                // What the job said before it ended is told before its end.
                while let Ok((run, news)) = self.news.try_recv() {
                    self.tell(run, news);
                }
                self.job_ended(run, job, report)?;
                self.start_ready()
            }
        }
    }

    fn deliver(&mut self, index: usize) -> Result<(), Error> {
        for verdict in self.setup.planner.verdicts(index) {
            match verdict {
                Verdict::Ignored { event, path, reason } => {
                    let news = News::Ignored { delivery: index, event, path, reason };
                    self.hub.tell(&Notice { at: Timestamp::now(), run: String::new(), news });
                }
                Verdict::Run(seed) => self.create(index, *seed)?,
            }
        }
        Ok(())
    }

    /// Gives an event to a run and performs what it asks for.
    fn feed(&mut self, id: RunId, event: Event) -> Result<(), Error> {
        let Some(driven) = self.runs.get_mut(&id) else { return Ok(()) };
        let effects = engine::apply(&mut driven.run, event, Timestamp::now());
        self.perform_all(id, effects)
    }

    fn perform_all(&mut self, id: RunId, effects: Vec<Effect>) -> Result<(), Error> {
        effects.into_iter().try_for_each(|effect| self.perform(id, effect))
    }

    fn perform(&mut self, id: RunId, effect: Effect) -> Result<(), Error> {
        match effect {
            Effect::Enter { member, group } => self.enter(id, member, group),
            Effect::Leave { member } => {
                self.leave(id, &member);
                Ok(())
            }
            Effect::StartJob(plan) => {
                let (job, name) = (plan.key.to_string(), plan.name.clone());
                if self.slots.queue(id, plan) {
                    self.tell(id, News::JobQueued { job, name });
                }
                self.start_ready()
            }
            Effect::CancelJob { job, reason } => self.cancel_job(id, job, reason),
            Effect::JobSkipped { job, name, conclusion, reason } => {
                self.never_started(id, &job, name, (conclusion, reason));
                Ok(())
            }
            Effect::Finished { conclusion } => self.finish(id, conclusion),
            Effect::Notice(notice) => {
                let job = notice.job.map(|job| job.to_string()).unwrap_or_default();
                let level = format!("{:?}", notice.severity).to_lowercase();
                let (title, file, line, logged) = (None, None, None, false);
                self.tell(
                    id,
                    News::Annotation {
                        job,
                        level,
                        message: notice.message,
                        title,
                        file,
                        line,
                        logged,
                    },
                );
                Ok(())
            }
        }
    }

    fn finish(&mut self, id: RunId, conclusion: Conclusion) -> Result<(), Error> {
        let Some(mut driven) = self.runs.remove(&id) else { return Ok(()) };
        self.asking -= driven.memberships.values().filter(|seat| !seat.is_answered).count();
        let now = Timestamp::now();
        let order: Vec<JobKey> = driven.run.jobs().into_iter().map(|job| job.key).collect();
        driven.story.sort(&order);
        let conclusion = driven.story.settle(conclusion);
        let result = driven.story.result(&driven.facts, &conclusion.to_string(), now);
        driven.record.finish(&result)?;
        let warning = result.jobs.iter().any(|job| job.warning);
        self.note_ended(&driven.facts, conclusion, driven.story.superseded, warning);
        self.tell(id, News::RunEnded { result: Box::new(result) });
        Ok(())
    }

    fn note_ended(
        &mut self,
        facts: &RunFacts,
        conclusion: Conclusion,
        superseded: bool,
        warning: bool,
    ) {
        let directory = facts.directory.clone();
        self.ended.push(Ended { id: facts.id, conclusion, superseded, warning, directory });
    }

    fn tell(&mut self, run: RunId, news: News) {
        let notice = Notice { at: Timestamp::now(), run: run.to_string(), news };
        if let Some(driven) = self.runs.get_mut(&run)
            && let Err(error) = driven.record.note(&notice)
        {
            // The journal and the result are what counts; this is for people who look later.
            tracing::warn!(%error, %run, "an event was not written down");
        }
        self.hub.tell(&notice);
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
