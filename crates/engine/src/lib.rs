//! Engine: what happens next in one run of a workflow, as a value.
//!
//! A [`Run`] is made from a [`RunSpec`]; [`apply`] takes an [`Event`] and the time
//! and returns [`Effect`]s. Nothing here opens a file, reads a clock or starts
//! a task, and the same events make the same run, so a journal of events is enough to
//! continue after a crash.

mod advance;
mod apply;
mod call;
mod conclusion;
mod effect;
mod error;
mod event;
mod graph;
mod interface;
mod key;
mod matrix;
mod place;
mod plan;
mod report;
mod run;
mod skip;
mod spec;
mod start;
pub mod steps;
mod stop;
mod typed;
mod view;

pub use apply::apply;

pub use conclusion::Conclusion;
pub use effect::{Effect, GroupRequest, JobPlan, Notice, Queue, Severity};
pub use error::Error;
pub use event::{Event, Member};
pub use key::{BadKey, JobKey, RunId};
pub use plan::{Plan, PlannedGroup, PlannedJob, PlannedLeg, PlannedLegs, plan};
pub use report::{JobReport, StepReport};
pub use run::{Run, State};
pub use skip::certain_skip;
pub use spec::{Contexts, RunSpec};
pub use view::JobView;
