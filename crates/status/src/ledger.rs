//! The ledger: the document with the two numbers that say what is shown, and whose turn it is to show.

use std::collections::BTreeSet;
use std::time::Duration;

use coord::{Fence, Life, Now, Token, Value};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::document::{Document, Slot};
use crate::identity::Writer;
use crate::pace::{Pace, Tempo, Throttle};
use crate::row::{Change, Row};

/// What the store keeps for one subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// Everything that was said.
    pub document: Document,
    /// Grows whenever what is to be shown changes.
    pub revision: u64,
    /// The revision that is certainly shown.
    pub published: u64,
    /// Tells what is shown from what would be shown now, for those who look at silent rows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub shown: String,
    /// The comment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<u64>,
    /// Who writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When the next picture is due.
    pub pace: Pace,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<Life>,
    /// Whether a picture was sent of which nobody knows when it lands.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    doubt: bool,
    fence: Fence,
}

/// What a slot says of the job that writes it.
const PROCESS: &str = "process";

/// What a writer says.
#[derive(Clone, Debug)]
pub struct Post {
    /// Who says it.
    pub writer: Writer,
    /// In which attempt.
    pub attempt: u32,
    /// What tells the job from others that look the same: the legs of a matrix, or one reusable workflow
    /// that is called twice, have their job's id in common.
    pub process: Option<String>,
    /// About which head.
    pub head: String,
    /// About which tasks.
    pub tasks: Vec<(String, Change)>,
    /// For how long it stays good without a sign of life; none for ever.
    pub ttl: Option<Duration>,
}

/// Whether the head of a post is the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is, as the API says.
    Current,
    /// The API could not be asked.
    Unknown,
}

/// What became of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It is stored, and shown once this revision is.
    Stored {
        /// The revision.
        revision: u64,
    },
    /// Every task of it was finished already in this attempt, so nothing was changed.
    Finished,
    /// A later attempt has written, so nothing was changed.
    EarlierAttempt {
        /// The later one.
        latest: u32,
    },
}

/// Whose turn it is.
#[derive(Debug)]
pub enum Turn {
    /// Nobody's: it is shown already.
    Covered,
    /// Ours: show this.
    Taken(Box<Assignment>),
    /// Another publisher's, who will see what we stored.
    Held {
        /// How much longer its lease lasts if it is not heard of again.
        left: Duration,
    },
    /// Ours, but too early.
    Early {
        /// For how long.
        wait: Duration,
    },
}

/// What a publisher has to show.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The document.
    pub document: Document,
    /// Its revision.
    pub revision: u64,
    /// The comment, if it is known.
    pub comment: Option<u64>,
    /// Who writes it, if that is known.
    pub author: Option<String>,
    /// Whether an earlier picture may still land.
    pub doubt: bool,
    /// The lives that are over.
    pub dead: BTreeSet<Token>,
}

/// What a publisher has shown.
#[derive(Clone, Debug)]
pub struct Feat {
    /// The revision.
    pub revision: u64,
    /// The comment.
    pub comment: u64,
    /// Who wrote it.
    pub author: Option<String>,
    /// What is shown, in short.
    pub shown: String,
}

/// What comes after a picture.
#[derive(Debug)]
pub enum Recorded {
    /// Nothing: it is over.
    Released,
    /// The document has changed, so it is to be shown again.
    Again(Box<Assignment>),
    /// Another publisher has taken over, and shows it.
    Lost,
}

/// What the one who asks for a turn needs.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// The revision that must be shown; beyond the present one for "whatever is shown, show it again".
    pub revision: u64,
    /// Whether it is a final word.
    pub urgent: bool,
    /// The time on the API's clock.
    pub time: u64,
    /// How slow the budget makes us.
    pub throttle: Throttle,
}

/// Who asks for a turn, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Bid<'a> {
    /// Proves that the turn is ours.
    pub token: &'a Token,
    /// How long we may be silent before another takes over.
    pub lease: Duration,
    /// How fast pictures follow one another.
    pub tempo: &'a Tempo,
}

