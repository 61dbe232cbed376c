//! A job: its steps on this host, from an empty workspace to a report.

mod background;
mod checkout;
mod composite;
mod desk;
mod frame;
mod hearing;
mod log;
mod node;
mod outputs;
mod post;
mod program;
mod script;
mod sequence;
mod signal;
mod step;
mod task;
mod uses;

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::{Conclusion, JobPlan, JobReport, StepReport};
use expr::Value;
use tokio::sync::{OnceCell, mpsc, watch};
use tokio::time::Instant;
use workflow::Body;

use crate::context::StepScope;
use crate::masks::Masks;
use crate::matcher::{Match, Matchers};
use crate::notice::Notice;
use crate::place::{Order, Place};
use crate::process::Tree;
use desk::Desk;
use frame::Frame;
use log::Log;
use sequence::{Left, Sequence};
use signal::{Ear, Signal, raise};
use task::texts;

/// How long a job may go on after it was cancelled, where it does not say.
const CANCEL_TIMEOUT: Duration = Duration::from_mins(5);

/// A time that no job lives to see.
const FAR: Duration = Duration::from_hours(24 * 365);

/// Runs a job to its end. When this returns, no process of it is left.
pub async fn run_job(
    plan: JobPlan,
    place: Place,
    notices: mpsc::Sender<Notice>,
    orders: mpsc::Receiver<Order>,
) -> JobReport {
    let (mouth, ear) = Ear::new();
    let job = match Job::open(plan, place, notices, ear) {
        Ok(job) => Arc::new(job),
        Err(message) => return JobReport::broken(message),
    };
    let mut report = job.drive(&mouth, orders).await;
    for stray in job.tree.end().await {
        job.desk
            .say(None, &format!("Terminate orphan process: pid ({}) ({})", stray.id, stray.name));
    }
    job.forget_credentials();
    report.steps = job.reports();
    if let Some(fault) = job.desk.close().await {
        report.error.get_or_insert(fault);
        if report.conclusion == Conclusion::Success {
            report.conclusion = Conclusion::Failure;
        }
    }
    report
}

/// What the steps of a job share.
#[derive(Debug)]
struct Job {
    plan: JobPlan,
    place: Place,
    tree: Tree,
    desk: Desk,
    ear: Ear,
    matchers: Mutex<Matchers>,
    steps: AtomicUsize,
    reports: Mutex<Vec<Option<StepReport>>>,
    event_path: String,
    /// Whether a checkout has put anything into the workspace.
    checked_out: AtomicBool,
    /// The checkouts whose configuration has a token.
    credentialed: Mutex<Vec<PathBuf>>,
    /// The files of the run's commit, where an action is needed before a checkout.
    tree_of_commit: OnceCell<PathBuf>,
}

impl Job {
    fn open(
        plan: JobPlan,
        place: Place,
        notices: mpsc::Sender<Notice>,
        ear: Ear,
    ) -> Result<Self, String> {
        let mut place = place;
        place.debug |= asks_for_debug(&plan);
        let log = Log::create(&place.log).map_err(|error| {
            format!("The log {} could not be created: {error}", place.log.display())
        })?;
        let secrets = plan.contexts.secrets.as_object().into_iter().flat_map(expr::Object::values);
        let token = plan.contexts.github.get("token");
        let secrets = secrets.chain(token).map(Value::to_text);
        let masks = Masks::new(secrets.chain(place.secrets.iter().cloned()));
        let event_path = write_event(&plan, &place)
            .map_err(|error| format!("The payload of the event could not be written: {error}"))?;
        Ok(Self {
            tree: Tree::new(&place.run),
            desk: Desk::new(masks, log, notices),
            plan,
            place,
            ear,
            matchers: Mutex::default(),
            steps: AtomicUsize::new(0),
            reports: Mutex::default(),
            event_path,
            checked_out: AtomicBool::new(false),
            credentialed: Mutex::default(),
            tree_of_commit: OnceCell::new(),
        })
    }

    /// Notes that a checkout has a token in its configuration.
    fn remember_credentials(&self, checkout: &Path) {
        let mut credentialed = self.credentialed.lock().unwrap_or_else(PoisonError::into_inner);
        credentialed.push(checkout.to_owned());
    }

    /// Takes the tokens out of the checkouts, which may be kept longer than the job lives.
    fn forget_credentials(&self) {
        let credentialed = self.credentialed.lock().unwrap_or_else(PoisonError::into_inner);
        for checkout in credentialed.iter() {
            if let Err(error) = workdir::forget_credentials(checkout) {
                self.desk.say(None, &format!("The token stays in a checkout: {error}"));
            }
        }
    }

