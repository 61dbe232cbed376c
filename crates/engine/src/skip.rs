//! The certain skip: whether a workflow would do nothing, judged before it enters its group.

use expr::Value;
use workflow::Workflow;

use crate::conclusion::Conclusion;
use crate::graph::Graph;
use crate::place::{Place, Standing};
use crate::spec::Contexts;

/// Returns whether every job is certain to be skipped, judged from `github`, `inputs` and `vars` alone.
///
/// What cannot be judged is not certain: a condition on `needs`, an unreadable
/// graph, a job with `always()`.
pub fn certain_skip(workflow: &Workflow, contexts: &Contexts) -> bool {
    match Graph::read(workflow, &[]) {
        Ok(graph) => certain_skips(workflow, &graph, contexts).into_iter().all(|skipped| skipped),
        Err(_) => false,
    }
}

/// Says of each job of a graph whether it is certain to be skipped.
pub(crate) fn certain_skips(workflow: &Workflow, graph: &Graph, contexts: &Contexts) -> Vec<bool> {
    let mut skipped = vec![false; graph.jobs.len()];
    for index in graph.order() {
        let job = &graph.jobs[index];
        let any = job.ancestors.iter().any(|ancestor| skipped[*ancestor]);
        let all = job.ancestors.iter().all(|ancestor| skipped[*ancestor]);
        let standing = Standing {
            success: match (any, job.ancestors.is_empty()) {
                (true, _) => Some(false),
                (false, true) => Some(true),
                (false, false) => None,
            },
            failure: all.then_some(false),
            cancelled: None,
        };
        let result = Value::object([
            ("result", Value::from(Conclusion::Skipped.as_str())),
            ("outputs", Value::object::<String, Value>([])),
        ]);
        let needs = job.needs.iter().map(|need| (graph.jobs[*need].id.clone(), result.clone()));
        let needs = Value::object(needs);
        let place = Place { needs: all.then_some(&needs), standing, ..Place::before(contexts) };
        skipped[index] = match &workflow.jobs[&job.id].condition {
            None => standing.success == Some(false),
            Some(condition) => condition.value.evaluate_partial(&place) == Some(false),
        };
    }
    skipped
}
