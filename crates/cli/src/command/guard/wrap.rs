//! `guard run`: claims, runs a command, renews meanwhile, and closes by its exit code.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use coord::claim::{Closing, MAX_RESULT, Outcome, Renewal, Subject};
use coord::{Fence, Who, margin};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, ClaimFlags, Work, present};
use crate::caller::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::keeper::{Lost, keep};
use crate::session::{Level, Session};
use crate::settings::duration;
use crate::wrapped::{self, Ended, WrappedFlags};

/// How often closing is tried before it is given up.
const ATTEMPTS: u32 = 5;

/// The arguments of `interlock guard run`.
#[derive(Debug, Args)]
pub(super) struct Wrap {
    /// What the work is about, such as `issue-123`.
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    claim: ClaimFlags,
    /// How long the claim lasts if this process dies; it is renewed while the command runs.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "90s")]
    ttl: Duration,
    /// What came of it, told to whoever asks again: a link or a sentence.
    #[arg(long, value_name = "TEXT")]
    result: Option<String>,
    /// The same, read from a file that the command writes.
    #[arg(long, value_name = "FILE", conflicts_with = "result")]
    result_file: Option<PathBuf>,
    #[command(flatten)]
    wrapped: WrappedFlags,
}

impl Wrap {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        if let Some(exit) = wrapped::split(session)? {
            return Ok(exit);
        }
        session.block_on(self.perform(session))?
    }

    async fn perform(&self, session: &Session) -> Result<Exit, Failure> {
        let work = Work { key: self.key.clone(), flags: self.claim.clone(), ttl: self.ttl };
        let digest = self.claim.digest.digest(session)?;
        let notice = self.claim.notice.check(session)?;
        let caller = Caller::of(session).await;
        let before = caller.clock.now();
        let mut subject = None;
        let answer = match self.claim.store.open(session).await {
            Ok(None) => Ok(Answer::Disabled),
            Ok(Some(store)) => {
                subject = Some(work.subject(store.clone(), &caller));
                tokio::select! {
                    answer = work.decide(store, &caller, digest.clone(), session) => answer,
                    interrupt = wrapped::interrupted() => return interrupt.map(|_| Exit::Interrupted),
                }
            }
            Err(failure) => Err(failure),
        };
        let answer = self.claim.or_unknown(answer)?;
        let proceeds = self.claim.proceeds(&answer);
        let key = &self.key;
        let fields = present::to_json(key, digest.as_deref(), &answer, proceeds);
        let text = present::sentence(&answer);
        super::make_visible(key, &answer, &text, session)?;
        if !proceeds {
            if let (Some(notice), Answer::Known(_) | Answer::Exists(_)) = (&notice, &answer) {
                notice.tell(key, &fields, (&self.claim.probes, &caller), session).await;
            }
            session.note(&format!("{}: {text}", answer.word()));
            let answer_json = Value::Object(fields);
            session.step_outputs(&answer_json)?;
            wrapped::write_outcome(self.wrapped.outcome_file.as_deref(), &answer_json)?;
            return Ok(Exit::NotOurs);
        }
        let environment = vec![("INTERLOCK_KEY", key.clone())];
        let (Answer::Known(Outcome::Won { fence, .. }), Some(subject)) = (&answer, &subject) else {
            let never = std::future::pending::<Lost<Option<Who>>>();
            let ended =
                wrapped::run(&self.wrapped, session, &environment, margin(self.ttl), never).await?;
            return self.finish(session, fields, &ended, None);
        };
        let mut environment = environment;
        environment.push(("INTERLOCK_FENCE", fence.to_string()));
        let renew = async || match subject.renew(*fence).await? {
            Renewal::Renewed => Ok(None),
            Renewal::Lost { by } => Ok(Some(by)),
        };
        // Waiting in turn may have taken long: the claim is counted from a renewal that follows it.
        let now = caller.clock.now();
        let is_renewed = matches!(subject.renew(*fence).await, Ok(Renewal::Renewed));
        let since = if is_renewed { now } else { before };
        let keeper = keep(&*caller.clock, self.ttl, since, renew);
        let ended =
            wrapped::run(&self.wrapped, session, &environment, margin(self.ttl), keeper).await?;
        let closing = self.close(subject, *fence, &ended, session).await;
        self.finish(session, fields, &ended, Some(closing))
    }

    /// Closes the claim as the command has ended. Tries for a while: the work has been done.
    async fn close(
        &self,
        subject: &Subject,
        fence: Fence,
        ended: &Ended<Lost<Option<Who>>>,
        session: &Session,
    ) -> Result<Closing, Failure> {
        let result = self.result(session);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let closing = match ended {
                Ended::Exited(0) => subject.done(fence, &result, Timestamp::now()).await,
                _ => subject.failed(fence).await,
            };
            match closing {
                Ok(closing) => return Ok(closing),
                Err(error) if attempt >= ATTEMPTS => return Err(error.into()),
                Err(error) => {
                    tracing::debug!(%error, "closing again");
                    tokio::time::sleep(Duration::from_millis(300 * u64::from(attempt))).await;
                }
            }
        }
    }

    fn result(&self, session: &Session) -> String {
        let text = match (&self.result, &self.result_file) {
            (Some(text), _) => text.clone(),
            (None, Some(path)) => std::fs::read_to_string(session.directory.join(path))
                .unwrap_or_else(|error| {
                    session.note(&format!("warning: no result: {}: {error}", path.display()));
                    String::new()
                }),
            (None, None) => session.surroundings.run_link().unwrap_or_default(),
        };
        let text = text.trim();
        text[..text.floor_char_boundary(MAX_RESULT)].to_owned()
    }

    /// Tells how it went, and chooses the exit code: the command's, unless the claim was lost.
    fn finish(
        &self,
        session: &Session,
        mut fields: serde_json::Map<String, Value>,
        ended: &Ended<Lost<Option<Who>>>,
        closing: Option<Result<Closing, Failure>>,
    ) -> Result<Exit, Failure> {
        let (word, exit, text) = verdict(ended, closing.as_ref());
        fields.insert("outcome".to_owned(), json!(word));
        fields.insert("reason".to_owned(), json!(text));
        if let Ended::Exited(code) = ended {
            fields.insert("exit_code".to_owned(), json!(code));
        }
        let answer = Value::Object(fields);
        session.step_outputs(&answer)?;
        wrapped::write_outcome(self.wrapped.outcome_file.as_deref(), &answer)?;
        if let Some(text) = &text {
            session.annotate(Level::Error, &format!("guard {}: {word}", self.key), text);
        }
        match closing {
            Some(Err(failure)) if exit == Exit::Passed(0) => Err(failure),
            _ => Ok(exit),
        }
    }
}