    /// Runs the steps and listens to what is asked meanwhile.
    async fn drive(
        self: &Arc<Self>,
        mouth: &watch::Sender<Signal>,
        mut orders: mpsc::Receiver<Order>,
    ) -> JobReport {
        let mut work = pin!(self.work());
        let mut timeout = pin!(tokio::time::sleep(self.plan.timeout));
        let mut grace = pin!(tokio::time::sleep(FAR));
        let mut reason: Option<String> = None;
        let (mut timed_out, mut open) = (false, true);
        let mut report = loop {
            tokio::select! {
                biased;
                report = &mut work => break report,
                order = orders.recv(), if open => match order {
                    Some(Order::Cancel { reason: why }) => {
                        if reason.is_none() {
                            self.desk.error(None, &why);
                            grace.as_mut().reset(Instant::now() + self.cancel_timeout());
                        }
                        reason.get_or_insert(why);
                        raise(mouth, Signal::Cancel);
                    }
                    Some(Order::Kill) => {
                        reason.get_or_insert_with(|| "The job was killed.".to_owned());
                        raise(mouth, Signal::Kill);
                    }
                    None => open = false,
                },
                () = &mut timeout, if !timed_out => {
                    timed_out = true;
                    if reason.is_none() {
                        let message = lateness(self.plan.timeout);
                        self.desk.error(None, &message);
                        grace.as_mut().reset(Instant::now() + self.cancel_timeout());
                        reason = Some(message);
                        raise(mouth, Signal::Cancel);
                    }
                }
                () = &mut grace => {
                    grace.as_mut().reset(Instant::now() + FAR);
                    raise(mouth, Signal::Kill);
                }
            }
        };
        if let Some(reason) = reason {
            report.timed_out = timed_out && reason == lateness(self.plan.timeout);
            report.conclusion = Conclusion::Cancelled;
            report.error.get_or_insert(reason);
        }
        report
    }

    /// Runs the steps, then the post steps, and evaluates the outputs.
    async fn work(self: &Arc<Self>) -> JobReport {
        let frame = match self.first_frame() {
            Ok(frame) => frame,
            Err(message) => {
                self.desk.error(None, &message);
                return JobReport::broken(self.desk.masked(&message));
            }
        };
        let mut sequence = Sequence::new(self, frame, None);
        if let Body::Steps { steps, .. } = &self.plan.job().body {
            sequence.run(steps).await;
        }
        let Left { mut frame, posts, .. } = sequence.finish().await;
        post::run(self, &mut frame, posts).await;
        let mut report = JobReport::new(Conclusion::Success);
        match outputs::evaluate(self, &frame) {
            Ok(outputs) => report.outputs = outputs,
            Err(message) => {
                self.desk.error(None, "Fail to evaluate job outputs");
                self.desk.error(None, &message);
                frame.status.fail();
                report.error = Some(self.desk.masked(&message));
            }
        }
        report.conclusion = frame.status.conclusion();
        report
    }

    /// Evaluates what the whole job begins with.
    fn first_frame(&self) -> Result<Frame, String> {
        let (env, inputs) = (self.place.env.clone(), self.plan.contexts.inputs.clone());
        let mut frame = Frame { env, inputs, ..Frame::default() };
        let job = self.plan.job();
        for env in [&self.plan.workflow.env, &job.env].into_iter().flatten() {
            let scope = self.scope(&frame, "");
            let value = env.evaluate(&scope);
            let value = value
                .map_err(|error| format!("`env` could not be evaluated: {}", error.message))?;
            frame.env.extend(texts(&value));
        }
        for defaults in [&self.plan.workflow.defaults, &job.defaults].into_iter().flatten() {
            let mut scope = self.scope(&frame, "");
            scope.set("env", crate::context::variables(&frame.env));
            let value = defaults.evaluate(&scope);
            let value = value
                .map_err(|error| format!("`defaults` could not be evaluated: {}", error.message))?;
            let run = value.get("run").cloned().unwrap_or(Value::Null);
            let text =
                |name: &str| run.get(name).map(Value::to_text).filter(|text| !text.is_empty());
            frame.shell = text("shell").or(frame.shell);
            frame.working_directory = text("working-directory").or(frame.working_directory);
        }
        Ok(frame)
    }

