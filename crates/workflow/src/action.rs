//! The action: what `action.yml` says.

use expr::Condition;
use indexmap::IndexMap;

use crate::{
    model::Step,
    source::Source,
    span::{Span, Spanned},
    token::Token,
};

/// An `action.yml`.
#[derive(Clone, Debug)]
pub struct Action {
    /// The file.
    pub source: Source,
    /// `name`.
    pub name: Option<Spanned<String>>,
    /// `description`.
    pub description: Option<Spanned<String>>,
    /// `inputs`, in the order they are written.
    pub inputs: IndexMap<String, ActionInput>,
    /// `outputs`, in the order they are written.
    pub outputs: IndexMap<String, ActionOutput>,
    /// `runs`.
    pub runs: Runs,
}

/// An input of an action.
#[derive(Clone, Debug)]
pub struct ActionInput {
    /// `required`.
    pub required: bool,
    /// `default`.
    pub default: Option<Spanned<Token>>,
    /// `deprecationMessage`.
    pub deprecation: Option<Spanned<String>>,
}

/// An output of an action.
#[derive(Clone, Debug)]
pub struct ActionOutput {
    /// `value`; only composite actions have one.
    pub value: Option<Spanned<Token>>,
}

/// How an action runs.
#[derive(Clone, Debug)]
pub enum Runs {
    /// As steps.
    Composite {
        /// `steps`.
        steps: Vec<Step>,
    },
    /// As a program for Node.
    Node {
        /// `using`: `node20` and the like.
        using: String,
        /// `main`, from the directory of the action.
        main: String,
        /// `pre`.
        pre: Option<String>,
        /// `post`.
        post: Option<String>,
        /// `pre-if`.
        pre_if: Option<Condition>,
        /// `post-if`.
        post_if: Option<Condition>,
    },
    /// In a container.
    Docker {
        /// The place of `runs`.
        span: Span,
    },
}
