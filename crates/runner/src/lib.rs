//! The hands: runs commands, steps and jobs on this host, and leaves nothing behind.

pub mod guardian;
pub mod interrupt;
pub mod process;
