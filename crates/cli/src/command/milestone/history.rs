//! `milestone history`: what was done, and what is open.

use clap::Args;
use coord::milestone::Past;
use serde_json::{Value, json};

use super::claims::open;
use crate::caller::{Caller, StoreFlags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Session};

/// The arguments of `interlock milestone history`.
#[derive(Debug, Args)]
pub(super) struct HistoryFlags {
    /// What is counted.
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    store: StoreFlags,
}

impl HistoryFlags {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(self.perform(session))?
    }

    async fn perform(&self, session: &Session) -> Result<Exit, Failure> {
        let caller = Caller::of(session).await;
        let Some(book) = open(&self.key, &self.store, &caller, session).await? else {
            let answer = json!({ "outcome": "disabled", "key": self.key });
            session.answer(&answer, "disabled: there is no store to count in")?;
            return Ok(Exit::Done);
        };
        let ledger = book.register().read().await?.value;
        if session.format == Format::Json && session.lines {
            for past in ledger.history() {
                session.line(&line(past).to_string());
            }
            return Ok(Exit::Done);
        }
        let open: Vec<Value> = ledger
            .due()
            .map(|(milestone, who)| json!({ "milestone": milestone, "claimed_by": who }))
            .collect();
        let (farthest, last) = ledger.values().unzip();
        let history: Vec<_> = ledger.history().iter().map(line).collect();
        let answer = json!({
            "key": self.key, "farthest": farthest, "current": last, "open": open,
            "history": history, "dropped": ledger.dropped(),
        });
        let mut text: Vec<String> = ledger.history().iter().map(human).collect();
        text.extend(ledger.due().map(|(milestone, who)| match who {
            Some(who) => format!("{milestone}: open, claimed by {who}"),
            None => format!("{milestone}: open"),
        }));
        if text.is_empty() {
            text.push("nothing was done yet".to_owned());
        }
        session.answer(&answer, &text.join("\n"))?;
        Ok(Exit::Done)
    }
}

/// Writes what was done as `milestone import` reads it.
fn line(past: &Past) -> Value {
    json!(past)
}

fn human(past: &Past) -> String {
    let who = past.who.as_ref().map(|who| format!(" by {who}")).unwrap_or_default();
    format!("{}: done at {} with {}{who}", past.milestone, past.timestamp, past.value)
}