impl Ledger {
    /// Stores what a writer says.
    pub fn post(
        &mut self,
        post: &Post,
        standing: Standing,
        token: &Token,
        now: Timestamp,
    ) -> Posted {
        let writer = self.writer_of(post);
        let known = self.slot_of(&post.head, &writer).map(|slot| slot.attempt);
        if let Some(latest) = known.filter(|latest| *latest > post.attempt) {
            return Posted::EarlierAttempt { latest };
        }
        let turns = standing == Standing::Current || self.document.current.is_none();
        let mut changed = turns && self.document.turn_to(&post.head);
        let mut any = false;
        let slot = self.document.page(&post.head).slot(&writer, post.attempt);
        if let Some(process) = &post.process {
            slot.rest.insert(PROCESS.to_owned(), process.as_str().into());
        }
        for (index, (task, change)) in post.tasks.iter().enumerate() {
            let row = slot.row(task);
            if row.take(change, now) {
                any = true;
                live(row, post.ttl, || Token::new(format!("{}.{index}", token.as_str())));
            }
        }
        changed |= any && self.document.current.as_deref() == Some(&post.head);
        if changed {
            self.revision += 1;
        }
        if any { Posted::Stored { revision: self.revision } } else { Posted::Finished }
    }

    /// Gives a sign of life of tasks that go on. Says whether there are any.
    pub fn beat(&mut self, post: &Post, now: Timestamp) -> bool {
        let writer = self.writer_of(post);
        let Some(page) = self.document.pages.get_mut(&post.head) else { return false };
        let mut slots = page.slots.iter_mut();
        let ours = |slot: &&mut Slot| slot.writer == writer && slot.attempt == post.attempt;
        let Some(slot) = slots.find(|slot| ours(slot)) else { return false };
        let mut any = false;
        for row in
            slot.rows.iter_mut().filter(|row| post.tasks.iter().any(|(task, _)| *task == row.task))
        {
            if let Some(life) = &mut row.life {
                life.renew();
                row.at = Some(now);
                row.seq += 1;
                any = true;
            }
        }
        any
    }

    /// Returns whose slot a post belongs in. Two jobs that look the same get one each, so that neither's
    /// rows are lost.
    fn writer_of(&self, post: &Post) -> Writer {
        let mut writer = post.writer.clone();
        let Some(process) = post.process.as_deref().filter(|_| writer.leg.is_empty()) else {
            return writer;
        };
        let slot = self.slot_of(&post.head, &writer);
        let other = slot.filter(|slot| slot.attempt == post.attempt);
        let other = other.and_then(|slot| slot.rest.get(PROCESS)?.as_str());
        if other.is_some_and(|other| other != process) {
            let from = process.char_indices().rev().nth(7).map_or(0, |(at, _)| at);
            writer.leg = format!("~{}", &process[from..]);
        }
        writer
    }

    fn slot_of(&self, head: &str, writer: &Writer) -> Option<&Slot> {
        self.document.pages.get(head)?.slots.iter().find(|slot| slot.writer == *writer)
    }

    /// Makes a head the current one. Says whether it was another.
    pub fn turn_to(&mut self, head: &str) -> bool {
        let turned = self.document.turn_to(head);
        if turned {
            self.revision += 1;
        }
        turned
    }

    /// Takes in rows from elsewhere. Says whether they changed anything.
    pub fn adopt(&mut self, document: &Document) -> bool {
        let before = self.document.clone();
        for (head, page) in &document.pages {
            // A block knows one page; what it says about the current head is older than what we know.
            self.document.page(head).join(page);
        }
        if self.document.current.is_none() {
            self.document.current.clone_from(&document.current);
            self.document.generation = self.document.generation.max(document.generation);
        }
        let changed = self.document != before;
        if changed {
            self.revision += 1;
        }
        changed
    }

    /// Asks for the turn to show the document.
    pub fn take(&mut self, need: Need, bid: &Bid<'_>, now: &Now) -> Turn {
        if self.published >= need.revision {
            return Turn::Covered;
        }
        let held = self.lease.as_ref().filter(|life| life.token() != bid.token);
        if let Some(left) = held.map(|life| life.left(now)).filter(|left| !left.is_zero()) {
            return Turn::Held { left };
        }
        let wait = self.pace.wait(need.time, bid.tempo, need.urgent, need.throttle);
        if !wait.is_zero() {
            return Turn::Early { wait };
        }
        let assignment = self.assignment(now);
        self.fence = self.fence.next();
        self.lease = Some(Life::new(bid.token.clone(), bid.lease));
        // From now on a picture may be under way, and stays so if we die.
        self.doubt = true;
        Turn::Taken(Box::new(assignment))
    }

