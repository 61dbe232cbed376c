//! The stop: how legs, jobs and called workflows end or are told to end.

use crate::apply::Turn;
use crate::call;
use crate::conclusion::Conclusion;
use crate::effect::{Effect, Severity};
use crate::event::Member;
use crate::run::{At, Phase};

impl Turn<'_> {
    /// Tells everything in a workflow to end whose condition does not hold any more.
    ///
    /// A job whose condition still holds goes on, with everything it calls.
    pub(crate) fn cancel_flow(&mut self, flow: usize, reason: &str) {
        if self.run.flows[flow].cancelled.is_some() {
            return;
        }
        self.run.flows[flow].cancelled = Some(reason.to_owned());
        for node in 0..self.run.flows[flow].nodes.len() {
            let here = &self.run.flows[flow];
            let state = &here.nodes[node];
            if state.result.is_some() {
                continue;
            }
            let ready = state.needs.iter().all(|need| here.nodes[*need].result.is_some());
            let needs = ready.then(|| here.needs(node));
            match (&state.legs, self.holds(flow, node, needs.as_ref())) {
                // What is ready is decided as ever, so that a false condition is a skip.
                (None, _) if ready => {}
                (None, Ok(Some(false))) => {
                    self.end_node(flow, node, Conclusion::Cancelled, reason);
                }
                (None, _) | (Some(_), Ok(Some(true))) => {}
                (Some(_), _) => self.tell_all(flow, node, reason),
            }
        }
    }

    /// Tells all legs of a job to end.
    pub(crate) fn tell_all(&mut self, flow: usize, node: usize, reason: &str) {
        for leg in 0..self.run.flows[flow].nodes[node].legs.as_ref().map_or(0, Vec::len) {
            self.tell(At { flow, node, leg }, reason);
        }
    }

    /// Tells a leg to end, whatever its condition.
    pub(crate) fn tell(&mut self, at: At, reason: &str) {
        let leg = self.run.leg_mut(at);
        match leg.phase {
            Phase::Over => {}
            Phase::Waiting | Phase::Entering { .. } | Phase::EnteringCall { .. } => {
                self.end_unstarted(at, Conclusion::Cancelled, reason);
            }
            Phase::Running => {
                if leg.told.is_none() {
                    leg.told = Some(reason.to_owned());
                    let job = leg.key.clone();
                    self.effects.push(Effect::CancelJob { job, reason: reason.to_owned() });
                }
            }
            Phase::Calling { calls } => {
                leg.told.get_or_insert_with(|| reason.to_owned());
                self.cancel_flow(calls, reason);
            }
        }
    }

    /// Ends a leg that has not been started.
    pub(crate) fn end_unstarted(&mut self, at: At, conclusion: Conclusion, reason: &str) {
        let leg = self.run.leg(at);
        if let Phase::EnteringCall { calls } = leg.phase {
            self.leave_flow(calls);
        }
        let leg = self.run.leg(at);
        self.effects.push(Effect::JobSkipped {
            job: leg.key.clone(),
            name: leg.name.clone(),
            conclusion,
            reason: reason.to_owned(),
        });
        self.end_leg(at, conclusion, Some(reason.to_owned()));
    }

    /// Ends a leg, takes over its outputs and lets `fail-fast` do its work.
    pub(crate) fn end_leg(&mut self, at: At, conclusion: Conclusion, reason: Option<String>) {
        let now = self.now;
        let leg = self.run.leg_mut(at);
        leg.phase = Phase::Over;
        leg.conclusion = Some(conclusion);
        leg.reason = reason;
        leg.ended = Some(now);
        let (key, name) = (leg.key.clone(), leg.name.clone());
        let outputs = leg.report.as_ref().map(|report| report.outputs.clone());
        let (is_warning, was_member) = (leg.is_warning(), std::mem::take(&mut leg.is_member));
        if was_member {
            self.effects.push(Effect::Leave { member: Member::Job(key.clone()) });
        }
        if is_warning {
            let message = format!("'{name}' failed and was allowed to");
            self.notice(Severity::Warning, Some(key), message);
        }
        let node = &mut self.run.flows[at.flow].nodes[at.node];
        if let Some(outputs) = outputs {
            node.absorb(&outputs);
        }
        if conclusion == Conclusion::Failure && !is_warning && node.fail_fast {
            let reason =
                format!("The strategy configuration was canceled because \"{name}\" failed");
            self.tell_all(at.flow, at.node, &reason);
        }
    }

    /// Ends a job that has no legs.
    pub(crate) fn end_node(
        &mut self,
        flow: usize,
        node: usize,
        conclusion: Conclusion,
        reason: &str,
    ) {
        let now = self.now;
        let here = &mut self.run.flows[flow];
        let job = here.key(node);
        let name = call::node_name(here, node);
        let state = &mut here.nodes[node];
        state.result = Some(conclusion);
        state.reason = Some(reason.to_owned());
        state.ended = Some(now);
        let reason = reason.to_owned();
        self.effects.push(Effect::JobSkipped { job, name, conclusion, reason });
    }
}
