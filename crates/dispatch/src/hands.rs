//! The runner as the dispatcher sees it: something that runs one job and says how it went.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{JobPlan, JobReport, RunId};
use runner::Order;
use tokio::sync::mpsc;
use workdir::Snapshot;

use crate::notice::News;
use crate::policies::Standpoint;

/// What the jobs of one run have in common.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// The id of the run.
    pub id: RunId,
    /// The number of the attempt.
    pub attempt: u32,
    /// The host of the repository.
    pub host: String,
    /// The owner and the name of the repository.
    pub repository: String,
    /// The path of the workflow.
    pub path: String,
    /// The event.
    pub event: String,
    /// The commit that the event names.
    pub sha: String,
    /// The full ref.
    pub reference: String,
    /// In the environment of every process of the run.
    pub marker: String,
    /// The directory of the run.
    pub directory: PathBuf,
    /// What the jobs get to see.
    pub tree: Arc<Snapshot>,
    /// Where the event's commit stands.
    pub standpoint: Standpoint,
}

/// One job to run.
#[derive(Debug)]
pub struct Assignment {
    /// What to run, decided and evaluated.
    pub plan: Box<JobPlan>,
    /// What it shares with the other jobs of its run.
    pub facts: Arc<RunFacts>,
    /// Where its whole log goes.
    pub log: PathBuf,
    /// Where to say what happens meanwhile.
    pub reporter: Reporter,
    /// What the user asks meanwhile.
    pub orders: mpsc::Receiver<Order>,
}

/// How a job tells the dispatcher what happens in it.
#[derive(Clone, Debug)]
pub struct Reporter {
    pub(crate) run: RunId,
    pub(crate) outlet: mpsc::Sender<(RunId, News)>,
}

impl Reporter {
    /// Tells. A dispatcher that is busy makes the job wait here, not in memory.
    pub async fn tell(&self, news: News) {
        // The dispatcher outlives its jobs; if it does not, nobody listens.
        drop(self.outlet.send((self.run, news)).await);
    }
}

/// Runs jobs.
#[async_trait]
pub trait Hands: Send + Sync + std::fmt::Debug {
    /// Runs one job to its end. Nothing of it is left when this returns.
    async fn run(&self, assignment: Assignment) -> JobReport;
}
