//! Everything this crate promises, through its public face.

#![expect(clippy::unwrap_used, reason = "a scenario that cannot go on has failed")]

mod claims;
mod faulty;
mod group_scenarios;
mod group_schedules;
mod group_storms;
mod lease_faults;
mod lease_handover;
mod lease_scenarios;
mod lease_schedules;
mod milestones;
mod outage;
mod registers;
mod time;
