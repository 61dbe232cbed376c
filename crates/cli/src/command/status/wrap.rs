//! `status run`: a command as a task, from its first moment to its true end.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};
use status::{Change, Post, State};

use super::backing::{Backing, BackingFlags, Kind, Said};
use super::say::{DetailFlags, post, tell};
use super::tail::Tail;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Level, Session};
use crate::settings::duration;
use crate::wrapped::{self, Ended, WrappedFlags};

/// How long the command may clean up when we are interrupted: GitHub gives us ten seconds, and we have to say it.
const MARGIN: Duration = Duration::from_secs(6);

/// The arguments of `interlock status run`.
#[derive(Debug, Args)]
pub(super) struct Wrap {
    /// What the writer calls the task; the same name changes the same row.
    #[arg(value_name = "TASK")]
    task: String,
    #[command(flatten)]
    details: DetailFlags,
    /// How many of the last lines a failure shows; secrets in them are masked as well as we know them.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    tail: usize,
    /// Exit codes that are a warning and no failure; ours is the command's all the same.
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    warn_on: Vec<u8>,
    /// How long this process may be silent before the task is shown as aborted.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "3m")]
    ttl: Duration,
    /// How often progress is shown.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "20s")]
    every: Duration,
    #[command(flatten)]
    backing: BackingFlags,
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
        let running = self.details.change(State::Running, session)?;
        let backing = self.backing.open(session).await?;
        backing.place.must_have_head()?;
        let begun = post(&backing.place, vec![(self.task.clone(), running.clone())], self.ttl);
        let tail = Arc::new(Tail::new(self.tail, session.surroundings.variables()));
        let hear = Arc::clone(&tail);
        let keeper = self.keep(&backing, &begun, &tail, session);
        let environment = [("INTERLOCK_TASK", self.task.clone())];
        let ended = wrapped::run_heard(
            &self.wrapped,
            session,
            &environment,
            MARGIN,
            keeper,
            move |chunk| hear.hear(chunk),
        );
        let ended = ended.await?;
        let last = Post {
            tasks: vec![(self.task.clone(), self.last(&running, &ended, &tail))],
            ..begun.clone()
        };
        let said = backing.say(&last).await;
        self.finish(&backing, said, (&ended, &last), session).await
    }

    /// Says that the command runs, shows how far it is, and gives signs of life, until it ends.
    ///
    /// The command does not wait for any of this, and does not fail for it.
    async fn keep(&self, backing: &Backing, begun: &Post, tail: &Tail, session: &Session) {
        match backing.say(begun).await {
            Ok(said) => {
                if let status::Posting::OlderHead { current } = &said.posting {
                    let text = format!("the head is {current} now; this run is shown nowhere");
                    session.annotate(Level::Notice, "status: older-head", &text);
                }
            }
            Err(failure) => warn(session, &failure),
        }
        let Kind::Board(board) = &backing.kind else {
            // Without a store every sign of life would be a write of the comment.
            return std::future::pending().await;
        };
        let beat = (self.ttl / 3).max(Duration::from_millis(50));
        let mut shown = None;
        let mut until_shown = self.every;
        loop {
            let pause = beat.min(until_shown.max(Duration::from_millis(50)));
            tokio::time::sleep(pause).await;
            until_shown = until_shown.saturating_sub(pause);
            let progress = tail.progress();
            let result = if until_shown.is_zero() && progress != shown {
                until_shown = self.every;
                shown.clone_from(&progress);
                let mut post = begun.clone();
                for (_, change) in &mut post.tasks {
                    change.progress.clone_from(&progress);
                }
                backing.say(&post).await.map(drop)
            } else {
                board.beat(begun).await.map(drop).map_err(Failure::from)
            };
            if let Err(failure) = result {
                session.note(&format!("status: {}", failure.render()));
            }
        }
    }

    fn last(&self, running: &Change, ended: &Ended<()>, tail: &Tail) -> Change {
        let state = match ended {
            Ended::Exited(0) => State::Passed,
            Ended::Exited(code) if self.warn_on.contains(code) => State::Warning,
            Ended::Exited(_) | Ended::CouldNotStart(_) => State::Failed,
            Ended::Interrupted | Ended::Lost(()) => State::Aborted,
        };
        let reason = match ended {
            Ended::Exited(0) => None,
            Ended::Exited(code) if *code > 128 => Some(format!("killed by signal {}", code - 128)),
            Ended::Exited(code) => Some(format!("exit code {code}")),
            Ended::CouldNotStart(why) => Some(why.clone()),
            Ended::Interrupted | Ended::Lost(()) => Some("interrupted".to_owned()),
        };
        let lines = if state == State::Passed { Vec::new() } else { tail.lines() };
        let parts = reason.into_iter().chain(running.message.clone());
        let mut message: Vec<String> = parts.collect();
        if !lines.is_empty() {
            message.push(format!("last lines: {}", lines.join(" ⏎ ")));
        }
        Change {
            state,
            phase: None,
            progress: None,
            message: (!message.is_empty()).then(|| message.join(" · ")),
            ..running.clone()
        }
    }

    async fn finish(
        &self,
        backing: &Backing,
        said: Result<Said, Failure>,
        (ended, last): (&Ended<()>, &Post),
        session: &Session,
    ) -> Result<Exit, Failure> {
        let state = last.tasks.first().map_or(State::Aborted, |(_, change)| change.state);
        let mut fields = Map::new();
        fields.insert("task".to_owned(), json!(self.task));
        fields.insert("state".to_owned(), json!(state.word()));
        fields.insert("head".to_owned(), json!(backing.place.head));
        let (exit, code) = match ended {
            Ended::Exited(code) => (Exit::Passed(*code), Some(*code)),
            Ended::CouldNotStart(why) => {
                session.annotate(Level::Error, &self.task, why);
                (Exit::Passed(127), None)
            }
            Ended::Interrupted | Ended::Lost(()) => (Exit::Interrupted, None),
        };
        fields.insert("exit_code".to_owned(), json!(code));
        wrapped::write_outcome(
            self.wrapped.outcome_file.as_deref(),
            &Value::Object(fields.clone()),
        )?;
        match said {
            // Standard output is the command's; only a program is told.
            Ok(said) if session.format == Format::Json => drop(tell(&said, fields, session)?),
            Ok(said) => {
                session.step_outputs(&Value::Object(fields))?;
                if let super::backing::Shown::Failed(failure) = &said.shown {
                    warn(session, failure);
                }
            }
            Err(failure) => warn(session, &failure),
        }
        if let Err(failure) = backing.show_elsewhere(session).await {
            warn(session, &failure);
        }
        Ok(exit)
    }
}

/// Says that the status suffers, and not the task.
fn warn(session: &Session, failure: &Failure) {
    session.annotate(Level::Warning, "status", &failure.render());
}
