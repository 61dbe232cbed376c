//! The commands, one file each.
//!
//! A command is a `clap::Args` struct with `run(self, &Session) -> Result<Exit, Failure>`.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod diagnostics;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod group;
pub(crate) mod guard;
pub(crate) mod lock;
pub(crate) mod milestone;
pub(crate) mod parallel;
pub(crate) mod plan;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod status;
pub(crate) mod stimulus;
pub(crate) mod workspace;
