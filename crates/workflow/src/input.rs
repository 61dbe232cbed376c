//! The input: a value that whoever starts a workflow may or must give.

use std::collections::HashSet;

use expr::Value;
use indexmap::IndexMap;

use crate::{span::Spanned, token::Token};

/// An input of `workflow_dispatch` or `workflow_call`.
#[derive(Clone, Debug)]
pub struct Input {
    /// The key.
    pub name: Spanned<String>,
    /// `type`.
    pub kind: InputKind,
    /// Whether `type` was written, so that a default must have it.
    pub is_typed: bool,
    /// `required`.
    pub required: bool,
    /// `default`; it has no expressions under `workflow_dispatch`.
    pub default: Option<Spanned<Token>>,
    /// `options` of a choice.
    pub options: Vec<Spanned<String>>,
}

/// What an input takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum InputKind {
    /// Any text.
    #[default]
    String,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// One of some texts.
    Choice,
    /// The name of an environment.
    Environment,
}

impl InputKind {
    /// Returns the kind as `type` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::Choice => "choice",
            Self::Environment => "environment",
        }
    }
}

/// Says why inputs do not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("input '{name}': {message}")]
pub struct InputFault {
    /// The input.
    pub name: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Input {
    /// Returns the value that is used where none is given.
    ///
    /// A choice without a default is its first option, which is what GitHub's form sends.
    pub fn absent(&self) -> Value {
        match self.kind {
            InputKind::Boolean => Value::Bool(false),
            InputKind::Number => Value::Number(0.0),
            InputKind::Choice => self.options.first().map_or("", |option| option).into(),
            InputKind::String | InputKind::Environment => "".into(),
        }
    }

    /// Turns a given text into the value of its type.
    pub fn read(&self, text: &str) -> Result<Value, InputFault> {
        match self.kind {
            InputKind::String | InputKind::Environment => Ok(text.into()),
            InputKind::Boolean => match text {
                "true" => Ok(true.into()),
                "false" => Ok(false.into()),
                _ => Err(self.fault(format!("'{text}' is neither true nor false"))),
            },
            InputKind::Number => {
                let number = Value::from(text).to_number();
                if number.is_nan() || text.trim().is_empty() {
                    return Err(self.fault(format!("'{text}' is not a number")));
                }
                Ok(number.into())
            }
            InputKind::Choice => {
                if self.options.iter().any(|option| option.value == text) {
                    return Ok(text.into());
                }
                let options: Vec<_> = self.options.iter().map(|o| o.as_str()).collect();
                let mut fault = self.fault(format!("'{text}' is not one of its options"));
                fault.hint = Some(format!("the options are {}", options.join(", ")));
                Err(fault)
            }
        }
    }

    /// Checks a value that a caller gives, which must already have the type.
    pub fn accept(&self, value: Value) -> Result<Value, InputFault> {
        match (self.kind, &value) {
            (InputKind::Boolean, Value::Bool(_)) | (InputKind::Number, Value::Number(_)) => {
                Ok(value)
            }
            (InputKind::Boolean | InputKind::Number, _)
            | (_, Value::Array(_) | Value::Object(_)) => Err(self.fault(format!(
                "a {} was expected, and this is {}",
                self.kind.as_str(),
                value.kind().as_str()
            ))),
            (_, value) => Ok(value.to_text().into()),
        }
    }

    fn fault(&self, message: String) -> InputFault {
        InputFault { name: self.name.value.clone(), message, hint: None }
    }
}

/// Gives every input its value: the one given, its default, or what its type has.
pub(crate) fn resolve(
    inputs: &IndexMap<String, Input>,
    given: &IndexMap<String, String>,
) -> Result<IndexMap<String, Value>, Vec<InputFault>> {
    let mut faults = Vec::new();
    let mut values = IndexMap::new();
    let mut used = HashSet::new();
    for (name, input) in inputs {
        let found = given.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = match (found, &input.default) {
            (Some((key, text)), _) => {
                used.insert(key.as_str());
                if input.required && text.is_empty() {
                    Err(input.fault("it is required, and what is given is empty".into()))
                } else {
                    input.read(text)
                }
            }
            (None, Some(default)) => Ok(literal(default)),
            (None, None) if input.required => Err(input.fault("it is required".into())),
            (None, None) => Ok(input.absent()),
        };
        match value {
            Ok(value) => drop(values.insert(name.clone(), value)),
            Err(fault) => faults.push(fault),
        }
    }
    for name in given.keys().filter(|name| !used.contains(name.as_str())) {
        let known: Vec<_> = inputs.keys().map(String::as_str).collect();
        let hint = if known.is_empty() {
            "the workflow has no inputs".to_owned()
        } else {
            format!("the inputs are {}", known.join(", "))
        };
        let message = "the workflow has no such input".to_owned();
        faults.push(InputFault { name: name.clone(), message, hint: Some(hint) });
    }
    if faults.is_empty() { Ok(values) } else { Err(faults) }
}

/// Returns the value of a token without expressions.
fn literal(token: &Token) -> Value {
    match token {
        Token::Bool(truth) => Value::Bool(*truth),
        Token::Number(number) => Value::Number(*number),
        Token::Text(template) => template.source().into(),
        Token::Null | Token::Sequence(_) | Token::Mapping(_) => Value::Null,
    }
}
