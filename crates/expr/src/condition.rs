//! The condition: what `if:` says, with the `success()` that it does not say.

use crate::{
    error::Error,
    evaluate::Partial,
    expression::{Expression, Reference},
    scope::{Names, Scope},
    template::Template,
};

/// The functions that ask how things stand; a condition without them means
/// "and all went well so far".
const STATUS: [&str; 4] = ["always", "cancelled", "failure", "success"];

/// A condition of a job or a step.
#[derive(Clone, Debug)]
pub struct Condition {
    body: Body,
    asks_status: bool,
}

#[derive(Clone, Debug)]
enum Body {
    /// Nothing was written.
    Empty,
    /// One expression, with or without its `${{ }}`.
    Expression(Expression),
    /// A text around expressions, which is true unless it comes out empty.
    Text(Template),
}

impl Condition {
    /// Reads a condition, with or without `${{ }}`.
    pub fn parse(text: &str, names: &Names) -> Result<Self, Error> {
        let body = if text.trim().is_empty() {
            Body::Empty
        } else if text.contains("${{") {
            let template = Template::parse(text, names)?;
            template.as_expression().cloned().map_or_else(|| Body::Text(template), Body::Expression)
        } else {
            Body::Expression(Expression::parse(text, names)?)
        };
        let asks_status = STATUS.iter().any(|function| body.calls(function));
        Ok(Self { body, asks_status })
    }

    /// Returns whether the condition is met.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<bool, Error> {
        if !self.asks_status && !success(scope)? {
            return Ok(false);
        }
        match &self.body {
            Body::Empty => Ok(true),
            Body::Expression(expression) => Ok(expression.evaluate(scope)?.truthy()),
            Body::Text(template) => Ok(template.evaluate(scope)?.truthy()),
        }
    }

    /// Returns whether the condition is met, if that is certain without what
    /// the scope does not have.
    pub fn evaluate_partial(&self, scope: &dyn Scope) -> Option<bool> {
        let succeeded = if self.asks_status {
            Some(true)
        } else {
            scope.call("success", &[]).and_then(Result::ok).map(|value| value.truthy())
        };
        let met = match &self.body {
            Body::Empty => Some(true),
            Body::Expression(expression) => expression.truth_partial(scope),
            Body::Text(template) => match template.evaluate_partial(scope) {
                Partial::Known(value) => Some(value.truthy()),
                Partial::Unknown => None,
            },
        };
        match (succeeded, met) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        }
    }

    /// Returns whether a status function is called, so that no `success()` is implied.
    pub fn asks_status(&self) -> bool {
        self.asks_status
    }

    /// Returns whether this is text around expressions, which is nearly always
    /// true and nearly never meant: `${{ a }} && b`.
    pub fn is_text(&self) -> bool {
        matches!(self.body, Body::Text(_))
    }

    /// Returns whether a function is called, whatever the case of its name.
    pub fn calls(&self, function: &str) -> bool {
        self.body.calls(function)
    }

    /// Returns the paths into contexts, in the order they are written.
    pub fn references(&self) -> Vec<Reference> {
        match &self.body {
            Body::Empty => Vec::new(),
            Body::Expression(expression) => expression.references(),
            Body::Text(template) => template.references(),
        }
    }
}

impl Body {
    fn calls(&self, function: &str) -> bool {
        match self {
            Self::Empty => false,
            Self::Expression(expression) => expression.calls(function),
            Self::Text(template) => template.calls(function),
        }
    }
}

/// Asks the scope how things stand.
fn success(scope: &dyn Scope) -> Result<bool, Error> {
    match scope.call("success", &[]) {
        Some(Ok(value)) => Ok(value.truthy()),
        Some(Err(message)) => Err(Error::evaluation(message, 0)),
        None => Err(Error::evaluation("The function 'success' has no value here", 0)),
    }
}
