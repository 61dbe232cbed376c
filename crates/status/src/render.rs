//! The picture of a document: Markdown that always fits, with whatever failed on top.

mod fit;
mod parts;
mod view;

use jiff::Timestamp;

use crate::block::Block;
use crate::document::Document;
use crate::template::Template;

pub use view::{Shown, View};

/// The most characters that a comment can have.
pub const COMMENT: usize = 65_536;

/// How a picture is made.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// The first line, which tells the comment from all others.
    pub marker: &'a str,
    /// The heading; none for the default.
    pub title: Option<&'a str>,
    /// The order of the parts.
    pub template: &'a Template,
    /// When it is made.
    pub time: Timestamp,
    /// How much of the API's budget is left, in percent.
    pub budget: Option<u32>,
    /// The most characters.
    pub limit: usize,
    /// What the picture keeps of the document.
    pub state: Keep,
}

/// What a picture keeps of the document it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing: it is not read again.
    Nothing,
    /// As much as there is room for beside the details.
    Room,
    /// Rather the state than the details: nobody else has it.
    First,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendering {
    /// The whole text.
    pub body: String,
    /// What is shown, without the state and the footer: equal for equal documents.
    pub content: String,
    /// Whether rows or details were left out to make it fit.
    pub shortened: bool,
}

/// Draws the shown page of a document.
///
/// `dead` says which rows are silent for too long. The same document and the same answers give the same content.
pub fn render(
    document: &Document,
    revision: u64,
    view: &View<'_>,
    options: &Options<'_>,
) -> Rendering {
    let block = (options.state != Keep::Nothing).then(|| Block::new(document, revision));
    fit::fit(view, block.as_ref(), options)
}

#[cfg(test)]
mod tests;
