//! A ledger of milestones: every boundary is handed out, and accepted as done once.
//!
//! The ledger remembers how far the value has ever come, so a boundary is crossed once however often the
//! value jumps, falls and grows again. What was crossed is open until somebody claims it, claimed under a
//! fence until it is reported done or failed, and open again if its claimant dies. So the work is done at
//! least once, and accepted at most once; the fence, which differs each time, can serve the work as its
//! idempotency key. What is done needs no memory but a tail of history: it lies behind how far the value
//! has come.

mod book;
mod boundaries;
mod record;

pub use book::Book;
pub use boundaries::{Boundaries, Direction};
pub use record::{
    Check, Claimed, Closing, FirstRun, Ledger, MAX_CLAIMS, MAX_HISTORY, MAX_OPEN, Past, Report,
    Take,
};
