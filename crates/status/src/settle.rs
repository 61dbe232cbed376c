//! The last word: waits until every known row is finished or dead, and proves that the comment shows it.

use std::time::{Duration, Instant};

use crate::board::{Board, Snapshot};
use crate::error::Error;
use crate::identity::Target;
use crate::publisher::{Publication, Stay, digest};

/// How often the comment is written again because it shows something else.
const REPAIRS: u32 = 5;
/// How often the document is looked at while rows go on.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The rows that went on when the time was up.
    pub unfinished: usize,
    /// Whether a read of the comment has shown exactly the document.
    pub proven: bool,
    /// How often the comment had to be written again.
    pub repairs: u32,
    /// Whether the document is shown.
    pub publication: Publication,
}

impl Board {
    /// Waits until all known rows are finished or dead, for at most `most`, and shows the last word.
    ///
    /// With `include` the jobs that the API knows count as well, but for the unfinished ones of that run.
    pub async fn settle(&self, most: Duration, include: Option<&str>) -> Result<Settled, Error> {
        let began = Instant::now();
        let mut asked: Option<Instant> = None;
        loop {
            let mut snapshot = self.snapshot().await?;
            let is_due = asked.is_none_or(|asked| asked.elapsed() >= LOOK_AGAIN * 2);
            if is_due || snapshot.unfinished == 0 {
                self.look_at_jobs(include).await?;
                asked = Some(Instant::now());
                snapshot = self.snapshot().await?;
            }
            let rest = most.saturating_sub(began.elapsed());
            if snapshot.unfinished == 0 || rest.is_zero() {
                return self.prove(snapshot.unfinished).await;
            }
            let wait = snapshot.left.min(rest).min(LOOK_AGAIN).max(Duration::from_millis(20));
            let version = self.register.read().await?.version;
            self.register.changed(version.as_ref(), wait).await?;
        }
    }

    async fn look_at_jobs(&self, include: Option<&str>) -> Result<(), Error> {
        let Some(own) = include else { return Ok(()) };
        match self.include_jobs(own).await {
            // What was known before still stands.
            Err(error) if error.is_passing() => Ok(()),
            result => result,
        }
    }

    /// Shows the document, and writes it again until the comment shows it and no other does.
    pub async fn prove(&self, unfinished: usize) -> Result<Settled, Error> {
        self.refresh_head().await?;
        let mut publication = self.publish_if_stale().await?;
        let mut repairs = 0;
        loop {
            // What was under way when the last writer died has landed by then, and replicas show it.
            tokio::time::sleep(self.timing.settling).await;
            let is_shown = match self.shows().await {
                Ok(is_shown) => is_shown,
                Err(error) if error.is_passing() => false,
                Err(error) => return Err(error),
            };
            if is_shown && self.is_covered().await? {
                return Ok(Settled { unfinished, proven: true, repairs, publication });
            }
            if repairs == REPAIRS {
                return Ok(Settled { unfinished, proven: false, repairs, publication });
            }
            repairs += 1;
            publication = self.publish(u64::MAX, Stay::UntilShown).await?;
        }
    }

    /// Shows the document if it is not shown, or if rows have died since.
    pub async fn publish_if_stale(&self) -> Result<Publication, Error> {
        let snapshot = self.snapshot().await?;
        let assignment = &snapshot.assignment;
        let is_stale = assignment.comment.is_none() || self.content(&snapshot) != snapshot.shown;
        let revision = if is_stale { u64::MAX } else { assignment.revision };
        self.publish(revision, Stay::UntilShown).await
    }

    /// Shows the document again if the comment, as far as a read can tell, shows something else.
    pub async fn publish_and_repair(&self) -> Result<Publication, Error> {
        let publication = self.publish_if_stale().await?;
        if publication == Publication::Shown && !self.shows().await? {
            return self.publish(u64::MAX, Stay::UntilShown).await;
        }
        Ok(publication)
    }

    /// Says whether one comment, and only one, shows the document.
    async fn shows(&self) -> Result<bool, Error> {
        let client = self.client.as_ref().ok_or(Error::NoPlace)?;
        let Target::Pull(issue) = self.subject.target else { return Err(Error::NoPlace) };
        let snapshot = self.snapshot().await?;
        let spot = self.spot(client, issue, &snapshot.assignment).await?;
        let found = spot.find(client).await?;
        if !found.twins.is_empty() {
            // The one that stays is searched for, and the twins go.
            let forget = self.register.update(|ledger, _| {
                ledger.forget_comment();
                coord::Step::Write(())
            });
            forget.await?;
            return Ok(false);
        }
        let drawn = self.draw(client, &spot, &snapshot.assignment);
        Ok(found.ours.is_some_and(|ours| is_same(&ours.body, &drawn.body)))
    }

    async fn is_covered(&self) -> Result<bool, Error> {
        let snapshot = self.snapshot().await?;
        Ok(snapshot.published >= snapshot.assignment.revision)
    }

    fn content(&self, snapshot: &Snapshot) -> String {
        let Some(client) = &self.client else { return String::new() };
        let spot =
            crate::comment::Spot { issue: 0, marker: self.subject.marker(), author: String::new() };
        digest(&self.draw(client, &spot, &snapshot.assignment))
    }
}

/// Compares two bodies but for the footer, which says when each was drawn.
fn is_same(one: &str, other: &str) -> bool {
    let without = |text: &str| {
        let lines = text.trim_end().lines().map(str::trim_end);
        let mut lines: Vec<String> = lines.map(ToOwned::to_owned).collect();
        let footer = lines.pop().unwrap_or_default();
        (lines, footer.starts_with("<sub>Updated "))
    };
    without(one) == without(other)
}
