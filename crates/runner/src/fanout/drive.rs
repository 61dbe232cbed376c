//! Does what the schedule says: starts, stops, waits, and tells what happened.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::time::{Duration, Instant};

use tokio::select;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::schedule::{Effect, Event, Schedule, apply};
use super::{Job, JobId, Outcome, Verdict};
use crate::process::{Orders, Stopper, orders};

/// An attempt that is to be made.
#[derive(Debug)]
pub struct Start {
    /// Of which job.
    pub job: JobId,
    /// Counted from one.
    pub attempt: u32,
    /// Where the wish to stop it will be heard.
    pub orders: Orders,
}

/// A wish from outside.
#[derive(Clone, Debug)]
pub enum Request {
    /// One more job; only for a schedule that is open.
    Add(Job),
    /// There will be no more jobs.
    Close,
    /// One job should end.
    CancelJob(JobId),
    /// All should end; asked for again: at once.
    Cancel,
}

/// What observers may want to know.
#[derive(Clone, Debug)]
pub enum Notice {
    /// An attempt begins.
    Started {
        /// Whose.
        job: JobId,
        /// Counted from one.
        attempt: u32,
    },
    /// An attempt ended, and this is not the job's end yet.
    Retrying {
        /// Whose.
        job: JobId,
        /// How it ended.
        outcome: Outcome,
    },
    /// A job has its result.
    Settled(Report),
}

/// The whole story of a job.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// Which one.
    pub job: JobId,
    /// Its name.
    pub name: String,
    /// Whether all fails when it does not pass.
    pub critical: bool,
    /// What became of it.
    pub verdict: Verdict,
    /// How many attempts there were; none if it was skipped.
    pub attempts: u32,
    /// The last attempt's exit code; 128 and the number of the signal that killed it.
    pub exit_code: Option<i32>,
    /// When it first started, from the beginning of all.
    pub started: Option<Duration>,
    /// From its first start to its end.
    pub duration: Duration,
}

/// Runs a schedule to its end and returns the reports in the order of the jobs.
///
/// `work` makes the attempts; it should end soon after it is ordered to. Dropping the future ends the
/// attempts by dropping them, too.
pub async fn drive<W, F>(
    schedule: Schedule,
    mut requests: mpsc::UnboundedReceiver<Request>,
    work: W,
    observe: impl FnMut(Notice),
) -> Vec<Report>
where
    W: FnMut(Start) -> F,
    F: Future<Output = Outcome> + Send + 'static,
{
    let mut driver = Driver {
        schedule,
        work,
        observe,
        began: Instant::now(),
        attempts: JoinSet::new(),
        keys: HashMap::new(),
        running: HashMap::new(),
        story: HashMap::new(),
        reports: Vec::new(),
        wake: None,
        cancelled: false,
    };
    let mut listening = true;
    let mut finished = driver.feed(Event::Start);
    while !finished {
        let wake = driver.wake;
        let due = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => pending().await,
            }
        };
        finished = select! {
            Some(joined) = driver.attempts.join_next_with_id() => {
                let (key, outcome) = match joined {
                    Ok((key, outcome)) => (key, outcome),
                    Err(error) => (error.id(), Outcome::CouldNotStart(format!("{error}"))),
                };
                driver.ended(key, outcome)
            }
            request = requests.recv(), if listening => {
                listening = request.is_some();
                driver.obey(request.unwrap_or(Request::Close))
            }
            () = due => {
                driver.wake = None;
                driver.feed(Event::Due)
            }
        };
    }
    driver.reports.sort_by_key(|report| report.job);
    driver.reports
}

struct Driver<W, O, F> {
    schedule: Schedule,
    work: W,
    observe: O,
    began: Instant,
    attempts: JoinSet<F>,
    keys: HashMap<tokio::task::Id, JobId>,
    running: HashMap<JobId, Stopper>,
    story: HashMap<JobId, Story>,
    reports: Vec<Report>,
    wake: Option<Instant>,
    cancelled: bool,
}

/// What is known of a job that has no result yet.
#[derive(Debug)]
struct Story {
    started: Duration,
    outcome: Option<Outcome>,
}