fn verdict(
    ended: &Ended<Lost<Option<Who>>>,
    closing: Option<&Result<Closing, Failure>>,
) -> (&'static str, Exit, Option<String>) {
    match (ended, closing) {
        (Ended::Lost(Lost::Taken(by)), _) => {
            let by = by.as_ref().map_or_else(|| "somebody".to_owned(), ToString::to_string);
            ("lost", Exit::Lost, Some(format!("{by} took the work over; the command was stopped")))
        }
        (Ended::Lost(Lost::NotRenewed(error)), _) => {
            let text =
                format!("the claim could not be renewed, so the command was stopped: {error}");
            ("lost", Exit::Lost, Some(text))
        }
        (Ended::Interrupted, _) => ("interrupted", Exit::Interrupted, None),
        (Ended::CouldNotStart(why), _) => ("failed", Exit::Passed(127), Some(why.clone())),
        (Ended::Exited(0), Some(Ok(Closing::Stale { fence, .. }))) => {
            let text =
                format!("the work is done, but fence {fence} has taken it over: it does not count");
            ("lost", Exit::Lost, Some(text))
        }
        (Ended::Exited(0), Some(Err(failure))) => {
            let text =
                format!("the work is done, but that could not be recorded: {}", failure.render());
            ("unknown", Exit::Passed(0), Some(text))
        }
        (Ended::Exited(0), _) => ("done", Exit::Passed(0), None),
        (Ended::Exited(code), _) => ("failed", Exit::Passed(*code), None),
    }
}
