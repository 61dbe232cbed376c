//! `milestone renew`, `done` and `failed`: what whoever claimed a boundary says later.

use clap::Args;
use coord::milestone::{Book, Claimed, Closing};
use serde_json::json;

use super::claims::{close_done, close_failed, not_ours, open};
use super::proof::Proof;
use crate::caller::{Caller, StoreFlags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Level, Session};

/// Which boundary, and the proof that it is ours.
#[derive(Debug, Args)]
pub(super) struct Close {
    /// What is counted.
    #[arg(value_name = "KEY")]
    key: String,
    /// The boundary.
    #[arg(value_name = "N", allow_negative_numbers = true)]
    milestone: i64,
    /// The claim's fence, if it is not in the file that `milestone check` left.
    #[arg(long, value_name = "F")]
    fence: Option<u64>,
    #[command(flatten)]
    store: StoreFlags,
}

/// Which claims last longer.
#[derive(Debug, Args)]
pub(super) struct Renew {
    /// What is counted.
    #[arg(value_name = "KEY")]
    key: String,
    /// The boundary; all that this job has claimed, if none is given.
    #[arg(value_name = "N", allow_negative_numbers = true)]
    milestone: Option<i64>,
    /// The claim's fence, if it is not in the file that `milestone check` left.
    #[arg(long, value_name = "F", requires = "milestone")]
    fence: Option<u64>,
    #[command(flatten)]
    store: StoreFlags,
}

impl Close {
    pub(super) fn done(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(async {
            let Some((book, mut proof)) = find(&self.key, &self.store, session).await? else {
                return disabled(&self.key, session);
            };
            let claimed = proof.claimed(self.milestone, self.fence)?;
            let closing = close_done(&book, &claimed).await?;
            proof.remove(claimed.milestone)?;
            self.tell("done", claimed, &closing, session)
        })?
    }

    pub(super) fn failed(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(async {
            let Some((book, mut proof)) = find(&self.key, &self.store, session).await? else {
                return disabled(&self.key, session);
            };
            let claimed = proof.claimed(self.milestone, self.fence)?;
            let closing = close_failed(&book, &claimed).await?;
            proof.remove(claimed.milestone)?;
            self.tell("failed", claimed, &closing, session)
        })?
    }

    fn tell(
        &self,
        word: &str,
        claimed: Claimed,
        closing: &Closing,
        session: &Session,
    ) -> Result<Exit, Failure> {
        let lost = not_ours(&claimed, closing);
        let word = if lost.is_some() { "stale" } else { word };
        let answer = json!({
            "outcome": word, "key": self.key, "milestone_number": claimed.milestone,
            "fence": claimed.fence, "reason": lost,
        });
        let text =
            lost.clone().unwrap_or_else(|| format!("milestone {}: {word}", claimed.milestone));
        session.answer(&answer, &text)?;
        if let Some(lost) = &lost {
            session.annotate(Level::Warning, &format!("milestone {}", self.key), lost);
        }
        Ok(if lost.is_some() { Exit::NotOurs } else { Exit::Done })
    }
}

impl Renew {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(async {
            let Some((book, proof)) = find(&self.key, &self.store, session).await? else {
                return disabled(&self.key, session);
            };
            let claims = match self.milestone {
                Some(milestone) => vec![proof.claimed(milestone, self.fence)?],
                None => proof.all(),
            };
            if claims.is_empty() {
                let what = format!("nothing of `{}` was claimed here", self.key);
                return Err(Failure::new(Exit::Usage, what));
            }
            let lost = book.renew(&claims).await?;
            let numbers = |claims: &[Claimed]| -> Vec<i64> {
                claims.iter().map(|claimed| claimed.milestone).collect()
            };
            let kept: Vec<_> = claims.iter().filter(|it| !lost.contains(it)).copied().collect();
            let word = if lost.is_empty() { "renewed" } else { "lost" };
            let answer = json!({
                "outcome": word, "key": self.key, "milestones": numbers(&kept), "lost": numbers(&lost),
            });
            let text = match lost.as_slice() {
                [] => format!("renewed: {:?}", numbers(&kept)),
                lost => format!("not ours any more: {:?}", numbers(lost)),
            };
            session.answer(&answer, &text)?;
            Ok(if lost.is_empty() { Exit::Done } else { Exit::Lost })
        })?
    }
}

/// Returns the ledger of a key and the fences that were kept for it; nothing where there is no store.
async fn find(
    key: &str,
    store: &StoreFlags,
    session: &Session,
) -> Result<Option<(Book, Proof)>, Failure> {
    let caller = Caller::of(session).await;
    let proof = Proof::read(session, &caller, key)?;
    Ok(open(key, store, &caller, session).await?.map(|book| (book, proof)))
}

fn disabled(key: &str, session: &Session) -> Result<Exit, Failure> {
    let answer = json!({ "outcome": "disabled", "key": key });
    session.answer(&answer, "disabled: there is no store to count in")?;
    Ok(Exit::Done)
}
