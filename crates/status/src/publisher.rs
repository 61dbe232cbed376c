//! The publisher: shows the document as one comment, one writer at a time, until what is stored is shown.
//!
//! Nobody skips a picture because of what a read of the comment shows: reads lag. A picture counts as shown
//! only when the store says so, and the store is told only by the one who has shown it.

use std::time::{Duration, Instant};

use coord::{Step, Token};
use github::{Client, ErrorKind};
use sha2::{Digest as _, Sha256};

use crate::block::Block;
use crate::board::{Board, Pacemaker};
use crate::comment::{Spot, author};
use crate::error::Error;
use crate::identity::Target;
use crate::ledger::{Assignment, Bid, Feat, Need, Recorded, Turn};
use crate::pace::Throttle;
use crate::render::{COMMENT, Keep, Options, Rendering, View, render};

/// The longest single wait for somebody else's news.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How often a picture is sent again because nobody knows whether it landed.
const SENDINGS: u32 = 5;

/// How long a writer stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stay {
    /// Until its row is shown: it is a final word.
    UntilShown,
    /// As long as it is its turn now.
    IfDue,
}

/// Whether a document is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publication {
    /// It is.
    Shown,
    /// Another publisher is about to show it.
    Underway,
    /// It will be, with the next picture that is due.
    Later {
        /// When it is due.
        wait: Duration,
    },
    /// It is stored, and the API would not take it for as long as we waited.
    Refused {
        /// Why.
        why: String,
    },
}

/// What became of one turn.
enum Served {
    Done,
    Lost,
    Closed { why: String },
}

impl Board {
    /// Shows the document up to `revision`.
    pub async fn publish(&self, revision: u64, stay: Stay) -> Result<Publication, Error> {
        let client = self.client.as_ref().ok_or(Error::NoPlace)?;
        let Target::Pull(issue) = self.subject.target else { return Err(Error::NoPlace) };
        let began = Instant::now();
        let urgent = stay == Stay::UntilShown;
        let mut why = "another publisher was at it all the time".to_owned();
        loop {
            // A lease that is taken anew is another one to those who watch how long it has been silent.
            let token = Token::random();
            let need = self.need(client, revision, urgent);
            let (turn, version) = self.take(need, &token).await?;
            let left = self.timing.patience.saturating_sub(began.elapsed());
            let wait = match turn {
                Turn::Covered => return Ok(Publication::Shown),
                Turn::Held { .. } if !urgent => return Ok(Publication::Underway),
                // What is due in a moment is worth the moment.
                Turn::Early { wait } if !urgent && wait > self.timing.tempo.smallest => {
                    return Ok(Publication::Later { wait });
                }
                Turn::Taken(assignment) => {
                    match self.serve(client, issue, *assignment, (need, &token)).await? {
                        Served::Done if revision == u64::MAX => return Ok(Publication::Shown),
                        Served::Done | Served::Lost => continue,
                        Served::Closed { why: reason } => why = reason,
                    }
                    Duration::ZERO
                }
                Turn::Held { left } => left,
                Turn::Early { wait } => wait,
            };
            if left.is_zero() || (!urgent && wait.is_zero()) {
                return Ok(Publication::Refused { why });
            }
            let wait = wait.min(left).min(LOOK_AGAIN);
            self.register.changed(version.as_ref(), wait.max(Duration::from_millis(5))).await?;
        }
    }

    async fn take(
        &self,
        need: Need,
        token: &Token,
    ) -> Result<(Turn, Option<store::Version>), Error> {
        let take = self.register.update_to(|ledger, now| {
            match ledger.take(need, &self.bid(token), now) {
                ours @ Turn::Taken(_) => Step::Write(ours),
                // The next one who asks goes on from what we have seen of the lease.
                held @ Turn::Held { .. } => Step::Note(held),
                other => Step::Keep(other),
            }
        });
        Ok(take.await?)
    }

    fn bid<'a>(&'a self, token: &'a Token) -> Bid<'a> {
        Bid { token, lease: self.timing.lease, tempo: &self.timing.tempo }
    }

    /// Shows until there is nothing more to show, or the turn is over.
    async fn serve(
        &self,
        client: &Client,
        issue: u64,
        assignment: Assignment,
        (need, token): (Need, &Token),
    ) -> Result<Served, Error> {
        let mut assignment = assignment;
        loop {
            let shown = self.show(client, issue, &mut assignment, token).await;
            let feat = match shown {
                Ok(Some(feat)) => feat,
                Ok(None) => return Ok(Served::Lost),
                Err(error) => return self.give_up(client, &assignment, token, error).await,
            };
            let need = Need { time: self.time(client), throttle: throttle(client), ..need };
            let record = self.register.update(|ledger, now| {
                Step::Write(ledger.record(&feat, need, &self.bid(token), now))
            });
            match record.await? {
                Recorded::Released => return Ok(Served::Done),
                Recorded::Lost => return Ok(Served::Lost),
                Recorded::Again(again) => assignment = *again,
            }
            tokio::time::sleep(self.timing.tempo.smallest).await;
        }
    }

