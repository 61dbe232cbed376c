//! When something that must be renewed counts as over, judged by one clock.
//!
//! A [`Life`] says how long it lasts, never until when: a time of day would be some machine's, and
//! machines disagree. Whoever reads a record notes in it, under the name of the clock, when he first
//! saw each life as it is now; a renewal wipes these notes. A life is over once one clock has seen it
//! unchanged for its whole length. That clock is the store's own where the store has one, so that the
//! moment of the note is the moment of the write; otherwise it is the observer's.
//!
//! The holder counts from before he sent his renewal, everybody else from after it was written, so the
//! holder always gives up first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Token;

/// How many clocks may leave a note on one life.
const MAX_NOTES: usize = 8;
/// Clocks that count from 1970 belong to object stores and are cut to seconds.
const ROUNDING: Duration = Duration::from_secs(1);

/// A moment on one clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Which clock: a boot, or empty for a clock that counts from 1970.
    clock: String,
    /// What it showed, in milliseconds.
    ms: u64,
}

/// Something that ends unless it is renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    token: Token,
    #[serde(default)]
    renewals: u64,
    ttl_ms: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<Stamp>,
}

/// The present, as far as it is known.
///
/// The clock of some stores costs a request, so it is asked for only if a decision depends on it: the
/// decision then runs again.
#[derive(Debug)]
pub struct Now {
    stamp: Option<Stamp>,
    asked: AtomicBool,
}

/// Returns how long before its end a holder must begin to stop what it does.
#[must_use]
pub fn margin(ttl: Duration) -> Duration {
    (ttl / 3).min(Duration::from_secs(10))
}

impl Stamp {
    /// Names a moment.
    pub fn new(clock: &str, since: Duration) -> Self {
        Self { clock: clock.to_owned(), ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }

    /// Returns the name of the clock.
    pub fn clock(&self) -> &str {
        &self.clock
    }
}

impl Life {
    /// Begins a life that its token can renew and end.
    pub fn new(token: Token, ttl: Duration) -> Self {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        Self { token, renewals: 0, ttl_ms, seen: Vec::new() }
    }

    /// Returns the token that proves it.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Returns how often it was renewed, which tells one state of it from the next.
    pub fn renewals(&self) -> u64 {
        self.renewals
    }

    /// Returns how long it lasts without a renewal.
    pub fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    /// Lets it last a whole length again, counted from the write that carries this.
    pub fn renew(&mut self) {
        // Only that it is another number matters.
        self.renewals = self.renewals.wrapping_add(1);
        self.seen.clear();
    }

    /// Lets it last another length from the write that carries this.
    pub fn renew_for(&mut self, ttl: Duration) {
        self.ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        self.renew();
    }

    /// Notes when a clock saw it as it is now, and returns whether that was news.
    pub fn note(&mut self, seen: &Stamp) -> bool {
        if let Some(known) = self.seen.iter_mut().find(|known| known.clock == seen.clock) {
            // A note from after the present is a fault of somebody's, and would delay everybody.
            known.ms = known.ms.min(seen.ms);
            return false;
        }
        if self.seen.len() >= MAX_NOTES {
            self.seen.remove(0);
        }
        self.seen.push(seen.clone());
        true
    }

    /// Returns whether one clock has seen it unchanged for its whole length.
    pub fn is_over(&self, now: &Now) -> bool {
        self.left(now).is_zero()
    }

    /// Returns how much longer it lasts, as far as the clock of `now` can tell.
    pub fn left(&self, now: &Now) -> Duration {
        let Some(now) = now.ask() else { return self.ttl() };
        let Some(seen) = self.seen.iter().find(|seen| seen.clock == now.clock) else {
            return self.ttl();
        };
        let rounding = if now.clock.is_empty() { ROUNDING } else { Duration::ZERO };
        let elapsed = Duration::from_millis(now.ms.saturating_sub(seen.ms));
        (self.ttl() + rounding).saturating_sub(elapsed)
    }
}

impl Now {
    /// Names the present.
    pub fn at(stamp: Stamp) -> Self {
        Self { stamp: Some(stamp), asked: AtomicBool::new(false) }
    }

    /// Stands for a present that nobody has looked up yet. Nothing is over in it.
    pub fn unasked() -> Self {
        Self { stamp: None, asked: AtomicBool::new(false) }
    }

    /// Returns whether a decision wanted to know the time and was not told.
    pub(crate) fn is_missing(&self) -> bool {
        self.stamp.is_none() && self.asked.load(Ordering::Relaxed)
    }

    /// Returns the moment, if it was looked up.
    pub(crate) fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }

    fn ask(&self) -> Option<&Stamp> {
        self.asked.store(true, Ordering::Relaxed);
        self.stamp.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_mins(1);

    fn life() -> Life {
        Life::new(Token::new("t"), TTL)
    }

    fn stamp(clock: &str, seconds: u64) -> Stamp {
        Stamp::new(clock, Duration::from_secs(seconds))
    }

    #[track_caller]
    fn check(seen: &[(&str, u64)], now: (&str, u64), over: bool) {
        let mut life = life();
        for (clock, seconds) in seen {
            life.note(&stamp(clock, *seconds));
        }
        assert_eq!(life.is_over(&Now::at(stamp(now.0, now.1))), over);
    }

    #[test]
    fn it_is_over_when_one_clock_saw_it_for_its_whole_length() {
        check(&[("a", 10)], ("a", 69), false);
        check(&[("a", 10)], ("a", 70), true);
        check(&[("a", 10), ("a", 40)], ("a", 70), true);
    }

    #[test]
    fn the_moments_of_different_clocks_are_never_compared() {
        check(&[("a", 10)], ("b", 100_000), false);
        check(&[("a", 10), ("b", 50)], ("b", 109), false);
        check(&[("a", 10), ("b", 50)], ("b", 110), true);
    }

    #[test]
    fn a_clock_that_stepped_back_ends_nothing_early() {
        check(&[("a", 100)], ("a", 5), false);
    }

    #[test]
    fn a_clock_cut_to_seconds_gives_a_second_more() {
        check(&[("", 10)], ("", 70), false);
        check(&[("", 10)], ("", 71), true);
    }

    #[test]
    fn a_renewal_starts_the_count_anew() {
        let mut life = life();
        life.note(&stamp("a", 0));
        life.renew();
        assert!(!life.is_over(&Now::at(stamp("a", 1000))));
        life.note(&stamp("a", 1000));
        assert!(life.is_over(&Now::at(stamp("a", 1060))));
    }

    #[test]
    fn the_notes_of_many_passing_clocks_stay_few() {
        let mut life = life();
        for boot in 0..100 {
            life.note(&stamp(&boot.to_string(), 0));
        }
        assert_eq!(life.seen.len(), MAX_NOTES);
        assert!(life.is_over(&Now::at(stamp("99", 60))));
    }

    #[test]
    fn an_unknown_present_ends_nothing_and_says_that_it_was_asked() {
        let now = Now::unasked();
        assert!(!now.is_missing());
        assert!(!life().is_over(&now) && now.is_missing());
    }

    #[test]
    fn the_margin_is_a_third_and_at_most_ten_seconds() {
        assert_eq!(margin(Duration::from_secs(15)), Duration::from_secs(5));
        assert_eq!(margin(Duration::from_mins(15)), Duration::from_secs(10));
    }
}
