//! The template: a text with any number of `${{ }}` in it.

use std::sync::Arc;

use crate::{
    error::Error,
    evaluate::Partial,
    expression::{Expression, Reference},
    memory::{Memory, Writer},
    scope::{Names, Scope},
    value::Value,
};

/// A text in which some parts are expressions.
#[derive(Clone, Debug)]
pub struct Template {
    source: Arc<str>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(Arc<str>),
    /// An expression and the place of its `${{`.
    Expression(Expression, usize),
}

impl Template {
    /// Reads a text.
    pub fn parse(text: &str, names: &Names) -> Result<Self, Error> {
        let mut parts = Vec::new();
        let mut place = 0;
        while let Some(found) = text[place..].find(OPEN) {
            let open = place + found;
            if open > place {
                parts.push(Part::Literal(text[place..open].into()));
            }
            let start = open + OPEN.len();
            let inside = &text[start..];
            let length = end_of_expression(inside).ok_or_else(|| {
                let message = "The expression is not closed. An unescaped ${{ sequence was found, \
                               but the closing }} sequence was not found.";
                Error::parsing(message, open)
            })?;
            let inside = &inside[..length];
            if inside.trim().is_empty() {
                return Err(Error::parsing("An expression was expected", open));
            }
            parts.push(Part::Expression(Expression::parse_at(inside, start, names)?, open));
            place = start + length + CLOSE.len();
        }
        if place < text.len() {
            parts.push(Part::Literal(text[place..].into()));
        }
        Ok(Self { source: text.into(), parts })
    }

    /// Takes a text as it is, `${{` included.
    pub fn literal(text: &str) -> Self {
        let parts = if text.is_empty() { Vec::new() } else { vec![Part::Literal(text.into())] };
        Self { source: text.into(), parts }
    }

    /// Returns whether a text is `${{ insert }}`, which as a key merges a mapping.
    pub fn is_insert(text: &str) -> bool {
        text.strip_prefix(OPEN)
            .and_then(|rest| rest.strip_suffix(CLOSE))
            .is_some_and(|inside| inside.trim() == "insert")
    }

    /// Returns the text as it was given.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns whether there is no expression in it.
    pub fn is_literal(&self) -> bool {
        self.expressions().next().is_none()
    }

    /// Returns the expression, if it is the whole text.
    pub fn as_expression(&self) -> Option<&Expression> {
        match self.parts.as_slice() {
            [Part::Expression(expression, _)] => Some(expression),
            _ => None,
        }
    }

    /// Returns the expressions in order.
    pub fn expressions(&self) -> impl Iterator<Item = &Expression> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expression(expression, _) => Some(expression),
            Part::Literal(_) => None,
        })
    }

    /// Returns the paths into contexts, in the order they are written.
    pub fn references(&self) -> Vec<Reference> {
        self.expressions().flat_map(Expression::references).collect()
    }

    /// Returns whether a function is called, whatever the case of its name.
    pub fn calls(&self, function: &str) -> bool {
        self.expressions().any(|expression| expression.calls(function))
    }

    /// Returns the value: that of an expression which is the whole text, else a text.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Value, Error> {
        match self.as_expression() {
            Some(expression) => expression.evaluate(scope),
            None => self.evaluate_text(scope).map(Value::from),
        }
    }

    /// Returns the text with each expression replaced by its value as text.
    pub fn evaluate_text(&self, scope: &dyn Scope) -> Result<String, Error> {
        self.fill(|expression| expression.evaluate(scope).map(Some)).map(Option::unwrap_or_default)
    }

    /// Returns the value if it is certain without what the scope does not have.
    pub fn evaluate_partial(&self, scope: &dyn Scope) -> Partial {
        if let Some(expression) = self.as_expression() {
            return expression.evaluate_partial(scope);
        }
        let text = self.fill(|expression| {
            Ok(match expression.evaluate_partial(scope) {
                Partial::Known(value) => Some(value),
                Partial::Unknown => None,
            })
        });
        match text {
            Ok(Some(text)) => Partial::Known(text.into()),
            _ => Partial::Unknown,
        }
    }

    /// Writes the text, or `None` once a value is not known.
    fn fill(
        &self,
        mut value: impl FnMut(&Expression) -> Result<Option<Value>, Error>,
    ) -> Result<Option<String>, Error> {
        let mut memory = Memory::default();
        let mut writer = Writer::new(&mut memory);
        for part in &self.parts {
            let (written, place) = match part {
                Part::Literal(text) => (writer.push(text), 0),
                Part::Expression(expression, place) => match value(expression)? {
                    Some(Value::String(text)) => (writer.push(&text), *place),
                    Some(value) => (writer.push(&value.to_text()), *place),
                    None => return Ok(None),
                },
            };
            written.map_err(|message| Error::evaluation(message, place))?;
        }
        Ok(Some(writer.finish()))
    }
}

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

/// Returns the length of an expression up to the `}}` that is not in a text of its own.
fn end_of_expression(inside: &str) -> Option<usize> {
    let mut in_text = false;
    // Bytes will do: none of a longer letter is a quote or a brace.
    inside.as_bytes().windows(CLOSE.len()).position(|window| {
        in_text ^= window.starts_with(b"'");
        !in_text && window == CLOSE.as_bytes()
    })
}
