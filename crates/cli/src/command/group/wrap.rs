//! `group run`: enters, waits, runs a command, and leaves.

use std::time::Duration;

use clap::Args;
use coord::group::{Hold, Membership, Told};
use coord::{Error, margin};
use serde_json::{Map, Value, json};

use super::asked::Asked;
use super::cancel::CancelFlags;
use super::enter::until_told;
use super::place::{HOLDS, Place};
use super::told;
use crate::caller::StoreFlags;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Level, Session};
use crate::settings::duration;
use crate::wrapped::{self, Ended, WrappedFlags};

/// How often leaving is tried before the place is left to end by itself.
const ATTEMPTS: u32 = 5;

/// The arguments of `interlock group run`.
#[derive(Debug, Args)]
pub(super) struct Wrap {
    /// The name of the group, as `concurrency.group` would have it.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    asked: Asked,
    /// How long the place is kept if this process dies; it is renewed as long as it lives.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "90s")]
    ttl: Duration,
    #[command(flatten)]
    cancel: CancelFlags,
    #[command(flatten)]
    store: StoreFlags,
    #[command(flatten)]
    wrapped: WrappedFlags,
}

/// Why the command had to end.
enum End {
    /// The member was told so, or the group does not know it any more.
    Told(Told),
    /// The membership could not be renewed.
    NotRenewed(Error),
}

impl Wrap {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        if let Some(exit) = wrapped::split(session)? {
            return Ok(exit);
        }
        session.block_on(self.perform(session))?
    }

    async fn perform(&self, session: &Session) -> Result<Exit, Failure> {
        let margin = margin(self.ttl);
        let Some(place) = Place::find(&self.name, None, &self.store, session).await? else {
            session.annotate(
                Level::Warning,
                &format!("group {}: disabled", self.name),
                "no store was chosen, so nothing is protected",
            );
            let never = std::future::pending::<End>();
            let ended = wrapped::run(&self.wrapped, session, &[], margin, never).await?;
            return self.finish("disabled", Map::new(), &ended, session);
        };
        let request = self.asked.request(&self.name, session).await?;
        let mut membership = place.enter(request, self.ttl, session).await?;
        let entered = tokio::select! {
            entered = self.wait(&place, &mut membership, session) => entered,
            interrupt = wrapped::interrupted() => interrupt.map(|_| false),
        };
        if !matches!(entered, Ok(true)) {
            let stand = membership.told().clone();
            leave(&mut membership).await;
            entered?;
            return self.turned_away(&stand, session);
        }
        let ended = self.work(&mut membership, margin, session).await;
        let fields = told::to_json(&self.name, membership.told());
        leave(&mut membership).await;
        self.finish("done", fields, &ended?, session)
    }

    /// Waits for our turn; false if it does not come.
    async fn wait(
        &self,
        place: &Place,
        membership: &mut Membership,
        session: &Session,
    ) -> Result<bool, Failure> {
        self.cancel.cancel(membership, session).await;
        if matches!(membership.told(), Told::Pending { .. }) {
            until_told(membership, session).await?;
            self.cancel.cancel(membership, session).await;
        }
        place.clear_orphans(membership, session).await?;
        Ok(matches!(membership.told(), Told::Running { .. }))
    }

    async fn work(
        &self,
        membership: &mut Membership,
        margin: Duration,
        session: &Session,
    ) -> Result<Ended<End>, Failure> {
        let fence = match membership.told() {
            Told::Running { fence, .. } => fence.to_string(),
            _ => String::new(),
        };
        let above = session.surroundings.get(HOLDS);
        let mut holds: Vec<Hold> =
            above.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        holds.push(membership.hold());
        let holds = serde_json::to_string(&holds).expect("holds are texts");
        let environment =
            [("INTERLOCK_GROUP", self.name.clone()), ("INTERLOCK_FENCE", fence), (HOLDS, holds)];
        let keeper = async {
            loop {
                match membership.next().await {
                    Ok(Told::Running { .. }) => {}
                    Ok(told) => return End::Told(told.clone()),
                    Err(error) => return End::NotRenewed(error),
                }
            }
        };
        wrapped::run(&self.wrapped, session, &environment, margin, keeper).await
    }

    /// Ends without having run anything.
    fn turned_away(&self, stand: &Told, session: &Session) -> Result<Exit, Failure> {
        if matches!(stand, Told::Pending { .. } | Told::Running { .. }) {
            return Ok(Exit::Interrupted);
        }
        let answer = Value::Object(told::to_json(&self.name, stand));
        session.step_outputs(&answer)?;
        wrapped::write_outcome(self.wrapped.outcome_file.as_deref(), &answer)?;
        told::make_visible(&self.name, stand, session)?;
        Ok(Exit::NotOurs)
    }

    /// Tells how it went, and chooses the exit code: the command's, unless it was stopped.
    fn finish(
        &self,
        word: &str,
        mut fields: Map<String, Value>,
        ended: &Ended<End>,
        session: &Session,
    ) -> Result<Exit, Failure> {
        let (word, exit, text) = match ended {
            Ended::Exited(code) => (word, Exit::Passed(*code), None),
            Ended::CouldNotStart(why) => ("failed", Exit::Passed(127), Some(why.clone())),
            Ended::Interrupted => ("interrupted", Exit::Interrupted, None),
            Ended::Lost(End::Told(stand @ Told::Cancel { .. })) => {
                (told::word(stand), Exit::NotOurs, Some(told::sentence(stand)))
            }
            Ended::Lost(End::Told(stand)) => ("lost", Exit::Lost, Some(told::sentence(stand))),
            Ended::Lost(End::NotRenewed(error)) => {
                let text =
                    format!("the place could not be renewed, so the command was stopped: {error}");
                ("lost", Exit::Lost, Some(text))
            }
        };
        fields.insert("outcome".to_owned(), json!(word));
        fields.insert("group".to_owned(), json!(self.name));
        fields.insert("reason".to_owned(), json!(text));
        if let Ended::Exited(code) = ended {
            fields.insert("exit_code".to_owned(), json!(code));
        }
        let answer = Value::Object(fields);
        session.step_outputs(&answer)?;
        wrapped::write_outcome(self.wrapped.outcome_file.as_deref(), &answer)?;
        if let Some(text) = &text {
            session.annotate(Level::Warning, &format!("group {}: {word}", self.name), text);
            session.summarize(&format!(
                "**group `{}`: {word}.** {text}",
                self.name.replace('`', "'")
            ))?;
        }
        Ok(exit)
    }
}

/// Leaves; if the store does not answer, the place ends by itself.
async fn leave(membership: &mut Membership) {
    for attempt in 1..=ATTEMPTS {
        match membership.leave().await {
            Ok(()) => return,
            Err(error) => {
                tracing::debug!(%error, "leaving again");
                tokio::time::sleep(Duration::from_millis(300 * u64::from(attempt))).await;
            }
        }
    }
}
