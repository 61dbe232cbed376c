//! What an expression may look at before a run exists: the event, its inputs and the variables.

use engine::Contexts;
use expr::{Scope, Value};

/// The contexts that are known when an event has happened.
#[derive(Debug)]
pub(crate) struct EventScope<'a>(pub(crate) &'a Contexts);

impl Scope for EventScope<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        match name {
            "github" => Some(self.0.github.clone()),
            "inputs" => Some(self.0.inputs.clone()),
            "vars" => Some(self.0.vars.clone()),
            _ => None,
        }
    }

    fn call(&self, function: &str, _: &[Value]) -> Option<Result<Value, String>> {
        // A bare condition asks implicitly for success, which an event that has just happened has.
        (function == "success").then_some(Ok(Value::Bool(true)))
    }
}
