//! Worlds to test against: a forge, stores that fail, servers that are real.

pub mod faulty;
pub mod forge;
pub mod sandbox;
pub mod servers;
pub mod simulation;
