//! The hands: runs commands, steps and jobs on this host, and leaves nothing behind.

pub mod fanout;
pub mod guardian;
pub mod interrupt;
pub mod process;
pub mod commands;
pub mod files;
pub mod masks;
pub mod matcher;
pub mod shell;
#[cfg(test)]
mod vectors;
mod context;
pub mod environment;
mod job;
mod notice;
mod place;

pub use job::run_job;
pub use notice::{Annotation, Level, Notice};
pub use place::{Directories, Machine, Order, Place, Source};
