//! The document without a store: kept in the comment alone, as well as that can be done.
//!
//! GitHub cannot compare and swap a comment, so this is best effort: what a writer has written is read back
//! after a while, and joined and written again if it is gone. Two writers whose last words cross may still
//! lose one, which a store never does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use coord::Token;
use github::{Client, ErrorKind};
use jiff::Timestamp;

use crate::block::Block;
use crate::board::{Look, Posting, Timing};
use crate::comment::{Spot, author};
use crate::document::Document;
use crate::error::Error;
use crate::head::{Verdict, judge};
use crate::identity::{Subject, Target};
use crate::ledger::{Ledger, Post, Posted, Standing};
use crate::render::{COMMENT, Keep, Options, View, render};
use crate::row::Row;

/// How often a lost row is written again.
const ROUNDS: u32 = 6;
/// How long a wait for other writers' rows is between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// A document that only its comment keeps.
#[derive(Debug)]
pub struct Unbacked {
    subject: Subject,
    client: Client,
    timing: Timing,
    look: Look,
}

/// What is known of a row that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A read after a while has shown it.
    Confirmed,
    /// No read has shown it: it may be lost.
    Unconfirmed {
        /// Why, if the API said so.
        why: Option<String>,
    },
    /// Nothing was written.
    Nothing,
}

impl Unbacked {
    /// Opens the document of a pull request.
    pub fn new(subject: Subject, client: Client, timing: Timing, look: Look) -> Self {
        Self { subject, client, timing, look }
    }

    /// Returns what it is about.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Reads the document.
    pub async fn read(&self) -> Result<Document, Error> {
        let spot = self.spot().await?;
        Ok(self.read_from(&spot).await?.0.document)
    }

    /// Writes what a writer says into the comment, and looks whether it stays there.
    pub async fn post(&self, post: &Post) -> Result<(Posting, Kept), Error> {
        let spot = self.spot().await?;
        let (mut ledger, mut comment) = self.read_from(&spot).await?;
        let known = ledger.document.current.clone();
        let (pull, lag) = (self.pull()?, self.timing.lag);
        let verdict = judge(&self.client, pull, &post.head, known.as_deref(), lag).await;
        let (standing, head, unchecked) = match verdict {
            Verdict::Older { current } => {
                return Ok((Posting::OlderHead { current }, Kept::Nothing));
            }
            Verdict::Current(head) => (Standing::Current, head, None),
            Verdict::Unknown { why } => {
                (Standing::Unknown, post.head.to_ascii_lowercase(), Some(why))
            }
        };
        let post = Post { head, ..post.clone() };
        let posted = ledger.post(&post, standing, &Token::random(), Timestamp::now());
        let posting = Posting::Posted { posted: posted.clone(), unchecked };
        if !matches!(posted, Posted::Stored { .. }) {
            return Ok((posting, Kept::Nothing));
        }
        let mut why = None;
        for round in 0..ROUNDS {
            match self.write(&spot, comment, &ledger).await {
                Ok(id) => comment = Some(id),
                Err(Error::Api(error)) if error.is_passing() => {
                    self.wait(&error.kind, round).await;
                    why = Some(error.to_string());
                }
                Err(error) => return Err(error),
            }
            // Everybody waits another time, or they would cross again.
            tokio::time::sleep(self.timing.lag.mul_f64(rand::random_range(0.7..1.7))).await;
            let (seen, found) = match self.read_from(&spot).await {
                Ok(seen) => seen,
                Err(Error::Api(error)) if error.is_passing() => continue,
                Err(error) => return Err(error),
            };
            let mut all = seen.document.clone();
            all.join(&ledger.document);
            if shown(&all) == shown(&seen.document) {
                return Ok((posting, Kept::Confirmed));
            }
            ledger.document = all;
            ledger.revision = ledger.revision.max(seen.revision) + 1;
            comment = comment.filter(|_| found.is_some());
        }
        Ok((posting, Kept::Unconfirmed { why }))
    }

