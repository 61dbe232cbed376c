//! The plan: what can be said of a run before it starts.

use std::sync::Arc;

use expr::{Partial, Value};
use serde::Serialize;
use workflow::{Body, Job, Spanned, Token, Workflow};

use crate::call;
use crate::effect::GroupRequest;
use crate::error::Error;
use crate::graph::Graph;
use crate::interface;
use crate::key::JobKey;
use crate::matrix;
use crate::place::Place;
use crate::skip;
use crate::spec::{Contexts, RunSpec};
use crate::typed;

/// Shows what a run would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The run's own group.
    pub group: Option<PlannedGroup>,
    /// The jobs, each after what it needs; called jobs follow their caller.
    pub jobs: Vec<PlannedJob>,
}

/// Shows what a job would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedJob {
    /// The job's key, without a leg.
    pub key: JobKey,
    /// The job's name, as far as it is known.
    pub name: String,
    /// The ids of the jobs in its `needs`.
    pub needs: Vec<String>,
    /// Whether it is certain to be skipped.
    pub skipped: bool,
    /// The workflow it calls, if it calls one.
    pub calls: Option<String>,
    /// Its legs.
    pub legs: PlannedLegs,
}

/// Shows the legs of a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlannedLegs {
    /// There is no matrix, and one leg.
    One(PlannedLeg),
    /// The matrix is known.
    Known(Vec<PlannedLeg>),
    /// The matrix is known only when the job's needs have ended.
    Later,
    /// The matrix is known and wrong.
    Broken(String),
}

/// Shows one leg of a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedLeg {
    /// The leg's name, as far as it is known.
    pub name: String,
    /// The leg's values; null without a matrix.
    pub matrix: serde_json::Value,
    /// The leg's own group.
    pub group: Option<PlannedGroup>,
}

/// Shows a concurrency group.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlannedGroup {
    /// It is known.
    Known(GroupRequest),
    /// It is known only when the job's needs have ended.
    Later,
    /// It is known and wrong.
    Broken(String),
}

/// Says what can be said of a run before it starts.
pub fn plan(spec: &RunSpec) -> Result<Plan, Error> {
    let graph = Graph::read(&spec.workflow, &spec.only)?;
    call::check(spec, &graph)?;
    let mut jobs = Vec::new();
    let top = Level {
        workflow: Arc::clone(&spec.workflow),
        contexts: spec.contexts.clone(),
        path: Vec::new(),
        prefix: String::new(),
        knows_inputs: true,
    };
    top.show(spec, &graph, &mut jobs)?;
    let place = Place::before(&spec.contexts);
    let group = spec.workflow.concurrency.as_ref().map(|token| planned_group(token, &place));
    Ok(Plan { group, jobs })
}

/// The most jobs after which called workflows are not looked into any more.
const MOST_SHOWN: usize = 1000;

/// One workflow, as far as it is known.
struct Level {
    workflow: Arc<Workflow>,
    contexts: Contexts,
    path: Vec<String>,
    prefix: String,
    knows_inputs: bool,
}

impl Level {
    fn show(&self, spec: &RunSpec, graph: &Graph, jobs: &mut Vec<PlannedJob>) -> Result<(), Error> {
        let skips = if self.knows_inputs {
            skip::certain_skips(&self.workflow, graph, &self.contexts)
        } else {
            vec![false; graph.jobs.len()]
        };
        for index in graph.order() {
            let node = &graph.jobs[index];
            let job = &self.workflow.jobs[&node.id];
            let mut path = self.path.clone();
            path.push(node.id.clone());
            let name = self.name(job, &node.id);
            jobs.push(PlannedJob {
                key: JobKey { path: path.clone(), leg: None },
                name: name.clone(),
                needs: node.needs.iter().map(|need| graph.jobs[*need].id.clone()).collect(),
                skipped: skips[index],
                calls: match &job.body {
                    Body::Call { uses, .. } => Some(uses.value.clone()),
                    Body::Steps { .. } => None,
                },
                legs: self.legs(job, &name),
            });
            if let Body::Call { uses, .. } = &job.body
                && !skips[index]
                && jobs.len() < MOST_SHOWN
            {
                let called = call::find(spec, &self.workflow, uses)?;
                let inputs = interface::known_inputs(&called, job, &self.place());
                let level = Self {
                    knows_inputs: inputs.is_some(),
                    contexts: Contexts {
                        inputs: inputs.unwrap_or_default(),
                        ..self.contexts.clone()
                    },
                    workflow: Arc::clone(&called),
                    path,
                    prefix: format!("{name}{}", call::SEPARATOR),
                };
                level.show(spec, &Graph::read(&called, &[])?, jobs)?;
            }
        }
        Ok(())
    }

    fn place(&self) -> Place<'_> {
        Place { with_inputs: self.knows_inputs, ..Place::before(&self.contexts) }
    }

    fn name(&self, job: &Job, id: &str) -> String {
        let name = job.name.as_ref().and_then(|token| known_text(token, &self.place()));
        format!("{}{}", self.prefix, name.unwrap_or_else(|| id.to_owned()))
    }

    fn legs(&self, job: &Job, name: &str) -> PlannedLegs {
        let place = self.place();
        let Some(token) = job.strategy.as_ref().and_then(|strategy| strategy.matrix.as_ref())
        else {
            return PlannedLegs::One(self.leg(job, name.to_owned(), &Value::Null));
        };
        let Partial::Known(value) = token.value.evaluate_partial(&place) else {
            return PlannedLegs::Later;
        };
        match matrix::expand(&value) {
            Err(message) => PlannedLegs::Broken(message),
            Ok(legs) if legs.is_empty() => {
                PlannedLegs::One(self.leg(job, name.to_owned(), &Value::Null))
            }
            Ok(legs) => PlannedLegs::Known(
                legs.iter()
                    .map(|leg| {
                        let name = matrix::leg_name(name, &leg.segments);
                        self.leg(job, name, &leg.values)
                    })
                    .collect(),
            ),
        }
    }

    fn leg(&self, job: &Job, name: String, matrix: &Value) -> PlannedLeg {
        let place = Place { matrix: Some(matrix), ..self.place() };
        let own = job.name.as_ref().filter(|token| !call::is_literal(token));
        let own = own.and_then(|token| known_text(token, &place));
        PlannedLeg {
            name: own.map_or(name, |own| format!("{}{own}", self.prefix)),
            matrix: matrix.to_json(),
            group: job.concurrency.as_ref().map(|token| planned_group(token, &place)),
        }
    }
}

fn known_text(token: &Spanned<Token>, place: &Place<'_>) -> Option<String> {
    match token.value.evaluate_partial(place) {
        Partial::Known(value) => typed::text(&value).filter(|text| !text.is_empty()),
        Partial::Unknown => None,
    }
}

fn planned_group(token: &Spanned<Token>, place: &Place<'_>) -> PlannedGroup {
    match token.value.evaluate_partial(place) {
        Partial::Unknown => PlannedGroup::Later,
        Partial::Known(value) => match typed::group(&value) {
            Ok(group) => PlannedGroup::Known(group),
            Err(message) => PlannedGroup::Broken(message),
        },
    }
}
