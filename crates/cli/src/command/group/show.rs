//! Who is in a group, who waits, and who waits for whom.

use std::sync::Arc;

use clap::Args;
use coord::group::{Group, GroupName, Phase, Standing};
use coord::{Reading, Register, Who};
use serde_json::{Value, json};
use store::{Key, Store};

use crate::caller::{Caller, StoreFlags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The arguments of `interlock group list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// The groups of every repository in the store.
    #[arg(long)]
    all: bool,
    /// Groups in which nobody is, too.
    #[arg(long)]
    idle: bool,
    #[command(flatten)]
    store: StoreFlags,
}

/// The arguments of `interlock group show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The name of the group.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    store: StoreFlags,
}

impl List {
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
        let (mut groups, mut lines) = (Vec::new(), Vec::new());
        for key in store.list(&prefix).await? {
            let reading = read(&store, &caller, key.clone()).await;
            let (entry, line) = match &reading {
                Ok(reading) if reading.value.is_idle() && !self.idle => continue,
                Ok(reading) => (to_json(&key, &reading.value), line(&reading.value)),
                // One damaged record does not hide the others.
                Err(error) => {
                    let error = error.to_string();
                    (json!({ "key": key.as_str(), "error": error }), format!("{key}: {error}"))
                }
            };
            groups.push(entry);
            lines.push(line);
        }
        if lines.is_empty() {
            lines.push("nobody is in any group".to_owned());
        }
        session.answer(&json!({ "groups": groups }), &lines.join("\n"))?;
        Ok(Exit::Done)
    }
}

impl Show {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let caller = Caller::of(session).await;
        let Some(store) = self.store.open(session).await? else {
            session.answer(&json!({ "outcome": "disabled" }), "no store was chosen")?;
            return Ok(Exit::Done);
        };
        let name = GroupName::new(&caller.host, &caller.repository, &self.name);
        let group = read(&store, &caller, name.key()).await?.value;
        let mut lines = vec![line(&group)];
        lines.extend(group.members().iter().map(member_line));
        for orphan in group.orphans() {
            lines.push(format!("  {}: dead; its processes may be there still", Who::of(orphan)));
        }
        if let Some(newest) = group.newest() {
            lines.push(format!("  the newest that ran is {}", newest.label));
        }
        session.answer(&to_json(&name.key(), &group), &lines.join("\n"))?;
        Ok(Exit::Done)
    }
}

async fn read(
    store: &Arc<dyn Store>,
    caller: &Caller,
    key: Key,
) -> Result<Reading<Group>, coord::Error> {
    Register::new(Arc::clone(store), Arc::clone(&caller.clock), key).read().await
}

fn line(group: &Group) -> String {
    let waiting = group.members().iter().filter(|one| !one.is_in_progress()).count();
    let name = if group.name().is_empty() { "(never entered)" } else { group.name() };
    match group.members().first().filter(|one| one.is_in_progress()) {
        Some(first) => {
            format!("{name}: {} {}, {waiting} pending", Who::of(&first.member), phase(first))
        }
        None => format!("{name}: free, {waiting} pending"),
    }
}

fn phase(standing: &Standing) -> &'static str {
    match standing.phase {
        Phase::Pending => "pending",
        Phase::InProgress => "in progress",
        Phase::Cancelling => "cancelling",
    }
}

fn member_line(standing: &Standing) -> String {
    let who = Who::of(&standing.member);
    let mut line = format!("  {who}: {} since {}", phase(standing), standing.member.entered);
    if let Some(reason) = standing.reason() {
        line = format!("{line}, {reason}");
    }
    if let Some(link) = &who.link {
        line = format!("{line} ({link})");
    }
    line
}

fn to_json(key: &Key, group: &Group) -> Value {
    let member = |standing: &Standing| {
        let member = &standing.member;
        json!({
            "run": member.run, "attempt": member.attempt, "job": member.job, "link": member.link,
            "surface": member.surface, "status": phase(standing).replace(' ', "_"),
            "entered": member.entered.to_string(),
            "fence": standing.is_in_progress().then_some(standing.fence()),
            "reason": standing.reason().map(ToString::to_string),
        })
    };
    json!({
        "group": group.name(),
        "key": key.as_str(),
        "members": group.members().iter().map(member).collect::<Vec<_>>(),
        "orphans": group.orphans().iter().map(|orphan| Who::of(orphan).to_string()).collect::<Vec<_>>(),
        "newest": group.newest().map(|newest| newest.label.clone()),
    })
}
