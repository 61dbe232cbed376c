//! Clears the records of groups that nobody uses.

use std::time::Duration;

use clap::Args;
use coord::group::{GroupName, sweep};
use serde_json::json;

use crate::caller::{Caller, StoreFlags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::settings::duration;

/// The arguments of `interlock group gc`.
#[derive(Debug, Args)]
pub(super) struct Gc {
    /// Only say what would be removed.
    #[arg(long)]
    dry_run: bool,
    /// Leave groups that were used within this time; an hour is the least.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "24h")]
    older_than: Duration,
    /// The groups of every repository in the store.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    store: StoreFlags,
}

impl Gc {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let caller = Caller::of(session).await;
        let Some(store) = self.store.open(session).await? else {
            session
                .answer(&json!({ "groups": [], "outcome": "disabled" }), "no store was chosen")?;
            return Ok(Exit::Done);
        };
        let prefix = if self.all {
            "group/".to_owned()
        } else {
            GroupName::prefix(&caller.host, &caller.repository)
        };
        let swept = sweep(&store, &caller.clock, &prefix, self.older_than, self.dry_run).await?;
        let word = if self.dry_run { "to remove" } else { "removed" };
        let mut lines: Vec<String> = swept.iter().map(|swept| swept.name.clone()).collect();
        lines.push(format!("{} {word}", swept.len()));
        let keys: Vec<_> = swept
            .iter()
            .map(|swept| json!({ "group": swept.name, "key": swept.key.as_str() }))
            .collect();
        let answer =
            json!({ "groups": keys, "removed": if self.dry_run { 0 } else { swept.len() } });
        session.answer(&answer, &lines.join("\n"))?;
        Ok(Exit::Done)
    }
}
