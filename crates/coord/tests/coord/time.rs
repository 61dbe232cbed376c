//! A clock that follows the paused time of the test's runtime, from where its machine began.

use std::sync::Arc;
use std::time::Duration;

use coord::Clock;
use tokio::time::Instant;

/// The boot-time clock of one machine of a test.
#[derive(Debug)]
pub(crate) struct Machine {
    boot: String,
    origin: Instant,
    ahead: Duration,
}

impl Machine {
    /// Starts a machine that has been up for a while when the test begins.
    pub(crate) fn new(boot: &str, ahead: Duration) -> Arc<Self> {
        Arc::new(Self { boot: boot.to_owned(), origin: Instant::now(), ahead })
    }
}

impl Clock for Machine {
    fn now(&self) -> Duration {
        self.ahead + self.origin.elapsed()
    }

    fn boot(&self) -> &str {
        &self.boot
    }
}

/// Runs a test in paused time: whoever sleeps, sleeps for nothing.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build();
    runtime.expect("a runtime needs nothing").block_on(test)
}
