//! The loop that owns every run: one inbox, one set of tasks, one place where effects are performed.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use engine::{Conclusion, Effect, Event, JobKey, JobPlan, JobReport, Member, Run, RunId};
use jiff::Timestamp;
use runner::Order;
use runner::process::Token;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use workdir::Snapshot;

use crate::driven::{Driven, Seat, Story, Working};
use crate::error::Error;
use crate::hands::{Assignment, Hands, Reporter, RunFacts};
use crate::membership::{Groups, Told};
use crate::notice::{Hub, News, Notice};
use crate::planner::{Planner, Seed, Verdict};
use crate::record::{Entry, Record};
use crate::slots::Slots;

/// How much news of jobs may wait for the loop before the jobs wait.
const WAITING_NEWS: usize = 256;

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
    /// How many runs each workflow had in this call.
    numbers: BTreeMap<String, u64>,
}

impl World {
    /// Makes a world in which nothing has happened yet.
    pub fn new(setup: Setup, hub: Hub) -> Self {
        let (outbox, inbox) = mpsc::unbounded_channel();
        let (news_outlet, news) = mpsc::channel(WAITING_NEWS);
        let slots = Slots::new(setup.max_parallel);
        let (runs, ended, tasks) = (BTreeMap::new(), Vec::new(), JoinSet::new());
        let (stopping, last_id, trouble, numbers) = (None, 0, None, BTreeMap::new());
        Self {
            setup,
            hub,
            runs,
            slots,
            ended,
            inbox,
            outbox,
            news,
            news_outlet,
            tasks,
            stopping,
            last_id,
            trouble,
            numbers,
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
                () = sleep_until(next), if next.is_some() => {
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

    fn group_told(&mut self, run: RunId, member: Member, told: Told) -> Result<(), Error> {
        let job = match &member {
            Member::Run => None,
            Member::Job(key) | Member::Called(key) => Some(key.to_string()),
        };
        match told {
            Told::Waiting { group, behind } => {
                self.tell(run, News::Waiting { job, group, behind });
                Ok(())
            }
            Told::Entered => {
                if member == Member::Run {
                    self.tell(run, News::RunStarted {});
                }
                self.feed(run, Event::Entered { member })
            }
            Told::Failed { reason } => {
                self.trouble.get_or_insert_with(|| reason.clone());
                self.feed(run, Event::Refused { member, reason })
            }
            Told::Refused { reason, superseded } => {
                if let Some(driven) = self.runs.get_mut(&run)
                    && member == Member::Run
                {
                    driven.story.superseded |= superseded;
                    driven.story.reason.get_or_insert_with(|| reason.clone());
                }
                self.feed(run, Event::Refused { member, reason })
            }
        }
    }

    fn job_ended(&mut self, run: RunId, job: JobKey, report: JobReport) -> Result<(), Error> {
        let now = Timestamp::now();
        let Some(driven) = self.runs.get_mut(&run) else { return Ok(()) };
        if let Some(working) = driven.working.remove(&job) {
            let ended = driven.story.ended(&job, &working, &report, now);
            let news = News::JobEnded {
                job: job.to_string(),
                name: ended.name.clone(),
                conclusion: ended.conclusion.clone(),
                warning: ended.warning,
                reason: ended.reason.clone(),
                duration_ms: ended.duration_ms,
                log: ended.log.clone(),
            };
            driven.record.append(&Entry::JobEnded { at: now, job: job.to_string() })?;
            self.tell(run, news);
        }
        self.feed(run, Event::JobEnded { job, report })
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

    fn create(&mut self, delivery: usize, seed: Seed) -> Result<(), Error> {
        let now = Timestamp::now();
        let wanted = u64::try_from(now.as_millisecond()).unwrap_or(0).saturating_mul(1000);
        let (id, mut record) = Record::create(&self.setup.runs, wanted.max(self.last_id + 1))?;
        self.last_id = id;
        let marker = Token::random().as_str().to_owned();
        let workflow = seed.workflow.display_name().to_owned();
        record.append(&Entry::Created {
            at: now,
            path: seed.path.clone(),
            workflow: workflow.clone(),
            event: seed.event.clone(),
            delivery,
            marker: marker.clone(),
            store: self.setup.groups.url().to_owned(),
        })?;
        let facts = Arc::new(RunFacts {
            id: RunId(id),
            attempt: 1,
            host: seed.host.clone(),
            repository: seed.repository.clone(),
            path: seed.path.clone(),
            event: seed.event.clone(),
            sha: seed.sha.clone(),
            reference: seed.reference.clone(),
            marker,
            directory: record.path().to_owned(),
            tree: Arc::clone(&seed.tree),
        });
        let number =
            self.numbers.entry(seed.path.clone()).and_modify(|number| *number += 1).or_insert(1);
        let number = *number;
        let mut story = Story::new(delivery, workflow.clone(), describe(&seed.tree), now);
        let mut run = match Run::new(seed.spec(RunId(id), number)) {
            Ok(run) => run,
            Err(error) => return self.stillborn(record, &facts, story, &error.to_string()),
        };
        let effects = engine::apply(&mut run, Event::Start, now);
        story.group = effects.iter().find_map(|effect| match effect {
            Effect::Enter { member: Member::Run, group } => Some(group.name.clone()),
            _ => None,
        });
        let news = News::RunCreated {
            delivery,
            workflow,
            path: facts.path.clone(),
            event: facts.event.clone(),
            group: story.group.clone(),
            source: story.source.clone(),
            directory: facts.directory.clone(),
        };
        let is_free = story.group.is_none();
        let (working, memberships) = (BTreeMap::new(), BTreeMap::new());
        self.runs.insert(RunId(id), Driven { run, record, facts, story, working, memberships });
        self.tell(RunId(id), news);
        if is_free {
            self.tell(RunId(id), News::RunStarted {});
        }
        self.perform_all(RunId(id), effects)
    }

    /// Ends a run that could not even be made.
    fn stillborn(
        &mut self,
        record: Record,
        facts: &RunFacts,
        mut story: Story,
        why: &str,
    ) -> Result<(), Error> {
        story.reason = Some(why.to_owned());
        let result = story.result(facts, &Conclusion::Failure.to_string(), Timestamp::now());
        record.finish(&result)?;
        self.tell(facts.id, News::RunEnded { result: Box::new(result) });
        self.note_ended(facts, Conclusion::Failure, false, false);
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
                if let Some(driven) = self.runs.get_mut(&id) {
                    // Dropping the sender is the message.
                    drop(driven.memberships.remove(&member));
                }
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
                if let Some(driven) = self.runs.get_mut(&id) {
                    driven.story.skipped(&job, &name, conclusion, &reason);
                }
                self.tell(
                    id,
                    News::JobEnded {
                        job: job.to_string(),
                        name,
                        conclusion: conclusion.to_string(),
                        warning: false,
                        reason: Some(reason).filter(|reason| !reason.is_empty()),
                        duration_ms: 0,
                        log: None,
                    },
                );
                Ok(())
            }
            Effect::Finished { conclusion } => self.finish(id, conclusion),
            Effect::Notice(notice) => {
                let job = notice.job.map(|job| job.to_string()).unwrap_or_default();
                let level = format!("{:?}", notice.severity).to_lowercase();
                let (title, file, line) = (None, None, None);
                self.tell(
                    id,
                    News::Annotation { job, level, message: notice.message, title, file, line },
                );
                Ok(())
            }
        }
    }

    fn enter(
        &mut self,
        id: RunId,
        member: Member,
        group: engine::GroupRequest,
    ) -> Result<(), Error> {
        let Some(driven) = self.runs.get_mut(&id) else { return Ok(()) };
        let job = match &member {
            Member::Run => None,
            Member::Job(key) | Member::Called(key) => Some(key.to_string()),
        };
        let place = self.setup.groups.place(&driven.facts, job, &group, driven.holds(&member));
        driven.record.append(&Entry::Entering {
            at: Timestamp::now(),
            host: driven.facts.host.clone(),
            repository: driven.facts.repository.clone(),
            group: place.group().to_owned(),
            token: place.token().as_str().to_owned(),
        })?;
        let (leave, left) = oneshot::channel();
        drop(driven.memberships.insert(member.clone(), Seat { _leave: leave, hold: place.hold() }));
        let outbox = self.outbox.clone();
        let groups = self.setup.groups.clone();
        self.tasks.spawn(async move {
            let tell = |told| {
                // The loop waits for its tasks, so it is there to listen.
                drop(outbox.send(Incoming::Group { run: id, member: member.clone(), told }));
            };
            groups.keep(place, &tell, left).await;
        });
        Ok(())
    }

    fn cancel_job(&mut self, id: RunId, job: JobKey, reason: String) -> Result<(), Error> {
        if self.slots.withdraw(id, &job) {
            let report = JobReport { error: Some(reason), ..JobReport::new(Conclusion::Cancelled) };
            return self.feed(id, Event::JobEnded { job, report });
        }
        let order =
            if self.stopping == Some(Stop::Kill) { Order::Kill } else { Order::Cancel { reason } };
        if let Some(working) = self.runs.get(&id).and_then(|driven| driven.working.get(&job)) {
            // A full channel holds a stronger order already.
            drop(working.orders.try_send(order));
        }
        Ok(())
    }

    fn start_ready(&mut self) -> Result<(), Error> {
        while let Some((id, plan)) = self.slots.take() {
            if self.runs.contains_key(&id) {
                self.start(id, plan)?;
            } else {
                self.slots.give_back();
            }
        }
        Ok(())
    }

    fn start(&mut self, id: RunId, plan: Box<JobPlan>) -> Result<(), Error> {
        let now = Timestamp::now();
        let job = plan.key.clone();
        let Some(driven) = self.runs.get_mut(&id) else { return Ok(()) };
        driven.record.append(&Entry::JobStarting { at: now, job: job.to_string() })?;
        let log = driven.record.logs().join(format!("{}.log", plan.key.file_stem()));
        let (orders, inlet) = mpsc::channel(4);
        driven.working.insert(job.clone(), Working::new(&plan, orders, log.clone(), now));
        let name = plan.name.clone();
        let facts = Arc::clone(&driven.facts);
        self.tell(id, News::JobStarted { job: job.to_string(), name });
        let reporter = Reporter { run: id, outlet: self.news_outlet.clone() };
        let assignment = Assignment { plan, facts, log, reporter, orders: inlet };
        let hands = Arc::clone(&self.setup.hands);
        let outbox = self.outbox.clone();
        let key = job.clone();
        self.tasks.spawn(async move {
            let report = hands.run(assignment).await;
            // The loop waits for its tasks, so it is there to listen.
            drop(outbox.send(Incoming::JobEnded { run: id, job: key, report }));
        });
        self.feed(id, Event::JobStarted { job })
    }

    fn finish(&mut self, id: RunId, conclusion: Conclusion) -> Result<(), Error> {
        let Some(mut driven) = self.runs.remove(&id) else { return Ok(()) };
        let now = Timestamp::now();
        let order: Vec<JobKey> = driven.run.jobs().into_iter().map(|job| job.key).collect();
        driven.story.sort(&order);
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
        self.hub.tell(&Notice { at: Timestamp::now(), run: run.to_string(), news });
    }
}

/// Says in a few words what the jobs of a run see.
fn describe(tree: &Snapshot) -> String {
    format!("{} {}", tree.content, tree.sha.get(..10).unwrap_or(&tree.sha))
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
