//! Everything this crate promises, through its public face.

mod claims;
mod faulty;
mod group_scenarios;
mod group_schedules;
mod group_storms;
mod milestones;
mod registers;
mod time;
