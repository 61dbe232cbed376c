//! `lock break` and `lock repair`: what a person does where the machinery cannot go on.

use clap::Args;
use coord::lease::{Breaking, Moment, key};
use coord::{Repaired, Step};
use jiff::Timestamp;
use serde_json::json;

use super::identity::name;
use super::present;
use super::show::register;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Level, Session};
use crate::terminal::clean;

/// The arguments of `interlock lock break`.
#[derive(Debug, Args)]
pub(super) struct Break {
    /// What is locked.
    #[arg(value_name = "KEY")]
    key: String,
    /// Whose grant is ended, exactly as `lock show` names it.
    #[arg(long, value_name = "ID")]
    holder: String,
    /// Why; it is kept in the record.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The store that the lock is in.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// The arguments of `interlock lock repair`.
#[derive(Debug, Args)]
pub(super) struct Repair {
    /// What is locked.
    #[arg(value_name = "KEY")]
    key: String,
    /// The store that the lock is in.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

impl Break {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let store = session.open_store(self.store.as_deref()).await?;
        let (by, at) = (name(&session.surroundings, None), Timestamp::now());
        let reason: String = self.reason.chars().take(500).collect();
        let register = register(store, key(&self.key));
        let breaking = register.update(|lease, now| {
            let moment = Moment { at, dead: &[], now };
            match lease.break_grant(&self.holder, &by, &reason, &moment) {
                broken @ Breaking::Broken { .. } => Step::Write(broken),
                other => Step::Keep(other),
            }
        });
        let key = clean(&self.key);
        let (word, exit, text) = match breaking.await? {
            Breaking::Broken { grant } => {
                let holder = present::who(&grant.holder);
                let text = format!(
                    "the grant of {holder} (fence {}) is ended; what it runs is stopped when it looks, \
                     and its fence is refused from the next grant on",
                    grant.fence
                );
                ("broken", Exit::Done, text)
            }
            Breaking::Other { holder } => {
                let text = format!(
                    "{key} is held by {}, not by {}",
                    present::who(&holder),
                    clean(&self.holder)
                );
                ("held", Exit::NotOurs, text)
            }
            Breaking::Free => ("free", Exit::NotOurs, format!("nobody has {key}")),
        };
        session.answer(
            &json!({ "outcome": word, "key": self.key, "reason": text }),
            &format!("{word}: {text}"),
        )?;
        let level = (word == "broken").then_some(Level::Warning);
        present::announce(&[self.key], word, &text, level, session)?;
        Ok(exit)
    }
}

impl Repair {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let store = session.open_store(self.store.as_deref()).await?;
        let repaired = register(store, key(&self.key)).repair(Timestamp::now()).await?;
        let key = clean(&self.key);
        let (word, exit, text) = match &repaired {
            Repaired::Sound => ("sound", Exit::Done, format!("the record of {key} is sound")),
            Repaired::Replaced { copy, above } => {
                let text = format!(
                    "{key} is free, and its fences go on above {above}; the damaged record is kept as {copy}"
                );
                ("repaired", Exit::Done, text)
            }
            Repaired::Changed => {
                ("changed", Exit::NotOurs, format!("somebody else changed {key} meanwhile"))
            }
        };
        session.answer(
            &json!({ "outcome": word, "key": self.key, "reason": text }),
            &format!("{word}: {text}"),
        )?;
        let level = (word == "repaired").then_some(Level::Warning);
        present::announce(&[self.key], word, &text, level, session)?;
        Ok(exit)
    }
}
