//! The advance: which jobs may be decided, started or ended now.

use expr::Value;

use crate::apply::Turn;
use crate::call;
use crate::conclusion::Conclusion;
use crate::effect::{GroupRequest, Severity};
use crate::event::Member;
use crate::place::{Place, Standing};
use crate::run::{At, Leg, Phase, State};
use crate::typed::known_group;

impl Turn<'_> {
    /// Does everything that may be done now, until nothing changes.
    pub(crate) fn advance(&mut self) {
        while self.run.state == State::InProgress && self.round() {}
    }

    /// Looks at every job of every open workflow once.
    fn round(&mut self) -> bool {
        let mut changed = false;
        let mut flow = 0;
        // A round may add flows; those are looked at too.
        while flow < self.run.flows.len() {
            if self.run.flows[flow].is_open && !self.run.flows[flow].is_over {
                for node in 0..self.run.flows[flow].nodes.len() {
                    changed |= self.advance_node(flow, node);
                }
                if self.run.flows[flow].nodes.iter().all(|node| node.result.is_some()) {
                    self.end_flow(flow);
                    changed = true;
                }
            }
            flow += 1;
        }
        changed
    }

    fn advance_node(&mut self, flow: usize, node: usize) -> bool {
        let here = &self.run.flows[flow];
        let state = &here.nodes[node];
        if state.result.is_some() {
            return false;
        }
        let Some(legs) = &state.legs else {
            let ready = state.needs.iter().all(|need| here.nodes[*need].result.is_some());
            if ready {
                self.decide(flow, node);
            }
            return ready;
        };
        if legs.iter().all(|leg| leg.phase == Phase::Over) {
            let result = Conclusion::join(legs.iter().filter_map(Leg::result));
            let node = &mut self.run.flows[flow].nodes[node];
            node.result = Some(result);
            node.ended = Some(self.now);
            return true;
        }
        let active = legs.iter().filter(|leg| leg.is_active()).count();
        let free = state.window.saturating_sub(active);
        let waiting = legs.iter().enumerate().filter(|(_, leg)| leg.phase == Phase::Waiting);
        let next: Vec<usize> = waiting.map(|(leg, _)| leg).take(free).collect();
        for &leg in &next {
            // One that failed on its way may have ended the others.
            let at = At { flow, node, leg };
            if self.run.leg(at).phase == Phase::Waiting {
                self.start_leg(at);
            }
        }
        !next.is_empty()
    }

    /// Decides a job whose needs have ended: skipped, cancelled, failed or expanded into its legs.
    fn decide(&mut self, flow: usize, node: usize) {
        let needs = self.run.flows[flow].needs(node);
        match self.holds(flow, node, Some(&needs)) {
            Err(message) => {
                self.notice(Severity::Error, Some(self.run.flows[flow].key(node)), message.clone());
                self.end_node(flow, node, Conclusion::Failure, &message);
            }
            Ok(Some(true)) => self.expand(flow, node, &needs),
            Ok(_) => {
                let (conclusion, reason) = self.why_not(flow, node, &needs);
                self.end_node(flow, node, conclusion, &reason);
            }
        }
    }

    /// Evaluates a job's condition as things stand; `None` if that cannot be said before its
    /// needs have ended.
    pub(crate) fn holds(
        &self,
        flow: usize,
        node: usize,
        needs: Option<&Value>,
    ) -> Result<Option<bool>, String> {
        let here = &self.run.flows[flow];
        let cancelled = here.cancelled.is_some();
        let standing = here.standing(node, cancelled, self.run.is_flow_cancelled(flow));
        let Some(condition) = &here.job(node).condition else { return Ok(standing.success) };
        let place = Place { needs, standing, ..Place::of_workflow(&here.contexts) };
        if needs.is_none() {
            return Ok(condition.value.evaluate_partial(&place));
        }
        condition.value.evaluate(&place).map(Some).map_err(|error| {
            let message = format!("'if' cannot be evaluated: {error}");
            crate::Error::new(&here.workflow.source, condition.span, message).to_string()
        })
    }

    /// Says how a job ends whose condition does not hold, and why.
    fn why_not(&self, flow: usize, node: usize, needs: &Value) -> (Conclusion, String) {
        let here = &self.run.flows[flow];
        let condition = here.job(node).condition.as_ref();
        let standing = here.standing(node, false, false);
        let holds = |standing: Standing| match condition {
            None => standing.success == Some(true),
            Some(condition) => {
                condition.value.evaluate(&here.place(needs, standing)).unwrap_or(false)
            }
        };
        if let Some(reason) = &here.cancelled
            && holds(standing)
        {
            return (Conclusion::Cancelled, reason.clone());
        }
        let all_well = Standing { success: Some(true), ..standing };
        let blame = here.nodes[node].ancestors.iter().map(|ancestor| &here.nodes[*ancestor]);
        let reason = match blame.into_iter().find(|job| job.result != Some(Conclusion::Success)) {
            Some(job) if standing.success != Some(true) && holds(all_well) => {
                let result = job.result.map_or("not done", Conclusion::as_str);
                format!("Job '{}', which it needs, was {}.", job.id, past(result))
            }
            _ => "Its condition is false.".to_owned(),
        };
        (Conclusion::Skipped, reason)
    }

    /// Ends a workflow whose jobs have all ended.
    fn end_flow(&mut self, flow: usize) {
        let here = &self.run.flows[flow];
        let conclusion = Conclusion::join(here.nodes.iter().filter_map(|node| node.result));
        let Some(caller) = here.caller else {
            if conclusion == Conclusion::Success {
                // A cancellation that came too late to change anything is not a reason.
                self.run.reason = None;
            } else if self.run.reason.is_none() {
                self.run.reason = reason_of(&here.nodes, conclusion);
            }
            return self.finish(conclusion);
        };
        self.run.flows[flow].is_over = true;
        self.leave_flow(flow);
        let (conclusion, reason) = match call::outputs(&self.run.flows[flow]) {
            Ok(outputs) => {
                let report = crate::JobReport { outputs, ..crate::JobReport::new(conclusion) };
                self.run.leg_mut(caller).report = Some(report);
                (conclusion, self.run.leg(caller).told.clone())
            }
            Err(error) => {
                let key = self.run.leg(caller).key.clone();
                self.notice(Severity::Error, Some(key), error.to_string());
                (Conclusion::Failure, Some(error.to_string()))
            }
        };
        let reason = reason.filter(|_| conclusion != Conclusion::Success);
        self.end_leg(caller, conclusion, reason);
    }

    /// Cancels the jobs that ask for a group which something around them holds, as far as
    /// that can be known before anything starts.
    pub(crate) fn doom_deadlocks(&mut self, flow: usize) {
        for node in 0..self.run.flows[flow].nodes.len() {
            let here = &self.run.flows[flow];
            let name = call::node_name(here, node);
            let groups = self.known_groups(flow, node);
            let reason = groups.iter().find_map(|group| self.deadlock(Some(flow), group, &name));
            if let Some(reason) = reason {
                self.end_node(flow, node, Conclusion::Cancelled, &reason);
            }
        }
    }

    /// Returns the groups that a job is known to ask for before anything starts, unless it is
    /// certain to be skipped: its own, and that of the workflow it calls.
    fn known_groups(&self, flow: usize, node: usize) -> Vec<GroupRequest> {
        let here = &self.run.flows[flow];
        let job = here.job(node);
        let place = Place::before(&here.contexts);
        let condition = job.condition.as_ref();
        if condition.is_some_and(|it| it.value.evaluate_partial(&place) == Some(false)) {
            return Vec::new();
        }
        let own = job.concurrency.as_ref().and_then(|token| known_group(token, &place));
        own.into_iter().chain(call::known_group(&self.run.spec, here, job)).collect()
    }

    /// Says which deadlock a member makes that asks for a group inside a flow, if it makes one.
    pub(crate) fn deadlock(
        &self,
        mut inside: Option<usize>,
        group: &GroupRequest,
        name: &str,
    ) -> Option<String> {
        while let Some(flow) = inside {
            let here = &self.run.flows[flow];
            let caller = here.caller.map(|at| self.run.leg(at));
            let holder = if here.group.as_ref().is_some_and(|held| held.is_same_group(group)) {
                Some(here.title())
            } else {
                caller
                    .filter(|leg| leg.group.as_ref().is_some_and(|held| held.is_same_group(group)))
                    .map(|leg| leg.name.clone())
            };
            if let Some(holder) = holder {
                return Some(format!(
                    "Canceling since a deadlock for concurrency group '{}' was detected between \
                     '{holder}' and '{name}'",
                    group.name
                ));
            }
            inside = here.caller.map(|at| at.flow);
        }
        None
    }

    /// Gives up a called workflow's membership, if it has one.
    pub(crate) fn leave_flow(&mut self, flow: usize) {
        if let Some(caller) = self.run.flows[flow].caller
            && std::mem::take(&mut self.run.flows[flow].is_member)
        {
            let member = Member::Called(self.run.leg(caller).key.clone());
            self.effects.push(crate::Effect::Leave { member });
        }
    }
}

/// Says why a run ended as it did, where a job's reason says it best.
fn reason_of(nodes: &[crate::run::Node], conclusion: Conclusion) -> Option<String> {
    match conclusion {
        Conclusion::Success | Conclusion::Failure => None,
        Conclusion::Skipped => Some("Every job was skipped.".to_owned()),
        Conclusion::Cancelled => nodes
            .iter()
            .filter(|node| node.result == Some(Conclusion::Cancelled))
            .find_map(|node| {
                let of_leg = || node.legs.iter().flatten().find_map(|leg| leg.reason.clone());
                node.reason.clone().or_else(of_leg)
            }),
    }
}

fn past(result: &str) -> &str {
    if result == "failure" { "a failure" } else { result }
}