    /// Says whether the turn is still ours, and lets it last another length.
    pub fn keep(&mut self, token: &Token) -> bool {
        match &mut self.lease {
            Some(life) if life.token() == token => {
                life.renew();
                true
            }
            _ => false,
        }
    }

    /// Notes what was shown, and ends the turn if there is nothing more to show.
    pub fn record(&mut self, feat: &Feat, need: Need, bid: &Bid<'_>, now: &Now) -> Recorded {
        self.pace.note(need.time, bid.tempo, need.throttle);
        if !self.keep(bid.token) {
            return Recorded::Lost;
        }
        self.published = self.published.max(feat.revision);
        self.shown.clone_from(&feat.shown);
        self.comment = Some(feat.comment);
        if feat.author.is_some() {
            self.author.clone_from(&feat.author);
        }
        self.doubt = false;
        let wait = self.pace.wait(need.time, bid.tempo, false, need.throttle);
        // Whoever stored a final word waits for its turn; all others are shown now if that is soon.
        if self.published < self.revision && wait <= bid.tempo.smallest {
            let assignment = self.assignment(now);
            self.doubt = true;
            return Recorded::Again(Box::new(assignment));
        }
        self.lease = None;
        Recorded::Released
    }

    /// Ends the turn without having shown anything.
    pub fn give_up(&mut self, token: &Token, closed_until: Option<u64>, certain: bool) {
        if let Some(until) = closed_until {
            self.pace.close(until);
        }
        if self.lease.as_ref().is_some_and(|life| life.token() == token) {
            self.lease = None;
            self.doubt = self.doubt && !certain;
        }
    }

    /// Forgets which comment it is, so that it is searched for.
    pub fn forget_comment(&mut self) {
        self.comment = None;
    }

    /// Returns what is to be shown now.
    pub fn assignment(&self, now: &Now) -> Assignment {
        Assignment {
            document: self.document.clone(),
            revision: self.revision,
            comment: self.comment,
            author: self.author.clone(),
            doubt: self.doubt,
            dead: self.dead(now),
        }
    }

    /// Returns the lives of the shown page that are over.
    pub fn dead(&self, now: &Now) -> BTreeSet<Token> {
        let rows = self.document.shown().into_iter().flat_map(|(_, page)| &page.slots);
        let lives = rows.flat_map(|slot| &slot.rows).filter_map(|row| row.life.as_ref());
        lives.filter(|life| life.is_over(now)).map(|life| life.token().clone()).collect()
    }

    /// Returns how many rows of the shown page go on, and how long until the next of them may be given up.
    pub fn unfinished(&self, now: &Now) -> (usize, Duration) {
        let rows = self.document.shown().into_iter().flat_map(|(_, page)| &page.slots);
        let open = rows.flat_map(|slot| &slot.rows).filter(|row| !row.state.is_finished());
        let left = open.map(|row| row.life.as_ref().map_or(Duration::MAX, |life| life.left(now)));
        let alive: Vec<Duration> = left.filter(|left| !left.is_zero()).collect();
        (alive.len(), alive.into_iter().min().unwrap_or_default())
    }
}

impl Assignment {
    /// Says whether the writer of a row fell silent.
    pub fn is_dead(&self, row: &Row) -> bool {
        row.life.as_ref().is_some_and(|life| self.dead.contains(life.token()))
    }
}

fn live(row: &mut Row, ttl: Option<Duration>, token: impl Fn() -> Token) {
    match (&mut row.life, ttl) {
        _ if row.state.is_finished() => row.life = None,
        (life, None) => *life = None,
        (Some(life), Some(ttl)) => life.renew_for(ttl),
        (life, Some(ttl)) => *life = Some(Life::new(token(), ttl)),
    }
}

impl Value for Ledger {
    const LIMIT: usize = store::MAX_VALUE;

    fn fence(&self) -> Fence {
        self.fence
    }

    fn raise(&mut self, above: Fence) {
        self.fence = self.fence.max(above);
    }

    fn each_life(&mut self, visit: &mut dyn FnMut(&mut Life)) {
        if let Some(lease) = &mut self.lease {
            visit(lease);
        }
        let current = self.document.current.as_ref();
        let page = current.and_then(|head| self.document.pages.get_mut(head));
        let rows =
            page.into_iter().flat_map(|page| &mut page.slots).flat_map(|slot| &mut slot.rows);
        rows.filter_map(|row| row.life.as_mut()).for_each(visit);
    }
}

#[cfg(test)]
mod tests;
