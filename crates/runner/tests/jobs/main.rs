//! Whole jobs, with real shells, in directories of their own.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod actions;
mod background;
mod checkout;
mod ending;
mod saying;
mod scripts;
mod world;
