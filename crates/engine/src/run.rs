//! The run: the state of one run of a workflow.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use expr::{Object, Value};
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use workflow::{Job, Workflow};

use crate::call;
use crate::conclusion::Conclusion;
use crate::effect::GroupRequest;
use crate::error::Error;
use crate::graph::Graph;
use crate::key::{JobKey, RunId};
use crate::place::{Place, Standing};
use crate::report::JobReport;
use crate::spec::{Contexts, RunSpec};

/// Says where a run or a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing has happened yet, or what it needs has not ended.
    Waiting,
    /// It waits for its concurrency group.
    Pending,
    /// It may run and has not begun.
    Queued,
    /// It runs.
    InProgress,
    /// It has ended.
    Completed,
}

/// One run of a workflow; changed by [`apply`](crate::apply) alone.
#[derive(Clone, Debug)]
pub struct Run {
    pub(crate) spec: RunSpec,
    pub(crate) flows: Vec<Flow>,
    pub(crate) state: State,
    pub(crate) conclusion: Option<Conclusion>,
    pub(crate) reason: Option<String>,
    pub(crate) started: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
}

impl Run {
    /// Creates a run that has not started.
    ///
    /// Fails if the workflow cannot run at all: an unknown job, a cycle, a called workflow that is
    /// not there, nests too deep or does not take what it is given.
    pub fn new(spec: RunSpec) -> Result<Self, Error> {
        let graph = Graph::read(&spec.workflow, &spec.only)?;
        call::check(&spec, &graph)?;
        let root = Flow {
            workflow: Arc::clone(&spec.workflow),
            contexts: spec.contexts.clone(),
            caller: None,
            path: Vec::new(),
            prefix: String::new(),
            nodes: nodes(&graph),
            group: None,
            is_member: false,
            is_open: false,
            is_over: false,
            cancelled: None,
        };
        Ok(Self {
            spec,
            flows: vec![root],
            state: State::Waiting,
            conclusion: None,
            reason: None,
            started: None,
            ended: None,
        })
    }

    /// Returns the run's number.
    pub fn id(&self) -> RunId {
        self.spec.id
    }

    /// Returns what the run was made from.
    pub fn spec(&self) -> &RunSpec {
        &self.spec
    }

    /// Returns where the run stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns how the run ended, once it has.
    pub fn conclusion(&self) -> Option<Conclusion> {
        self.conclusion
    }

    /// Returns why the run was cancelled, skipped or could not be, as a sentence.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// Returns whether the run has been told to end.
    pub fn is_cancelled(&self) -> bool {
        self.flows[0].cancelled.is_some()
    }

    /// Returns the group that the whole run asked for, once it has.
    pub fn group(&self) -> Option<&GroupRequest> {
        self.flows[0].group.as_ref()
    }

    /// Returns when the run was started.
    pub fn started(&self) -> Option<Timestamp> {
        self.started
    }

    /// Returns when the run ended.
    pub fn ended(&self) -> Option<Timestamp> {
        self.ended
    }
}

/// One workflow of a run: its own, or one that a job calls.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) workflow: Arc<Workflow>,
    pub(crate) contexts: Contexts,
    /// The leg that calls this workflow.
    pub(crate) caller: Option<At>,
    /// What stands before a job's id in its key.
    pub(crate) path: Vec<String>,
    /// What stands before a job's name.
    pub(crate) prefix: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) group: Option<GroupRequest>,
    /// Whether an `Enter` has no `Leave` yet.
    pub(crate) is_member: bool,
    pub(crate) is_open: bool,
    pub(crate) is_over: bool,
    pub(crate) cancelled: Option<String>,
}

/// The place of a leg in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) flow: usize,
    pub(crate) node: usize,
    pub(crate) leg: usize,
}

/// One job as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) needs: Vec<usize>,
    pub(crate) ancestors: BTreeSet<usize>,
    /// None until the job's condition has been decided.
    pub(crate) legs: Option<Vec<Leg>>,
    pub(crate) window: usize,
    pub(crate) fail_fast: bool,
    pub(crate) result: Option<Conclusion>,
    pub(crate) reason: Option<String>,
    pub(crate) outputs: IndexMap<String, String>,
    pub(crate) ended: Option<Timestamp>,
}

/// One job as it is run.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    pub(crate) key: JobKey,
    pub(crate) name: String,
    pub(crate) matrix: Value,
    pub(crate) strategy: Value,
    pub(crate) runs_on: Vec<String>,
    pub(crate) timeout: Duration,
    pub(crate) continue_on_error: bool,
    pub(crate) group: Option<GroupRequest>,
    /// Whether an `Enter` has no `Leave` yet.
    pub(crate) is_member: bool,
    pub(crate) phase: Phase,
    /// Why it has been told to end.
    pub(crate) told: Option<String>,
    pub(crate) conclusion: Option<Conclusion>,
    pub(crate) reason: Option<String>,
    pub(crate) report: Option<JobReport>,
    pub(crate) started: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
}

