//! What the winner of a guard says later: renewed, done, failed, forget.

use std::sync::Arc;

use clap::Args;
use coord::Fence;
use coord::claim::{Closing, Renewal, Subject};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Proof, kept};
use crate::caller::{Caller, StoreFlags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Which claim, and the proof that it is ours.
#[derive(Debug, Args)]
pub(super) struct Close {
    /// What the work is about.
    #[arg(value_name = "KEY")]
    key: String,
    /// The winner's fence, if it is not in the file that the winning call left.
    #[arg(long, value_name = "N")]
    fence: Option<u64>,
    #[command(flatten)]
    store: StoreFlags,
}

/// The arguments of `interlock guard done`.
#[derive(Debug, Args)]
pub(super) struct Done {
    #[command(flatten)]
    close: Close,
    /// What came of it: a link or a sentence, told to whoever asks again.
    #[arg(long, value_name = "TEXT", default_value = "")]
    result: String,
}

/// The arguments of `interlock guard show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// What the work is about.
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    store: StoreFlags,
}

/// A claim that was found, with its proof.
struct Found {
    subject: Subject,
    fence: Fence,
    kept: crate::kept::Kept,
}

impl Close {
    pub(super) fn renew(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(async {
            let Some(found) = self.find(session).await? else { return self.disabled(session) };
            match found.subject.renew(found.fence).await? {
                Renewal::Renewed => {
                    self.tell("renewed", "the claim lasts another length", found.fence, session)?;
                    Ok(Exit::Done)
                }
                Renewal::Lost { by } => {
                    let by = by.map_or_else(|| "nobody".to_owned(), |who| who.to_string());
                    let text = format!("the claim is not ours any more: {by} has it");
                    self.tell("lost", &text, found.fence, session)?;
                    Ok(Exit::Lost)
                }
            }
        })?
    }

    pub(super) fn failed(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(async {
            let Some(found) = self.find(session).await? else { return self.disabled(session) };
            let closing = found.subject.failed(found.fence).await?;
            self.closed(("failed", "the work may be tried again"), &found, closing, session)
        })?
    }

    pub(super) fn forget(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(async {
            let Some(found) = self.find(session).await? else { return self.disabled(session) };
            let closing = found.subject.forget(found.fence).await?;
            self.closed(("forgotten", "the work may be done again"), &found, closing, session)
        })?
    }

    async fn find(&self, session: &Session) -> Result<Option<Found>, Failure> {
        let caller = Caller::of(session).await;
        let kept = kept(session, &caller, &self.key)?;
        let fence = self.fence.map(Fence).or_else(|| kept.load::<Proof>().map(|proof| proof.fence));
        let Some(store) = self.store.open(session).await? else { return Ok(None) };
        let fence = fence.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("no fence is known for `{}` here", self.key))
                .hinted("give the one that the winning call printed with --fence")
        })?;
        let subject = Subject::new(store, Arc::clone(&caller.clock), &caller.scope(), &self.key);
        Ok(Some(Found { subject, fence, kept }))
    }

    fn closed(
        &self,
        (word, text): (&str, &str),
        found: &Found,
        closing: Closing,
        session: &Session,
    ) -> Result<Exit, Failure> {
        match closing {
            Closing::Closed => {
                found.kept.remove();
                self.tell(word, text, found.fence, session)?;
                Ok(Exit::Done)
            }
            Closing::Stale { fence, by } => {
                let by = by.map_or_else(|| "nobody".to_owned(), |who| who.to_string());
                let text = format!(
                    "fence {} is not that of the claim: the last one is {fence}, and {by} has it",
                    found.fence
                );
                self.tell("stale", &text, found.fence, session)?;
                Ok(Exit::NotOurs)
            }
        }
    }

    fn tell(&self, word: &str, text: &str, fence: Fence, session: &Session) -> Result<(), Failure> {
        let answer = json!({ "outcome": word, "key": self.key, "fence": fence, "reason": text });
        session.answer(&answer, &format!("{word}: {text}"))
    }

    fn disabled(&self, session: &Session) -> Result<Exit, Failure> {
        let text = "no store was chosen, so there is nothing to close";
        let answer = json!({ "outcome": "disabled", "key": self.key, "reason": text });
        session.answer(&answer, &format!("disabled: {text}"))?;
        Ok(Exit::Done)
    }
}

impl Done {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(async {
            let close = &self.close;
            let Some(found) = close.find(session).await? else { return close.disabled(session) };
            let closing = found.subject.done(found.fence, &self.result, Timestamp::now()).await?;
            close.closed(("done", "whoever asks again is told so"), &found, closing, session)
        })?
    }
}

impl Show {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(async {
            let caller = Caller::of(session).await;
            let Some(store) = self.store.open(session).await? else {
                let answer = json!({ "key": self.key, "state": "disabled" });
                session.answer(&answer, "disabled: no store was chosen")?;
                return Ok(Exit::Done);
            };
            let subject =
                Subject::new(store, Arc::clone(&caller.clock), &caller.scope(), &self.key);
            let reading = subject.register().read().await?;
            let claim = &reading.value;
            let is_over = claim.live().is_some_and(|live| live.is_over(&reading.now));
            let state = match (claim.live(), claim.last_done()) {
                (Some(_), _) if is_over => "stale",
                (Some(_), _) => "live",
                (None, Some(_)) => "done",
                (None, None) => "free",
            };
            let answer = json!({
                "key": self.key,
                "state": state,
                "live": claim.live().map(|live| json!({
                    "fence": live.fence, "by": live.who.to_string(), "link": live.who.link,
                    "digest": live.digest, "since": live.began.to_string(),
                })),
                "done": claim.last_done().map(|done| json!({
                    "fence": done.fence, "by": done.who.to_string(), "link": done.who.link,
                    "digest": done.digest, "result": done.result, "ended": done.ended.to_string(),
                })),
                "failures": claim.failures(),
            });
            session.answer(&answer, &human(&answer))?;
            Ok(Exit::Done)
        })?
    }
}

fn human(answer: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let mut lines = vec![format!("{}: {}", text(&answer["key"]), text(&answer["state"]))];
    for part in ["live", "done"] {
        if let Some(fields) = answer[part].as_object() {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let fields: Vec<_> =
                fields.map(|(name, value)| format!("{name} {}", text(value))).collect();
            lines.push(format!("  {part}: {}", fields.join(", ")));
        }
    }
    lines.join("\n")
}
