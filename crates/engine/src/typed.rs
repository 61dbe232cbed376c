//! The typed values: what a job's keys come to when their expressions have been evaluated.

use std::time::Duration;

use expr::{Partial, Value};
use workflow::{Source, Spanned, Token};

use crate::effect::{GroupRequest, Queue};
use crate::error::Error;
use crate::place::Place;

/// GitHub's limit for a job that does not set one.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_hours(6);

/// Evaluates the keys of one workflow file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) source: &'a Source,
    pub(crate) place: Place<'a>,
}

impl Reader<'_> {
    /// Evaluates a key whatever it comes to.
    pub(crate) fn value(self, token: &Spanned<Token>, what: &str) -> Result<Value, Error> {
        token.value.evaluate(&self.place).map_err(|error| {
            Error::new(self.source, token.span, format!("{what} cannot be evaluated: {error}"))
        })
    }

    /// Evaluates a key that is a truth value.
    pub(crate) fn boolean(self, token: &Spanned<Token>, what: &str) -> Result<bool, Error> {
        let value = self.value(token, what)?;
        boolean(&value).ok_or_else(|| self.unexpected(token, what, &value, "true or false"))
    }

    /// Evaluates a key that is a number.
    pub(crate) fn number(self, token: &Spanned<Token>, what: &str) -> Result<f64, Error> {
        match self.value(token, what)? {
            Value::Number(number) if number.is_finite() => Ok(number),
            other => Err(self.unexpected(token, what, &other, "a number")),
        }
    }

    /// Evaluates a key that is a text.
    pub(crate) fn text(self, token: &Spanned<Token>, what: &str) -> Result<String, Error> {
        let value = self.value(token, what)?;
        text(&value).ok_or_else(|| self.unexpected(token, what, &value, "a text"))
    }

    /// Evaluates `timeout-minutes`; none and zero are GitHub's default.
    pub(crate) fn timeout(self, token: Option<&Spanned<Token>>) -> Result<Duration, Error> {
        let Some(token) = token else { return Ok(DEFAULT_TIMEOUT) };
        let minutes = self.number(token, "'timeout-minutes'")?;
        if minutes == 0.0 {
            return Ok(DEFAULT_TIMEOUT);
        }
        Duration::try_from_secs_f64(minutes * 60.0).map_err(|_| {
            let message = format!("'timeout-minutes' cannot be {minutes}");
            Error::new(self.source, token.span, message)
        })
    }

    /// Evaluates `max-parallel`; none and zero are no limit.
    pub(crate) fn window(self, token: Option<&Spanned<Token>>) -> Result<usize, Error> {
        let Some(token) = token else { return Ok(usize::MAX) };
        let number = self.number(token, "'max-parallel'")?;
        if number < 1.0 {
            return Ok(usize::MAX);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number is at least 1, and a cast saturates at the other end"
        )]
        Ok(number as usize)
    }

    /// Evaluates `runs-on` to its labels.
    pub(crate) fn labels(self, token: &Spanned<Token>) -> Result<Vec<String>, Error> {
        let value = self.value(token, "'runs-on'")?;
        let labels = match value.as_object() {
            Some(keys) => keys.get("labels").cloned().unwrap_or(Value::Null),
            None => value.clone(),
        };
        let items = match labels.as_array() {
            Some(items) => items.to_vec(),
            None if labels.is_null() => Vec::new(),
            None => vec![labels],
        };
        items
            .iter()
            .map(|item| {
                text(item).ok_or_else(|| self.unexpected(token, "'runs-on'", item, "a text"))
            })
            .collect()
    }

    /// Evaluates `concurrency`.
    pub(crate) fn group(self, token: &Spanned<Token>) -> Result<GroupRequest, Error> {
        let value = self.value(token, "'concurrency'")?;
        group(&value).map_err(|message| Error::new(self.source, token.span, message))
    }

    fn unexpected(self, token: &Spanned<Token>, what: &str, value: &Value, wanted: &str) -> Error {
        let found = match text(value) {
            Some(text) => format!("'{text}'"),
            None => value.kind().as_str().to_owned(),
        };
        Error::new(self.source, token.span, format!("{what} is {found} and should be {wanted}"))
    }
}

