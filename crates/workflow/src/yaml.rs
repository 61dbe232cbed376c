//! YAML: a text becomes a tree of nodes, each with its place.
//!
//! The rules are those of GitHub: the core schema of YAML 1.2, anchors and
//! aliases, no merge keys, one document. A file is at most [`MAX_BYTES`] long,
//! nests at most [`MAX_DEPTH`] deep, and comes to at most [`MAX_NODES`] nodes
//! with its aliases written out, so that a small file cannot become a large tree.

mod anchor;
mod build;
mod extent;
mod scalar;

use std::sync::Arc;

use crate::{diagnostic::Diagnostic, source::Source, span::Span};

pub(crate) use extent::locate;
pub use scalar::Scalar;

/// The longest file that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// How deep a file may nest.
pub const MAX_DEPTH: usize = 100;

/// The most nodes that a file may come to.
pub const MAX_NODES: usize = 200_000;

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it is.
    pub span: Span,
    /// What it is.
    pub content: Content,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Content {
    /// A single value.
    Scalar(Scalar),
    /// Several, in order.
    Sequence(Arc<Vec<Node>>),
    /// Keys and values, in the order in which they are written.
    Mapping(Arc<Vec<(Node, Node)>>),
}

impl Node {
    /// Returns what the node is, in a word for people.
    pub fn noun(&self) -> &'static str {
        match &self.content {
            Content::Scalar(scalar) => scalar.noun(),
            Content::Sequence(_) => "a sequence",
            Content::Mapping(_) => "a mapping",
        }
    }
}

/// Reads the one document of a file.
pub fn parse(source: &Source) -> Result<Node, Diagnostic> {
    let length = source.text.len();
    if length > MAX_BYTES {
        let message =
            format!("the file has {length} bytes, and the most that is read is {MAX_BYTES}");
        return Err(Diagnostic::error("yaml-limit", Span::new(0, 0), message));
    }
    build::build(&source.text)
}
