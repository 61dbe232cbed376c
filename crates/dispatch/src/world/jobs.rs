//! Jobs of a world: they get room, run, are cancelled, end.

use std::sync::Arc;

use engine::{Conclusion, Event, JobKey, JobPlan, JobReport, RunId};
use jiff::Timestamp;
use runner::Order;
use tokio::sync::mpsc;

use super::{Incoming, Stop, World};
use crate::driven::Working;
use crate::error::Error;
use crate::hands::{Assignment, Reporter};
use crate::notice::News;
use crate::record::Entry;

impl World {
    pub(super) fn job_ended(
        &mut self,
        run: RunId,
        job: JobKey,
        report: JobReport,
    ) -> Result<(), Error> {
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

    pub(super) fn cancel_job(
        &mut self,
        id: RunId,
        job: JobKey,
        reason: String,
    ) -> Result<(), Error> {
        if let Some(plan) = self.slots.withdraw(id, &job) {
            self.never_started(id, &job, plan.name, (Conclusion::Cancelled, reason.clone()));
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

    /// Keeps and tells the end of a job that has not begun.
    pub(super) fn never_started(
        &mut self,
        id: RunId,
        job: &JobKey,
        name: String,
        (conclusion, reason): (Conclusion, String),
    ) {
        if let Some(driven) = self.runs.get_mut(&id) {
            let matrix = driven.run.job(job).map(|job| job.matrix).unwrap_or_default();
            driven.story.skipped(job, &name, conclusion, (&reason, matrix));
        }
        let news = News::JobEnded {
            job: job.to_string(),
            name,
            conclusion: conclusion.to_string(),
            warning: false,
            reason: Some(reason).filter(|reason| !reason.is_empty()),
            duration_ms: 0,
            log: None,
        };
        self.tell(id, news);
    }

    pub(super) fn start_ready(&mut self) -> Result<(), Error> {
        while let Some((id, plan)) = self.slots.take() {
            if self.runs.contains_key(&id) {
                self.start(id, plan)?;
            } else {
                self.slots.give_back();
            }
        }
        Ok(())
    }

    pub(super) fn start(&mut self, id: RunId, plan: Box<JobPlan>) -> Result<(), Error> {
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
}
