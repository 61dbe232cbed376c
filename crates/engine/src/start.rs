//! The start: how a job becomes legs, and a leg becomes a job that runs.

use expr::Value;

use crate::apply::Turn;
use crate::call;
use crate::conclusion::Conclusion;
use crate::effect::{Effect, GroupRequest, JobPlan, Severity};
use crate::error::Error;
use crate::event::Member;
use crate::matrix::{self, Combination};
use crate::place::{Place, Standing};
use crate::run::{At, Flow, Leg, Phase};
use crate::typed::{DEFAULT_TIMEOUT, Reader};

impl Turn<'_> {
    /// Expands a job whose condition holds into its legs.
    pub(crate) fn expand(&mut self, flow: usize, node: usize, needs: &Value) {
        match plan_legs(&self.run.flows[flow], node, needs) {
            Ok(Expansion { legs, window, fail_fast }) => {
                let (legs, errors): (Vec<Leg>, Vec<Option<Error>>) = legs.into_iter().unzip();
                let state = &mut self.run.flows[flow].nodes[node];
                state.window = window;
                state.fail_fast = fail_fast;
                state.legs = Some(legs);
                for (leg, error) in errors.into_iter().enumerate() {
                    let at = At { flow, node, leg };
                    if let Some(error) = error
                        && self.run.leg(at).phase == Phase::Waiting
                    {
                        self.fail_leg(at, &error);
                    }
                }
            }
            Err(error) => {
                let key = self.run.flows[flow].key(node);
                self.notice(Severity::Error, Some(key), error.to_string());
                self.end_node(flow, node, Conclusion::Failure, &error.to_string());
            }
        }
    }

    /// Starts a leg, or asks its group to let it in.
    pub(crate) fn start_leg(&mut self, at: At) {
        let calls = match self.prepare_call(at) {
            Ok(calls) => calls,
            Err(error) => return self.fail_leg(at, &error),
        };
        let leg = self.run.leg(at);
        let Some(group) = leg.group.clone() else { return self.begin(at, calls) };
        if let Some(reason) = self.deadlock(Some(at.flow), &group, &leg.name) {
            return self.end_unstarted(at, Conclusion::Cancelled, &reason);
        }
        let leg = self.run.leg_mut(at);
        leg.is_member = true;
        leg.phase = Phase::Entering { calls };
        let member = Member::Job(leg.key.clone());
        self.effects.push(Effect::Enter { member, group });
    }

    /// Begins a leg whose group has let it in.
    pub(crate) fn begin(&mut self, at: At, calls: Option<usize>) {
        let Some(calls) = calls else {
            self.run.leg_mut(at).phase = Phase::Running;
            let plan = self.plan(at);
            return self.effects.push(Effect::StartJob(Box::new(plan)));
        };
        let now = self.now;
        self.run.leg_mut(at).started = Some(now);
        let Some(group) = self.run.flows[calls].group.clone() else {
            self.run.leg_mut(at).phase = Phase::Calling { calls };
            self.doom_deadlocks(calls);
            return self.open(calls);
        };
        let name = self.run.leg(at).name.clone();
        if let Some(reason) = self.deadlock(Some(at.flow), &group, &name) {
            return self.end_unstarted(at, Conclusion::Cancelled, &reason);
        }
        self.doom_deadlocks(calls);
        self.run.flows[calls].is_member = true;
        let leg = self.run.leg_mut(at);
        leg.phase = Phase::EnteringCall { calls };
        let member = Member::Called(leg.key.clone());
        self.effects.push(Effect::Enter { member, group });
    }

    /// Adds the workflow that a leg calls, if it calls one.
    ///
    /// Where the called workflow asks for the same group as the calling job, the job's own
    /// request is dropped, as GitHub does.
    fn prepare_call(&mut self, at: At) -> Result<Option<usize>, Error> {
        let Some(called) = call::flow(self.run, at)? else { return Ok(None) };
        let leg = self.run.leg_mut(at);
        let is_same = |held: &GroupRequest| {
            called.group.as_ref().is_some_and(|group| group.is_same_group(held))
        };
        if leg.group.as_ref().is_some_and(is_same) {
            leg.group = None;
        }
        self.run.flows.push(called);
        Ok(Some(self.run.flows.len() - 1))
    }

    fn plan(&self, at: At) -> JobPlan {
        let flow = &self.run.flows[at.flow];
        let leg = self.run.leg(at);
        JobPlan {
            run: self.run.spec.id,
            attempt: self.run.spec.attempt,
            key: leg.key.clone(),
            name: leg.name.clone(),
            workflow: flow.workflow.clone(),
            job_id: flow.nodes[at.node].id.clone(),
            contexts: flow.contexts.clone(),
            needs: flow.needs(at.node),
            strategy: leg.strategy.clone(),
            matrix: leg.matrix.clone(),
            timeout: leg.timeout,
            continue_on_error: leg.continue_on_error,
            runs_on: leg.runs_on.clone(),
            group: leg.group.as_ref().map(|group| group.name.clone()),
        }
    }

    fn fail_leg(&mut self, at: At, error: &Error) {
        let key = self.run.leg(at).key.clone();
        self.notice(Severity::Error, Some(key), error.to_string());
        self.end_unstarted(at, Conclusion::Failure, &error.to_string());
    }
}

