//! `interlock guard`: decides, once, whether a piece of work goes on.

mod close;
pub(crate) mod digest;
mod notice;
mod present;
mod probe;
mod wrap;

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use coord::claim::{Claimant, OnChanged, Outcome, Subject};
use coord::{Fence, Token};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::Store;

use self::close::{Close, Done};
use self::digest::DigestFlags;
use self::notice::NoticeFlags;
use self::probe::{Finding, ProbeFlags, There};
use self::wrap::Wrap;
use crate::caller::{Caller, StoreFlags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::kept::Kept;
use crate::session::{Level, Session};
use crate::settings::duration;

/// The arguments of `interlock guard`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Guard {
    #[command(subcommand)]
    action: Option<Action>,
    /// What the work is about, such as `issue-123`.
    #[arg(value_name = "KEY", required = true)]
    key: Option<String>,
    #[command(flatten)]
    flags: ClaimFlags,
    /// How long the claim lasts unless it is renewed, such as `90m`.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1h")]
    ttl: Duration,
    /// Exit with 3 for "no" also where step outputs carry the answer.
    #[arg(long)]
    exit_code: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Claims, runs a command, renews meanwhile, and closes by its exit code.
    Run(Box<Wrap>),
    /// Lets a claim last another length.
    Renew(Close),
    /// Closes a claim: the work is done.
    Done(Done),
    /// Closes a claim: the work has failed, and may be tried again.
    Failed(Close),
    /// Forgets a claim and what was done under it, so that the work may be done again.
    Forget(Close),
    /// Shows what is known of a piece of work.
    Show(close::Show),
}

/// What is claimed, and what if that is not possible.
#[derive(Clone, Debug, Args)]
struct ClaimFlags {
    #[command(flatten)]
    digest: DigestFlags,
    /// What if the key is claimed, or done, with another digest.
    #[arg(long, value_enum, default_value_t = Changed::Supersede, value_name = "WHAT")]
    on_changed: Changed,
    /// What if nobody can say.
    #[arg(long, value_enum, default_value_t = OnUnknown::Fail, value_name = "WHAT")]
    on_unknown: OnUnknown,
    #[command(flatten)]
    probes: ProbeFlags,
    #[command(flatten)]
    notice: NoticeFlags,
    #[command(flatten)]
    store: StoreFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Changed {
    /// Take the place of the other work, under a larger fence.
    Supersede,
    /// Wait until the other work has ended.
    Wait,
    /// Stop.
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnUnknown {
    /// End with an error.
    Fail,
    /// Go on with the work.
    Proceed,
    /// Leave the work.
    Skip,
}

/// A piece of work, and how it is claimed.
#[derive(Debug)]
struct Work {
    key: String,
    flags: ClaimFlags,
    ttl: Duration,
}

/// What a later call has to show.
#[derive(Debug, Serialize, Deserialize)]
struct Proof {
    key: String,
    fence: Fence,
}

/// The answer to "does this piece of work go on?".
#[derive(Debug)]
enum Answer {
    /// The store has answered.
    Known(Outcome),
    /// Others have done it: something is there that says so.
    Exists(There),
    /// It could not be found out.
    Unknown(String),
    /// There is no store, and that is accepted.
    Disabled,
}

impl Guard {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        match self.action {
            Some(Action::Run(wrap)) => wrap.run(session),
            Some(Action::Renew(close)) => close.renew(session),
            Some(Action::Done(done)) => done.run(session),
            Some(Action::Failed(close)) => close.failed(session),
            Some(Action::Forget(close)) => close.forget(session),
            Some(Action::Show(show)) => show.run(session),
            None => {
                let key = self.key.ok_or_else(|| {
                    Failure::new(Exit::Usage, "guard needs a key")
                        .hinted("for example `interlock guard issue-123 --digest \"$PROMPT\"`")
                })?;
                let work = Work { key, flags: self.flags, ttl: self.ttl };
                session.block_on(decide(&work, self.exit_code, session))?
            }
        }
    }
}

async fn decide(work: &Work, exit_code: bool, session: &Session) -> Result<Exit, Failure> {
    let flags = &work.flags;
    let digest = flags.digest.digest(session)?;
    let notice = flags.notice.check(session)?;
    let caller = Caller::of(session).await;
    let answer = match flags.store.open(session).await {
        Ok(None) => Ok(Answer::Disabled),
        Ok(Some(store)) => work.decide(store, &caller, digest.clone(), session).await,
        Err(failure) => Err(failure),
    };
    let answer = flags.or_unknown(answer)?;
    let proceeds = flags.proceeds(&answer);
    if let Answer::Known(Outcome::Won { fence, .. }) = &answer {
        let proof = Proof { key: work.key.clone(), fence: *fence };
        kept(session, &caller, &work.key)?.save(&proof)?;
    }
    present::present(&work.key, digest.as_deref(), &answer, proceeds, session)?;
    if let (Some(notice), Answer::Known(_) | Answer::Exists(_), false) = (notice, &answer, proceeds)
    {
        let fields = present::to_json(&work.key, digest.as_deref(), &answer, proceeds);
        notice.tell(&work.key, &fields, (&flags.probes, &caller), session).await;
    }
    Ok(if proceeds { Exit::Done } else { session.no(exit_code) })
}

impl Work {
    fn subject(&self, store: Arc<dyn Store>, caller: &Caller) -> Subject {
        Subject::new(store, Arc::clone(&caller.clock), &caller.scope(), &self.key)
    }

