//! The call: how a job runs another workflow of the repository.

use std::collections::BTreeMap;
use std::sync::Arc;

use expr::Partial;
use indexmap::IndexMap;
use workflow::{Body, Job, Spanned, Token, Workflow};

use crate::effect::GroupRequest;
use crate::error::Error;
use crate::graph::Graph;
use crate::interface;
use crate::place::{Place, Standing};
use crate::run::{At, Flow, Run, nodes};
use crate::spec::{Contexts, RunSpec};
use crate::typed::{self, Reader};

/// What stands between a caller's name and a called job's.
pub(crate) const SEPARATOR: &str = " / ";

/// The most workflows that may stand in a chain of calls, the top one included.
const DEEPEST: usize = 10;

/// The most different workflows that one run may call.
const MOST_CALLED: usize = 50;

/// The most calls that one run may make, counting every leg.
const MOST_CALLS: usize = 1000;

/// Checks everything about calls that can be known before a run starts.
pub(crate) fn check(spec: &RunSpec, graph: &Graph) -> Result<(), Error> {
    let mut chain = Chain { uses: Vec::new(), deepest: BTreeMap::new() };
    check_jobs(spec, &spec.workflow, graph, &mut chain)
}

/// The calls that lead to a workflow, and how deep each called workflow has been checked.
struct Chain {
    uses: Vec<String>,
    deepest: BTreeMap<String, usize>,
}

fn check_jobs(
    spec: &RunSpec,
    workflow: &Workflow,
    graph: &Graph,
    chain: &mut Chain,
) -> Result<(), Error> {
    for node in &graph.jobs {
        let job = &workflow.jobs[&node.id];
        let Body::Call { uses, .. } = &job.body else { continue };
        let refuse = |message: String| Err(Error::new(&workflow.source, uses.span, message));
        let called = find(spec, workflow, uses)?;
        if chain.uses.contains(&uses.value) {
            return refuse(format!("'{}' calls itself", uses.value));
        }
        if chain.uses.len() + 2 > DEEPEST {
            return refuse(format!("calls are nested more than {DEEPEST} workflows deep"));
        }
        interface::check(workflow, job, uses, &called)?;
        // What was checked this deep or deeper needs no second look: the work is
        // bounded by workflows times depth, whatever the number of paths.
        let depth = chain.uses.len() + 1;
        if chain.deepest.get(&uses.value).is_some_and(|checked| *checked >= depth) {
            continue;
        }
        chain.deepest.insert(uses.value.clone(), depth);
        if chain.deepest.len() > MOST_CALLED {
            return refuse(format!("more than {MOST_CALLED} workflows are called"));
        }
        chain.uses.push(uses.value.clone());
        check_jobs(spec, &called, &Graph::read(&called, &[])?, chain)?;
        chain.uses.pop();
    }
    Ok(())
}

/// Returns the workflow that a job calls.
pub(crate) fn find(
    spec: &RunSpec,
    workflow: &Workflow,
    uses: &Spanned<String>,
) -> Result<Arc<Workflow>, Error> {
    spec.called.get(&uses.value).cloned().ok_or_else(|| {
        let message = format!("the workflow '{}' is not there", uses.value);
        Error::new(&workflow.source, uses.span, message)
    })
}

/// Makes the workflow that a leg calls, not yet open, if it calls one.
pub(crate) fn flow(run: &Run, at: At) -> Result<Option<Flow>, Error> {
    let parent = &run.flows[at.flow];
    let job = parent.job(at.node);
    let Body::Call { uses, .. } = &job.body else { return Ok(None) };
    let called = find(&run.spec, &parent.workflow, uses)?;
    if run.flows.len() > MOST_CALLS {
        let message = format!("one run cannot make more than {MOST_CALLS} calls");
        return Err(Error::new(&parent.workflow.source, uses.span, message));
    }
    let leg = run.leg(at);
    let needs = parent.needs(at.node);
    let place = Place {
        matrix: Some(&leg.matrix),
        strategy: Some(&leg.strategy),
        ..parent.place(&needs, Standing::default())
    };
    let reader = Reader { source: &parent.workflow.source, place };
    let contexts = Contexts {
        inputs: interface::inputs(reader, job, &called)?,
        secrets: interface::secrets(reader, job)?,
        ..parent.contexts.clone()
    };
    let graph = Graph::read(&called, &[])?;
    let inner = Reader { source: &called.source, place: Place::of_workflow(&contexts) };
    let group = called.concurrency.as_ref().map(|token| inner.group(token)).transpose()?;
    let mut path = parent.path.clone();
    path.push(leg.key.segment());
    Ok(Some(Flow {
        nodes: nodes(&graph),
        workflow: called,
        contexts,
        caller: Some(at),
        path,
        prefix: format!("{}{SEPARATOR}", leg.name),
        group,
        is_member: false,
        is_open: false,
        is_over: false,
        cancelled: None,
    }))
}

/// Returns the group of the workflow that a job calls, if it is certain before the job starts.
pub(crate) fn known_group(spec: &RunSpec, flow: &Flow, job: &Job) -> Option<GroupRequest> {
    let Body::Call { uses, .. } = &job.body else { return None };
    let called = spec.called.get(&uses.value)?;
    let inputs = interface::known_inputs(called, job, &Place::before(&flow.contexts));
    let contexts = Contexts { inputs: inputs.clone().unwrap_or_default(), ..flow.contexts.clone() };
    let place = Place { with_inputs: inputs.is_some(), ..Place::before(&contexts) };
    typed::known_group(called.concurrency.as_ref()?, &place)
}

/// Evaluates the outputs of a called workflow that has ended.
pub(crate) fn outputs(flow: &Flow) -> Result<IndexMap<String, String>, Error> {
    let jobs = flow.jobs();
    let place = Place { jobs: Some(&jobs), ..Place::of_workflow(&flow.contexts) };
    let reader = Reader { source: &flow.workflow.source, place };
    interface::outputs(reader, &flow.workflow)
}

/// Returns a job's name with what stands before it, without what only a leg knows.
pub(crate) fn node_name(flow: &Flow, node: usize) -> String {
    let job = flow.job(node);
    let name = job.name.as_ref().and_then(|token| {
        match token.value.evaluate_partial(&Place::of_workflow(&flow.contexts)) {
            Partial::Known(value) => typed::text(&value).filter(|text| !text.is_empty()),
            Partial::Unknown => None,
        }
    });
    format!("{}{}", flow.prefix, name.unwrap_or_else(|| flow.nodes[node].id.clone()))
}

/// Returns whether a name has no expression, so that a leg's values follow it.
pub(crate) fn is_literal(token: &Spanned<Token>) -> bool {
    match &token.value {
        Token::Text(template) => template.is_literal(),
        _ => true,
    }
}
