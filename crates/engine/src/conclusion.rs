//! The conclusion: how a step, a job or a run ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Says how something ended, in GitHub's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Conclusion {
    /// It did its work.
    Success,
    /// It did not.
    Failure,
    /// It was told to end.
    Cancelled,
    /// It was not to be done.
    Skipped,
}

impl Conclusion {
    /// Returns the word that GitHub's contexts use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// Joins the conclusions of several: failure, else cancelled, else success; skipped if all are.
    pub fn join(conclusions: impl IntoIterator<Item = Self>) -> Self {
        conclusions.into_iter().fold(Self::Skipped, |joined, next| {
            if next.weight() > joined.weight() { next } else { joined }
        })
    }

    fn weight(self) -> u8 {
        match self {
            Self::Skipped => 0,
            Self::Success => 1,
            Self::Cancelled => 2,
            Self::Failure => 3,
        }
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Conclusion::{self, Cancelled, Failure, Skipped, Success};

    #[test]
    fn failure_outweighs_cancelled_outweighs_success_outweighs_skipped() {
        for (parts, joined) in [
            (&[][..], Skipped),
            (&[Skipped, Skipped], Skipped),
            (&[Skipped, Success], Success),
            (&[Cancelled, Success], Cancelled),
            (&[Cancelled, Failure, Success], Failure),
        ] {
            assert_eq!(Conclusion::join(parts.iter().copied()), joined, "{parts:?}");
        }
    }
}
