//! Contexts: what an expression in a step can see.

use std::collections::BTreeMap;
use std::path::PathBuf;

use expr::{Object, Scope, Value};
use workdir::Links;

/// The contexts of one step at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepScope {
    contexts: BTreeMap<&'static str, Value>,
    workspace: PathBuf,
}

impl StepScope {
    pub(crate) fn new(workspace: PathBuf) -> Self {
        Self { contexts: BTreeMap::new(), workspace }
    }

    /// Sets a context.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.contexts.insert(name, value.into());
    }

    /// Sets a property of a context that is an object; an empty one is made where there is none.
    pub(crate) fn set_in(&mut self, context: &'static str, name: &str, value: impl Into<Value>) {
        let slot = self.contexts.entry(context).or_insert(Value::Null);
        let mut object = slot.as_object().cloned().unwrap_or_default();
        object.insert(name, value);
        *slot = object.into();
    }
}

impl Scope for StepScope {
    fn context(&self, name: &str) -> Option<Value> {
        self.contexts.get(name).cloned()
    }

    fn call(&self, function: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        (function == "hashfiles").then(|| self.hash_files(arguments))
    }
}

impl StepScope {
    fn hash_files(&self, arguments: &[Value]) -> Result<Value, String> {
        let texts: Vec<String> = arguments.iter().map(Value::to_text).collect();
        let mut patterns: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut links = Links::Keep;
        if let Some(option) = patterns.first().filter(|first| first.starts_with("--")) {
            if !option.eq_ignore_ascii_case("--follow-symbolic-links") {
                return Err(format!("Invalid glob option '{option}'"));
            }
            links = Links::Follow;
            patterns.remove(0);
        }
        // Each argument may hold several patterns, one a line.
        let patterns: Vec<&str> = patterns.into_iter().flat_map(str::lines).collect();
        let digest = workdir::hash_files(&self.workspace, &patterns, links);
        digest.map(Value::from).map_err(|error| error.to_string())
    }
}

/// Returns the object of a mapping whose names differ by case.
pub(crate) fn variables<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Value {
    let mut object = Object::case_sensitive();
    for (name, value) in pairs {
        object.insert(name.as_str(), value.as_str());
    }
    object.into()
}

/// Returns the entry of a step in the `steps` context.
pub(crate) fn step_entry<'a>(
    outputs: impl IntoIterator<Item = (&'a String, &'a String)>,
    outcome: &str,
    conclusion: &str,
) -> Value {
    let outputs: Object = outputs.into_iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    Value::object([
        ("outputs", Value::from(outputs)),
        ("outcome", Value::from(outcome)),
        ("conclusion", Value::from(conclusion)),
    ])
}
