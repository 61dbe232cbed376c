//! `lock run`: takes locks, runs a command under them, stops it when one is lost, releases.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use coord::claim::{Claimant, Closing, OnChanged, Outcome as Claim, Subject};
use coord::lease::{Locks, Lost, Release};
use coord::{Fence, Token, margin};
use jiff::Timestamp;
use runner::guardian::{self, Role};
use runner::interrupt::Interrupts;
use runner::process::{Attachment, Command, Exit as ProcessExit, Grace, Token as Mark, Tree};
use serde_json::{Map, Value, json};
use store::Store;

use super::asking::{AskFlags, OnHeld, Opened, Outcome, plain};
use super::os_lock::OsLock;
use super::present;
use crate::caller::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Level, Session};
use crate::wrapped::{self, WrappedFlags};

/// How long a command whose lock is somebody else's already may clean up.
const SHORT: Duration = Duration::from_secs(1);

/// The arguments of `interlock lock run`.
#[derive(Debug, Args)]
pub(super) struct Wrap {
    /// What is locked, such as `octo/repo`; several are taken in one order, all or none.
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
    #[command(flatten)]
    ask: AskFlags,
    /// Do each piece of work once: leave it if the one with this digest is done already.
    #[arg(long, value_name = "DIGEST")]
    claim: Option<String>,
    #[command(flatten)]
    wrapped: WrappedFlags,
}

/// How the command ended.
enum Ended {
    Exited(u8),
    CouldNotStart(String),
    Lost(Lost),
}

/// What was done when the command had ended.
#[derive(Default)]
struct After {
    released: Option<Result<Vec<(String, Release)>, Failure>>,
    closing: Option<Result<Closing, coord::Error>>,
}

/// A piece of work that is ours to do.
struct Claimed {
    subject: Subject,
    fence: Fence,
}

impl Wrap {
    pub(super) fn run(self: Box<Self>, session: &Session) -> Result<Exit, Failure> {
        // Before any thread: whatever becomes of this process, its command ends.
        let on_terminal = std::io::stdin().is_terminal();
        let enter = if on_terminal { guardian::enter_on_terminal } else { guardian::enter };
        match enter().map_err(|error| Failure::from_error(Exit::Unavailable, &error))? {
            Role::Front(departure) => Ok(Exit::Passed(departure.code)),
            Role::Worker => session.block_on(self.perform(session, on_terminal))?,
        }
    }

    async fn perform(&self, session: &Session, on_terminal: bool) -> Result<Exit, Failure> {
        let mut interrupts =
            Interrupts::listen().map_err(|error| Failure::from_error(Exit::Unavailable, &error))?;
        let proof = OsLock::take(session)?;
        let mut place = Place { session, on_terminal, interrupts: &mut interrupts, proof: &proof };
        let done = match self.ask.open(session).await? {
            Opened::Store(store) => Box::pin(self.under_lock(&store, &mut place)).await,
            Opened::Not(outcome) => self.without(&outcome, &mut place).await,
        };
        proof.discard();
        done
    }

    async fn under_lock(
        &self,
        store: &Arc<dyn Store>,
        place: &mut Place<'_>,
    ) -> Result<Exit, Failure> {
        let session = place.session;
        let mut holder = self.ask.identity.holder(session);
        holder.boot = Some(coord::Clock::boot(&coord::BootClock::of_this_machine()).to_owned());
        holder.lock = Some(place.proof.path());
        let tokens: Vec<_> = self.keys.iter().map(|key| (key.clone(), Token::random())).collect();
        let mut locks = self.ask.locks(store, &holder, &tokens);
        let outcome = self.ask.ask(&mut locks, place.interrupts, session).await;
        let Outcome::Ours(answers) = &outcome else { return self.without(&outcome, place).await };
        present::make_visible(&self.keys, &outcome, session)?;
        let fences: Vec<String> = self
            .keys
            .iter()
            .filter_map(|key| answers.iter().find(|(name, _)| name == key))
            .filter_map(|(_, answer)| present::fence(answer))
            .map(|fence| fence.to_string())
            .collect();
        let fields = present::to_json(&self.keys, &outcome, true);
        let claimed = match self.claim(store, &mut locks, place).await {
            Ok(claimed) => claimed,
            Err(other) => {
                self.release(&mut locks).await?;
                return other
                    .map_or(Ok(Exit::Interrupted), |claim| self.is_done(fields, &claim, session));
            }
        };
        let environment = [
            ("INTERLOCK_FENCE", fences.join("\n")),
            ("INTERLOCK_LOCK_KEY", self.keys.join("\n")),
            ("INTERLOCK_STORE", session.store_url(self.ask.store.store.as_deref())?),
        ];
        let ended = self.command(&environment, place, Some(&mut locks)).await;
        let closing = match &claimed {
            Some(claimed) => Some(claimed.close(&ended, session).await),
            None => None,
        };
        // The command has ended, so others may go on: also where it was lost, for the sake of the queue.
        let released = self.release(&mut locks).await;
        self.finish(session, fields, &ended, After { released: Some(released), closing })
    }

