//! The steps of a membership, each a call of its own: enter, wait, renew, leave.

use std::time::Duration;

use clap::Args;
use coord::group::{Membership, Told};
use serde_json::json;

use super::asked::Asked;
use super::cancel::CancelFlags;
use super::place::Place;
use super::told;
use crate::caller::StoreFlags;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::settings::duration;
use crate::wrapped;

/// The arguments of `interlock group enter`.
#[derive(Debug, Args)]
pub(super) struct Enter {
    /// The name of the group, as `concurrency.group` would have it.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    asked: Asked,
    /// How long the place is kept unless it is renewed.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1h")]
    ttl: Duration,
    /// Exit with 3 where the group is not ours now, also where step outputs carry the answer.
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    cancel: CancelFlags,
    /// The name of this place, where one job or machine has several in the group.
    #[arg(long = "as", value_name = "TEXT")]
    alias: Option<String>,
    #[command(flatten)]
    store: StoreFlags,
}

/// The arguments of `interlock group wait`.
#[derive(Debug, Args)]
pub(super) struct Wait {
    /// The name of the group.
    #[arg(value_name = "NAME")]
    name: String,
    /// How long to wait; as long as it takes if it is not given.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    cancel: CancelFlags,
    /// The name of this place, where one job or machine has several in the group.
    #[arg(long = "as", value_name = "TEXT")]
    alias: Option<String>,
    #[command(flatten)]
    store: StoreFlags,
}

/// The arguments of `interlock group renew`.
#[derive(Debug, Args)]
pub(super) struct Renew {
    /// The name of the group.
    #[arg(value_name = "NAME")]
    name: String,
    /// The name of this place, where one job or machine has several in the group.
    #[arg(long = "as", value_name = "TEXT")]
    alias: Option<String>,
    #[command(flatten)]
    store: StoreFlags,
}

/// The arguments of `interlock group leave`.
#[derive(Debug, Args)]
pub(super) struct Leave {
    /// The name of the group.
    #[arg(value_name = "NAME")]
    name: String,
    /// The name of this place, where one job or machine has several in the group.
    #[arg(long = "as", value_name = "TEXT")]
    alias: Option<String>,
    #[command(flatten)]
    store: StoreFlags,
}

impl Enter {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let Some(place) =
            Place::find(&self.name, self.alias.as_deref(), &self.store, session).await?
        else {
            told::disabled(&self.name, session)?;
            return Ok(Exit::Done);
        };
        let mut membership = if let Some(membership) = place.again().await? {
            membership
        } else {
            let request = self.asked.request(&self.name, session).await?;
            place.enter(request, self.ttl, session).await?
        };
        self.cancel.cancel(&membership, session).await;
        place.clear_orphans(&mut membership, session).await?;
        let is_ours = settle(&place, &mut membership, session).await?;
        Ok(if is_ours { Exit::Done } else { session.no(self.exit_code) })
    }
}

impl Wait {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let Some(place) =
            Place::find(&self.name, self.alias.as_deref(), &self.store, session).await?
        else {
            told::disabled(&self.name, session)?;
            return Ok(Exit::Done);
        };
        let mut membership = place.resume().await?;
        let waited = tokio::select! {
            waited = until_told(&mut membership, session) => waited,
            () = sleep(self.timeout) => Ok(()),
            interrupt = wrapped::interrupted() => return interrupt.map(|_| Exit::Interrupted),
        };
        waited?;
        self.cancel.cancel(&membership, session).await;
        place.clear_orphans(&mut membership, session).await?;
        let is_ours = settle(&place, &mut membership, session).await?;
        Ok(if is_ours { Exit::Done } else { Exit::NotOurs })
    }
}

impl Renew {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let Some(place) =
            Place::find(&self.name, self.alias.as_deref(), &self.store, session).await?
        else {
            told::disabled(&self.name, session)?;
            return Ok(Exit::Done);
        };
        let membership = place.resume().await?;
        told::tell(&self.name, membership.told(), session)?;
        Ok(match membership.told() {
            Told::Running { .. } | Told::Pending { .. } => Exit::Done,
            Told::Cancel { .. } | Told::Gone => Exit::Lost,
            Told::Out { .. } => Exit::NotOurs,
        })
    }
}

impl Leave {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        let Some(place) =
            Place::find(&self.name, self.alias.as_deref(), &self.store, session).await?
        else {
            told::disabled(&self.name, session)?;
            return Ok(Exit::Done);
        };
        let mut membership = place.resume().await?;
        let was_there = !matches!(membership.told(), Told::Gone);
        membership.leave().await?;
        place.forget();
        let (word, text) = if was_there {
            ("left", "the group is free for the next")
        } else {
            ("gone", "our place had ended before")
        };
        let answer = json!({ "outcome": word, "group": self.name, "reason": text });
        session.answer(&answer, &format!("{word}: {text}"))?;
        Ok(if was_there { Exit::Done } else { Exit::Lost })
    }
}

/// Tells how one stands, keeps a place that there is, and acknowledges that there is none.
async fn settle(
    place: &Place,
    membership: &mut Membership,
    session: &Session,
) -> Result<bool, Failure> {
    let stand = membership.told().clone();
    match &stand {
        Told::Running { .. } | Told::Pending { .. } | Told::Cancel { .. } => {
            place.remember(membership)?;
        }
        Told::Out { .. } | Told::Gone => {
            membership.leave().await?;
            place.forget();
        }
    }
    told::tell(place.name.as_str(), &stand, session)?;
    Ok(matches!(stand, Told::Running { .. }))
}

/// Waits until one does not wait any more, and says meanwhile for whom.
pub(super) async fn until_told(
    membership: &mut Membership,
    session: &Session,
) -> Result<(), Failure> {
    let name = membership.name().as_str().to_owned();
    while let Told::Pending { .. } = membership.told() {
        session.note(&format!("group {name}: pending: {}", told::sentence(membership.told())));
        membership.next().await?;
    }
    Ok(())
}

async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
