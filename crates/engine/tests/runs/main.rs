//! Runs of whole workflows, as events and effects.

#![expect(clippy::unwrap_used, reason = "a test that meets what it did not expect has failed")]

mod calls;
mod cancelling;
mod graph;
mod groups;
mod matrices;
mod planning;
mod property;
mod real;
mod world;
