//! `interlock lock` over every kind of store that it has, as many processes use it.

#[path = "lock_stores/backend.rs"]
mod backend;
#[path = "lock_stores/call.rs"]
mod call;
#[path = "lock_stores/contention.rs"]
mod contention;
#[path = "lock_stores/death.rs"]
mod death;
#[path = "lock_stores/history.rs"]
mod history;
#[path = "lock_stores/outage.rs"]
mod outage;
#[path = "lock_stores/repair.rs"]
mod repair;
#[path = "lock_stores/steps.rs"]
mod steps;
