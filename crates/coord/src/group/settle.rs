//! What happens in a group without anybody's message: the dead leave, the next is promoted.

use std::time::Duration;

use super::{Group, MAX_ORPHANS, MAX_UNTOLD, Member, Phase, Reason, Standing, Untold, Who};
use crate::{Fence, Now, Token};

/// Members that are proved dead, whatever is left of their lives.
///
/// Proof is an OS lock that a member of this boot would hold and that is free. Whoever collects it looks
/// at [`Member::boot`] and [`Member::lock`] before the transition, since a transition is pure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Death(pub Vec<Token>);

/// What a member learns about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It works, under this fence.
    Running {
        /// The number of this time in progress.
        fence: Fence,
        /// Dead members of the group. Their processes must be ended before anything is started.
        orphans: Vec<Member>,
    },
    /// It waits.
    Pending {
        /// How many stand before it, whoever works included.
        position: usize,
        /// The one it waits for: who works, or who stands directly before it.
        behind: Option<Who>,
        /// How long until something may happen by itself, if nothing else does.
        wake: Duration,
    },
    /// It works and must end now; it stays in progress until it leaves.
    Cancel {
        /// Why.
        reason: Reason,
        /// The number of this time in progress.
        fence: Fence,
    },
    /// It is out without having worked, or it was given up.
    Out {
        /// Why.
        reason: Reason,
    },
    /// The group does not know it: its life was over, or it has left.
    Gone,
}

impl Group {
    /// Says how a member stands.
    pub fn look(&mut self, token: &Token, death: &Death, now: &Now) -> Told {
        self.settle(death, now);
        self.told(token, now)
    }

    /// Lets a member live on, and says how it stands.
    pub fn renew(&mut self, token: &Token, death: &Death, now: &Now) -> Told {
        let members = self.members.iter_mut().map(|standing| &mut standing.life);
        let mut lives = members.chain(self.untold.iter_mut().map(|untold| &mut untold.life));
        if let Some(life) = lives.find(|life| life.token() == token) {
            life.renew();
        }
        self.settle(death, now);
        self.told(token, now)
    }

    /// Ends a membership, or acknowledges that one is out. Returns whether there was one.
    pub fn leave(&mut self, token: &Token, death: &Death, now: &Now) -> bool {
        let before = (self.members.len(), self.untold.len());
        self.members.retain(|standing| standing.member.token != *token);
        self.untold.retain(|untold| untold.member.token != *token);
        let was_there = before != (self.members.len(), self.untold.len());
        self.settle(death, now);
        was_there
    }

    /// Notes that the processes of these dead members are ended, or are out of this machine's reach.
    pub fn clear(&mut self, ended: &[Token]) -> bool {
        let before = self.orphans.len();
        self.orphans.retain(|orphan| !ended.contains(&orphan.token));
        before != self.orphans.len()
    }

    /// Tells a member to end, whoever asks. Returns whether it is there.
    pub fn cancel(&mut self, token: &Token, reason: Reason, now: &Now) -> bool {
        let Some(index) = self.members.iter().position(|one| one.member.token == *token) else {
            return false;
        };
        if self.members[index].is_in_progress() {
            self.tell_to_end(index, reason);
        } else {
            let standing = self.members.remove(index);
            self.put_out(standing, reason);
        }
        self.settle(&Death::default(), now);
        true
    }

    /// Takes out the dead and promotes the next, until nothing more happens by itself.
    pub(super) fn settle(&mut self, death: &Death, now: &Now) {
        self.untold.retain(|untold| !untold.life.is_over(now));
        let is_dead = |standing: &Standing| {
            death.0.contains(&standing.member.token) || standing.life.is_over(now)
        };
        for dead in self.members.extract_if(.., |standing| is_dead(standing)) {
            remember(&mut self.orphans, dead);
        }
        let Some(next) = self.members.iter().position(|one| !one.is_in_progress()) else { return };
        if self.members[next].is_gathering(now) {
            return;
        }
        match self.members.iter().position(Standing::is_in_progress) {
            None => self.promote(next),
            Some(current) if self.members[next].supersedes => {
                let by = Who::of(&self.members[next].member);
                self.tell_to_end(current, Reason::Superseded { by });
            }
            Some(_) => {}
        }
    }

    fn promote(&mut self, index: usize) {
        let mut standing = self.members.remove(index);
        self.fence = self.fence.next();
        standing.phase = Phase::InProgress;
        standing.fence = self.fence;
        standing.window = None;
        if standing.position > self.newest {
            self.newest.clone_from(&standing.position);
        }
        // Whoever works stands first.
        self.members.insert(0, standing);
    }

    pub(super) fn tell_to_end(&mut self, index: usize, reason: Reason) {
        let standing = &mut self.members[index];
        if standing.phase == Phase::InProgress {
            standing.phase = Phase::Cancelling;
            standing.reason = Some(reason);
        }
    }

    /// Remembers that a member is out until it has been told.
    pub(super) fn put_out(&mut self, standing: Standing, reason: Reason) {
        let Standing { member, life, .. } = standing;
        if self.untold.len() >= MAX_UNTOLD {
            self.untold.remove(0);
        }
        self.untold.push(Untold { member, life, reason });
    }

    pub(super) fn told(&self, token: &Token, now: &Now) -> Told {
        let is_it = |member: &Member| member.token == *token;
        if let Some(untold) = self.untold.iter().find(|untold| is_it(&untold.member)) {
            return Told::Out { reason: untold.reason.clone() };
        }
        let Some(position) = self.members.iter().position(|one| is_it(&one.member)) else {
            return Told::Gone;
        };
        let standing = &self.members[position];
        let fence = standing.fence;
        match (standing.phase, &standing.reason) {
            (Phase::Pending, _) => {
                let behind = position.checked_sub(1).map(|index| &self.members[index].member);
                Told::Pending { position, behind: behind.map(Who::of), wake: self.wake(now) }
            }
            (Phase::Cancelling, Some(reason)) => Told::Cancel { reason: reason.clone(), fence },
            (Phase::Cancelling | Phase::InProgress, _) => {
                Told::Running { fence, orphans: self.orphans.clone() }
            }
        }
    }

    /// Returns how long it is until a life or a window is over.
    fn wake(&self, now: &Now) -> Duration {
        let windows = self.members.iter().filter_map(|standing| standing.window.as_ref());
        let lives = self.members.iter().map(|standing| &standing.life).chain(windows);
        let left = lives.map(|life| life.left(now));
        // A window that is closed changes nothing any more.
        left.filter(|left| !left.is_zero()).min().unwrap_or(Duration::MAX)
    }
}

/// Remembers a dead member if processes of it can be found by its lock.
pub(super) fn remember(orphans: &mut Vec<Member>, dead: Standing) {
    if dead.member.lock.is_none() {
        return;
    }
    if orphans.len() >= MAX_ORPHANS {
        orphans.remove(0);
    }
    orphans.push(dead.member);
}
