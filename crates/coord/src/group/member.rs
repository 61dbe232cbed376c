//! One member of a group, and where it stands.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::Key;

use super::Position;
use crate::{Fence, Life, Now, Token};

/// Who a member is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Proves that one is this member.
    pub token: Token,
    /// The id of the run.
    pub run: String,
    /// The number of the attempt. A higher one of the same run means that this one is over.
    pub attempt: u32,
    /// The key of the job, if it is a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Where people can look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What kind of program it is: `run`, `actions`, `cli`, …
    pub surface: String,
    /// When it came, for people.
    pub entered: Timestamp,
    /// The boot of the machine it is on. With the lock below it can be proved dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// What its processes hold as long as one of them lives: the path of an OS lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
    /// The groups that stay taken for as long as it waits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
}

/// A group that somebody is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// The text of the group's key.
    group: String,
    /// Proves whose.
    token: Token,
}

/// How far a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It waits.
    Pending,
    /// It works.
    InProgress,
    /// It was told to end, and works until it has.
    Cancelling,
}

/// A member and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Who.
    pub member: Member,
    /// How far.
    pub phase: Phase,
    pub(super) life: Life,
    /// The fence of its time in progress.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) fence: Fence,
    /// Why it was told to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<super::Reason>,
    /// Whether it tells whoever is in progress to end, once its window is closed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) supersedes: bool,
    /// How long newcomers collapse into the newest before it may start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) window: Option<Life>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) position: Option<Position>,
}

impl Member {
    /// Returns whether the other is an earlier attempt of the same run or job.
    pub(super) fn is_rerun_of(&self, other: &Self) -> bool {
        let same =
            (&self.run, &self.job, &self.surface) == (&other.run, &other.job, &other.surface);
        same && self.attempt > other.attempt
    }
}

impl Hold {
    /// Names a membership: the group, and the token of whoever is in it.
    pub fn new(group: &Key, token: Token) -> Self {
        Self { group: group.as_str().to_owned(), token }
    }

    /// Returns the text of the group's key.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// Returns the token of whoever is in it.
    pub fn token(&self) -> &Token {
        &self.token
    }
}

impl Standing {
    /// Returns whether it works, told to end or not.
    pub fn is_in_progress(&self) -> bool {
        self.phase != Phase::Pending
    }

    /// Returns the fence of its time in progress.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// Returns why it was told to end.
    pub fn reason(&self) -> Option<&super::Reason> {
        self.reason.as_ref()
    }
}

impl Standing {
    /// Returns whether newcomers still collapse into it before it may start.
    pub(super) fn is_gathering(&self, now: &Now) -> bool {
        self.window.as_ref().is_some_and(|window| !window.is_over(now))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(fence: &Fence) -> bool {
    *fence == Fence::default()
}
