//! The pace: when the next write to the API is due, whatever happens.
//!
//! Times are milliseconds since 1970 on the API's own clock, as its answers tell it. They only decide how
//! often something is shown, never who may write, and a time from the future is ignored.

use std::time::Duration;

use github::Quota;
use serde::{Deserialize, Serialize};

/// A time that is further in the future than this is a fault of somebody's.
const NONSENSE: u64 = 3_600_000;

/// How fast pictures may follow one another.
#[derive(Clone, Copy, Debug)]
pub struct Tempo {
    /// The time between two pictures that are not urgent.
    pub interval: Duration,
    /// How many pictures may come before the interval counts.
    pub burst: u32,
    /// The time between two pictures while the interval does not count.
    pub smallest: Duration,
    /// The time between two urgent pictures.
    pub urgent: Duration,
    /// The time between two pictures that the hour allows.
    pub hourly: Duration,
    /// How many pictures may come before the hour counts.
    pub hourly_burst: u32,
}

impl Default for Tempo {
    /// At most 60 a minute and 460 an hour, where GitHub allows 80 and 500.
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(20),
            burst: 4,
            smallest: Duration::from_secs(1),
            urgent: Duration::from_secs(4),
            hourly: Duration::from_secs(9),
            hourly_burst: 60,
        }
    }
}

/// How much the API's budget slows everybody down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    /// The interval counts so many times.
    Times(u32),
    /// Only final words are shown.
    FinalOnly,
}

impl Throttle {
    /// Reads the budget that the last answer told; without one there is no reason to slow down.
    pub fn of(quota: Option<Quota>) -> Self {
        match quota.map(Quota::percent) {
            None | Some(51..) => Self::Times(1),
            Some(20..) => Self::Times(2),
            Some(5..) => Self::Times(5),
            Some(_) => Self::FinalOnly,
        }
    }
}

/// What was shown lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pace {
    /// When the last picture was shown.
    last: u64,
    /// When the interval would be kept again.
    even: u64,
    /// When the hour would be kept again.
    hourly: u64,
    /// Until when the API wants to be left alone.
    closed: u64,
}

impl Pace {
    /// Returns how long the next picture must wait.
    pub fn wait(&self, now: u64, tempo: &Tempo, urgent: bool, throttle: Throttle) -> Duration {
        let at = |time: u64| if time > now + NONSENSE { 0 } else { time };
        let interval = |times: u32| millis(tempo.interval) * u64::from(times.max(1));
        let burst = u64::from(tempo.burst.saturating_sub(1));
        let free = match throttle {
            Throttle::Times(times) => Some(at(self.even).saturating_sub(burst * interval(times))),
            Throttle::FinalOnly => None,
        };
        let last = at(self.last);
        let ours = match free {
            Some(free) if free <= now => last + millis(tempo.smallest),
            _ if urgent => last + millis(tempo.urgent),
            Some(free) => free,
            // Not before somebody has a final word; that one does not ask here.
            None => now + interval(5),
        };
        let hourly = millis(tempo.hourly) * u64::from(tempo.hourly_burst);
        let hour = at(self.hourly).saturating_sub(hourly);
        let due = ours.max(hour).max(at(self.closed));
        Duration::from_millis(due.saturating_sub(now))
    }

    /// Notes that a picture was shown, or may have been.
    pub fn note(&mut self, now: u64, tempo: &Tempo, throttle: Throttle) {
        let Throttle::Times(times) = throttle else {
            self.last = now;
            return self.note_hour(now, tempo);
        };
        let interval = millis(tempo.interval) * u64::from(times);
        self.last = now;
        // Urgent pictures do not make the others wait for ever.
        let most = now + interval * u64::from(tempo.burst);
        self.even = (self.even.clamp(now, most) + interval).min(most);
        self.note_hour(now, tempo);
    }

    /// Notes that the API wants to be left alone.
    pub fn close(&mut self, until: u64) {
        self.closed = self.closed.max(until);
    }

    fn note_hour(&mut self, now: u64, tempo: &Tempo) {
        let most = now + NONSENSE;
        self.hourly = self.hourly.clamp(now, most) + millis(tempo.hourly);
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    /// Shows as often as allowed for `minutes`, and counts by minute.
    fn storm(minutes: u64, urgent: bool, throttle: Throttle) -> Vec<usize> {
        let (mut pace, tempo) = (Pace::default(), Tempo::default());
        let mut counts = vec![0; usize::try_from(minutes).unwrap()];
        let mut now = NOW;
        while now < NOW + minutes * 60_000 {
            let wait = pace.wait(now, &tempo, urgent, throttle);
            if wait.is_zero() {
                pace.note(now, &tempo, throttle);
                counts[usize::try_from((now - NOW) / 60_000).unwrap()] += 1;
                now += 1;
            } else {
                now += millis(wait).max(1);
            }
        }
        counts
    }

    #[test]
    fn a_storm_of_final_words_stays_below_what_github_allows() {
        let counts = storm(60, true, Throttle::Times(1));
        assert!(counts.iter().all(|count| *count <= 20), "{counts:?}");
        assert!(counts.iter().sum::<usize>() <= 470, "{counts:?}");
    }

    #[test]
    fn what_is_not_urgent_keeps_the_interval_after_a_burst() {
        let counts = storm(10, false, Throttle::Times(1));
        assert!(counts[0] <= 7 && counts[1..].iter().all(|count| *count <= 3), "{counts:?}");
        let slow = storm(10, false, Throttle::Times(5));
        assert!(slow.iter().sum::<usize>() <= 10, "{slow:?}");
        assert_eq!(storm(10, false, Throttle::FinalOnly).iter().sum::<usize>(), 0);
    }

    #[test]
    fn final_word_waits_five_seconds_at_most() {
        let (mut pace, tempo) = (Pace::default(), Tempo::default());
        for _ in 0..50 {
            pace.note(NOW, &tempo, Throttle::Times(1));
        }
        let wait = pace.wait(NOW, &tempo, true, Throttle::Times(5));
        assert!(wait <= Duration::from_secs(5), "{wait:?}");
    }

    #[test]
    fn closed_api_is_left_alone_and_a_time_from_the_future_is_ignored() {
        let (mut pace, tempo) = (Pace::default(), Tempo::default());
        pace.close(NOW + 30_000);
        assert_eq!(pace.wait(NOW, &tempo, true, Throttle::Times(1)), Duration::from_secs(30));
        pace.close(NOW + 10 * NONSENSE);
        assert_eq!(pace.wait(NOW, &tempo, true, Throttle::Times(1)), Duration::ZERO);
    }

    #[test]
    fn budget_is_a_ladder() {
        let check = |remaining, expected| {
            let quota = Quota { limit: 1000, remaining, reset: 0 };
            assert_eq!(Throttle::of(Some(quota)), expected, "{remaining}");
        };
        check(1000, Throttle::Times(1));
        check(510, Throttle::Times(1));
        check(500, Throttle::Times(2));
        check(200, Throttle::Times(2));
        check(199, Throttle::Times(5));
        check(50, Throttle::Times(5));
        check(49, Throttle::FinalOnly);
        check(0, Throttle::FinalOnly);
    }
}
