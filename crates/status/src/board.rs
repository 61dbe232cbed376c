//! The board: one subject's document in a store, with everything a writer does to it.

use std::sync::Arc;
use std::time::Duration;

use coord::{Clock, Register, Step, Token};
use github::Client;
use jiff::Timestamp;
use store::Store;

use crate::document::Document;
use crate::error::Error;
use crate::head::{Verdict, judge};
use crate::identity::{Subject, Target};
use crate::ledger::{Assignment, Ledger, Post, Posted, Standing};
use crate::pace::Tempo;
use crate::template::Template;

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a publisher may be silent before another takes over.
    pub lease: Duration,
    /// How long a picture whose answer was lost may take to land.
    pub settling: Duration,
    /// How long what a read shows may lag behind.
    pub lag: Duration,
    /// How long a final writer waits for its row to be shown.
    pub patience: Duration,
    /// How fast pictures follow one another.
    pub tempo: Tempo,
    /// Whether the API's clock or ours sets the pace.
    pub clock: Pacemaker,
}

/// Whose clock sets the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pacemaker {
    /// The API's, which all writers share.
    Api,
    /// This machine's.
    Machine,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(20),
            settling: Duration::from_secs(10),
            lag: Duration::from_secs(4),
            patience: Duration::from_mins(2),
            tempo: Tempo::default(),
            clock: Pacemaker::Api,
        }
    }
}

/// How the comment looks, and whose it is.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The heading.
    pub title: Option<String>,
    /// The order of the parts.
    pub template: Template,
    /// Who writes the comment, if somebody said so.
    pub author: Option<String>,
    /// Who writes it if the API does not say, as in a job.
    pub job_author: Option<String>,
}

/// One subject's document.
#[derive(Debug)]
pub struct Board {
    pub(crate) subject: Subject,
    pub(crate) register: Register<Ledger>,
    pub(crate) client: Option<Client>,
    pub(crate) timing: Timing,
    pub(crate) look: Look,
}

/// What became of a post, and what the API said about its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posting {
    /// The head is the current one, or could not be checked.
    Posted {
        /// What became of it.
        posted: Posted,
        /// Why the head could not be checked, if so.
        unchecked: Option<String>,
    },
    /// Another head is the current one, so nothing was changed.
    OlderHead {
        /// The current one.
        current: String,
    },
}

/// The document as it is now.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Everything that is to be shown.
    pub assignment: Assignment,
    /// The revision that is certainly shown.
    pub published: u64,
    /// How many rows go on.
    pub unfinished: usize,
    /// How long until the next of them may be given up.
    pub left: Duration,
    /// What is shown, in short.
    pub shown: String,
}

impl Board {
    /// Opens the document about a subject. Without a client it can be written and is shown nowhere.
    pub fn new(
        subject: Subject,
        place: (Arc<dyn Store>, Arc<dyn Clock>),
        client: Option<Client>,
        timing: Timing,
        look: Look,
    ) -> Self {
        let (store, clock) = place;
        let register = Register::new(store, clock, subject.key());
        Self { subject, register, client, timing, look }
    }

    /// Returns what it is about.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Stores what a writer says, if its head is the current one.
    pub async fn post(&self, post: &Post) -> Result<Posting, Error> {
        let (standing, head, unchecked) = match self.standing(&post.head).await? {
            Verdict::Older { current } => return Ok(Posting::OlderHead { current }),
            Verdict::Current(head) => (Standing::Current, head, None),
            Verdict::Unknown { why } => {
                (Standing::Unknown, post.head.to_ascii_lowercase(), Some(why))
            }
        };
        let post = Post { head, ..post.clone() };
        let posted = self.store(&post, standing).await?;
        Ok(Posting::Posted { posted, unchecked })
    }

    /// Gives a sign of life of tasks that go on. Says whether there are any.
    pub async fn beat(&self, post: &Post) -> Result<bool, Error> {
        let now = Timestamp::now();
        let post = Post { head: post.head.to_ascii_lowercase(), ..post.clone() };
        let beat = self.register.update(|ledger, _| {
            if ledger.beat(&post, now) { Step::Write(true) } else { Step::Keep(false) }
        });
        Ok(beat.await?)
    }

    /// Takes in rows from elsewhere: from a comment, or from the API's runs and jobs.
    pub async fn adopt(&self, document: &Document) -> Result<u64, Error> {
        let adopt = self.register.update(|ledger, _| {
            let changed = ledger.adopt(document);
            let revision = ledger.revision;
            if changed { Step::Write(revision) } else { Step::Keep(revision) }
        });
        Ok(adopt.await?)
    }

    /// Looks at the document.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let reading = self.register.read().await?;
        let (ledger, now) = (reading.value, reading.now);
        let (unfinished, left) = ledger.unfinished(&now);
        Ok(Snapshot {
            assignment: ledger.assignment(&now),
            published: ledger.published,
            unfinished,
            left,
            shown: ledger.shown,
        })
    }

    /// Waits until the document may have changed, or until `timeout`.
    pub async fn changed(&self, timeout: Duration) -> Result<(), Error> {
        let version = self.register.read().await?.version;
        self.register.changed(version.as_ref(), timeout).await?;
        Ok(())
    }

    /// Makes the API's current head the one that is shown. Says what the API said.
    pub async fn refresh_head(&self) -> Result<Option<String>, Error> {
        let (Target::Pull(number), Some(client)) = (&self.subject.target, &self.client) else {
            return Ok(None);
        };
        let known = self.register.read().await?.value.document.current;
        let head = client.pull(*number).await?.head.sha.to_ascii_lowercase();
        if head.is_empty() || known.as_ref() == Some(&head) {
            return Ok(Some(head));
        }
        let judged = judge(client, *number, &head, known.as_deref(), self.timing.lag).await;
        let Verdict::Current(head) = judged else { return Ok(known) };
        let turn = self.register.update(|ledger, _| {
            if ledger.turn_to(&head) { Step::Write(()) } else { Step::Keep(()) }
        });
        turn.await?;
        Ok(Some(head))
    }

    async fn standing(&self, head: &str) -> Result<Verdict, Error> {
        match (&self.subject.target, &self.client) {
            (Target::Commit(sha), _) => Ok(Verdict::Current(sha.to_ascii_lowercase())),
            (Target::Pull(_), None) => {
                Ok(Verdict::Unknown { why: "there is no API to ask".to_owned() })
            }
            (Target::Pull(number), Some(client)) => {
                let known = self.register.read().await?.value.document.current;
                Ok(judge(client, *number, head, known.as_deref(), self.timing.lag).await)
            }
        }
    }

    async fn store(&self, post: &Post, standing: Standing) -> Result<Posted, Error> {
        let (token, now) = (Token::random(), Timestamp::now());
        let stored = self.register.update(|ledger, _| {
            let posted = ledger.post(post, standing, &token, now);
            match posted {
                Posted::Stored { .. } => Step::Write(posted),
                Posted::Finished | Posted::EarlierAttempt { .. } => Step::Keep(posted),
            }
        });
        Ok(stored.await?)
    }
}
