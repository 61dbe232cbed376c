//! Waiting where nobody calls back: look, wait a little longer, look again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Wait;

/// How often a store that has to be asked is asked about one key.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    first: Duration,
    most: Duration,
}

impl Pace {
    /// For a bucket: every quarter of a second at first, and every five seconds in the end.
    pub const BUCKET: Self = Self::new(Duration::from_millis(250), Duration::from_secs(5));
    /// For a server of Git repositories: every half second at first, and every 15 seconds in the end.
    pub const SERVER: Self = Self::new(Duration::from_millis(500), Duration::from_secs(15));
    /// For a directory of this machine, which may be asked as often as one likes.
    pub const DIRECTORY: Self = Self::new(Duration::from_millis(25), Duration::from_millis(400));

    /// Waits for `first` after the first look, then ever longer, up to `most`.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most }
    }

    /// Begins a wait.
    pub(crate) fn begin(self, wait: &Wait<'_>) -> Waiting {
        Waiting { pace: self, quiet: wait.quiet, began: Instant::now(), timeout: wait.timeout }
    }

    /// Returns how long to wait after so much quiet: a change is then found late by a third of the
    /// time that it took at most.
    fn pause(self, quiet: Duration) -> Duration {
        (quiet / 3).clamp(self.first, self.most)
    }
}

/// One wait, from look to look.
#[derive(Debug)]
pub(crate) struct Waiting {
    pace: Pace,
    quiet: Duration,
    began: Instant,
    timeout: Duration,
}

impl Waiting {
    /// Pauses between two looks, and returns false if the time is up first.
    pub(crate) async fn pause(&self) -> bool {
        let passed = self.began.elapsed();
        let pause = jittered(self.pace.pause(self.quiet.saturating_add(passed)));
        let left = self.timeout.saturating_sub(passed);
        sleep(pause.min(left)).await;
        pause < left
    }
}

/// Varies a pause by a quarter, so that those who began together do not stay together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiter_in_short_pieces_backs_off_as_one_who_waits_long() {
        let pace = Pace::new(Duration::from_millis(500), Duration::from_secs(10));
        let began = Instant::now();
        let mut looks = 0;
        for _ in 0..180 {
            let timeout = Duration::from_secs(20);
            let wait = Wait { timeout, quiet: began.elapsed(), ..Wait::default() };
            let waiting = pace.begin(&wait);
            looks += 1;
            while waiting.pause().await {
                looks += 1;
            }
        }
        // An hour at ten seconds, less jitter, with the climb and one look at the start of each piece.
        assert!((300..600).contains(&looks), "{looks} looks in an hour");
    }

    #[test]
    fn what_happened_just_now_is_looked_at_often() {
        let pace = Pace::new(Duration::from_millis(250), Duration::from_secs(5));
        for (quiet, pause) in [(0, 250), (600, 250), (1_500, 500), (20_000, 5_000), (90_000, 5_000)]
        {
            let quiet = Duration::from_millis(quiet);
            assert_eq!(pace.pause(quiet), Duration::from_millis(pause));
        }
    }
}