    /// Looks for work that others have done, and claims if there is none.
    ///
    /// Something that is there counts for less than what the claim knows: whoever works on it now, or has
    /// done it, is named.
    async fn decide(
        &self,
        store: Arc<dyn Store>,
        caller: &Caller,
        digest: Option<String>,
        session: &Session,
    ) -> Result<Answer, Failure> {
        if self.flags.probes.is_empty() {
            return self.ask(store, caller, digest).await;
        }
        match self.flags.probes.look(caller, session).await? {
            Finding::No => self.ask(store, caller, digest).await,
            Finding::Unknown(_) if self.flags.on_unknown == OnUnknown::Proceed => {
                self.ask(store, caller, digest).await
            }
            Finding::Unknown(why) => {
                let what = format!("it could not be found out whether the work is done: {why}");
                Err(Failure::new(Exit::Unavailable, what)
                    .hinted("--on-unknown proceed or skip decides without knowing"))
            }
            Finding::Yes(there) => {
                let reading = self.subject(store, caller).register().read().await?;
                let (claim, now) = (reading.value, reading.now);
                let live = claim.live().filter(|live| !live.is_over(&now));
                let live = live.filter(|live| !caller.who.is_rerun_of(&live.who));
                if let Some(live) = live.filter(|live| live.digest == digest) {
                    let (by, wake) = (Box::new(live.clone()), self.ttl);
                    return Ok(Answer::Known(Outcome::Lost { by, wake }));
                }
                if let Some(done) = claim.last_done().filter(|done| done.digest == digest) {
                    let done = Box::new(done.clone());
                    return Ok(Answer::Known(Outcome::Replay { done }));
                }
                Ok(Answer::Exists(there))
            }
        }
    }

    /// Claims, and waits where that was asked for.
    async fn ask(
        &self,
        store: Arc<dyn Store>,
        caller: &Caller,
        digest: Option<String>,
    ) -> Result<Answer, Failure> {
        let claimant = Claimant {
            token: Token::random(),
            who: caller.who.clone(),
            digest,
            ttl: self.ttl,
            on_changed: match self.flags.on_changed {
                Changed::Supersede => OnChanged::Supersede,
                Changed::Wait => OnChanged::Wait,
                Changed::Stop => OnChanged::Stop,
            },
            at: Timestamp::now(),
        };
        let waits = |outcome: &Outcome| {
            self.flags.on_changed == Changed::Wait && matches!(outcome, Outcome::Changed { .. })
        };
        let outcome = self.subject(store, caller).claim_in_turn(&claimant, waits).await?;
        Ok(Answer::Known(outcome))
    }
}

impl ClaimFlags {
    /// Turns "could not find out" into an answer, unless it is an error for the caller.
    fn or_unknown(&self, answer: Result<Answer, Failure>) -> Result<Answer, Failure> {
        let failure = match answer {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let is_open = matches!(failure.exit(), Exit::Unavailable | Exit::Unknown);
        if !is_open || self.on_unknown == OnUnknown::Fail {
            return Err(failure);
        }
        Ok(Answer::Unknown(failure.render()))
    }

    /// Says whether the work goes on.
    fn proceeds(&self, answer: &Answer) -> bool {
        match answer {
            Answer::Known(Outcome::Won { .. }) | Answer::Disabled => true,
            Answer::Known(_) | Answer::Exists(_) => false,
            Answer::Unknown(_) => self.on_unknown == OnUnknown::Proceed,
        }
    }
}

fn kept(session: &Session, caller: &Caller, key: &str) -> Result<Kept, Failure> {
    Kept::new(session, "guard", &[&caller.scope(), key])
}

impl Answer {
    /// Returns the word for it.
    fn word(&self) -> &'static str {
        match self {
            Self::Known(Outcome::Won { .. }) => "won",
            Self::Known(Outcome::Lost { .. }) => "lost",
            Self::Known(Outcome::Replay { .. }) => "replay",
            Self::Known(Outcome::Changed { .. }) => "changed",
            Self::Exists(_) => "exists",
            Self::Unknown(_) => "unknown",
            Self::Disabled => "disabled",
        }
    }
}

/// Says, where people look, that work was left or goes on unprotected.
fn make_visible(key: &str, answer: &Answer, text: &str, session: &Session) -> Result<(), Failure> {
    let word = answer.word();
    if word == "won" {
        return Ok(());
    }
    let level = match answer {
        Answer::Unknown(_) | Answer::Disabled => Level::Warning,
        Answer::Known(_) | Answer::Exists(_) => Level::Notice,
    };
    session.annotate(level, &format!("guard {key}: {word}"), text);
    session.summarize(&format!("**guard `{}`: {word}.** {text}", key.replace('`', "'")))
}

/// Returns the fields of an answer that every command of this kind gives.
fn base(key: &str, word: &str, proceeds: bool) -> serde_json::Map<String, serde_json::Value> {
    let fields = json!({ "outcome": word, "key": key, "should_run": proceeds });
    let serde_json::Value::Object(fields) = fields else { return serde_json::Map::new() };
    fields
}