/// Says where a leg stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits for `max-parallel`.
    Waiting,
    /// It waits for its group.
    Entering { calls: Option<usize> },
    /// It was started.
    Running,
    /// The workflow it calls waits for its own group.
    EnteringCall { calls: usize },
    /// The workflow it calls runs.
    Calling { calls: usize },
    /// It has ended.
    Over,
}

impl Leg {
    /// Returns how the leg counts for those that need it.
    pub(crate) fn result(&self) -> Option<Conclusion> {
        self.conclusion.map(|conclusion| match conclusion {
            Conclusion::Failure if self.continue_on_error => Conclusion::Success,
            other => other,
        })
    }

    /// Returns whether the leg failed and was allowed to.
    pub(crate) fn is_warning(&self) -> bool {
        self.continue_on_error && self.conclusion == Some(Conclusion::Failure)
    }

    /// Returns whether the leg counts towards `max-parallel`.
    pub(crate) fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Waiting | Phase::Over)
    }
}

impl Flow {
    /// Returns a job as it is written.
    pub(crate) fn job(&self, node: usize) -> &Job {
        &self.workflow.jobs[&self.nodes[node].id]
    }

    /// Returns the key of a job that has no leg yet.
    pub(crate) fn key(&self, node: usize) -> JobKey {
        let mut path = self.path.clone();
        path.push(self.nodes[node].id.clone());
        JobKey { path, leg: None }
    }

    /// Returns the `needs` context of a job whose needs have ended.
    pub(crate) fn needs(&self, node: usize) -> Value {
        let mut needs = Object::new();
        for &need in &self.nodes[node].needs {
            let need = &self.nodes[need];
            needs.insert(need.id.clone(), need.outcome());
        }
        Value::from(needs)
    }

    /// Returns the `jobs` context of a called workflow that has ended.
    pub(crate) fn jobs(&self) -> Value {
        let jobs = self.nodes.iter().map(|node| (node.id.clone(), node.outcome()));
        Value::from(jobs.collect::<Object>())
    }

    /// Answers a job's status functions; `cancelled` says whether the job is told to end and
    /// `is_run_cancelled` whether its run is.
    ///
    /// `success()` and `failure()` look at all ancestors, not only at direct needs; an
    /// ancestor that has not ended leaves them open.
    pub(crate) fn standing(
        &self,
        node: usize,
        cancelled: bool,
        is_run_cancelled: bool,
    ) -> Standing {
        let results: Vec<_> =
            self.nodes[node].ancestors.iter().map(|index| self.nodes[*index].result).collect();
        let any = |wanted: fn(Conclusion) -> bool| {
            if results.iter().flatten().any(|result| wanted(*result)) {
                Some(true)
            } else if results.contains(&None) {
                None
            } else {
                Some(false)
            }
        };
        let not_success = any(|result| result != Conclusion::Success);
        let failure = any(|result| result == Conclusion::Failure);
        Standing {
            success: if cancelled { Some(false) } else { not_success.map(|is| !is) },
            failure: if cancelled { Some(false) } else { failure },
            cancelled: Some(is_run_cancelled),
        }
    }

    /// Returns the place of a job's keys before its matrix is known.
    pub(crate) fn place<'a>(&'a self, needs: &'a Value, standing: Standing) -> Place<'a> {
        Place { needs: Some(needs), standing, ..Place::of_workflow(&self.contexts) }
    }

    /// Returns how this flow is called in messages about groups.
    pub(crate) fn title(&self) -> String {
        match self.prefix.strip_suffix(call::SEPARATOR) {
            Some(caller) => caller.to_owned(),
            None => "top level workflow".to_owned(),
        }
    }
}

impl Node {
    /// Returns the job as `needs` and `jobs` show it.
    fn outcome(&self) -> Value {
        let outputs: Object =
            self.outputs.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let result = self.result.map_or("", Conclusion::as_str);
        Value::object([("result", Value::from(result)), ("outputs", Value::from(outputs))])
    }

    /// Takes over a leg's outputs; a later one that is not empty wins.
    pub(crate) fn absorb(&mut self, outputs: &IndexMap<String, String>) {
        for (name, value) in outputs {
            if !value.is_empty() || !self.outputs.contains_key(name) {
                self.outputs.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Returns the nodes of a graph before anything has happened.
pub(crate) fn nodes(graph: &Graph) -> Vec<Node> {
    let node = |job: &crate::graph::Dependencies| Node {
        id: job.id.clone(),
        needs: job.needs.clone(),
        ancestors: job.ancestors.clone(),
        legs: None,
        window: usize::MAX,
        fail_fast: true,
        result: None,
        reason: None,
        outputs: IndexMap::new(),
        ended: None,
    };
    graph.jobs.iter().map(node).collect()
}
