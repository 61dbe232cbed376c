//! The interface: what a called workflow takes and gives.

use expr::{Object, Partial, Value};
use indexmap::IndexMap;
use workflow::{Body, Call, Input, Job, Span, Spanned, Token, Workflow};

use crate::error::Error;
use crate::place::Place;
use crate::typed::{self, Reader};

/// The secret that every called workflow has without being given it.
const TOKEN: &str = "GITHUB_TOKEN";

/// Checks that a job gives a called workflow what it takes, as far as that is written.
pub(crate) fn check(
    workflow: &Workflow,
    job: &Job,
    uses: &Spanned<String>,
    called: &Workflow,
) -> Result<(), Error> {
    let refuse = |span: Span, message: String| Err(Error::new(&workflow.source, span, message));
    let Some(call) = &called.on.call else {
        let message = format!("'{}' has no 'workflow_call', so it cannot be called", uses.value);
        return refuse(uses.span, message);
    };
    let Body::Call { with, secrets, .. } = &job.body else { return Ok(()) };
    let given = names(with.as_ref());
    if let Some((name, span)) = unknown(&given, call.inputs.keys()) {
        return refuse(span, format!("'{}' has no input '{name}'", uses.value));
    }
    let missing = call
        .inputs
        .iter()
        .find(|(name, input)| input.required && input.default.is_none() && !is_given(&given, name));
    // An expression for the whole mapping is only known when the job starts.
    if let (Some((name, _)), true) = (missing, is_written(with.as_ref())) {
        return refuse(uses.span, format!("'{}' needs the input '{name}'", uses.value));
    }
    if inherits(secrets.as_ref()) {
        return Ok(());
    }
    let given = names(secrets.as_ref());
    if let Some((name, span)) = unknown(&given, call.secrets.keys()) {
        return refuse(span, format!("'{}' has no secret '{name}'", uses.value));
    }
    match call.secrets.iter().find(|(name, secret)| secret.required && !is_given(&given, name)) {
        Some((name, _)) if is_written(secrets.as_ref()) => {
            refuse(uses.span, format!("'{}' needs the secret '{name}'", uses.value))
        }
        _ => Ok(()),
    }
}

/// Evaluates the `inputs` of a called workflow from its caller's `with`.
pub(crate) fn inputs(reader: Reader<'_>, job: &Job, called: &Workflow) -> Result<Value, Error> {
    let Body::Call { uses, with, .. } = &job.body else { return Ok(Value::Null) };
    let given = match with {
        Some(with) => reader.value(with, "'with'")?,
        None => Value::Null,
    };
    let span = with.as_ref().map_or(uses.span, |with| with.span);
    let refuse = |message: String| Error::new(reader.source, span, message);
    let declared = called.on.call.as_ref().map(|call| &call.inputs);
    let mut values = Object::new();
    for (name, input) in declared.into_iter().flatten() {
        let value = match given.get(name) {
            Some(value) => {
                input.accept(value.clone()).map_err(|fault| refuse(fault.to_string()))?
            }
            None if input.required && input.default.is_none() => {
                return Err(refuse(format!("'{}' needs the input '{name}'", uses.value)));
            }
            None => default(reader, input, called)?,
        };
        values.insert(name.clone(), value);
    }
    let extra = given.as_object().and_then(|keys| keys.names().find(|key| !values.contains(key)));
    match extra {
        Some(name) => Err(refuse(format!("'{}' has no input '{name}'", uses.value))),
        None => Ok(Value::from(values)),
    }
}

