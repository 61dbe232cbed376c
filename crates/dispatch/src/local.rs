//! Jobs on this machine: a directory, a runner, and what is left of both.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use engine::{Conclusion, JobReport};
use jiff::Timestamp;
use runner::process::Token;
use runner::{Place, run_job};
use tokio::sync::mpsc;
use workdir::{Identity, JobDir, Keep, Outcome, Workdirs};

use crate::hands::{Assignment, Hands, Reporter, RunFacts};
use crate::notice::News;

/// How many notices of a job may wait to be passed on.
const WAITING: usize = 256;

/// Runs jobs as the user, each in a directory of its own.
#[derive(Debug)]
pub struct LocalHands {
    /// Where the directories are.
    pub workdirs: Workdirs,
    /// How long they stay.
    pub keep: Keep,
    /// What every job is lent of the user's environment.
    pub environment: BTreeMap<String, String>,
    /// What the user asked to be in the environment of every job.
    pub asked: BTreeMap<String, String>,
    /// What is masked although no context has it.
    pub secrets: Vec<String>,
}

#[async_trait]
impl Hands for LocalHands {
    async fn run(&self, assignment: Assignment) -> JobReport {
        let Assignment { plan, facts, log, reporter, orders } = assignment;
        let directory = match self.allocate(&facts, &plan).await {
            Ok(directory) => Arc::new(directory),
            Err(error) => return JobReport::broken(describe(&error)),
        };
        let Some(marker) = Token::parse(&facts.marker) else {
            return JobReport::broken("the mark of the run is damaged");
        };
        let mut place = Place::new(Arc::clone(&directory), Arc::clone(&facts.tree), marker, log);
        for (name, value) in &self.environment {
            // What belongs to the directory is the directory's.
            place.environment.entry(name.clone()).or_insert_with(|| value.clone());
        }
        place.env = self.asked.clone().into_iter().collect();
        place.secrets.clone_from(&self.secrets);
        let (outlet, inlet) = mpsc::channel(WAITING);
        let job = plan.key.to_string();
        let (report, ()) =
            tokio::join!(run_job(*plan, place, outlet, orders), pass_on(job, inlet, &reporter));
        self.finish(directory, &report, &reporter).await;
        report
    }
}

impl LocalHands {
    async fn allocate(
        &self,
        facts: &RunFacts,
        plan: &engine::JobPlan,
    ) -> Result<JobDir, workdir::Error> {
        let (owner, repository) =
            facts.repository.split_once('/').unwrap_or(("local", &facts.repository));
        let identity = Identity {
            host: facts.host.clone(),
            owner: owner.to_owned(),
            repository: repository.to_owned(),
            workflow: facts.path.clone(),
            event: facts.event.clone(),
            run: facts.id.0,
            attempt: facts.attempt,
            job: plan.key.path.join("/"),
            leg: plan.key.leg,
        };
        let workdirs = self.workdirs.clone();
        blocking(move || workdirs.allocate(&identity, Timestamp::now())).await
    }

    async fn finish(&self, directory: Arc<JobDir>, report: &JobReport, reporter: &Reporter) {
        let outcome = match report.conclusion {
            Conclusion::Success | Conclusion::Skipped => Outcome::Success,
            Conclusion::Failure => Outcome::Failure,
            Conclusion::Cancelled => Outcome::Cancelled,
        };
        // Somebody who still has it is as good as a crash: the next clean-up takes the directory.
        let Some(directory) = Arc::into_inner(directory) else { return };
        let keep = self.keep.clone();
        let path = directory.path().to_owned();
        if let Err(error) =
            blocking(move || directory.finish(outcome, &keep, Timestamp::now())).await
        {
            let text = format!("{} was not removed: {}", path.display(), describe(&error));
            reporter.tell(News::Remark { text }).await;
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, workdir::Error> + Send + 'static,
) -> Result<T, workdir::Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Turns what the runner says into news for everybody.
async fn pass_on(job: String, mut inlet: mpsc::Receiver<runner::Notice>, reporter: &Reporter) {
    while let Some(notice) = inlet.recv().await {
        let job = job.clone();
        let news = match notice {
            runner::Notice::StepStarted { step, name } => News::StepStarted { job, step, name },
            runner::Notice::Line { step, text, .. } => News::Line { job, step, text },
            runner::Notice::Dropped { lines } => News::Dropped { lines },
            runner::Notice::StepEnded { step, name, outcome, conclusion, duration, last_lines } => {
                News::StepEnded {
                    job,
                    step,
                    name,
                    outcome: outcome.to_string(),
                    conclusion: conclusion.to_string(),
                    duration_ms: u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                    last_lines,
                }
            }
            runner::Notice::Annotation { annotation, .. } => News::Annotation {
                job,
                level: annotation.level.as_str().to_owned(),
                message: annotation.message,
                title: annotation.title,
                file: annotation.file,
                line: annotation.line,
                logged: true,
            },
            runner::Notice::Summary { markdown, .. } => News::Summary { job, markdown },
        };
        reporter.tell(news).await;
    }
}

/// Joins an error, its causes and its hint to a sentence.
fn describe(error: &workdir::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    match error.hint() {
        Some(hint) => format!("{text} ({hint})"),
        None => text,
    }
}
