//! How somebody asks for a lock, and what the lease answers.

use std::time::Duration;

use jiff::Timestamp;

use super::{Ended, Holder, How, Lease, MAX_TICKETS, Ticket};
use crate::{Fence, Life, Now, Token};

/// Somebody who wants the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    /// Proves the grant and the ticket.
    pub token: Token,
    /// Who.
    pub holder: Holder,
    /// How long a grant lasts without a renewal.
    pub ttl: Duration,
    /// How long a ticket lasts without a renewal.
    pub ticket: Duration,
}

/// What a contender is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has the lock, which was free.
    Acquired {
        /// Orders the grant.
        fence: Fence,
    },
    /// It has the lock, which its last holder did not release.
    TakenOver {
        /// Orders the grant.
        fence: Fence,
        /// Whose it was, and how that ended.
        from: Box<Ended>,
    },
    /// It had the lock already, and has it for another length, unless it only looked.
    AlreadyMine {
        /// Orders the grant.
        fence: Fence,
    },
    /// Somebody else has it.
    Held {
        /// Who.
        by: Box<Obstacle>,
        /// How many stand before the contender in the queue, if it stands there.
        ahead: Option<usize>,
        /// How long until something may happen by itself.
        wake: Duration,
    },
}

/// Who is in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Who.
    pub holder: Holder,
    /// The fence of its grant.
    pub fence: Fence,
    /// Since when it has the lock, for people.
    pub since: Timestamp,
}

/// The present, as a contender sees it.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The time of day, for people.
    pub at: Timestamp,
    /// Who is proved dead, whatever is left of their lives.
    pub dead: &'a [Token],
    /// By which lives are judged.
    pub now: &'a Now,
}

/// Whether a contender takes part in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// It only takes what it can have at once.
    Passing,
    /// It stands in the queue.
    Queueing,
    /// It stands in the queue and has just shown that it lives.
    Renewing,
}

impl Lease {
    /// Takes the lock if it is the contender's turn, and otherwise says who is in the way.
    pub fn ask(&mut self, who: &Contender, stance: Stance, moment: &Moment<'_>) -> Answer {
        let Moment { at, now, .. } = *moment;
        if let Some(grant) = self.grant.as_mut().filter(|grant| *grant.token() == who.token) {
            if stance != Stance::Queueing {
                grant.life.renew_for(who.ttl);
            }
            return Answer::AlreadyMine { fence: grant.fence };
        }
        self.settle(&who.token, moment);
        if self.is_rerun(who) {
            self.end(How::Superseded { by: who.holder.name.clone() }, at);
            self.queue.retain(|ticket| ticket.token != who.token);
            self.grant_to(who.holder.clone(), who.token.clone(), who.ttl, at);
        }
        self.queue.retain(|ticket| !who.holder.is_rerun_of(&ticket.holder));
        self.hand_over(at);
        if self.grant.is_none() {
            self.grant_to(who.holder.clone(), who.token.clone(), who.ttl, at);
        }
        if let Some(grant) = self.grant.as_mut().filter(|grant| *grant.token() == who.token) {
            let fence = grant.fence;
            if grant.handed_over {
                grant.life.renew_for(who.ttl);
            }
            return match self.predecessor() {
                Some(from) => Answer::TakenOver { fence, from: Box::new(from.clone()) },
                None => Answer::Acquired { fence },
            };
        }
        match (self.place(&who.token), stance) {
            (Some(place), Stance::Renewing) => self.queue[place].life.renew(),
            (None, Stance::Renewing | Stance::Queueing) => self.enlist(who, at),
            (Some(_), Stance::Queueing) | (_, Stance::Passing) => {}
        }
        self.held(&who.token, now)
    }

    /// Returns whether the grant belongs to an earlier attempt of the contender's run.
    fn is_rerun(&self, who: &Contender) -> bool {
        self.grant.as_ref().is_some_and(|grant| who.holder.is_rerun_of(&grant.holder))
    }

    fn place(&self, token: &Token) -> Option<usize> {
        self.queue.iter().position(|ticket| ticket.token() == token)
    }

    fn enlist(&mut self, who: &Contender, at: Timestamp) {
        if self.queue.len() < MAX_TICKETS {
            self.tickets = self.tickets.wrapping_add(1);
            // The fence goes into the name because a repair begins to count anew.
            let name = format!("ticket {}.{}", self.fence, self.tickets);
            let life = Life::new(Token::new(name), who.ticket);
            let (holder, token) = (who.holder.clone(), who.token.clone());
            self.queue.push(Ticket { holder, came: at, token, life });
        }
    }

    fn held(&self, token: &Token, now: &Now) -> Answer {
        let tickets = self.queue.iter().filter(|ticket| ticket.token != *token);
        let lives = self.grant.iter().map(|grant| &grant.life).chain(tickets.map(|it| &it.life));
        let wake = lives.map(|life| life.left(now)).min().unwrap_or(Duration::MAX);
        let Some(grant) = &self.grant else {
            unreachable!("a lock that nobody has is taken, not held")
        };
        let (holder, fence, since) = (grant.holder.clone(), grant.fence, grant.acquired);
        let by = Box::new(Obstacle { holder, fence, since });
        Answer::Held { by, ahead: self.place(token), wake }
    }
}
