//! The anchors: nodes that can be named again, and what they cost.

use std::collections::HashMap;

use crate::{
    diagnostic::Diagnostic,
    span::Span,
    yaml::{Content, MAX_DEPTH, MAX_NODES, Node, Scalar},
};

/// The anchored nodes of a file, with the count of all nodes so far.
#[derive(Debug, Default)]
pub(crate) struct Anchors {
    known: HashMap<usize, Anchored>,
    nodes: usize,
}

#[derive(Debug)]
struct Anchored {
    node: Node,
    nodes: usize,
    depth: usize,
}

impl Anchors {
    /// Keeps a node under its anchor; 0 means that it has none.
    pub(crate) fn keep(&mut self, anchor: usize, node: &Node) {
        if anchor != 0 {
            let (nodes, depth) = measure(node, &mut HashMap::new());
            self.known.insert(anchor, Anchored { node: node.clone(), nodes, depth });
        }
    }

    /// Returns what an alias names, as it stands at `span` under `depth` others.
    pub(crate) fn alias(
        &mut self,
        anchor: usize,
        span: Span,
        depth: usize,
    ) -> Result<Node, Diagnostic> {
        let Some(anchored) = self.known.get(&anchor) else {
            let message = "an alias inside what it names has no end";
            return Err(Diagnostic::error("yaml-alias", span, message));
        };
        if depth + anchored.depth > MAX_DEPTH {
            return Err(too_deep(span));
        }
        let mut node = anchored.node.clone();
        let nodes = anchored.nodes;
        node.span = span;
        self.count(nodes, span)?;
        Ok(node)
    }

    /// Counts nodes, and refuses a file that comes to too many.
    pub(crate) fn count(&mut self, nodes: usize, span: Span) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        let message = format!("the file comes to more than {MAX_NODES} values");
        Err(Diagnostic::error("yaml-limit", span, message)
            .hinted("aliases count as often as they are used"))
    }
}

/// Returns how many nodes a scalar counts for: a long text costs as much as many short ones.
pub(crate) fn scalar_cost(text: &str) -> usize {
    1 + text.len() / 64
}

pub(crate) fn too_deep(span: Span) -> Diagnostic {
    let message = format!("values nest more than {MAX_DEPTH} deep");
    Diagnostic::error("yaml-limit", span, message)
}

/// Returns how many nodes there are with aliases written out, and how deep they nest.
///
/// A part that is shared is measured once, by its address, so that the time
/// goes with what was written and not with what it comes to.
fn measure(node: &Node, known: &mut HashMap<usize, (usize, usize)>) -> (usize, usize) {
    let (address, children): (usize, Vec<&Node>) = match &node.content {
        Content::Scalar(Scalar::Text(text)) => return (scalar_cost(text), 1),
        Content::Scalar(_) => return (1, 1),
        Content::Sequence(items) => (items.as_ptr() as usize, items.iter().collect()),
        Content::Mapping(entries) => (
            entries.as_ptr() as usize,
            entries.iter().flat_map(|(key, value)| [key, value]).collect(),
        ),
    };
    if children.is_empty() {
        return (1, 1);
    }
    if let Some(measure) = known.get(&address) {
        return *measure;
    }
    let (mut nodes, mut depth) = (1_usize, 0);
    for child in children {
        let (below, deep) = measure(child, known);
        nodes = nodes.saturating_add(below);
        depth = depth.max(deep);
    }
    known.insert(address, (nodes, depth + 1));
    (nodes, depth + 1)
}
