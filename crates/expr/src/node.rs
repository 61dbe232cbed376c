//! The tree: an expression once it is read, with the place of each part.

use std::ops::Range;

use crate::{compare::Comparison, function::Function, value::Value};

/// A part of an expression and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) shape: Shape,
    pub(crate) span: Range<usize>,
}

/// What a part of an expression is.
///
/// Chains of operators are flat, because their length has no limit and the
/// depth of the tree has one.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// A value written out.
    Literal(Value),
    /// A context, in lower case.
    Context(String),
    /// An access by name, number or star.
    Index { object: Box<Node>, index: Index },
    /// A function call.
    Call { function: Function, arguments: Vec<Node> },
    /// `!`.
    Not(Box<Node>),
    /// Comparisons from left to right: `a == b != c`.
    Compare { first: Box<Node>, rest: Vec<(Comparison, Node)> },
    /// `&&` between two or more.
    And(Vec<Node>),
    /// `||` between two or more.
    Or(Vec<Node>),
}

/// What an access asks for.
#[derive(Clone, Debug)]
pub(crate) enum Index {
    /// Every item.
    Star,
    /// The item of this name or number.
    Of(Box<Node>),
}

impl Node {
    /// Returns the nodes directly below, in the order they are written.
    pub(crate) fn children(&self) -> Vec<&Self> {
        match &self.shape {
            Shape::Literal(_) | Shape::Context(_) => Vec::new(),
            Shape::Index { object, index: Index::Star } | Shape::Not(object) => vec![object],
            Shape::Index { object, index: Index::Of(index) } => vec![object, index],
            Shape::Call { arguments: nodes, .. } | Shape::And(nodes) | Shape::Or(nodes) => {
                nodes.iter().collect()
            }
            Shape::Compare { first, rest } => {
                std::iter::once(&**first).chain(rest.iter().map(|(_, node)| node)).collect()
            }
        }
    }

    /// Calls a function with this node and every one below it.
    pub(crate) fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Self)) {
        see(self);
        for child in self.children() {
            child.visit(see);
        }
    }
}
