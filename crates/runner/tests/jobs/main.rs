//! Whole jobs, with real shells, in directories of their own.

mod actions;
mod background;
mod ending;
mod saying;
mod scripts;
mod world;
