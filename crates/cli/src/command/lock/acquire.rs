//! `lock acquire`, `lock release`, `lock renew`: a lock that is held from one step to another.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use coord::lease::{Contender, Holder, Lock, Release as Released, Renewal};
use coord::{BootClock, Clock, Token};
use jiff::Timestamp;
use runner::interrupt::Interrupts;
use serde_json::{Map, Value, json};
use store::Store;

use super::asking::{AskFlags, OnHeld, Opened, Outcome};
use super::present;
use super::token::{Place, Saved};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Level, Session};
use crate::settings::duration;
use crate::wrapped;

/// The arguments of `interlock lock acquire`.
#[derive(Debug, Args)]
pub(super) struct Acquire {
    /// What is locked, such as `octo/repo`; several are taken in one order, all or none.
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    ask: AskFlags,
    /// Exit with 3 for "held" also where step outputs carry the answer.
    #[arg(long)]
    exit_code: bool,
    /// Write the outcome to FILE as well, as JSON.
    #[arg(long, value_name = "FILE")]
    outcome_file: Option<PathBuf>,
}

/// The arguments of `interlock lock release`.
#[derive(Debug, Args)]
pub(super) struct Release {
    /// What is locked.
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    /// The store that the lock is in.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Exit with 3 if there was nothing to release, also where step outputs carry the answer.
    #[arg(long)]
    exit_code: bool,
}

/// The arguments of `interlock lock renew`.
#[derive(Debug, Args)]
pub(super) struct Renew {
    /// What is locked.
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    /// How long it lasts from now on [default: as long as it was taken for]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ttl: Option<Duration>,
    /// The store that the lock is in.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

impl Acquire {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let outcome = match self.ask.open(session).await? {
            Opened::Store(store) => self.take(&store, session).await?,
            Opened::Not(outcome) => outcome,
        };
        let proceeds = outcome.proceeds(&self.ask);
        let fields = Value::Object(present::to_json(&self.keys, &outcome, proceeds));
        let text = format!("{}: {}", outcome.word(), present::sentence(&outcome));
        session.answer(&fields, &text)?;
        wrapped::write_outcome(self.outcome_file.as_deref(), &fields)?;
        present::make_visible(&self.keys, &outcome, session)?;
        Ok(self.exit(&outcome, proceeds, session))
    }

    async fn take(&self, store: &Arc<dyn Store>, session: &Session) -> Result<Outcome, Failure> {
        let url = session.store_url(self.ask.store.store.as_deref())?;
        let ttl = milliseconds(self.ask.ttl);
        let mut places = Vec::new();
        let mut tokens = Vec::new();
        for key in &self.keys {
            let place = Place::new(session, &url, key)?;
            tokens.push((key.clone(), place.token(ttl)?));
            places.push((key.clone(), place));
        }
        let mut locks = self.ask.locks(store, &self.ask.identity.holder(session), &tokens);
        let mut interrupts =
            Interrupts::listen().map_err(|error| Failure::from_error(Exit::Unavailable, &error))?;
        let outcome = self.ask.ask_for_keeps(&mut locks, &mut interrupts, session).await;
        for (key, place) in &places {
            let lock = locks.iter().find(|lock| lock.name() == key);
            match (&outcome, lock.and_then(|lock| Some((lock, lock.fence()?)))) {
                (Outcome::Ours(_), Some((lock, fence))) => {
                    place.save(&lock.contender().token, fence, ttl)?;
                }
                // What may have been written unknown to us must be found by the next question.
                (Outcome::Unavailable(_), _) => {}
                _ => place.forget_question(),
            }
        }
        Ok(outcome)
    }

    fn exit(&self, outcome: &Outcome, proceeds: bool, session: &Session) -> Exit {
        match outcome {
            _ if proceeds => Exit::Done,
            Outcome::Held { .. } => match self.ask.on_held {
                Some(OnHeld::Skip) => Exit::Done,
                Some(OnHeld::Fail) => Exit::NotOurs,
                _ => session.no(self.exit_code),
            },
            Outcome::Unavailable(_) => Exit::Unavailable,
            Outcome::Corrupt(_) => Exit::Unknown,
            _ => Exit::Interrupted,
        }
    }
}

