//! Engine: what happens next in one run of a workflow, as a value.
//!
//! A [`Run`] is made from a [`RunSpec`]; [`apply`] takes an [`Event`] and the time
//! and returns [`Effect`]s. Nothing here opens a file, reads a clock or starts
//! a task, and the same events make the same run, so a journal of events is enough to
//! continue after a crash.

mod conclusion;
mod effect;
mod error;
mod event;
mod key;
mod report;
mod spec;
pub mod steps;

pub use conclusion::Conclusion;
pub use effect::{Effect, GroupRequest, JobPlan, Notice, Queue, Severity};
pub use error::Error;
pub use event::{Event, Member};
pub use key::{BadKey, JobKey, RunId};
pub use report::{JobReport, StepReport};
pub use spec::{Contexts, RunSpec};
