//! The loop that drives runs.

pub mod delivery;
pub mod notice;
pub mod occasion;
pub mod record;
pub mod result;