/// What a job's strategy comes to.
struct Expansion {
    /// The legs; one that cannot be evaluated comes with its error.
    legs: Vec<(Leg, Option<Error>)>,
    window: usize,
    fail_fast: bool,
}

fn plan_legs(flow: &Flow, node: usize, needs: &Value) -> Result<Expansion, Error> {
    let job = flow.job(node);
    let source = &flow.workflow.source;
    let place = flow.place(needs, Standing::default());
    let reader = Reader { source, place };
    let strategy = job.strategy.as_ref();
    let fail_fast = match strategy.and_then(|strategy| strategy.fail_fast.as_ref()) {
        Some(token) => reader.boolean(token, "'fail-fast'")?,
        None => true,
    };
    let window = reader.window(strategy.and_then(|strategy| strategy.max_parallel.as_ref()))?;
    let combinations = match strategy.and_then(|strategy| strategy.matrix.as_ref()) {
        None => Vec::new(),
        Some(token) => {
            let value = reader.value(token, "'matrix'")?;
            matrix::expand(&value).map_err(|message| Error::new(source, token.span, message))?
        }
    };
    let total = combinations.len().max(1);
    // A matrix of which `exclude` left nothing runs once without values, as on GitHub.
    let combinations: Vec<Option<Combination>> = if combinations.is_empty() {
        vec![None]
    } else {
        combinations.into_iter().map(Some).collect()
    };
    let legs = combinations.into_iter().enumerate().map(|(index, combination)| {
        let strategy = Value::object([
            ("fail-fast", Value::Bool(fail_fast)),
            ("job-index", Value::from(index)),
            ("job-total", Value::from(total)),
            ("max-parallel", Value::from(if window == usize::MAX { total } else { window })),
        ]);
        leg(flow, node, needs, Setting { index, combination, strategy })
    });
    Ok(Expansion { legs: legs.collect(), window, fail_fast })
}

/// Says which leg of a job is meant.
struct Setting {
    index: usize,
    combination: Option<Combination>,
    strategy: Value,
}

fn leg(flow: &Flow, node: usize, needs: &Value, setting: Setting) -> (Leg, Option<Error>) {
    let (matrix, segments) = match setting.combination {
        Some(combination) => (combination.values, combination.segments),
        None => (Value::Null, Vec::new()),
    };
    let base = call::node_name(flow, node);
    let mut leg = Leg {
        key: flow.key(node),
        name: matrix::leg_name(&base, &segments),
        matrix,
        strategy: setting.strategy,
        runs_on: Vec::new(),
        timeout: DEFAULT_TIMEOUT,
        continue_on_error: false,
        group: None,
        is_member: false,
        phase: Phase::Waiting,
        told: None,
        conclusion: None,
        reason: None,
        report: None,
        started: None,
        ended: None,
    };
    if !leg.matrix.is_null() {
        leg.key.leg = Some(setting.index);
    }
    let error = evaluate(flow, node, needs, &mut leg).err();
    (leg, error)
}

/// Evaluates the keys of a job that may look at its matrix.
fn evaluate(flow: &Flow, node: usize, needs: &Value, leg: &mut Leg) -> Result<(), Error> {
    let job = flow.job(node);
    let (matrix, strategy) = (leg.matrix.clone(), leg.strategy.clone());
    let place = Place {
        matrix: Some(&matrix),
        strategy: Some(&strategy),
        ..flow.place(needs, Standing::default())
    };
    let reader = Reader { source: &flow.workflow.source, place };
    if let Some(token) = &job.name
        && !call::is_literal(token)
    {
        let name = reader.text(token, "'name'")?;
        if !name.is_empty() {
            leg.name = format!("{}{name}", flow.prefix);
        }
    }
    if let Some(token) = &job.continue_on_error {
        leg.continue_on_error = reader.boolean(token, "'continue-on-error'")?;
    }
    leg.timeout = reader.timeout(job.timeout_minutes.as_ref())?;
    if let workflow::Body::Steps { runs_on, .. } = &job.body {
        leg.runs_on = reader.labels(runs_on)?;
    }
    if let Some(token) = &job.concurrency {
        leg.group = Some(reader.group(token)?);
    }
    Ok(())
}
