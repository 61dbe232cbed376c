//! A concurrency group: at most one member in progress, and rules for who waits and who is told to go.
//!
//! [`Group`] is the value and its transitions; [`Membership`] is one member's way to it. The rules are
//! GitHub's `concurrency:` unless a [`Request`] asks for more. Every transition settles the group: the
//! dead are taken out, and if nobody is in progress the first who may is promoted, whoever it is that
//! looks. So a member needs nobody's message to get its turn, and the order is that of arrival even if
//! the winner is slow to notice.

mod enter;
mod housekeeping;
mod member;
mod membership;
mod name;
mod reason;
mod request;
mod settle;
mod waits;

use serde::{Deserialize, Serialize};

pub use crate::Who;
use crate::{Fence, Life, Value};

pub use enter::Newcomer;
pub use housekeeping::{MIN_AGE, Swept, sweep};
pub use member::{Hold, Member, Phase, Standing};
pub use membership::{Entry, Membership, Proof};
pub use name::GroupName;
pub use reason::Reason;
pub use request::{Order, Policy, Position, Queue, Request};
pub use settle::{Death, Told};

/// The most members that may wait in one group.
pub const MAX_PENDING: usize = 100;
/// The most ended members whose processes may still be there that are remembered.
const MAX_ORPHANS: usize = 32;
/// The most members that are remembered because they have not been told yet that they are out.
const MAX_UNTOLD: usize = 256;

/// Who is in a group, in order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The name as it was first written, for people.
    #[serde(default)]
    name: String,
    #[serde(default)]
    fence: Fence,
    #[serde(default)]
    members: Vec<Standing>,
    /// Members that are out and do not know it yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    untold: Vec<Untold>,
    /// Dead members whose processes may still be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    orphans: Vec<Member>,
    /// The newest position that was ever in progress. Kept for ever, like the fence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<Position>,
}

/// A member that is out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Untold {
    member: Member,
    life: Life,
    reason: Reason,
}

impl Group {
    /// Returns the members in the order in which they get their turn; the first may be in progress.
    pub fn members(&self) -> &[Standing] {
        &self.members
    }

    /// Returns the name as it was first written.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the dead members whose processes nobody has ended yet.
    pub fn orphans(&self) -> &[Member] {
        &self.orphans
    }

    /// Returns the newest position that was ever in progress, if the group is ordered by commit.
    pub fn newest(&self) -> Option<&Position> {
        self.newest.as_ref()
    }

    /// Returns those who were told to end, or are out and not told yet, because of this one.
    pub fn displaced_by<'a>(&'a self, who: &'a Who) -> impl Iterator<Item = &'a Member> {
        let ending = self.members.iter().filter_map(|one| Some((&one.member, one.reason()?)));
        let out = self.untold.iter().map(|untold| (&untold.member, &untold.reason));
        let is_by = move |reason: &Reason| reason.who() == Some(who);
        ending.chain(out).filter(move |(_, reason)| is_by(reason)).map(|(member, _)| member)
    }

    /// Returns whether nothing was ever in its record.
    fn is_new(&self) -> bool {
        self.fence == Fence::default() && self.name.is_empty()
    }

    /// Returns whether nobody is in it, waits for it, or has to be told something.
    pub fn is_idle(&self) -> bool {
        self.members.is_empty() && self.untold.is_empty() && self.orphans.is_empty()
    }
}

impl Value for Group {
    fn fence(&self) -> Fence {
        self.fence
    }

    fn raise(&mut self, above: Fence) {
        self.fence = self.fence.max(above);
    }

    fn each_life(&mut self, visit: &mut dyn FnMut(&mut Life)) {
        for standing in &mut self.members {
            visit(&mut standing.life);
            if let Some(window) = &mut standing.window {
                visit(window);
            }
        }
        for untold in &mut self.untold {
            visit(&mut untold.life);
        }
    }
}