impl Release {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let held = Held::find(&self.keys, self.store.as_deref(), session)?;
        let (mut word, mut exit, mut texts) = ("not-held", session.no(self.exit_code), Vec::new());
        for (key, place, saved) in held.iter().rev() {
            let Some(saved) = saved.as_ref().filter(|saved| saved.fence.is_some()) else {
                texts.push(format!("{key}: nothing was acquired here"));
                continue;
            };
            let mut lock = lock(self.store.as_deref(), key, saved, session).await?;
            match lock.release().await? {
                Released::Released { fence, next } => {
                    let next = match next {
                        Some(next) => format!("goes to {}", present::who(&next)),
                        None => "is free".to_owned(),
                    };
                    texts.push(format!("{key} {next}, after fence {fence}"));
                    if word != "lost" {
                        (word, exit) = ("released", Exit::Done);
                    }
                }
                Released::NotOurs { by } => {
                    let by = by.map(|by| format!(": {} has it now", present::who(&by)));
                    texts.push(format!("{key} was lost before{}", by.unwrap_or_default()));
                    (word, exit) = ("lost", Exit::Lost);
                }
            }
            place.forget();
        }
        tell(&self.keys, word, &texts, Map::new(), session)?;
        Ok(exit)
    }
}

impl Renew {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let held = Held::find(&self.keys, self.store.as_deref(), session)?;
        let (mut word, mut exit, mut texts) = ("renewed", Exit::Done, Vec::new());
        let mut fields = Map::new();
        for (key, place, saved) in &held {
            let Some(saved) = saved.as_ref().filter(|saved| saved.fence.is_some()) else {
                let what = format!("{key} was not acquired here");
                return Err(Failure::new(Exit::Usage, what).hinted(
                    "`lock renew` goes on with what `lock acquire` took in this job or script",
                ));
            };
            let ttl = self.ttl.unwrap_or(Duration::from_millis(saved.ttl_ms));
            let saved = Saved { ttl_ms: milliseconds(ttl), ..saved.clone() };
            let mut lock = lock(self.store.as_deref(), key, &saved, session).await?;
            match lock.renew().await? {
                Renewal::Renewed { fence } => {
                    place.save(&saved.token, fence, saved.ttl_ms)?;
                    texts.push(format!("{key} is ours for another {ttl:?}, under fence {fence}"));
                    fields.insert("fence".to_owned(), json!(fence));
                }
                Renewal::Lost { by, last } => {
                    let last = last.map(|last| format!(": {}", present::ended(&last)));
                    let by = by.map(|by| format!("; {} has it now", present::who(&by)));
                    let [last, by] = [last, by].map(Option::unwrap_or_default);
                    texts.push(format!("{key} is lost{last}{by}"));
                    (word, exit) = ("lost", Exit::Lost);
                    place.forget();
                }
            }
        }
        tell(&self.keys, word, &texts, fields, session)?;
        Ok(exit)
    }
}

/// What was kept of each key.
struct Held;

impl Held {
    fn find(
        keys: &[String],
        store: Option<&str>,
        session: &Session,
    ) -> Result<Vec<(String, Place, Option<Saved>)>, Failure> {
        let url = session.store_url(store)?;
        let find = |key: &String| {
            let place = Place::new(session, &url, key)?;
            let saved = place.load();
            Ok((key.clone(), place, saved))
        };
        keys.iter().map(find).collect()
    }
}

/// Returns the lock that was acquired with a token.
async fn lock(
    store: Option<&str>,
    key: &str,
    saved: &Saved,
    session: &Session,
) -> Result<Lock, Failure> {
    let store = session.open_store(store).await?;
    let clock: Arc<dyn Clock> = Arc::new(BootClock::of_this_machine());
    let (token, ttl): (Token, _) = (saved.token.clone(), Duration::from_millis(saved.ttl_ms));
    let contender = Contender { token, holder: Holder::default(), ttl, ticket: ttl };
    Ok(Lock::new(store, clock, key, contender, Timestamp::now()))
}

fn tell(
    keys: &[String],
    word: &str,
    texts: &[String],
    mut fields: Map<String, Value>,
    session: &Session,
) -> Result<(), Failure> {
    let text = texts.join("; ");
    fields.insert("outcome".to_owned(), json!(word));
    fields.insert("key".to_owned(), json!(keys.join("\n")));
    fields.insert("reason".to_owned(), json!(text));
    session.answer(&Value::Object(fields), &format!("{word}: {text}"))?;
    let level = (word == "lost").then_some(Level::Error);
    present::announce(keys, word, &text, level, session)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
