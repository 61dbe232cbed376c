//! One writer's place in the queue, which it may give up until its turn has begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const QUEUED: u8 = 0;
const BEGUN: u8 = 1;
const ABANDONED: u8 = 2;

/// The caller's end. Dropping it gives up, so that a cancelled write does not happen later.
#[derive(Debug)]
pub(super) struct Waiting(Arc<AtomicU8>);

/// The writing thread's end.
#[derive(Debug)]
pub(super) struct Turn(Arc<AtomicU8>);

/// Makes the two ends of a place in the queue.
pub(super) fn pair() -> (Waiting, Turn) {
    let state = Arc::new(AtomicU8::new(QUEUED));
    (Waiting(Arc::clone(&state)), Turn(state))
}

impl Waiting {
    /// Gives up, and returns false if the turn has begun.
    pub(super) fn abandon(&mut self) -> bool {
        leave(&self.0, ABANDONED)
    }
}

impl Turn {
    /// Begins, and returns false if the caller has given up.
    pub(super) fn begin(self) -> bool {
        leave(&self.0, BEGUN)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.abandon();
    }
}

fn leave(state: &AtomicU8, to: u8) -> bool {
    state.compare_exchange(QUEUED, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gave_up_does_not_write_later() {
        let (waiting, turn) = pair();
        drop(waiting);
        assert!(!turn.begin());
    }

    #[test]
    fn who_has_begun_cannot_give_up() {
        let (mut waiting, turn) = pair();
        assert!(turn.begin());
        assert!(!waiting.abandon());
    }
}
