//! The status document that many writers share, and the one comment that shows it.
//!
//! The document is a value with a join: whatever order writers come in, and however often, the result is
//! the same. The comment is only a picture of it. Nobody derives the document from what a read of the
//! comment shows, except where there is no store at all ([`Unbacked`]).
//!
//! **Invariant:** a finished row never runs again within an attempt; `aborted` of a silent writer is never stored.
//! **Invariant:** a comment body never has more than 65,536 characters and never hides that something failed.
//! **Invariant:** text from outside cannot end the Markdown it stands in, and mentions nobody.

mod block;
mod board;
pub mod comment;
mod document;
mod error;
mod escape;
mod head;
mod identity;
mod jobs;
mod join;
mod ledger;
mod pace;
mod publisher;
mod render;
mod row;
mod settle;
mod template;
mod unbacked;

pub use block::{Block, MAX_BLOCK};
pub use board::{Board, Look, Pacemaker, Posting, Snapshot, Timing};
pub use document::{Document, Page, Slot};
pub use error::Error;
pub use escape::{line as safe_line, url as safe_url};
pub use head::{Verdict, judge};
pub use identity::{Subject, Target, Writer};
pub use ledger::{Assignment, Ledger, Post, Posted};
pub use pace::{Pace, Tempo, Throttle};
pub use publisher::{Publication, Stay};
pub use render::{COMMENT, Keep, Options, Rendering, Shown, View, render};
pub use row::{Annotation, Change, Row, State};
pub use settle::Settled;
pub use template::{BadTemplate, Template};
pub use unbacked::{Kept, Unbacked};
