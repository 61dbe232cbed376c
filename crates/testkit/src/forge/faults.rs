//! The faults: what goes wrong with which requests, from a seed.

use std::time::Duration;

/// What happens to a request instead of, or besides, being answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is answered after a while.
    Delay(Duration),
    /// It is refused with this status, these headers and this body, without effect.
    Refuse(u16, Vec<(&'static str, String)>, String),
    /// The connection breaks before it has an effect.
    Lose,
    /// It takes effect, and the connection breaks.
    LoseAnswer,
    /// The connection breaks, and it takes effect later.
    LandLater(Duration),
}

/// Says which requests an effect is for.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The method; any if empty.
    pub method: &'static str,
    /// A part of the path; any if empty.
    pub path: &'static str,
    /// How many of a thousand such requests are hit.
    pub per_mille: u32,
    /// How often the rule may still hit.
    pub budget: u32,
    /// What happens.
    pub effect: Effect,
}

/// All rules, and the chance that decides.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    seed: u64,
    rules: Vec<Rule>,
    /// How old the state may be that a list or a read shows.
    pub lag: Duration,
}

impl Faults {
    /// Makes the rules; the same seed and the same requests have the same faults.
    pub fn new(seed: u64, rules: Vec<Rule>) -> Self {
        // Zero would be a fixed point of the generator.
        Self { seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, rules, lag: Duration::ZERO }
    }

    /// Lets reads lag behind writes by up to `lag`.
    #[must_use]
    pub fn lagging(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }

    /// Decides what happens to a request.
    pub(crate) fn hit(&mut self, method: &str, path: &str) -> Option<Effect> {
        let mut effect = None;
        for index in 0..self.rules.len() {
            let rule = &self.rules[index];
            let meant = (rule.method.is_empty() || rule.method == method)
                && path.contains(rule.path)
                && rule.budget > 0;
            let per_mille = rule.per_mille;
            if meant && self.below(1000) < per_mille && effect.is_none() {
                self.rules[index].budget -= 1;
                effect = Some(self.rules[index].effect.clone());
            }
        }
        effect
    }

    /// Decides how old the state is that a read shows.
    pub(crate) fn age(&mut self) -> Duration {
        let lag = u32::try_from(self.lag.as_millis()).unwrap_or(u32::MAX);
        if lag == 0 {
            Duration::ZERO
        } else {
            Duration::from_millis(u64::from(self.below(lag + 1)))
        }
    }

    /// Returns a number below `bound`, by xorshift.
    fn below(&mut self, bound: u32) -> u32 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        u32::try_from((self.seed >> 33) % u64::from(bound.max(1))).unwrap_or(0)
    }
}
