//! Everything this crate promises, through its public face.

mod claims;
mod faulty;
mod group_scenarios;
mod group_schedules;
mod group_storms;
mod registers;
mod time;
