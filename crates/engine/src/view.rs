//! The view: what a run shows of its jobs.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Serialize;
use workflow::Body;

use crate::call;
use crate::conclusion::Conclusion;
use crate::key::JobKey;
use crate::report::StepReport;
use crate::run::{At, Leg, Node, Phase, Run, State};

/// Shows one job of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JobView {
    /// The job's key.
    pub key: JobKey,
    /// Its name, as shown.
    pub name: String,
    /// The ids of the jobs in its `needs`.
    pub needs: Vec<String>,
    /// Whether it calls a workflow instead of having steps; the called jobs follow it.
    pub is_caller: bool,
    /// Its values in the matrix; null without one.
    pub matrix: serde_json::Value,
    /// Where it stands.
    pub state: State,
    /// How it ended, before `continue-on-error` is looked at.
    pub conclusion: Option<Conclusion>,
    /// Whether it failed and was allowed to.
    pub warning: bool,
    /// Why it was skipped or cancelled, or could not be, as a sentence.
    pub reason: Option<String>,
    /// Its outputs.
    pub outputs: IndexMap<String, String>,
    /// Its steps, once it has ended.
    pub steps: Vec<StepReport>,
    /// The name of its own concurrency group.
    pub group: Option<String>,
    /// Whether its `timeout-minutes` ended it.
    pub timed_out: bool,
    /// When it was started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

impl Run {
    /// Returns the jobs as they are written, legs in order, called jobs after their caller.
    pub fn jobs(&self) -> Vec<JobView> {
        let mut views = Vec::new();
        self.show_flow(0, &mut views);
        views
    }

    /// Returns one job.
    pub fn job(&self, key: &JobKey) -> Option<JobView> {
        self.jobs().into_iter().find(|view| view.key == *key)
    }

    fn show_flow(&self, flow: usize, views: &mut Vec<JobView>) {
        for (index, node) in self.flows[flow].nodes.iter().enumerate() {
            let Some(legs) = &node.legs else {
                views.push(self.show_node(flow, index));
                continue;
            };
            for (position, leg) in legs.iter().enumerate() {
                views.push(self.show_leg(flow, index, leg));
                let at = At { flow, node: index, leg: position };
                let called = self.flows.iter().position(|called| called.caller == Some(at));
                if let Some(called) = called
                    && self.flows[called].is_open
                {
                    self.show_flow(called, views);
                }
            }
        }
    }

    fn show_node(&self, flow: usize, index: usize) -> JobView {
        let here = &self.flows[flow];
        let node = &here.nodes[index];
        let state = if node.result.is_some() { State::Completed } else { State::Waiting };
        JobView {
            key: here.key(index),
            name: call::node_name(here, index),
            needs: needs(&here.nodes, node),
            is_caller: matches!(here.job(index).body, Body::Call { .. }),
            matrix: serde_json::Value::Null,
            state,
            conclusion: node.result,
            warning: false,
            reason: node.reason.clone(),
            outputs: IndexMap::new(),
            steps: Vec::new(),
            group: None,
            timed_out: false,
            started: None,
            ended: node.ended,
        }
    }

    fn show_leg(&self, flow: usize, index: usize, leg: &Leg) -> JobView {
        let here = &self.flows[flow];
        let report = leg.report.as_ref();
        JobView {
            key: leg.key.clone(),
            name: leg.name.clone(),
            needs: needs(&here.nodes, &here.nodes[index]),
            is_caller: matches!(here.job(index).body, Body::Call { .. }),
            matrix: leg.matrix.to_json(),
            state: match leg.phase {
                Phase::Waiting => State::Waiting,
                Phase::Entering { .. } | Phase::EnteringCall { .. } => State::Pending,
                Phase::Running if leg.started.is_none() => State::Queued,
                Phase::Running | Phase::Calling { .. } => State::InProgress,
                Phase::Over => State::Completed,
            },
            conclusion: leg.conclusion,
            warning: leg.is_warning(),
            reason: leg.reason.clone().or_else(|| leg.told.clone()),
            outputs: report.map(|report| report.outputs.clone()).unwrap_or_default(),
            steps: report.map(|report| report.steps.clone()).unwrap_or_default(),
            group: leg.group.as_ref().map(|group| group.name.clone()),
            timed_out: report.is_some_and(|report| report.timed_out),
            started: leg.started,
            ended: leg.ended,
        }
    }

    /// Returns the leg at a place.
    pub(crate) fn leg(&self, at: At) -> &Leg {
        let legs = self.flows[at.flow].nodes[at.node].legs.as_ref();
        &legs.expect("a place names a leg of a job that was expanded")[at.leg]
    }

    /// Returns the leg at a place, to be changed.
    pub(crate) fn leg_mut(&mut self, at: At) -> &mut Leg {
        let legs = self.flows[at.flow].nodes[at.node].legs.as_mut();
        &mut legs.expect("a place names a leg of a job that was expanded")[at.leg]
    }

    /// Returns the place of a leg, if there is one of that key.
    pub(crate) fn find(&self, key: &JobKey) -> Option<At> {
        let (id, path) = key.path.split_last()?;
        let flow = self.flows.iter().position(|flow| flow.path == path)?;
        let node = self.flows[flow].nodes.iter().position(|node| node.id == *id)?;
        let legs = self.flows[flow].nodes[node].legs.as_ref()?;
        let leg = legs.iter().position(|leg| leg.key.leg == key.leg)?;
        Some(At { flow, node, leg })
    }

    /// Returns whether a workflow, or one around it, has been told to end.
    pub(crate) fn is_flow_cancelled(&self, flow: usize) -> bool {
        let mut next = Some(flow);
        while let Some(flow) = next {
            let here = &self.flows[flow];
            if here.cancelled.is_some() {
                return true;
            }
            next = here.caller.map(|at| at.flow);
        }
        false
    }
}

fn needs(nodes: &[Node], node: &Node) -> Vec<String> {
    node.needs.iter().map(|need| nodes[*need].id.clone()).collect()
}