    /// Draws and sends one picture, as often as needed to be sure that nothing older lands after it.
    /// Returns nothing if the turn was lost.
    async fn show(
        &self,
        client: &Client,
        issue: u64,
        assignment: &mut Assignment,
        token: &Token,
    ) -> Result<Option<Feat>, Error> {
        let spot = self.spot(client, issue, assignment).await?;
        if assignment.comment.is_none() {
            self.take_over_rows(client, &spot, assignment).await?;
        }
        let (mut failures, mut may_be_twins) = (0, false);
        loop {
            let drawn = self.draw(client, &spot, assignment);
            match spot.write(client, assignment.comment, &drawn.body).await {
                Ok(comment) => {
                    let author = comment.author().map(ToOwned::to_owned);
                    // Of two comments, the one that stays is the one to be known.
                    assignment.comment = (!may_be_twins).then_some(comment.id);
                    if !assignment.doubt && !may_be_twins {
                        let (revision, shown) = (assignment.revision, digest(&drawn));
                        return Ok(Some(Feat { revision, comment: comment.id, author, shown }));
                    }
                    // What was under way has landed by the time we send ours again.
                    (assignment.doubt, may_be_twins) = (false, false);
                }
                Err(Error::Api(error)) if error.kind == ErrorKind::Lost && failures < SENDINGS => {
                    // It may land late, after everything we send before that.
                    assignment.doubt = false;
                    may_be_twins |= assignment.comment.is_none();
                    failures += 1;
                }
                Err(Error::Api(error))
                    if error.kind == ErrorKind::Unavailable && failures < SENDINGS =>
                {
                    failures += 1;
                }
                Err(error) => {
                    assignment.doubt |= failures > 0;
                    return Err(error);
                }
            }
            if !self.settle_turn(token).await? {
                return Ok(None);
            }
        }
    }

    /// Waits until what is under way has landed, and keeps the turn meanwhile.
    async fn settle_turn(&self, token: &Token) -> Result<bool, Error> {
        for _ in 0..2 {
            let keep = self.register.update(|ledger, _| {
                if ledger.keep(token) { Step::Write(true) } else { Step::Keep(false) }
            });
            if !keep.await? {
                return Ok(false);
            }
            tokio::time::sleep(self.timing.settling / 2).await;
        }
        let keep = self.register.update(|ledger, _| {
            if ledger.keep(token) { Step::Write(true) } else { Step::Keep(false) }
        });
        Ok(keep.await?)
    }

    /// Stores rows that only the comment has, from a writer without a store.
    async fn take_over_rows(
        &self,
        client: &Client,
        spot: &Spot,
        assignment: &mut Assignment,
    ) -> Result<(), Error> {
        let found = spot.find(client).await?;
        let Some(ours) = &found.ours else { return Ok(()) };
        let Some(document) = Block::decode(&ours.body).and_then(|block| block.document) else {
            return Ok(());
        };
        let adopt = self.register.update(|ledger, now| {
            let changed = ledger.adopt(&document);
            let next = ledger.assignment(now);
            if changed { Step::Write(next) } else { Step::Keep(next) }
        });
        let doubt = assignment.doubt;
        *assignment = Assignment { doubt, comment: None, ..adopt.await? };
        Ok(())
    }

    async fn give_up(
        &self,
        client: &Client,
        assignment: &Assignment,
        token: &Token,
        error: Error,
    ) -> Result<Served, Error> {
        let wait = match &error {
            Error::Api(error) => match error.kind {
                ErrorKind::RateLimited { retry_after } => {
                    Some(retry_after.unwrap_or(Duration::from_mins(1)))
                }
                _ if error.is_passing() => Some(self.timing.tempo.urgent),
                _ => None,
            },
            _ => None,
        };
        let closed = wait.map(|wait| self.time(client) + millis(wait));
        let certain = !assignment.doubt;
        let release = self.register.update(|ledger, _| {
            ledger.give_up(token, closed, certain);
            Step::Write(())
        });
        release.await?;
        match wait {
            Some(_) => Ok(Served::Closed { why: error.to_string() }),
            None => Err(error),
        }
    }

    /// Returns where our comment is and whose it is.
    pub(crate) async fn spot(
        &self,
        client: &Client,
        issue: u64,
        assignment: &Assignment,
    ) -> Result<Spot, Error> {
        let said = self.look.author.as_deref();
        let job = self.look.job_author.as_deref();
        let author = author(client, said, assignment.author.as_deref(), job).await?;
        Ok(Spot { issue, marker: self.subject.marker(), author })
    }

    /// Draws the comment.
    pub(crate) fn draw(&self, client: &Client, spot: &Spot, assignment: &Assignment) -> Rendering {
        let view = View::new(&assignment.document, |row| assignment.is_dead(row));
        let options = Options {
            marker: &spot.marker,
            title: self.look.title.as_deref(),
            template: &self.look.template,
            time: jiff::Timestamp::now(),
            budget: client.quota().map(github::Quota::percent),
            limit: COMMENT,
            state: Keep::Room,
        };
        render(&assignment.document, assignment.revision, &view, &options)
    }

    pub(crate) fn need(&self, client: &Client, revision: u64, urgent: bool) -> Need {
        Need { revision, urgent, time: self.time(client), throttle: throttle(client) }
    }

    /// Returns the time that sets the pace.
    fn time(&self, client: &Client) -> u64 {
        let ours = || u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
        match self.timing.clock {
            Pacemaker::Api => client.time().unwrap_or_else(ours),
            Pacemaker::Machine => ours(),
        }
    }
}

fn throttle(client: &Client) -> Throttle {
    Throttle::of(client.quota())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Tells one picture from another, but for the footer.
pub(crate) fn digest(drawn: &Rendering) -> String {
    let hash = Sha256::digest(drawn.content.as_bytes());
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, &hash[..12])
}
