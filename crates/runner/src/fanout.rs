//! Many jobs at once, each with one true result.
//!
//! [`schedule`] decides and is pure; [`drive`] does what it says. `interlock parallel` and GitHub's
//! background steps are both made of these.

mod drive;
mod job;
mod plan;
pub mod schedule;
mod spool;

pub use drive::{Notice, Report, Request, Start, drive};
pub use job::{Job, JobId, Outcome, Retry, Verdict};
pub use plan::Fault;
pub use schedule::{Effect, Event, OnFailure, Schedule, Window, apply};
pub use spool::{LogError, Order, Printer, PrinterHandle, Spool};
