//! Engine: what happens next in one run of a workflow, as a value.
//!
//! A [`Run`] is made from a [`RunSpec`]; [`apply`] takes an [`Event`] and the time
//! and returns [`Effect`]s. Nothing here opens a file, reads a clock or starts
//! a task, and the same events make the same run, so a journal of events is enough to
//! continue after a crash.
//!
//! # Driving a run
//!
//! Before the run: [`certain_skip`] says whether it would do nothing, so that it need not be made and
//! cannot cancel anything in its group. [`Run::new`] refuses what can never run.
//!
//! Then, for every event: append it with its time to the journal, [`apply`] it, perform
//! the effects in their order. The first event is [`Event::Start`].
//!
//! - [`Effect::Enter`]: ask the group; say [`Event::Entered`] when it lets the member in, and
//!   [`Event::Refused`] when the member is replaced, the queue is full, a cycle is found, or, at any later time,
//!   when a newcomer wants the member to end. [`Effect::Leave`] comes once for each `Enter`, also after
//!   a refusal, and only when everything the member covers has ended.
//! - [`Effect::StartJob`]: run it, now or when the machine has room; say [`Event::JobStarted`] when it begins and
//!   [`Event::JobEnded`] when it has ended. A limit of jobs at once is the driver's own: a job that waits for it is
//!   [`State::Queued`], and is ended without being run if [`Effect::CancelJob`] comes first.
//! - [`Effect::CancelJob`]: tell the runner; `JobEnded` still comes from there, with what the job came to.
//! - [`Effect::JobSkipped`] and [`Effect::Notice`] are for observers. [`Effect::Finished`] is the last.
//!
//! To interrupt, send [`Event::Cancel`] once and go on performing effects: jobs whose condition still holds go on or
//! start, as on GitHub. After a crash, apply the journal to a fresh run without performing anything;
//! jobs that are then queued or in progress in [`Run::jobs`] were orphaned: end their processes and say `JobEnded`.

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
