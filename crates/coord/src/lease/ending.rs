//! How grants end and go on, and who has the lock then.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Grant, Holder, Lease, MAX_HISTORY, Moment, Ticket};
use crate::{Fence, Life, Token};

/// A grant that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Who had the lock.
    pub holder: Holder,
    /// The fence of the grant.
    pub fence: Fence,
    /// Since when, for people.
    pub acquired: Timestamp,
    /// When its end was noticed, for people.
    pub ended: Timestamp,
    /// How it ended.
    pub how: How,
}

/// How a grant ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum How {
    /// Its holder released it.
    Released,
    /// It was not renewed in time.
    Expired,
    /// Its holder was proved dead.
    Died,
    /// A higher attempt of the same run came.
    Superseded {
        /// Its name.
        by: String,
    },
    /// A person ended it.
    Broken {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
}

/// How an attempt to renew ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The grant lasts another length, under the same fence.
    Renewed {
        /// The fence.
        fence: Fence,
    },
    /// The lock is not ours any more.
    Lost {
        /// Whose it is, if it is anybody's.
        by: Option<Box<Holder>>,
        /// How the last grant before that ended.
        last: Option<Box<Ended>>,
    },
}

/// How an attempt to release ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Release {
    /// The lock was ours and is not any more.
    Released {
        /// The fence it had.
        fence: Fence,
        /// Who has it now.
        next: Option<Box<Holder>>,
    },
    /// The lock was not ours. Nothing was changed.
    NotOurs {
        /// Whose it is, if it is anybody's.
        by: Option<Box<Holder>>,
    },
}

/// How an attempt to break a lock ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Breaking {
    /// It is broken.
    Broken {
        /// What it was.
        grant: Box<Grant>,
    },
    /// Somebody else has it than was named. Nothing was changed.
    Other {
        /// Who.
        holder: Box<Holder>,
    },
    /// Nobody has it. Nothing was changed.
    Free,
}

impl Lease {
    /// Lets the token's grant last another length, or the length it had.
    pub fn renew(&mut self, token: &Token, ttl: Option<Duration>) -> Renewal {
        match self.grant.as_mut().filter(|grant| grant.token() == token) {
            Some(grant) => {
                grant.life.renew_for(ttl.unwrap_or(grant.ttl()));
                Renewal::Renewed { fence: grant.fence }
            }
            None => Renewal::Lost {
                by: self.holder(),
                last: self.history.last().cloned().map(Box::new),
            },
        }
    }

    /// Ends the token's grant and its ticket, and hands the lock over to the head of the queue.
    pub fn release(&mut self, token: &Token, moment: &Moment<'_>) -> Release {
        let fence = self.grant.as_ref().filter(|grant| grant.token() == token).map(|g| g.fence);
        self.leave(token);
        let Some(fence) = fence else { return Release::NotOurs { by: self.holder() } };
        self.end(How::Released, moment.at);
        self.drop_ended_tickets(None, moment);
        self.hand_over(moment.at);
        Release::Released { fence, next: self.holder() }
    }

    /// Ends the token's ticket.
    pub fn leave(&mut self, token: &Token) {
        self.queue.retain(|ticket| ticket.token() != token);
    }

    /// Ends the grant of the holder with this name, and keeps who did it and why.
    pub fn break_grant(
        &mut self,
        holder: &str,
        by: &str,
        reason: &str,
        moment: &Moment<'_>,
    ) -> Breaking {
        let Some(grant) = self.grant.clone() else { return Breaking::Free };
        if grant.holder.name != holder {
            return Breaking::Other { holder: Box::new(grant.holder) };
        }
        self.end(How::Broken { by: by.to_owned(), reason: reason.to_owned() }, moment.at);
        self.drop_ended_tickets(None, moment);
        self.hand_over(moment.at);
        Breaking::Broken { grant: Box::new(grant) }
    }

    /// Ends what ends without anybody's message: tickets and a grant that are over or proved dead. Whoever
    /// asks is alive, so its own ticket stays.
    pub(super) fn settle(&mut self, asker: &Token, moment: &Moment<'_>) {
        let Moment { at, dead, now } = *moment;
        self.drop_ended_tickets(Some(asker), moment);
        match &self.grant {
            Some(grant) if dead.contains(grant.token()) => self.end(How::Died, at),
            Some(grant) if grant.is_over(now) => self.end(How::Expired, at),
            _ => {}
        }
    }

    fn drop_ended_tickets(&mut self, except: Option<&Token>, moment: &Moment<'_>) {
        let Moment { dead, now, .. } = *moment;
        let ends = |ticket: &Ticket| dead.contains(ticket.token()) || ticket.is_over(now);
        self.queue.retain(|ticket| Some(ticket.token()) == except || !ends(ticket));
    }

    /// Ends the grant. Who has the lock then is another question.
    pub(super) fn end(&mut self, how: How, at: Timestamp) {
        let Some(Grant { holder, fence, acquired, .. }) = self.grant.take() else { return };
        if self.history.len() >= MAX_HISTORY {
            self.history.remove(0);
        }
        self.history.push(Ended { holder, fence, acquired, ended: at, how });
    }

    /// Gives a lock that nobody has to the head of the queue, for as long as its ticket would last: then
    /// the head has shown that it lives, or the next one has its turn.
    pub(super) fn hand_over(&mut self, at: Timestamp) {
        if self.grant.is_some() || self.queue.is_empty() {
            return;
        }
        let Ticket { holder, token, life, .. } = self.queue.remove(0);
        self.grant_to(holder, token, life.ttl(), at);
        if let Some(grant) = &mut self.grant {
            grant.handed_over = true;
        }
    }

    /// Begins a grant, under a fence above all others.
    pub(super) fn grant_to(&mut self, holder: Holder, token: Token, ttl: Duration, at: Timestamp) {
        self.fence = self.fence.next();
        let life = Life::new(Token::new(format!("grant {}", self.fence)), ttl);
        let (fence, handed_over) = (self.fence, false);
        self.grant = Some(Grant { holder, fence, acquired: at, token, handed_over, life });
    }

    fn holder(&self) -> Option<Box<Holder>> {
        self.grant.as_ref().map(|grant| Box::new(grant.holder.clone()))
    }
}
