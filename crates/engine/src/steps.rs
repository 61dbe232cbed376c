//! The steps: the rules by which the steps of one job run, are skipped and count.
//!
//! A runner keeps one [`JobStatus`] for the job and one [`ActionStatus`] for
//! each composite action that is running, asks [`decide`] before each step and
//! records each step's conclusion after it.

use expr::{Condition, Scope, Value};

use crate::conclusion::Conclusion;

/// Says where a job or an action stands while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Nothing has gone wrong.
    #[default]
    Success,
    /// A step has failed.
    Failure,
    /// It was told to end.
    Cancelled,
}

impl Status {
    /// Returns the word that `job.status` and `github.action_status` use.
    pub fn as_str(self) -> &'static str {
        Conclusion::from(self).as_str()
    }
}

impl From<Status> for Conclusion {
    fn from(status: Status) -> Self {
        match status {
            Status::Success => Self::Success,
            Status::Failure => Self::Failure,
            Status::Cancelled => Self::Cancelled,
        }
    }
}

/// Tracks where a job stands, for `job.status` and its status functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobStatus {
    status: Status,
}

impl JobStatus {
    /// Creates the status of a job that has run no step.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a step's conclusion, after `continue-on-error`.
    ///
    /// What is worse stays: cancelled, else failure, else success.
    pub fn record(&mut self, conclusion: Conclusion) {
        self.status = after(self.status, conclusion);
    }

    /// Records that the job was told to end; `cancelled()` is true from now on.
    pub fn cancel(&mut self) {
        self.status = Status::Cancelled;
    }

    /// Records that something outside a step went wrong.
    pub fn fail(&mut self) {
        self.record(Conclusion::Failure);
    }

    /// Returns where the job stands.
    pub fn status(self) -> Status {
        self.status
    }

    /// Returns how the job ends if it ends now.
    pub fn conclusion(self) -> Conclusion {
        self.status.into()
    }
}

/// Tracks where a composite action stands, for `github.action_status`.
///
/// Each action begins with success, whatever the job's status is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActionStatus {
    status: Status,
}

impl ActionStatus {
    /// Creates the status of an action that has run no step.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records a step's conclusion, after `continue-on-error`.
    pub fn record(&mut self, conclusion: Conclusion) {
        self.status = after(self.status, conclusion);
    }

    /// Returns where the action stands.
    pub fn status(self) -> Status {
        self.status
    }

    /// Returns the outcome of the step that uses the action, if it ends now.
    pub fn outcome(self) -> Conclusion {
        self.status.into()
    }
}

/// Tells a step where the job and, inside a composite action, the action stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where the job stands.
    pub job: Status,
    /// Where the composite action stands, for a step inside one.
    pub action: Option<Status>,
}

impl Standing {
    /// Returns the standing of a step of the job itself.
    pub fn of_job(job: JobStatus) -> Self {
        Self { job: job.status(), action: None }
    }

    /// Returns the standing of a step inside a composite action.
    pub fn of_action(job: JobStatus, action: ActionStatus) -> Self {
        Self { job: job.status(), action: Some(action.status()) }
    }

    /// Answers a status function, given in lower case; `None` if it is not one.
    ///
    /// Inside a composite action `success()` and `failure()` look at the
    /// action's own steps, so that an action under `if: failure()` can do its
    /// work; `cancelled()` always looks at the job, and a cancelled job has no success anywhere.
    pub fn call(self, function: &str) -> Option<bool> {
        let nearest = self.action.unwrap_or(self.job);
        Some(match function {
            "success" => nearest == Status::Success && self.job != Status::Cancelled,
            "failure" => nearest == Status::Failure,
            "cancelled" => self.job == Status::Cancelled,
            "always" => true,
            _ => return None,
        })
    }
}

/// Says whether a step is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It runs.
    Run,
    /// It is skipped.
    Skip,
}

/// Decides whether a step runs; without a condition it runs as if by `success()`.
///
/// The scope answers for contexts and `hashFiles`; the status functions are
/// answered here. An error fails the step.
pub fn decide(
    condition: Option<&Condition>,
    standing: Standing,
    scope: &dyn Scope,
) -> Result<Decision, expr::Error> {
    let holds = match condition {
        None => standing.call("success").unwrap_or(false),
        Some(condition) => condition.evaluate(&WithStanding { standing, scope })?,
    };
    Ok(if holds { Decision::Run } else { Decision::Skip })
}

/// Returns how an outcome counts under the step's `continue-on-error`.
pub fn conclude(outcome: Conclusion, continue_on_error: bool) -> Conclusion {
    match outcome {
        Conclusion::Failure if continue_on_error => Conclusion::Success,
        other => other,
    }
}

/// Puts the status functions into a scope that knows everything else.
#[derive(Clone, Copy)]
pub struct WithStanding<'a> {
    /// Where job and action stand.
    pub standing: Standing,
    /// Everything else.
    pub scope: &'a dyn Scope,
}

impl std::fmt::Debug for WithStanding<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WithStanding").field("standing", &self.standing).finish_non_exhaustive()
    }
}

