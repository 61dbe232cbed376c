//! Evaluation: a tree and a scope become a value, or as much of one as is certain.

use std::sync::Arc;

use crate::{
    compare::Comparison,
    error::Error,
    function::{self, Function},
    memory::Memory,
    node::{Index, Node, Shape},
    scope::Scope,
    value::Value,
};

/// What an expression is, as far as the scope can say.
#[derive(Clone, Debug, PartialEq)]
pub enum Partial {
    /// This value, whatever the rest turns out to be.
    Known(Value),
    /// It depends on what the scope does not have.
    Unknown,
}

/// What to make of a name that the scope does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Everything is there: a missing context is null.
    Null,
    /// Not everything is there yet.
    Unknown,
}

/// A result, as far as it is certain.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Known(Operand),
    /// The value is not known, but counts as true or as false.
    Truth(bool),
    Unknown,
}

/// A value on its way through an expression.
#[derive(Clone, Debug)]
pub(crate) struct Operand {
    pub(crate) value: Value,
    /// Whether a star made this array, so that a further access goes to its items.
    filtered: bool,
}

impl Outcome {
    /// Returns whether it counts as true, if that is certain.
    pub(crate) fn truth(&self) -> Option<bool> {
        match self {
            Self::Known(operand) => Some(operand.value.truthy()),
            Self::Truth(truth) => Some(*truth),
            Self::Unknown => None,
        }
    }
}

impl From<Value> for Outcome {
    fn from(value: Value) -> Self {
        Self::Known(Operand { value, filtered: false })
    }
}

impl From<bool> for Outcome {
    fn from(value: bool) -> Self {
        Self::from(Value::Bool(value))
    }
}

/// Evaluates a tree.
pub(crate) fn evaluate(
    node: &Node,
    scope: &dyn Scope,
    missing: Missing,
    memory: Memory,
) -> Result<Outcome, Error> {
    Evaluator { scope, missing, memory }.node(node)
}

struct Evaluator<'a> {
    scope: &'a dyn Scope,
    missing: Missing,
    memory: Memory,
}

