//! The commands, one file each.
//!
//! A command is a `clap::Args` struct with `run(self, &Session) -> Result<Exit, Failure>`.

pub(crate) mod completions;