    /// Waits until all rows are finished or silent, for at most `most`; gives the silent ones up in the
    /// comment. Returns how many rows still go on.
    pub async fn settle(&self, most: Duration) -> Result<usize, Error> {
        let (began, spot) = (Instant::now(), self.spot().await?);
        let mut seen: BTreeMap<(String, u64), Instant> = BTreeMap::new();
        loop {
            let (ledger, comment) = self.read_from(&spot).await?;
            let mut open = 0;
            let page = ledger.document.shown().map(|(_, page)| page.clone()).unwrap_or_default();
            for row in page.slots.iter().flat_map(|slot| &slot.rows) {
                if let Some(life) = &row.life {
                    seen.entry((life.token().as_str().to_owned(), life.renewals()))
                        .or_insert_with(Instant::now);
                }
                open += usize::from(!row.state.is_finished() && !is_silent(row, &seen));
            }
            if open == 0 || began.elapsed() >= most {
                if comment.is_some() || page.rows() > 0 {
                    self.write_with(&spot, comment, &ledger, |row| is_silent(row, &seen)).await?;
                }
                return Ok(open);
            }
            let rest = most.saturating_sub(began.elapsed());
            tokio::time::sleep(LOOK_AGAIN.min(rest)).await;
        }
    }

    async fn wait(&self, kind: &ErrorKind, round: u32) {
        let wait = match kind {
            ErrorKind::RateLimited { retry_after: Some(wait) } => (*wait).min(self.timing.patience),
            ErrorKind::Lost => self.timing.settling,
            _ => self.timing.tempo.urgent * (round + 1),
        };
        tokio::time::sleep(wait).await;
    }

    fn pull(&self) -> Result<u64, Error> {
        match self.subject.target {
            Target::Pull(number) => Ok(number),
            Target::Commit(_) => Err(Error::NoPlace),
        }
    }

    async fn spot(&self) -> Result<Spot, Error> {
        let (said, job) = (self.look.author.as_deref(), self.look.job_author.as_deref());
        let author = author(&self.client, said, None, job).await?;
        Ok(Spot { issue: self.pull()?, marker: self.subject.marker(), author })
    }

    async fn read_from(&self, spot: &Spot) -> Result<(Ledger, Option<u64>), Error> {
        let found = spot.find(&self.client).await?;
        let mut ledger = Ledger::default();
        for comment in found.ours.iter().chain(&found.twins) {
            if let Some(block) = Block::decode(&comment.body) {
                ledger.revision = ledger.revision.max(block.revision);
                ledger.document.join(&block.document.unwrap_or_default());
            }
        }
        Ok((ledger, found.ours.map(|comment| comment.id)))
    }

    async fn write(&self, spot: &Spot, known: Option<u64>, ledger: &Ledger) -> Result<u64, Error> {
        self.write_with(spot, known, ledger, |_| false).await
    }

    async fn write_with(
        &self,
        spot: &Spot,
        known: Option<u64>,
        ledger: &Ledger,
        dead: impl Fn(&Row) -> bool,
    ) -> Result<u64, Error> {
        let view = View::new(&ledger.document, dead);
        let options = Options {
            marker: &spot.marker,
            title: self.look.title.as_deref(),
            template: &self.look.template,
            time: Timestamp::now(),
            budget: self.client.quota().map(github::Quota::percent),
            limit: COMMENT,
            state: Keep::First,
        };
        let drawn = render(&ledger.document, ledger.revision, &view, &options);
        // Twins go with the search, so a known comment is written only where no twin was seen.
        Ok(spot.write(&self.client, known, &drawn.body).await?.id)
    }
}

/// Returns the page that is shown, without what a comment leaves out.
fn shown(document: &Document) -> Option<Document> {
    Block::new(document, 0).document
}

fn is_silent(row: &Row, seen: &BTreeMap<(String, u64), Instant>) -> bool {
    let Some(life) = row.life.as_ref().filter(|_| !row.state.is_finished()) else { return false };
    let since = seen.get(&(life.token().as_str().to_owned(), life.renewals()));
    since.is_some_and(|since| since.elapsed() >= life.ttl())
}
