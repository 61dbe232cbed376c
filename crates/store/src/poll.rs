//! Waiting where nobody calls back: look, wait a little longer, look again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{Key, Version};

/// How many keys to remember the pace of. A process waits for a few.
const KEYS: usize = 256;

/// How often one store may be asked about one key.
#[derive(Debug)]
pub(crate) struct Pace {
    first: Duration,
    most: Duration,
    // The last wait for each key, so that a caller who waits in short pieces still backs off.
    waits: Mutex<HashMap<Key, (Option<Version>, Duration)>>,
}

impl Pace {
    /// Waits for `first` after the first look, then ever longer, up to `most`.
    pub(crate) fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, waits: Mutex::default() }
    }

    /// Pauses between two looks, and returns false if `end` comes first.
    pub(crate) async fn pause(&self, key: &Key, since: Option<&Version>, end: Instant) -> bool {
        let pause = jittered(self.next(key, since));
        let left = end.saturating_duration_since(Instant::now());
        sleep(pause.min(left)).await;
        pause < left
    }

    fn next(&self, key: &Key, since: Option<&Version>) -> Duration {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        if waits.len() > KEYS {
            waits.clear();
        }
        let wait = match waits.get(key) {
            Some((version, last)) if version.as_ref() == since => last.mul_f64(1.5).min(self.most),
            _ => self.first,
        };
        waits.insert(key.clone(), (since.cloned(), wait));
        wait
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
        let key = Key::new(["lock"]);
        let mut looks = 0;
        for _ in 0..60 {
            let end = Instant::now() + Duration::from_mins(1);
            looks += 1;
            while pace.pause(&key, None, end).await {
                looks += 1;
            }
        }
        // An hour at ten seconds, less jitter, with the climb and one look at the start of each piece.
        assert!((300..500).contains(&looks), "{looks} looks in an hour");
    }

    #[tokio::test(start_paused = true)]
    async fn change_resets_the_pace() {
        let pace = Pace::new(Duration::from_secs(1), Duration::from_mins(1));
        let key = Key::new(["lock"]);
        for _ in 0..20 {
            pace.next(&key, None);
        }
        assert_eq!(pace.next(&key, None), Duration::from_mins(1));
        assert_eq!(pace.next(&key, Some(&Version::new("1"))), Duration::from_secs(1));
    }
}