impl Evaluator<'_> {
    fn node(&mut self, node: &Node) -> Result<Outcome, Error> {
        match &node.shape {
            Shape::Literal(value) => Ok(value.clone().into()),
            Shape::Context(name) => Ok(match (self.scope.context(name), self.missing) {
                (Some(value), _) => value.into(),
                (None, Missing::Null) => Value::Null.into(),
                (None, Missing::Unknown) => Outcome::Unknown,
            }),
            Shape::Index { object, index } => self.access(node, object, index),
            Shape::Call { function: Function::Case, arguments } => self.case(arguments),
            Shape::Call { function, arguments } => self.call(node, function, arguments),
            Shape::Not(operand) => {
                let truth = self.passing(|this| this.node(operand))?.truth();
                Ok(truth.map_or(Outcome::Unknown, |truth| (!truth).into()))
            }
            Shape::Compare { first, rest } => self.passing(|this| this.compare(first, rest)),
            Shape::And(nodes) => self.logical(nodes, false),
            Shape::Or(nodes) => self.logical(nodes, true),
        }
    }

    /// Evaluates what leaves nothing behind.
    fn passing<T>(&mut self, evaluate: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.memory.live();
        let outcome = evaluate(self);
        self.memory.reset(before);
        outcome
    }

    fn compare(&mut self, first: &Node, rest: &[(Comparison, Node)]) -> Result<Outcome, Error> {
        let mut left = self.node(first)?;
        for (comparison, node) in rest {
            let right = self.node(node)?;
            left = match (left, right) {
                (Outcome::Known(left), Outcome::Known(right)) => {
                    comparison.holds(&left.value, &right.value).into()
                }
                _ => Outcome::Unknown,
            };
        }
        Ok(left)
    }

    /// Returns the first operand that counts as `decisive`, else the last one.
    ///
    /// After an operand that is not known, a decisive one still decides how
    /// the whole counts, though not what it is.
    fn logical(&mut self, nodes: &[Node], decisive: bool) -> Result<Outcome, Error> {
        let before = self.memory.live();
        let mut certain = true;
        let mut outcome = Outcome::Unknown;
        for node in nodes {
            self.memory.reset(before);
            outcome = self.node(node)?;
            match outcome.truth() {
                Some(truth) if truth == decisive => {
                    return Ok(if certain { outcome } else { Outcome::Truth(decisive) });
                }
                Some(_) => {}
                None => certain = false,
            }
        }
        Ok(if certain { outcome } else { Outcome::Unknown })
    }

    fn case(&mut self, arguments: &[Node]) -> Result<Outcome, Error> {
        let mut rest = arguments;
        while let [predicate, value, others @ ..] = rest {
            match self.passing(|this| this.node(predicate))? {
                Outcome::Known(Operand { value: Value::Bool(true), .. }) => {
                    return self.node(value);
                }
                Outcome::Known(Operand { value: Value::Bool(false), .. }) => rest = others,
                Outcome::Known(_) => {
                    let message = "case predicate must evaluate to a boolean value";
                    return Err(Error::evaluation(message, predicate.span.start));
                }
                Outcome::Truth(_) | Outcome::Unknown => return Ok(Outcome::Unknown),
            }
        }
        match rest {
            [default] => self.node(default),
            _ => Ok(Value::Null.into()),
        }
    }

    fn call(
        &mut self,
        node: &Node,
        function: &Function,
        arguments: &[Node],
    ) -> Result<Outcome, Error> {
        let before = self.memory.live();
        let mut values = Vec::with_capacity(arguments.len());
        let mut known = true;
        for argument in arguments {
            match self.node(argument)? {
                Outcome::Known(operand) => values.push(operand.value),
                Outcome::Truth(_) | Outcome::Unknown => known = false,
            }
        }
        if !known {
            return Ok(Outcome::Unknown);
        }
        let with_arguments = self.memory.live();
        let result = match function {
            Function::Place(name) => self.scope.call(name, &values),
            function => function::call(function, &values, &mut self.memory),
        };
        self.memory.reset(before + (self.memory.live() - with_arguments));
        match (result, self.missing) {
            (Some(result), _) => {
                result.map(Outcome::from).map_err(|m| Error::evaluation(m, node.span.start))
            }
            (None, Missing::Unknown) => Ok(Outcome::Unknown),
            (None, Missing::Null) => {
                let message = format!("The function '{}' has no value here", function.name());
                Err(Error::evaluation(message, node.span.start))
            }
        }
    }

    fn access(&mut self, node: &Node, object: &Node, index: &Index) -> Result<Outcome, Error> {
        let key = match index {
            Index::Star => Key::Star,
            Index::Of(index) => match self.passing(|this| this.node(index))? {
                Outcome::Known(operand) => Key::of(&operand.value),
                // What is asked for is not known, so neither is what is found.
                Outcome::Truth(_) | Outcome::Unknown => return Ok(Outcome::Unknown),
            },
        };
        let Outcome::Known(operand) = self.node(object)? else { return Ok(Outcome::Unknown) };
        let items = match (operand.value, &key) {
            (Value::Array(items), key) if operand.filtered => {
                items.iter().flat_map(|item| key.select(item)).collect()
            }
            (value, Key::Star) => key.select(&value),
            (value, key) => {
                let found = key.select(&value).into_iter().next();
                return Ok(found.unwrap_or_default().into());
            }
        };
        self.memory
            .charge_bytes(items.len() * size_of::<Value>())
            .map_err(|message| Error::evaluation(message, node.span.start))?;
        Ok(Outcome::Known(Operand { value: Value::Array(Arc::new(items)), filtered: true }))
    }
}

/// What an access asks for: every item, or those of a name and a number.
enum Key {
    Star,
    Of { name: Option<String>, place: Option<usize> },
}

impl Key {
    fn of(value: &Value) -> Self {
        let number = value.to_number();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and what is too large is no place in any array"
        )]
        let place = (number.is_finite() && number >= 0.0).then(|| number.floor() as usize);
        Self::Of { name: value.is_primitive().then(|| value.to_text()), place }
    }

    /// Returns the items of a value that are asked for.
    fn select(&self, value: &Value) -> Vec<Value> {
        match (self, value) {
            (Self::Star, Value::Array(items)) => items.to_vec(),
            (Self::Star, Value::Object(object)) => object.values().cloned().collect(),
            (Self::Of { place: Some(place), .. }, Value::Array(items)) => {
                items.get(*place).cloned().into_iter().collect()
            }
            (Self::Of { name: Some(name), .. }, Value::Object(object)) => {
                object.get(name).cloned().into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}
