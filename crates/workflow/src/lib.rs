//! Workflows: what is written in `.github/workflows` and `action.yml`, with the place of every word.
//!
//! A [`Source`] is read into a [`Workflow`] or an [`Action`], together with the
//! [`Diagnostic`]s that say what GitHub would refuse, where, and what to write
//! instead. [`matches()`] answers whether an event starts a workflow. Nothing
//! here opens a file or reads a clock.

mod action;
mod calling;
mod conform;
mod diagnostic;
mod faults;
mod input;
mod matching;
mod model;
mod pattern;
mod read;
mod render;
mod rules;
mod schema;
mod source;
mod span;
mod suggest;
mod token;
mod trigger;
mod unsupported;
pub mod yaml;

pub use action::{Action, ActionInput, ActionOutput, Runs};
pub use calling::{check_call, check_use};
pub use diagnostic::{Diagnostic, NOT_ON_GITHUB, Reading, Severity};
pub use faults::faults;
pub use input::{Input, InputFault, InputKind};
pub use matching::{Match, Occurrence, matches};
pub use model::{Body, Job, Step, StepAction, Strategy, Workflow};
pub use pattern::{Pattern, PatternFault};
pub use read::{read, read_action};
pub use render::Paint;
pub use source::Source;
pub use span::{Span, Spanned};
pub use token::Token;
pub use trigger::{Call, CallOutput, CallSecret, Schedule, Trigger, Triggers};
pub use unsupported::{is_foreign, unsupported, unsupported_steps};
pub use yaml::{MAX_BYTES, MAX_DEPTH, MAX_NODES};
