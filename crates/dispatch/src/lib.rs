//! The loop that drives runs: it performs what the engine decides, and writes down what it does.
//!
//! One [`world::World`] owns every run of a call. It appends to the run's journal before it acts, tells
//! observers what happens, and asks the store for places in groups, so that other calls and machines see
//! the same world.
//!
//! **Invariant:** only the world selects over events. Everybody else sends it messages.
//! **Invariant:** a job starts only after its line in the journal is written.

pub mod delivery;
mod driven;
mod error;
mod event_scope;
pub mod hands;
pub mod local;
pub mod membership;
pub mod notice;
mod numbers;
pub mod occasion;
pub mod planner;
pub mod policies;
pub mod project;
pub mod record;
pub mod recovery;
pub mod result;
pub mod simulate;
mod slots;
pub mod trees;
pub mod world;

pub use error::Error;