/// Evaluates the `inputs` of a called workflow, if they are certain before the run starts.
pub(crate) fn known_inputs(called: &Workflow, job: &Job, place: &Place<'_>) -> Option<Value> {
    let Body::Call { with, .. } = &job.body else { return None };
    let given = match with.as_ref().map(|with| with.value.evaluate_partial(place)) {
        None => Value::Null,
        Some(Partial::Known(value)) => value,
        Some(Partial::Unknown) => return None,
    };
    let mut values = Object::new();
    for (name, input) in called.on.call.iter().flat_map(|call| &call.inputs) {
        let value = match (given.get(name), &input.default) {
            (Some(value), _) => input.accept(value.clone()).ok()?,
            (None, None) => input.absent(),
            (None, Some(default)) => match default.value.evaluate_partial(place) {
                Partial::Known(value) => input.accept(value).ok()?,
                Partial::Unknown => return None,
            },
        };
        values.insert(name.clone(), value);
    }
    Some(Value::from(values))
}

/// Evaluates the `secrets` of a called workflow: its caller's, or those that are named.
pub(crate) fn secrets(reader: Reader<'_>, job: &Job) -> Result<Value, Error> {
    let Body::Call { secrets, .. } = &job.body else { return Ok(Value::Null) };
    let own = &reader.place.contexts.secrets;
    if inherits(secrets.as_ref()) {
        return Ok(own.clone());
    }
    let mut given = Object::new();
    if let Some(token) = own.get(TOKEN) {
        given.insert(TOKEN, token.clone());
    }
    if let Some(token) = secrets {
        let value = reader.value(token, "'secrets'")?;
        for (name, secret) in value.as_object().into_iter().flat_map(Object::iter) {
            let Some(text) = typed::text(secret) else {
                let message = format!("secret '{name}' is not a text");
                return Err(Error::new(reader.source, token.span, message));
            };
            given.insert(name, text);
        }
    }
    Ok(Value::from(given))
}

/// Evaluates the outputs of a called workflow.
pub(crate) fn outputs(
    reader: Reader<'_>,
    called: &Workflow,
) -> Result<IndexMap<String, String>, Error> {
    let declared = called.on.call.as_ref().map(|call: &Call| &call.outputs);
    let mut outputs = IndexMap::new();
    for (name, output) in declared.into_iter().flatten() {
        let text = reader.text(&output.value, &format!("output '{name}'"))?;
        outputs.insert(name.clone(), text);
    }
    Ok(outputs)
}

fn default(reader: Reader<'_>, input: &Input, called: &Workflow) -> Result<Value, Error> {
    let Some(token) = &input.default else { return Ok(input.absent()) };
    let what = format!("the default of input '{}'", input.name.value);
    // A default stands in the called file and sees what is the same for both.
    let place = Place::of_workflow(reader.place.contexts);
    let inner = Reader { source: &called.source, place };
    let value = inner.value(token, &what)?;
    input.accept(value).map_err(|fault| Error::new(&called.source, token.span, fault.to_string()))
}

fn inherits(secrets: Option<&Spanned<Token>>) -> bool {
    secrets.and_then(|token| token.as_literal()) == Some("inherit")
}

/// Returns whether a mapping is absent or written out, so that its names are known.
fn is_written(token: Option<&Spanned<Token>>) -> bool {
    match token.map(|token| &token.value) {
        None | Some(Token::Null) => true,
        Some(Token::Mapping(entries)) => entries.iter().all(|(key, _)| key.is_literal()),
        Some(_) => false,
    }
}

fn names(token: Option<&Spanned<Token>>) -> Vec<(&str, Span)> {
    let entries = token.map_or(&[][..], |token| token.entries());
    let literal = entries.iter().filter(|(key, _)| key.is_literal());
    literal.map(|(key, _)| (key.source(), key.span)).collect()
}

fn is_given(given: &[(&str, Span)], name: &str) -> bool {
    given.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
}

fn unknown<'a>(
    given: &[(&'a str, Span)],
    known: impl Iterator<Item = &'a String> + Clone,
) -> Option<(&'a str, Span)> {
    let is_known = |name: &str| known.clone().any(|known| known.eq_ignore_ascii_case(name));
    given.iter().find(|(name, _)| !is_known(name)).copied()
}
