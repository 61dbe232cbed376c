//! `lock check`, `lock show`, `lock list`: questions about locks. They change nothing.

use std::sync::Arc;

use clap::Args;
use coord::lease::{self, Lease};
use coord::{BootClock, Clock, Fence, Now, Register};
use serde_json::{Value, json};
use store::{Key, Store};

use super::present;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Session};
use crate::terminal::clean;

/// The arguments of `interlock lock check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// What is locked.
    #[arg(env = "INTERLOCK_LOCK_KEY", value_name = "KEY")]
    key: String,
    /// The fence that must be the current one.
    #[arg(long, env = "INTERLOCK_FENCE", value_name = "N")]
    fence: u64,
    /// The store that the lock is in.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// The arguments of `interlock lock show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// What is locked.
    #[arg(value_name = "KEY")]
    key: String,
    /// The store that the lock is in.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// The arguments of `interlock lock list`.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those whose names begin so.
    #[arg(default_value = "", value_name = "PREFIX")]
    prefix: String,
    /// The store that the locks are in.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// Returns the record of a lock.
pub(super) fn register(store: Arc<dyn Store>, key: Key) -> Register<Lease> {
    let clock: Arc<dyn Clock> = Arc::new(BootClock::of_this_machine());
    Register::new(store, clock, key)
}

/// Says whether a fence is that of the holder, and whose the lock is otherwise.
pub(super) async fn is_current(
    store: Arc<dyn Store>,
    key: &str,
    fence: Fence,
) -> Result<Result<(), String>, coord::Error> {
    let reading = register(store, lease::key(key)).read().await?;
    if reading.value.is_current(fence, &reading.now) {
        return Ok(Ok(()));
    }
    let why = match reading.value.grant() {
        Some(grant) if grant.fence == fence => "its time is over".to_owned(),
        Some(grant) => {
            format!("{} has the lock, under fence {}", present::who(&grant.holder), grant.fence)
        }
        None => "nobody has the lock".to_owned(),
    };
    Ok(Err(why))
}

impl Check {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let store = session.open_store(self.store.as_deref()).await?;
        let current = is_current(store, &self.key, Fence(self.fence)).await?;
        let (key, fence) = (clean(&self.key), self.fence);
        let (word, exit, text) = match &current {
            Ok(()) => ("current", Exit::Done, format!("fence {fence} of {key} is the holder's")),
            Err(why) => ("stale", Exit::NotOurs, format!("fence {fence} of {key} is stale: {why}")),
        };
        let answer = json!({
            "outcome": word, "key": self.key, "fence": fence, "current": current.is_ok(),
            "reason": text,
        });
        session.answer(&answer, &format!("{word}: {text}"))?;
        Ok(exit)
    }
}

impl Show {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let store = session.open_store(self.store.as_deref()).await?;
        let reading = register(store, lease::key(&self.key)).read().await?;
        let answer = to_json(&self.key, &reading.value, &reading.now);
        session.answer(&answer, &to_text(&self.key, &reading.value, &reading.now))?;
        Ok(Exit::Done)
    }
}

impl List {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let store = session.open_store(self.store.as_deref()).await?;
        let keys = store.list(&lease::prefix(&self.prefix)).await?;
        let (mut locks, mut lines) = (Vec::new(), Vec::new());
        for key in keys {
            let Some(name) = lease::name(&key) else { continue };
            match register(Arc::clone(&store), key).read().await {
                Ok(reading) => {
                    lines.push(line(&name, &reading.value, &reading.now));
                    locks.push(to_json(&name, &reading.value, &reading.now));
                }
                Err(error) if error.kind() == coord::ErrorKind::Corrupt => {
                    lines.push(format!("{}: corrupt: {}", clean(&name), clean(&error.to_string())));
                    locks.push(json!({ "outcome": "corrupt", "key": name }));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if lines.is_empty() && session.format == Format::Human {
            session.note("there are no locks");
        }
        session.answer(&json!({ "locks": locks }), &lines.join("\n"))?;
        Ok(Exit::Done)
    }
}

fn word(lease: &Lease, now: &Now) -> &'static str {
    match lease.grant() {
        Some(grant) if grant.is_over(now) => "expired",
        Some(_) => "held",
        None => "free",
    }
}

fn line(key: &str, lease: &Lease, now: &Now) -> String {
    let holder = lease.grant().map(|grant| {
        let (holder, since) = (present::who(&grant.holder), present::since(grant.acquired));
        format!(" by {holder}, {since}, fence {}", grant.fence)
    });
    let waiting = lease.queue().len();
    let queue = (waiting > 0).then(|| format!("; {waiting} in the queue"));
    let [holder, queue] = [holder, queue].map(Option::unwrap_or_default);
    format!("{}: {}{holder}{queue}", clean(key), word(lease, now))
}

fn to_text(key: &str, lease: &Lease, now: &Now) -> String {
    let mut lines = vec![line(key, lease, now)];
    if let Some(grant) = lease.grant() {
        if let Some(reason) = &grant.holder.reason {
            lines.push(format!("  why: {}", clean(reason)));
        }
        let how = match grant.renewals() {
            0 if grant.is_unconfirmed() => "handed over".to_owned(),
            count => format!("renewed {count} times"),
        };
        let left = grant.left(now).as_secs();
        lines.push(format!("  {how}; ends in {left} s unless it is renewed"));
    }
    for (place, ticket) in lease.queue().iter().enumerate() {
        let (holder, since) = (present::who(&ticket.holder), present::since(ticket.came));
        lines.push(format!("  {}. {holder}, waiting {since}", place + 1));
    }
    for last in lease.history().iter().rev() {
        lines.push(format!("  before: {} (fence {})", present::ended(last), last.fence));
    }
    lines.join("\n")
}

fn to_json(key: &str, lease: &Lease, now: &Now) -> Value {
    let grant = lease.grant();
    let holder = grant.map(|grant| &grant.holder);
    let queue = lease.queue().iter().map(|ticket| {
        json!({
            "holder": ticket.holder.name, "link": ticket.holder.link,
            "surface": ticket.holder.surface, "since": ticket.came.to_string(),
        })
    });
    let history = lease.history().iter().rev().map(|last| {
        json!({
            "holder": last.holder.name, "link": last.holder.link, "fence": last.fence,
            "since": last.acquired.to_string(), "ended": last.ended.to_string(), "how": last.how,
        })
    });
    json!({
        "outcome": word(lease, now),
        "key": key,
        "fence": grant.map(|grant| grant.fence),
        "holder": holder.map(|holder| &holder.name),
        "surface": holder.map(|holder| &holder.surface),
        "link": holder.and_then(|holder| holder.link.as_ref()),
        "why": holder.and_then(|holder| holder.reason.as_ref()),
        "since": grant.map(|grant| grant.acquired.to_string()),
        "ttl_seconds": grant.map(|grant| grant.ttl().as_secs_f64()),
        "left_seconds": grant.map(|grant| grant.left(now).as_secs_f64()),
        "queue": queue.collect::<Vec<_>>(),
        "history": history.collect::<Vec<_>>(),
    })
}