impl<W, O, F> Driver<W, O, Outcome>
where
    W: FnMut(Start) -> F,
    F: Future<Output = Outcome> + Send + 'static,
    O: FnMut(Notice),
{
    /// Tells the schedule and does what it says; returns whether all is done.
    fn feed(&mut self, event: Event) -> bool {
        let effects = apply(&mut self.schedule, event, self.began.elapsed());
        let finished = effects.last() == Some(&Effect::Finished);
        for effect in effects {
            match effect {
                Effect::Start { job, attempt } => self.start(job, attempt),
                Effect::Stop { job } => {
                    if let Some(stopper) = self.running.get(&job) {
                        stopper.cancel();
                    }
                }
                Effect::Wake { at } => self.wake = Some(self.began + at),
                Effect::Settled { job, verdict, attempts } => self.settle(job, verdict, attempts),
                Effect::Finished => {}
            }
        }
        finished
    }

    fn obey(&mut self, request: Request) -> bool {
        match request {
            Request::Add(job) => self.feed(Event::Add(job)),
            Request::Close => self.feed(Event::Close),
            Request::CancelJob(job) => self.feed(Event::CancelJob(job)),
            Request::Cancel if self.cancelled => {
                self.running.values().for_each(Stopper::kill);
                false
            }
            Request::Cancel => {
                self.cancelled = true;
                self.feed(Event::Cancel)
            }
        }
    }

    fn start(&mut self, job: JobId, attempt: u32) {
        let (stopper, orders) = orders();
        (self.observe)(Notice::Started { job, attempt });
        let handle = self.attempts.spawn((self.work)(Start { job, attempt, orders }));
        self.keys.insert(handle.id(), job);
        self.running.insert(job, stopper);
        let started = self.began.elapsed();
        self.story.entry(job).or_insert(Story { started, outcome: None });
    }

    fn ended(&mut self, key: tokio::task::Id, outcome: Outcome) -> bool {
        let Some(job) = self.keys.remove(&key) else { return false };
        self.running.remove(&job);
        if let Some(story) = self.story.get_mut(&job) {
            story.outcome = Some(outcome.clone());
        }
        let finished = self.feed(Event::Ended { job, outcome: outcome.clone() });
        if self.schedule.verdict(job).is_none() {
            (self.observe)(Notice::Retrying { job, outcome });
        }
        finished
    }

    fn settle(&mut self, id: JobId, verdict: Verdict, attempts: u32) {
        let Some(job) = self.schedule.jobs().nth(id.0) else { return };
        let story = self.story.remove(&id);
        let exit_code = match story.as_ref().and_then(|story| story.outcome.as_ref()) {
            Some(Outcome::Exited(code)) => Some(*code),
            Some(Outcome::Signalled(signal)) => Some(128 + signal),
            _ => None,
        };
        let started = story.map(|story| story.started);
        let duration = started.map(|started| self.began.elapsed().saturating_sub(started));
        let report = Report {
            job: id,
            name: job.name.clone(),
            critical: job.critical,
            verdict,
            attempts,
            exit_code,
            started,
            duration: duration.unwrap_or_default(),
        };
        self.reports.push(report.clone());
        (self.observe)(Notice::Settled(report));
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::fanout::Window;

    fn jobs(names: &[&str]) -> Vec<Job> {
        names.iter().map(|name| Job::new(*name)).collect()
    }

    fn verdicts(reports: &[Report]) -> Vec<String> {
        reports.iter().map(|report| format!("{}={}", report.name, report.verdict)).collect()
    }

    #[tokio::test]
    async fn reports_come_in_the_order_of_jobs() {
        let schedule = Schedule::new(jobs(&["a", "b", "c"]), Window::default()).expect("jobs");
        let (_keep, requests) = mpsc::unbounded_channel();
        let work = |start: Start| async move {
            for _ in 0..10 * (3 - start.job.0) {
                tokio::task::yield_now().await;
            }
            Outcome::Exited(i32::try_from(start.job.0).expect("small"))
        };
        let reports = drive(schedule, requests, work, |_| {}).await;
        assert_eq!(verdicts(&reports), ["a=passed", "b=failed (1)", "c=failed (2)"]);
    }

    #[tokio::test]
    async fn a_panic_is_not_a_success() {
        let schedule = Schedule::new(jobs(&["a"]), Window::default()).expect("jobs");
        let (_keep, requests) = mpsc::unbounded_channel();
        let work = |start: Start| async move {
            assert!(start.attempt > 1, "on purpose");
            Outcome::Exited(0)
        };
        let reports = drive(schedule, requests, work, |_| {}).await;
        assert!(matches!(reports[0].verdict, Verdict::CouldNotStart(_)), "{reports:?}");
    }

    #[tokio::test]
    async fn a_second_cancel_kills() {
        let schedule = Schedule::new(jobs(&["a"]), Window::default()).expect("jobs");
        let (requester, requests) = mpsc::unbounded_channel();
        let stubborn = |mut start: Start| async move {
            start.orders.killed().await;
            Outcome::Cancelled
        };
        let observe = |notice| {
            if matches!(notice, Notice::Started { .. }) {
                requester.send(Request::Cancel).expect("it listens");
                requester.send(Request::Cancel).expect("it listens");
            }
        };
        let reports = drive(schedule, requests, stubborn, observe).await;
        assert_eq!(verdicts(&reports), ["a=cancelled"]);
    }

    #[tokio::test]
    async fn jobs_may_come_later_and_one_may_be_cancelled() {
        let window = Window { max_parallel: NonZeroUsize::new(2), ..Window::default() };
        let (requester, requests) = mpsc::unbounded_channel();
        let work = |mut start: Start| async move {
            if start.job == JobId(0) {
                start.orders.stopped().await;
                return Outcome::Cancelled;
            }
            Outcome::Exited(0)
        };
        for name in ["a", "b", "c"] {
            requester.send(Request::Add(Job::new(name))).expect("it listens");
        }
        let observe = |notice| {
            if let Notice::Settled(Report { job: JobId(2), .. }) = notice {
                requester.send(Request::CancelJob(JobId(0))).expect("it listens");
                requester.send(Request::Close).expect("it listens");
            }
        };
        let reports = drive(Schedule::open(window), requests, work, observe).await;
        assert_eq!(verdicts(&reports), ["a=cancelled", "b=passed", "c=passed"]);
    }

    #[tokio::test]
    async fn another_attempt_is_made_and_told() {
        let mut job = Job::new("a");
        job.retry.times = 2;
        let schedule = Schedule::new(vec![job], Window::default()).expect("jobs");
        let (_keep, requests) = mpsc::unbounded_channel();
        let tries = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&tries);
        let work = move |_: Start| {
            let code = if counter.fetch_add(1, Ordering::Relaxed) == 0 { 9 } else { 0 };
            async move { Outcome::Exited(code) }
        };
        let mut told = Vec::new();
        let reports = drive(schedule, requests, work, |notice| told.push(notice)).await;
        assert_eq!((reports[0].attempts, reports[0].exit_code), (2, Some(0)));
        assert_eq!(tries.load(Ordering::Relaxed), 2);
        let again = |notice: &Notice| {
            matches!(notice, Notice::Retrying { outcome: Outcome::Exited(9), .. })
        };
        assert!(told.iter().any(again), "{told:?}");
    }
}
