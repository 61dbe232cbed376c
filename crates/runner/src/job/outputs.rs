//! The outputs of a job.

use indexmap::IndexMap;

use super::Job;
use super::frame::Frame;

/// Evaluates the outputs; those that hold a secret, and those that are empty, are left out.
pub(super) fn evaluate(job: &Job, frame: &Frame) -> Result<IndexMap<String, String>, String> {
    let mut outputs = IndexMap::new();
    let Some(token) = &job.plan.job().outputs else { return Ok(outputs) };
    let mut scope = job.scope(frame, "");
    scope.set("env", crate::context::variables(&frame.env));
    let value = token.evaluate(&scope).map_err(|error| error.message)?;
    for (name, value) in super::texts(&value) {
        if value.is_empty() {
            continue;
        }
        if job.desk.has_secret(&value) {
            job.desk.warning(None, format!("Skip output '{name}' since it may contain secret."));
            continue;
        }
        outputs.insert(name, value);
    }
    Ok(outputs)
}
