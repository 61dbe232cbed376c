//! Why a member is out of a group, as a sentence for people.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Member;
use crate::Who;

/// Why a member is out, or is told to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Reason {
    /// A newcomer took its place.
    Superseded {
        /// The newcomer.
        by: Who,
    },
    /// It collapsed into a newcomer before anything had started.
    Debounced {
        /// The newcomer.
        by: Who,
    },
    /// The same work is being done already.
    Coalesced {
        /// Who does it.
        into: Who,
    },
    /// The first wins, and somebody was first.
    NotFirst {
        /// Who.
        first: Who,
    },
    /// As many wait as may.
    QueueFull,
    /// A newer commit has run, runs or waits.
    Older {
        /// What it is.
        mine: String,
        /// What the newer one is.
        newer: String,
    },
    /// It waits for somebody who waits for it.
    Deadlock {
        /// The groups of the cycle, in order, from the one it waits for.
        groups: Vec<String>,
    },
    /// Somebody asked for it.
    Asked {
        /// Why.
        why: String,
    },
}

impl Reason {
    /// Returns whether another member does the work, or newer work, in its stead.
    pub fn is_replaced(&self) -> bool {
        match self {
            Self::Superseded { .. }
            | Self::Debounced { .. }
            | Self::Coalesced { .. }
            | Self::NotFirst { .. }
            | Self::Older { .. } => true,
            Self::QueueFull | Self::Deadlock { .. } | Self::Asked { .. } => false,
        }
    }

    /// Returns the word for it, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Superseded { .. } => "superseded",
            Self::Debounced { .. } => "debounced",
            Self::Coalesced { .. } => "coalesced",
            Self::NotFirst { .. } => "not-first",
            Self::QueueFull => "queue-full",
            Self::Older { .. } => "older",
            Self::Deadlock { .. } => "deadlock",
            Self::Asked { .. } => "asked",
        }
    }

    /// Returns who is there instead.
    pub fn who(&self) -> Option<&Who> {
        match self {
            Self::Superseded { by } | Self::Debounced { by } => Some(by),
            Self::Coalesced { into } => Some(into),
            Self::NotFirst { first } => Some(first),
            _ => None,
        }
    }
}

impl Who {
    /// Names a member.
    pub fn of(member: &Member) -> Self {
        Self {
            run: member.run.clone(),
            attempt: member.attempt,
            job: member.job.clone(),
            link: member.link.clone(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Superseded { by } => write!(f, "superseded by {by} in the same group"),
            Self::Debounced { by } => write!(f, "collapsed into the newer {by} before it started"),
            Self::Coalesced { into } => write!(f, "{into} does the same work already"),
            Self::NotFirst { first } => write!(f, "{first} was first in the group"),
            Self::QueueFull => {
                write!(f, "{} members wait for the group already", super::MAX_PENDING)
            }
            Self::Older { mine, newer } => {
                write!(f, "{mine} is older than {newer}, which comes first by commit order")
            }
            Self::Deadlock { groups } => {
                write!(f, "a deadlock was detected: ")?;
                if let [group] = groups.as_slice() {
                    return write!(f, "the group `{group}` is held by the run that waits for it");
                }
                write!(f, "the groups `{}` wait for one another", groups.join("`, `"))
            }
            Self::Asked { why } => f.write_str(why),
        }
    }
}
