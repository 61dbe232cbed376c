//! Runs of whole workflows, as events and effects.

mod calls;
mod cancelling;
mod graph;
mod groups;
mod matrices;
mod planning;
mod property;
mod world;