impl Scope for WithStanding<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        self.scope.context(name)
    }

    fn call(&self, function: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        match self.standing.call(function) {
            Some(answer) => Some(Ok(Value::Bool(answer))),
            None => self.scope.call(function, arguments),
        }
    }
}

fn after(status: Status, conclusion: Conclusion) -> Status {
    match (status, conclusion) {
        (_, Conclusion::Cancelled) => Status::Cancelled,
        (Status::Success, Conclusion::Failure) => Status::Failure,
        (status, _) => status,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use expr::Names;

    use super::*;

    struct Nothing;

    impl Scope for Nothing {
        fn context(&self, _name: &str) -> Option<Value> {
            None
        }
    }

    fn status(word: &str) -> Status {
        match word {
            "failure" => Status::Failure,
            "cancelled" => Status::Cancelled,
            _ => Status::Success,
        }
    }

    #[track_caller]
    fn check(condition: Option<&str>, standing: Standing, runs: bool) {
        let names = Names::new::<&str, _>(&[], &["success", "failure", "always", "cancelled"]);
        let condition = condition.map(|text| Condition::parse(text, &names).unwrap());
        let expected = if runs { Decision::Run } else { Decision::Skip };
        assert_eq!(decide(condition.as_ref(), standing, &Nothing), Ok(expected));
    }

    #[test]
    fn a_step_runs_as_its_condition_and_the_job_say() {
        use Status::{Cancelled, Failure, Success};
        for (condition, success, failure, cancelled) in [
            (None, true, false, false),
            (Some("true"), true, false, false),
            (Some("success()"), true, false, false),
            (Some("failure()"), false, true, false),
            (Some("cancelled()"), false, false, true),
            (Some("always()"), true, true, true),
            (Some("!cancelled()"), true, true, false),
            (Some("failure() || cancelled()"), false, true, true),
            (Some("false"), false, false, false),
            (Some("always() && false"), false, false, false),
        ] {
            for (job, runs) in [(Success, success), (Failure, failure), (Cancelled, cancelled)] {
                check(condition, Standing { job, action: None }, runs);
            }
        }
    }

    #[test]
    fn a_composite_action_looks_at_its_own_steps() {
        use Status::{Cancelled, Failure, Success};
        for (condition, job, action, runs) in [
            ("success()", Failure, Success, true),
            ("success()", Success, Failure, false),
            ("failure()", Failure, Success, false),
            ("failure()", Success, Failure, true),
            ("success()", Cancelled, Success, false),
            ("cancelled()", Cancelled, Success, true),
            ("cancelled()", Success, Cancelled, false),
            ("always()", Cancelled, Failure, true),
        ] {
            check(Some(condition), Standing { job, action: Some(action) }, runs);
        }
    }

    #[test]
    fn the_worst_conclusion_stays() {
        use Conclusion::{Cancelled, Failure, Skipped, Success};
        for (steps, ends) in [
            (&[][..], Success),
            (&[Success, Skipped], Success),
            (&[Failure, Success], Failure),
            (&[Failure, Cancelled], Cancelled),
            (&[Cancelled, Failure], Cancelled),
        ] {
            let mut job = JobStatus::new();
            let mut action = ActionStatus::new();
            for step in steps {
                job.record(*step);
                action.record(*step);
            }
            assert_eq!(job.conclusion(), ends, "{steps:?}");
            assert_eq!(action.outcome(), ends, "{steps:?}");
        }
    }

    #[test]
    fn a_cancelled_job_stays_cancelled() {
        let mut job = JobStatus::new();
        job.fail();
        job.cancel();
        job.record(Conclusion::Success);
        assert_eq!(job.status().as_str(), "cancelled");
    }

    #[test]
    fn continue_on_error_forgives_failure_alone() {
        use Conclusion::{Cancelled, Failure, Skipped, Success};
        for outcome in [Success, Failure, Cancelled, Skipped] {
            assert_eq!(conclude(outcome, false), outcome);
        }
        assert_eq!(conclude(Failure, true), Success);
        assert_eq!(conclude(Cancelled, true), Cancelled);
    }

    #[test]
    fn the_status_functions_answer_as_the_official_runner_does() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../../shared/conformance/runner/condition-functions.json");
        let Ok(bytes) = std::fs::read(&path) else {
            return skipped(&path);
        };
        let cases: Vec<serde_json::Value> = serde_json::from_slice(&bytes).unwrap();
        assert!(cases.len() >= 20);
        for case in cases {
            let word = |name: &str| status(case[name].as_str().unwrap_or("success"));
            let composite = case["composite"].as_bool() == Some(true);
            let standing = Standing {
                job: word("job_status"),
                action: composite.then(|| word("action_status")),
            };
            check(case["expr"].as_str(), standing, case["expected"].as_bool().unwrap());
        }
    }

    #[expect(clippy::print_stderr, reason = "a table that is not there must not pass in silence")]
    fn skipped(path: &Path) {
        eprintln!("skipped: {} is not there", path.display());
    }
}
