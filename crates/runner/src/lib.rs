//! The hands: runs commands, steps and jobs on this host, and leaves nothing behind.

pub mod commands;
mod context;
pub mod environment;
pub mod fanout;
pub mod files;
pub mod guardian;
pub mod interrupt;
mod job;
pub mod masks;
pub mod matcher;
mod notice;
mod place;
pub mod process;
pub mod shell;
#[cfg(test)]
mod vectors;

pub use job::run_job;
pub use notice::{Annotation, Level, Notice};
pub use place::{Directories, Machine, Order, Place, Source};
