//! The report: each job of a run for a pull request is a row of that pull request's status document.
//!
//! Rows go into the store of the call, so `interlock status show` has them; a comment shows them only where
//! somebody asked for it. Trouble with the report is never trouble of a run.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use coord::{BootClock, Clock};
use dispatch::delivery::Delivery;
use dispatch::notice::{News, Notice, Observer};
use dispatch::occasion::{Facts, Occasion};
use github::Client;
use serde_json::Value;
use status::{Board, Change, Look, Post, State, Stay, Subject, Target, Timing, Writer};
use store::Store;

/// How long a job may give no sign of life before it is shown as aborted.
const TTL: Duration = Duration::from_mins(5);

/// How often we give a sign of life for jobs that go on.
const BEAT: Duration = Duration::from_mins(1);

/// The pull request that a delivery is about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pull {
    host: String,
    repository: String,
    number: u64,
    head: String,
}

/// A run that is reported.
#[derive(Debug)]
struct Reported {
    board: Arc<Board>,
    writer: Writer,
    head: String,
    /// The jobs that go on, with their names.
    open: BTreeMap<String, String>,
}

/// Turns what observers hear into rows.
#[derive(Debug)]
pub(crate) struct Report {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    client: Option<Client>,
    look: Look,
    pulls: HashMap<usize, Pull>,
    runs: HashMap<String, Reported>,
}

impl Report {
    /// Finds out which deliveries are about pull requests. None if none is.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        deliveries: &[Delivery],
        facts: &Facts,
    ) -> Option<Self> {
        let pulls = deliveries
            .iter()
            .enumerate()
            .filter_map(|(index, delivery)| Some((index, pull(&Occasion::new(delivery, facts))?)));
        let pulls: HashMap<usize, Pull> = pulls.collect();
        let clock = Arc::new(BootClock::of_this_machine());
        let (client, look, runs) = (None, Look::default(), HashMap::new());
        (!pulls.is_empty()).then_some(Self { store, clock, client, look, pulls, runs })
    }

    /// Shows the rows in a comment, too. `client` makes a client for a host and a repository.
    pub(crate) fn shown_by<E>(
        mut self,
        look: Look,
        client: impl FnOnce(&str, &str) -> Result<Client, E>,
    ) -> Result<Self, E> {
        if let Some(pull) = self.pulls.values().next() {
            self.client = Some(client(&pull.host, &pull.repository)?);
        }
        self.look = look;
        Ok(self)
    }

    /// Reports until the runs are over.
    pub(crate) async fn follow(mut self, mut observer: Observer) {
        let mut beat = tokio::time::interval(BEAT);
        loop {
            tokio::select! {
                notice = observer.next() => match notice {
                    Some(notice) => self.hear(&notice).await,
                    None => break,
                },
                _ = beat.tick() => self.beat().await,
            }
        }
    }

    async fn hear(&mut self, notice: &Notice) {
        let run = notice.run.as_str();
        match &notice.news {
            News::RunCreated { delivery, path, event, .. } => {
                self.begin(run, *delivery, path, event);
            }
            News::JobQueued { job, name } => {
                self.job(run, job, name, Change::to(State::Queued)).await;
            }
            News::JobStarted { job, name } => {
                let started = Some(notice.at);
                self.job(run, job, name, Change { started, ..Change::to(State::Running) }).await;
            }
            News::JobEnded { job, name, conclusion, warning, reason, duration_ms, .. } => {
                let change = Change {
                    elapsed: Some(Duration::from_millis(*duration_ms)),
                    message: reason.clone(),
                    ..Change::to(ended(conclusion, *warning))
                };
                self.job(run, job, name, change).await;
            }
            News::RunEnded { .. } => self.end(run).await,
            _ => {}
        }
    }

    fn begin(&mut self, run: &str, delivery: usize, path: &str, event: &str) {
        let Some(pull) = self.pulls.get(&delivery) else { return };
        let subject = Subject {
            host: pull.host.clone(),
            repository: pull.repository.clone(),
            target: Target::Pull(pull.number),
            name: "status".to_owned(),
        };
        let writer = Writer {
            host: pull.host.clone(),
            repository: pull.repository.clone(),
            workflow: path.to_owned(),
            event: event.to_owned(),
            run: run.to_owned(),
            ..Writer::default()
        };
        let place = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let board =
            Board::new(subject, place, self.client.clone(), Timing::default(), self.look.clone());
        let (board, head, open) = (Arc::new(board), pull.head.clone(), BTreeMap::new());
        self.runs.insert(run.to_owned(), Reported { board, writer, head, open });
    }

    async fn job(&mut self, run: &str, job: &str, name: &str, change: Change) {
        let Some(reported) = self.runs.get_mut(run) else { return };
        if change.state.is_finished() {
            reported.open.remove(job);
        } else {
            reported.open.insert(job.to_owned(), name.to_owned());
        }
        let post = reported.post(job, vec![(name.to_owned(), change)]);
        let posted = reported.board.post(&post).await;
        if let Err(error) = posted {
            tracing::warn!(%error, %run, "a job is not in the status document");
            return;
        }
        if self.client.is_some()
            && let Err(error) = reported.board.publish(u64::MAX, Stay::IfDue).await
        {
            tracing::warn!(%error, %run, "the status comment is not up to date");
        }
    }

    async fn beat(&self) {
        for reported in self.runs.values() {
            for (job, name) in &reported.open {
                let post = reported.post(job, vec![(name.clone(), Change::to(State::Running))]);
                if let Err(error) = reported.board.beat(&post).await {
                    tracing::debug!(%error, "a sign of life was not written");
                }
            }
        }
    }

    /// Says the last word of a run.
    async fn end(&mut self, run: &str) {
        let Some(reported) = self.runs.remove(run) else { return };
        if self.client.is_some()
            && let Err(error) = reported.board.publish(u64::MAX, Stay::UntilShown).await
        {
            tracing::warn!(%error, %run, "the status comment does not have the last word");
        }
    }
}

impl Reported {
    fn post(&self, job: &str, tasks: Vec<(String, Change)>) -> Post {
        let (id, leg) = job.rsplit_once('.').filter(|(_, leg)| is_number(leg)).unwrap_or((job, ""));
        let writer = Writer { job: id.to_owned(), leg: leg.to_owned(), ..self.writer.clone() };
        let head = self.head.clone();
        Post { writer, attempt: 1, process: None, head, tasks, ttl: Some(TTL) }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn ended(conclusion: &str, warning: bool) -> State {
    match conclusion {
        _ if warning => State::Warning,
        "success" => State::Passed,
        "failure" => State::Failed,
        "skipped" => State::Skipped,
        _ => State::Aborted,
    }
}

/// Returns the pull request that an event is about, with the head that it names.
fn pull(occasion: &Occasion) -> Option<Pull> {
    let pull = occasion.payload.get("pull_request")?;
    Some(Pull {
        host: occasion.host.clone(),
        repository: occasion.repository.clone(),
        number: pull.get("number").and_then(Value::as_u64)?,
        head: pull.pointer("/head/sha").and_then(Value::as_str)?.to_owned(),
    })
}
