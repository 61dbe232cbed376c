//! `interlock parallel` as its users meet it.

#[path = "parallel/background.rs"]
mod background;
#[path = "parallel/desk.rs"]
mod desk;
#[path = "parallel/endings.rs"]
mod endings;
#[path = "parallel/milestones.rs"]
mod milestones;
#[path = "parallel/output.rs"]
mod output;
#[path = "../../runner/tests/hunt/quarry.rs"]
mod quarry;
#[path = "parallel/stops.rs"]
mod stops;
