//! The two numbers that prove something: who one is, and which grant is the later one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Proves that a grant, a membership or a claim is one's own. A name would prove nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

/// Orders the grants of one record: a later grant has a larger fence, for ever.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl Token {
    /// Draws a token that nobody else has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// Takes a token from where it was kept.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns as much of it as tells two tokens apart, which proves nothing.
    pub fn hint(&self) -> &str {
        &self.0[..self.0.floor_char_boundary(8)]
    }

    /// Returns the text to be kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}…)", self.hint())
    }
}

impl Fence {
    /// Returns the fence of the next grant.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
