//! The expression: what stands between `${{` and `}}`.

use std::{ops::Range, sync::Arc};

use crate::{
    error::Error,
    evaluate::{Missing, Outcome, Partial, evaluate},
    memory::Memory,
    node::{Index, Node, Shape},
    parse::parse,
    scope::{Names, Scope},
    value::Value,
};

/// An expression, read and checked.
#[derive(Clone, Debug)]
pub struct Expression {
    source: Arc<str>,
    root: Option<Arc<Node>>,
}

/// A path into a context that an expression names, as in `github.event.number`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The context in lower case, and the names after it as they were written,
    /// up to the first that is not fixed.
    pub path: Vec<String>,
    /// The place of what `path` covers, as byte offsets in the text that was given.
    pub span: Range<usize>,
}

impl Expression {
    /// Reads an expression; an empty one is null.
    pub fn parse(text: &str, names: &Names) -> Result<Self, Error> {
        Self::parse_at(text, 0, names)
    }

    /// Reads an expression that starts at `base` in the text that was given.
    pub(crate) fn parse_at(text: &str, base: usize, names: &Names) -> Result<Self, Error> {
        let root = parse(text, base, names)?.map(Arc::new);
        Ok(Self { source: text.into(), root })
    }

    /// Returns the text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the value.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Value, Error> {
        self.evaluate_in(scope, Memory::default())
    }

    /// Returns the value, if the results on the way to it take up no more than
    /// so many bytes together, instead of the ten mebibytes of a run.
    pub fn evaluate_within(&self, scope: &dyn Scope, bytes: usize) -> Result<Value, Error> {
        self.evaluate_in(scope, Memory::of(bytes))
    }

    fn evaluate_in(&self, scope: &dyn Scope, memory: Memory) -> Result<Value, Error> {
        match self.outcome(scope, Missing::Null, memory)? {
            Outcome::Known(operand) => Ok(operand.value),
            // Nothing is unknown where what is missing is null.
            Outcome::Truth(truth) => Ok(Value::Bool(truth)),
            Outcome::Unknown => Ok(Value::Null),
        }
    }

    /// Returns the value if it is certain without what the scope does not have.
    ///
    /// An expression that fails is unknown.
    pub fn evaluate_partial(&self, scope: &dyn Scope) -> Partial {
        match self.outcome(scope, Missing::Unknown, Memory::default()) {
            Ok(Outcome::Known(operand)) => Partial::Known(operand.value),
            _ => Partial::Unknown,
        }
    }

    /// Returns whether the value counts as true, if that is certain without
    /// what the scope does not have.
    ///
    /// This knows more than [`Self::evaluate_partial`]: `needs.a.result && false`
    /// has no certain value and is certainly not true.
    pub fn truth_partial(&self, scope: &dyn Scope) -> Option<bool> {
        self.outcome(scope, Missing::Unknown, Memory::default()).ok()?.truth()
    }

    fn outcome(
        &self,
        scope: &dyn Scope,
        missing: Missing,
        memory: Memory,
    ) -> Result<Outcome, Error> {
        self.root
            .as_ref()
            .map_or_else(|| Ok(Value::Null.into()), |root| evaluate(root, scope, missing, memory))
    }

    /// Returns the paths into contexts, in the order they are written.
    pub fn references(&self) -> Vec<Reference> {
        let mut references = Vec::new();
        if let Some(root) = &self.root {
            collect(root, &mut references);
        }
        references.sort_by_key(|reference| reference.span.start);
        references
    }

    /// Returns whether a function is called, whatever the case of its name.
    pub fn calls(&self, function: &str) -> bool {
        let mut found = false;
        if let Some(root) = &self.root {
            root.visit(&mut |node| {
                if let Shape::Call { function: called, .. } = &node.shape {
                    found |= called.name().eq_ignore_ascii_case(function);
                }
            });
        }
        found
    }
}

fn collect(node: &Node, references: &mut Vec<Reference>) {
    // The accesses of a chain, the last first.
    let mut indexes = Vec::new();
    let mut base = node;
    while let Shape::Index { object, index } = &base.shape {
        indexes.push((base, index));
        base = object;
    }
    if let Shape::Context(name) = &base.shape {
        let mut path = vec![name.clone()];
        let mut span = base.span.clone();
        for (access, index) in indexes.iter().rev() {
            let Some(name) = fixed(index) else { break };
            path.push(name);
            span = access.span.clone();
        }
        references.push(Reference { path, span });
    } else {
        for child in base.children() {
            collect(child, references);
        }
    }
    for (_, index) in indexes {
        if let Index::Of(index) = index {
            collect(index, references);
        }
    }
}

/// Returns the name of an access if it is written out.
fn fixed(index: &Index) -> Option<String> {
    match index {
        Index::Of(node) => match &node.shape {
            Shape::Literal(value) => Some(value.to_text()),
            _ => None,
        },
        Index::Star => None,
    }
}