    /// Does what the flags say where there is no lock.
    async fn without(&self, outcome: &Outcome, place: &mut Place<'_>) -> Result<Exit, Failure> {
        let session = place.session;
        let proceeds = outcome.proceeds(&self.ask);
        present::make_visible(&self.keys, outcome, session)?;
        let fields = present::to_json(&self.keys, outcome, proceeds);
        if proceeds {
            let environment = [("INTERLOCK_LOCK_KEY", self.keys.join("\n"))];
            let ended = self.command(&environment, place, None).await;
            return self.finish(session, fields, &ended, After::default());
        }
        if !matches!(outcome, Outcome::Interrupted) && !session.surroundings.in_github_actions() {
            session.note(&format!("{}: {}", outcome.word(), present::sentence(outcome)));
        }
        self.tell(session, fields)?;
        Ok(match outcome {
            Outcome::Held { .. } if self.ask.on_held == Some(OnHeld::Skip) => Exit::Done,
            Outcome::Held { .. } => Exit::NotOurs,
            Outcome::Corrupt(_) => Exit::Unknown,
            Outcome::Interrupted => Exit::Interrupted,
            _ => Exit::Unavailable,
        })
    }

    /// Claims the work, if that was asked for. The lock is kept meanwhile.
    async fn claim(
        &self,
        store: &Arc<dyn Store>,
        locks: &mut Locks,
        place: &mut Place<'_>,
    ) -> Result<Option<Claimed>, Option<Claim>> {
        let Some(digest) = &self.claim else { return Ok(None) };
        let caller = Caller::of(place.session).await;
        let key = self.keys.join(" ");
        let subject = Subject::new(Arc::clone(store), caller.clock.clone(), &caller.scope(), &key);
        let claimant = Claimant {
            token: Token::random(),
            who: caller.who.clone(),
            digest: Some(digest.clone()),
            // It lasts as long as the work may: nobody else works while the lock is ours.
            ttl: self.ask.ttl,
            on_changed: OnChanged::Supersede,
            at: Timestamp::now(),
        };
        // Whoever had the lock before us and claimed this is dead, so its claim ends soon.
        let waits = |outcome: &Claim| matches!(outcome, Claim::Lost { .. });
        let claim = tokio::select! {
            claim = subject.claim_in_turn(&claimant, waits) => claim,
            _ = locks.keep() => return Err(None),
            _ = place.interrupts.next() => return Err(None),
        };
        match claim {
            Ok(Claim::Won { fence, .. }) => Ok(Some(Claimed { subject, fence })),
            Ok(other) => Err(Some(other)),
            Err(error) => {
                place.session.note(&format!("error: the work could not be claimed: {error}"));
                Err(None)
            }
        }
    }

    fn is_done(
        &self,
        mut fields: Map<String, Value>,
        claim: &Claim,
        session: &Session,
    ) -> Result<Exit, Failure> {
        let text = match claim {
            Claim::Replay { done } => format!("this work is done already: {}", done.result),
            _ => "other work with this digest is in the way".to_owned(),
        };
        fields.insert("outcome".to_owned(), json!("replay"));
        fields.insert("should_run".to_owned(), json!(false));
        fields.insert("reason".to_owned(), json!(text));
        present::announce(&self.keys, "replay", &text, Some(Level::Notice), session)?;
        self.tell(session, fields)?;
        Ok(Exit::NotOurs)
    }

    /// Runs the command until it ends, or until a lock is lost: then it is stopped in time.
    async fn command(
        &self,
        environment: &[(&str, String)],
        place: &mut Place<'_>,
        mut locks: Option<&mut Locks>,
    ) -> Ended {
        let command = self.invocation(environment, place);
        let tree = Tree::new(&Mark::random());
        let attachment = Attachment {
            shares_group: place.on_terminal,
            prints_to_stderr: place.session.format == Format::Json,
        };
        let mut running = match tree.attach(&command, attachment) {
            Ok(running) => running,
            Err(error) => return Ended::CouldNotStart(error.to_string()),
        };
        let ended = loop {
            let kept = async {
                match &mut locks {
                    Some(locks) => locks.keep().await,
                    None => std::future::pending().await,
                }
            };
            let lost = tokio::select! {
                exit = running.exit() => break Ended::Exited(code(exit)),
                lost = kept => lost,
                interrupt = place.interrupts.next() => {
                    running.pass_on(interrupt);
                    continue;
                }
            };
            running.stop(self.grace(locks.as_deref())).await;
            break Ended::Lost(lost);
        };
        tree.end().await;
        ended
    }