/// Evaluates `concurrency`, if it is certain and right.
pub(crate) fn known_group(token: &Spanned<Token>, place: &Place<'_>) -> Option<GroupRequest> {
    match token.value.evaluate_partial(place) {
        Partial::Known(value) => group(&value).ok(),
        Partial::Unknown => None,
    }
}

/// Reads a group request from an evaluated `concurrency`.
pub(crate) fn group(value: &Value) -> Result<GroupRequest, String> {
    let (name, rest) = match value.as_object() {
        Some(keys) => (keys.get("group").cloned().unwrap_or(Value::Null), Some(keys)),
        None => (value.clone(), None),
    };
    let name = text(&name).ok_or_else(|| "the name of a concurrency group is a text".to_owned())?;
    if name.is_empty() {
        return Err("concurrency group name cannot be empty".to_owned());
    }
    if name.chars().count() > LONGEST_GROUP {
        return Err(format!("concurrency group name must be at most {LONGEST_GROUP} characters"));
    }
    let key = |key: &str| rest.and_then(|keys| keys.get(key));
    let cancel_in_progress = match key("cancel-in-progress") {
        None => false,
        Some(value) => boolean(value).ok_or("'cancel-in-progress' should be true or false")?,
    };
    let queue = match key("queue").map(Value::to_text).as_deref() {
        None | Some("single") => Queue::Single,
        Some("max") => Queue::Max,
        Some(other) => return Err(format!("'queue' is 'single' or 'max', not '{other}'")),
    };
    if queue == Queue::Max && cancel_in_progress {
        return Err("'queue: max' cannot be combined with 'cancel-in-progress: true'".to_owned());
    }
    Ok(GroupRequest { name, cancel_in_progress, queue })
}

const LONGEST_GROUP: usize = 400;

fn boolean(value: &Value) -> Option<bool> {
    match (value.as_bool(), value.as_str()) {
        (Some(answer), _) => Some(answer),
        (None, Some("true")) => Some(true),
        (None, Some("false")) => Some(false),
        _ => None,
    }
}

/// Returns a scalar as text, as GitHub does where a text is wanted.
pub(crate) fn text(value: &Value) -> Option<String> {
    let is_scalar = value.as_object().is_none() && value.as_array().is_none();
    is_scalar.then(|| value.to_text())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: serde_json::Value, name: &str, cancel_in_progress: bool, queue: Queue) {
        let found = group(&Value::from_json(&value));
        assert_eq!(found, Ok(GroupRequest { name: name.to_owned(), cancel_in_progress, queue }));
    }

    #[track_caller]
    fn check_error(value: serde_json::Value, message: &str) {
        assert_eq!(group(&Value::from_json(&value)).unwrap_err(), message);
    }

    #[test]
    fn a_group_is_a_name_or_a_mapping() {
        check(json!("deploy"), "deploy", false, Queue::Single);
        check(json!(7), "7", false, Queue::Single);
        check(json!({"group": "a"}), "a", false, Queue::Single);
        check(json!({"group": "a", "cancel-in-progress": true}), "a", true, Queue::Single);
        check(json!({"group": "a", "queue": "max"}), "a", false, Queue::Max);
        check(
            json!({"group": "a", "queue": "max", "cancel-in-progress": false}),
            "a",
            false,
            Queue::Max,
        );
    }

    #[test]
    fn what_is_no_group_is_an_error() {
        check_error(json!(""), "concurrency group name cannot be empty");
        check_error(json!(null), "concurrency group name cannot be empty");
        check_error(json!({"group": [1]}), "the name of a concurrency group is a text");
        check_error(
            json!({"group": "a", "queue": "max", "cancel-in-progress": true}),
            "'queue: max' cannot be combined with 'cancel-in-progress: true'",
        );
        check_error(
            json!({"group": "a", "queue": "min"}),
            "'queue' is 'single' or 'max', not 'min'",
        );
        check_error(
            json!({"group": "a", "cancel-in-progress": "soon"}),
            "'cancel-in-progress' should be true or false",
        );
        check_error(
            json!("x".repeat(401)),
            "concurrency group name must be at most 400 characters",
        );
    }

    #[test]
    fn names_that_differ_in_case_are_one_group() {
        let request = |name: &str| group(&Value::from(name)).unwrap();
        assert!(request("Deploy").is_same_group(&request("dEPLOY")));
        assert!(!request("deploy").is_same_group(&request("deploy2")));
    }
}
