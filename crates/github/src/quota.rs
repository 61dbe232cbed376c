//! How much of the API's budget is left, as the headers of each answer say.

use std::time::Duration;

use crate::transport::Answer;

/// The primary rate limit at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many requests an hour allows.
    pub limit: u32,
    /// How many of them are left.
    pub remaining: u32,
    /// When they are full again, in seconds since the epoch.
    pub reset: u64,
}

impl Quota {
    /// Reads `x-ratelimit-*`.
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        let number = |name: &str| answer.header(name)?.parse().ok();
        let limit = number("x-ratelimit-limit")?;
        let remaining = number("x-ratelimit-remaining")?;
        let reset =
            answer.header("x-ratelimit-reset").and_then(|text| text.parse().ok()).unwrap_or(0);
        Some(Self { limit, remaining, reset })
    }

    /// Returns how much is left, from 0 to 100.
    pub fn percent(self) -> u32 {
        if self.limit == 0 {
            0
        } else {
            u32::try_from(u64::from(self.remaining) * 100 / u64::from(self.limit)).unwrap_or(100)
        }
    }
}

/// Returns how long an answer asks to be left alone.
pub(crate) fn retry_after(answer: &Answer) -> Option<Duration> {
    if let Some(seconds) = answer.header("retry-after").and_then(|text| text.trim().parse().ok()) {
        return Some(Duration::from_secs(seconds));
    }
    let quota = Quota::of(answer).filter(|quota| quota.remaining == 0)?;
    let now = answer.date?;
    Some(Duration::from_secs(quota.reset.saturating_sub(now)))
}