    fn cancel_timeout(&self) -> Duration {
        let token = self.plan.job().cancel_timeout_minutes.as_ref();
        let scope = self.scope(&Frame::default(), "");
        let minutes =
            token.and_then(|token| token.evaluate(&scope).ok()).map(|value| value.to_number());
        let given = minutes.and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok());
        given.filter(|given| !given.is_zero()).unwrap_or(CANCEL_TIMEOUT).min(FAR)
    }

    /// Returns the contexts of a step, without its own `env`.
    fn scope(&self, frame: &Frame, action: &str) -> StepScope {
        let directories = &self.place.directories;
        let mut scope = StepScope::new(directories.workspace.clone());
        let contexts = &self.plan.contexts;
        scope.set("github", contexts.github.clone());
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut github = |name: &str, value: Value| scope.set_in("github", name, value);
        github("workspace", text(&directories.workspace).into());
        github("event_path", self.event_path.as_str().into());
        github("action", action.into());
        // Local actions are in no repository of their own; GitHub says so with an empty text.
        github("action_repository", "".into());
        github("action_ref", "".into());
        github("job", self.plan.job_id.as_str().into());
        github("run_id", self.plan.run.to_string().into());
        github("run_attempt", self.plan.attempt.to_string().into());
        if let Some(action) = &frame.action {
            github("action_path", text(&action.path).into());
            github("action_status", action.status.status().as_str().into());
        }
        scope.set("runner", self.runner());
        scope.set("job", Value::object([("status", Value::from(frame.status.status().as_str()))]));
        scope.set("steps", frame.steps.clone());
        scope.set("inputs", frame.inputs.clone());
        scope.set("vars", contexts.vars.clone());
        scope.set("secrets", contexts.secrets.clone());
        scope.set("needs", self.plan.needs.clone());
        scope.set("strategy", self.plan.strategy.clone());
        scope.set("matrix", self.plan.matrix.clone());
        scope.set("env", expr::Object::case_sensitive());
        scope
    }

    fn runner(&self) -> Value {
        let (directories, machine) = (&self.place.directories, &self.place.machine);
        let text = |path: &Path| Value::from(path.to_string_lossy().into_owned());
        let workspace = directories.workspace.parent().unwrap_or(&directories.workspace);
        let mut runner = vec![
            ("name", Value::from(machine.name.as_str())),
            ("os", machine.os.into()),
            ("arch", machine.arch.into()),
            ("temp", text(&directories.temp)),
            ("tool_cache", text(&directories.tool_cache)),
            ("workspace", text(workspace)),
            ("environment", "self-hosted".into()),
        ];
        if self.place.debug {
            runner.push(("debug", "1".into()));
        }
        Value::object(runner)
    }

    /// Returns the next place in the report.
    fn next_step(&self) -> usize {
        self.steps.fetch_add(1, Ordering::Relaxed)
    }

    fn report(&self, step: usize, report: StepReport) {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if reports.len() <= step {
            reports.resize(step + 1, None);
        }
        reports[step] = Some(report);
    }

    fn reports(&self) -> Vec<StepReport> {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.drain(..).flatten().collect()
    }

    fn matchers(&self) -> MutexGuard<'_, Matchers> {
        self.matchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a path as it is from the workspace, where it lies there.
    fn workspace_path(&self, path: &str) -> String {
        let from = Path::new(path).strip_prefix(&self.place.directories.workspace);
        let from = from.map_or(path, |path| path.to_str().unwrap_or_default());
        from.strip_prefix("./").unwrap_or(from).to_owned()
    }

    /// Returns the file a problem is in, if it is one of the workspace.
    fn file_of(&self, found: &Match) -> Option<String> {
        let file = found.file.as_deref().filter(|file| !file.is_empty())?;
        let workspace = &self.place.directories.workspace;
        let from = found.from_path.as_deref().filter(|path| !path.is_empty()).map(Path::new);
        let base = from
            .and_then(Path::parent)
            .map_or_else(|| workspace.clone(), |path| workspace.join(path));
        let path = base.join(file);
        path.is_file().then(|| self.workspace_path(&path.to_string_lossy()))
    }
}

/// Tells whether the repository wants to see what is only of use to people who look for a fault.
fn asks_for_debug(plan: &JobPlan) -> bool {
    let contexts = [&plan.contexts.secrets, &plan.contexts.vars];
    let values = contexts.into_iter().filter_map(|context| context.get("ACTIONS_STEP_DEBUG"));
    values.map(Value::to_text).any(|text| text.eq_ignore_ascii_case("true"))
}

fn lateness(timeout: Duration) -> String {
    let minutes = timeout.as_secs_f64() / 60.0;
    format!("The job has exceeded the maximum execution time of {minutes} minutes.")
}

fn write_event(plan: &JobPlan, place: &Place) -> std::io::Result<String> {
    let directory = place.directories.temp.join("_github_workflow");
    std::fs::create_dir_all(&directory)?;
    let path = directory.join("event.json");
    let text = match &place.payload {
        Some(payload) => payload.to_string(),
        None => plan
            .contexts
            .github
            .get("event")
            .map_or_else(|| "{}".to_owned(), |event| event.to_json().to_string()),
    };
    std::fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}