    /// Returns how long a command may clean up: until shortly before others may have the lock.
    fn grace(&self, locks: Option<&Locks>) -> Grace {
        let left = locks.map(Locks::left_to_others).unwrap_or_default().min(margin(self.ask.ttl));
        let is_ours = locks.is_some_and(|locks| locks.iter().all(|lock| lock.fence().is_some()));
        let time = if is_ours { left } else { SHORT.min(margin(self.ask.ttl)) };
        Grace { interrupt: time.mul_f64(0.6), terminate: time.mul_f64(0.2) }
    }

    fn invocation(&self, environment: &[(&str, String)], place: &Place<'_>) -> Command {
        let mut words = self.wrapped.command.iter().cloned();
        let is_between_us = |name: &OsString| guardian::VARIABLES.iter().any(|it| name == *it);
        let inherited = std::env::vars_os().filter(|(name, _)| !is_between_us(name));
        let ours = environment.iter().map(|(name, value)| ((*name).into(), value.into()));
        Command {
            program: words.next().unwrap_or_default(),
            arguments: words.collect(),
            environment: inherited.chain(ours).collect(),
            directory: place.session.directory.clone(),
            inherited: vec![place.proof.file()],
        }
    }

    async fn release(&self, locks: &mut Locks) -> Result<Vec<(String, Release)>, Failure> {
        Ok(locks.release().await?)
    }

    /// Tells how it went, and chooses the exit code: the command's, unless a lock was lost.
    fn finish(
        &self,
        session: &Session,
        mut fields: Map<String, Value>,
        ended: &Ended,
        after: After,
    ) -> Result<Exit, Failure> {
        let mut exit = match ended {
            Ended::Exited(code) => Exit::Passed(*code),
            Ended::CouldNotStart(_) => Exit::Passed(127),
            Ended::Lost(_) => Exit::Lost,
        };
        let mut trouble = None;
        match (ended, &after.released) {
            (Ended::Lost(lost), _) => {
                trouble =
                    Some(("lost", format!("{}; the command was stopped", present::lost(lost))));
            }
            (Ended::CouldNotStart(why), _) => session.note(&format!("error: {why}")),
            (Ended::Exited(_), Some(Ok(all))) => {
                let lost = all.iter().find(|(_, it)| matches!(it, Release::NotOurs { .. }));
                if let Some((name, _)) = lost {
                    let text = format!("{name} was taken away before the command had ended");
                    trouble = Some(("lost", text));
                    exit = Exit::Lost;
                }
            }
            (Ended::Exited(_), Some(Err(failure))) => {
                let text = format!("it will end by itself: {}", plain(failure));
                session.annotate(Level::Warning, "the lock could not be released", &text);
            }
            (Ended::Exited(_), None) => {}
        }
        if let Some(Err(error)) = after.closing {
            let text = error.to_string();
            session.annotate(Level::Warning, "what was done could not be recorded", &text);
        }
        if let Some((word, text)) = trouble {
            fields.insert("outcome".to_owned(), json!(word));
            fields.insert("reason".to_owned(), json!(text));
            present::announce(&self.keys, word, &text, Some(Level::Error), session)?;
        }
        if let Exit::Passed(code) = exit {
            fields.insert("exit_code".to_owned(), json!(code));
        }
        self.tell(session, fields)?;
        Ok(exit)
    }

    /// Tells programs: standard output belongs to the command, unless it was promised to JSON.
    fn tell(&self, session: &Session, fields: Map<String, Value>) -> Result<(), Failure> {
        let answer = Value::Object(fields);
        session.answer(&answer, "")?;
        wrapped::write_outcome(self.wrapped.outcome_file.as_deref(), &answer)
    }
}

/// Where a command runs.
struct Place<'a> {
    session: &'a Session,
    on_terminal: bool,
    interrupts: &'a mut Interrupts,
    proof: &'a OsLock,
}

impl Claimed {
    /// Closes the claim as the command has ended.
    async fn close(&self, ended: &Ended, session: &Session) -> Result<Closing, coord::Error> {
        let result = session.surroundings.run_link().unwrap_or_default();
        match ended {
            Ended::Exited(0) => self.subject.done(self.fence, &result, Timestamp::now()).await,
            _ => self.subject.failed(self.fence).await,
        }
    }
}

fn code(exit: ProcessExit) -> u8 {
    match exit {
        ProcessExit::Code(code) => u8::try_from(code & 0xff).unwrap_or(u8::MAX),
        ProcessExit::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
    }
}
