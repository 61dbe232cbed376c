//! The grammar: which keys there are, what each may hold, and which contexts it may use.
//!
//! One table for workflows and one for actions. A rule without contexts of its
//! own has those of the key around it, as on GitHub.

mod action;
mod event;
mod job;
mod step;
mod workflow;

use std::sync::OnceLock;

use expr::Names;

pub(crate) use action::{ACTION, RUNS_IF};
pub(crate) use event::ACTIVITIES;
pub(crate) use job::JOB_IF;
pub(crate) use step::{COMPOSITE_IF, STEP_IF};
pub(crate) use workflow::WORKFLOW;

/// What a key may hold.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The contexts and functions; absent where those around it hold.
    pub(crate) allowed: Option<&'static Allowed>,
    /// The shapes, any of which will do.
    pub(crate) shapes: &'static [Shape],
}

/// One form that a value may have.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Nothing after the colon.
    Null,
    /// `true` or `false`.
    Bool,
    /// `true` alone.
    True,
    /// A number.
    Number,
    /// Any text; numbers, booleans and nothing become one.
    Text,
    /// A text that is not empty.
    NonEmpty,
    /// One of these texts.
    Words(&'static [&'static str]),
    /// An expression that needs no `${{ }}`.
    Condition,
    /// Items of one kind.
    Sequence(&'static Rule),
    /// Keys and values.
    Mapping(&'static Fields),
    /// A mapping whose kind one of its keys tells; the last kind is assumed where none does.
    Variants(&'static Variants),
    /// Whatever YAML can say.
    Any,
    /// The same, and GitHub does not look at it.
    Ignored,
}

/// The keys of a mapping.
#[derive(Debug)]
pub(crate) struct Fields {
    /// What the mapping is, as in "a job".
    pub(crate) noun: &'static str,
    /// The keys that have a name.
    pub(crate) known: &'static [Field],
    /// What any other key holds; absent where there may be none.
    pub(crate) rest: Option<&'static Rule>,
}

/// A key of a mapping.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) rule: &'static Rule,
    pub(crate) presence: Presence,
}

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Optional,
    /// GitHub wants it, and what it would say is known without it.
    Expected,
    Required,
}

/// Kinds of mapping, each told by one key.
#[derive(Debug)]
pub(crate) struct Variants {
    /// What they all are, as in "a step".
    pub(crate) noun: &'static str,
    /// The telling keys with their mappings.
    pub(crate) kinds: &'static [(&'static str, &'static Fields)],
}

/// The contexts and functions that a key may use.
#[derive(Debug)]
pub(crate) struct Allowed {
    pub(crate) contexts: &'static [&'static str],
    pub(crate) functions: &'static [&'static str],
    /// Whether GitHub does not evaluate here, and we do.
    pub(crate) beyond: bool,
    names: OnceLock<Names>,
}

impl Rule {
    /// Makes a rule with the contexts of the key around it.
    pub(crate) const fn of(shapes: &'static [Shape]) -> Self {
        Self { allowed: None, shapes }
    }

    /// Makes a rule with contexts of its own.
    pub(crate) const fn with(allowed: &'static Allowed, shapes: &'static [Shape]) -> Self {
        Self { allowed: Some(allowed), shapes }
    }
}

impl Field {
    /// Makes a key that may be absent.
    pub(crate) const fn new(name: &'static str, rule: &'static Rule) -> Self {
        Self { name, rule, presence: Presence::Optional }
    }

    /// Returns whether GitHub looks at the key.
    pub(crate) fn counts(&self) -> bool {
        !matches!(self.rule.shapes, [Shape::Ignored])
    }

    /// Makes a key that GitHub cannot do without and we can.
    pub(crate) const fn expected(name: &'static str, rule: &'static Rule) -> Self {
        Self { name, rule, presence: Presence::Expected }
    }

    /// Makes a key that must be there.
    pub(crate) const fn required(name: &'static str, rule: &'static Rule) -> Self {
        Self { name, rule, presence: Presence::Required }
    }
}

impl Fields {
    /// Returns a key by its name.
    pub(crate) fn get(&self, name: &str) -> Option<&'static Field> {
        self.known.iter().find(|field| field.name == name)
    }
}

impl Allowed {
    /// Collects contexts, and functions as GitHub's grammar writes them.
    pub(crate) const fn new(
        contexts: &'static [&'static str],
        functions: &'static [&'static str],
    ) -> Self {
        Self { contexts, functions, beyond: false, names: OnceLock::new() }
    }

    /// Collects what may be used where GitHub's grammar has no expressions.
    pub(crate) const fn beyond(
        contexts: &'static [&'static str],
        functions: &'static [&'static str],
    ) -> Self {
        Self { contexts, functions, beyond: true, names: OnceLock::new() }
    }

    /// Returns the names as the expression parser takes them.
    pub(crate) fn names(&self) -> &Names {
        self.names.get_or_init(|| Names::new(self.contexts, self.functions))
    }
}

/// Nothing may be evaluated.
pub(crate) static NONE: Allowed = Allowed::new(&[], &[]);

/// Everything that any key may use, to tell a name that is wrong here from one that is wrong everywhere.
pub(crate) static EVERYTHING: Allowed = Allowed::new(
    &[
        "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets", "steps", "job",
        "jobs", "runner", "env",
    ],
    &["always(0,0)", "failure(0,MAX)", "cancelled(0,0)", "success(0,MAX)", "hashFiles(1,255)"],
);

/// The functions that every key with expressions has.
pub(crate) const FUNCTIONS: [&str; 8] =
    ["contains", "startsWith", "endsWith", "format", "join", "toJSON", "fromJSON", "case"];

pub(crate) static TEXT: Rule = Rule::of(&[Shape::Text]);
pub(crate) static NON_EMPTY: Rule = Rule::of(&[Shape::NonEmpty]);
pub(crate) static BOOL: Rule = Rule::of(&[Shape::Bool]);
pub(crate) static NUMBER: Rule = Rule::of(&[Shape::Number]);
pub(crate) static NULL: Rule = Rule::of(&[Shape::Null]);
pub(crate) static ANY: Rule = Rule::of(&[Shape::Any]);
/// One text or several, none of them empty.
pub(crate) static NON_EMPTY_LIST: Rule = Rule::of(&[Shape::NonEmpty, Shape::Sequence(&NON_EMPTY)]);
