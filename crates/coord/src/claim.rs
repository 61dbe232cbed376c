//! A claim: "I do this piece of work", made before the work starts.
//!
//! A subject is what the work is about (issue 123); a digest says what is to be done (its prompt). One
//! claimant wins a subject and works under a fence. The same work again is *lost* while it is being done
//! and a *replay* once it is done; other work on the same subject is *changed*. A claim is a lease, so a
//! winner that dies delays others by its length and no more; and only the winner's fence closes it, so a
//! late loser cannot close the winner's work. Failed work is free to be tried again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Key, Store, Version};

use crate::{Clock, Error, Fence, Life, Now, Register, Step, Token, Value, Who};

/// The longest result that is kept, in bytes.
pub const MAX_RESULT: usize = 4096;

/// What is known of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    #[serde(default)]
    fence: Fence,
    /// Who works on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    live: Option<Grant>,
    /// What came of the last work that was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    done: Option<Done>,
    /// How often work under it has failed since something was done.
    #[serde(default)]
    failures: u32,
    /// The fence of the last failure: reporting it twice is reporting it once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<Fence>,
}

/// Work that goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Orders it among all work on the subject.
    pub fence: Fence,
    /// Who does it.
    pub who: Who,
    /// What is done, if anybody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// When it began, for people.
    pub began: Timestamp,
    life: Life,
}

/// Work that is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// Under which fence.
    pub fence: Fence,
    /// Who did it.
    pub who: Who,
    /// What was done, if anybody said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What came of it: a link, or a sentence.
    pub result: String,
    /// When, for people.
    pub ended: Timestamp,
}

/// Somebody who wants to do a piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// Proves the claim, if it is won.
    pub token: Token,
    /// Who.
    pub who: Who,
    /// What is to be done. Without one, all work on the subject is the same.
    pub digest: Option<String>,
    /// How long the claim lasts without a renewal.
    pub ttl: Duration,
    /// What if the subject is claimed, or done, with another digest.
    pub on_changed: OnChanged,
    /// The time, for people.
    pub at: Timestamp,
}

/// What happens to other work on the same subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnChanged {
    /// It takes the place of the work that goes on, under a larger fence. What is done is done anew.
    #[default]
    Supersede,
    /// It waits for the work that goes on. What is done is done anew.
    Wait,
    /// It stops, whether the other work goes on or is done.
    Stop,
}

/// How an attempt to claim ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is ours.
    Won {
        /// Closes it, and orders what is written under it.
        fence: Fence,
        /// Who had it and lost it: dead, or superseded.
        taken_from: Option<Who>,
        /// How often work on the subject failed since something was done.
        failures: u32,
    },
    /// The same work goes on.
    Lost {
        /// Who does it.
        by: Box<Grant>,
        /// How long until the claim may be free, unless it is renewed.
        wake: Duration,
    },
    /// The same work is done.
    Replay {
        /// By whom, and what came of it.
        done: Box<Done>,
    },
    /// Other work on the subject is in the way.
    Changed {
        /// The work that goes on, if it does.
        live: Option<Box<Grant>>,
        /// The work that is done, if it is.
        done: Option<Box<Done>>,
        /// How long until the claim may be free, unless it is renewed.
        wake: Duration,
    },
}

/// How an attempt to renew ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The claim lasts another length.
    Renewed,
    /// It is not ours any more.
    Lost {
        /// Whose it is, if it is anybody's.
        by: Option<Who>,
    },
}

/// How an attempt to close ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closing {
    /// It is closed as asked, now or by an earlier call with this fence.
    Closed,
    /// The fence is not that of the claim: somebody else has it, or had it since.
    Stale {
        /// The fence of the last grant.
        fence: Fence,
        /// Whose the claim is, if it is anybody's.
        by: Option<Who>,
    },
}

impl Claim {
    /// Claims the subject, or says what is in the way.
    pub fn claim(&mut self, claimant: &Claimant, now: &Now) -> Outcome {
        let mut taken_from = None;
        if let Some(live) = &mut self.live {
            if *live.life.token() == claimant.token {
                live.life.renew_for(claimant.ttl);
                let (fence, failures) = (live.fence, self.failures);
                return Outcome::Won { fence, taken_from: None, failures };
            }
            let is_same = live.digest == claimant.digest;
            let supersedes = !is_same && claimant.on_changed == OnChanged::Supersede;
            let is_rerun = claimant.who.is_rerun_of(&live.who);
            if !(is_rerun || supersedes || live.life.is_over(now)) {
                let wake = live.life.left(now);
                return if is_same {
                    Outcome::Lost { by: Box::new(live.clone()), wake }
                } else {
                    Outcome::Changed {
                        live: Some(Box::new(live.clone())),
                        done: self.done.clone().map(Box::new),
                        wake,
                    }
                };
            }
            taken_from = Some(live.who.clone());
        }
        if let Some(done) = &self.done {
            // Work that somebody else began since may have undone it already.
            if done.digest == claimant.digest && taken_from.is_none() {
                return Outcome::Replay { done: Box::new(done.clone()) };
            }
            if done.digest != claimant.digest && claimant.on_changed == OnChanged::Stop {
                let (done, wake) = (Some(Box::new(done.clone())), Duration::MAX);
                return Outcome::Changed { live: None, done, wake };
            }
        }
        self.fence = self.fence.next();
        self.live = Some(Grant {
            fence: self.fence,
            who: claimant.who.clone(),
            digest: claimant.digest.clone(),
            began: claimant.at,
            life: Life::new(claimant.token.clone(), claimant.ttl),
        });
        Outcome::Won { fence: self.fence, taken_from, failures: self.failures }
    }

    /// Lets the claim made under this fence last another length.
    pub fn renew(&mut self, fence: Fence) -> Renewal {
        match &mut self.live {
            Some(live) if live.fence == fence => {
                live.life.renew();
                Renewal::Renewed
            }
            other => Renewal::Lost { by: other.as_ref().map(|live| live.who.clone()) },
        }
    }

    /// Closes the claim made under this fence: the work is done.
    ///
    /// A claim that was not renewed in time and that nobody took over can still be closed.
    pub fn done(&mut self, fence: Fence, result: &str, at: Timestamp) -> Closing {
        if self.done.as_ref().is_some_and(|done| done.fence == fence) {
            return Closing::Closed;
        }
        let Some(live) = self.live.take_if(|live| live.fence == fence) else { return self.stale() };
        let Grant { who, digest, .. } = live;
        self.done = Some(Done { fence, who, digest, result: result.to_owned(), ended: at });
        (self.failures, self.failed) = (0, None);
        Closing::Closed
    }

    /// Closes the claim made under this fence: the work has failed, and may be tried again.
    pub fn failed(&mut self, fence: Fence) -> Closing {
        if self.failed == Some(fence) {
            return Closing::Closed;
        }
        if self.live.take_if(|live| live.fence == fence).is_none() {
            return self.stale();
        }
        self.failures = self.failures.saturating_add(1);
        self.failed = Some(fence);
        Closing::Closed
    }

    /// Forgets the claim made under this fence, and what was done under it, so that the subject is free.
    pub fn forget(&mut self, fence: Fence) -> Closing {
        let live = self.live.take_if(|live| live.fence == fence);
        // What was done before a newer claim goes with it: whoever forgets wants the subject free.
        let is_last = self.done.as_ref().is_some_and(|done| done.fence == fence);
        if live.is_none() && !(is_last && self.live.is_none()) {
            return self.stale();
        }
        self.done = None;
        (self.failures, self.failed) = (0, None);
        Closing::Closed
    }

    /// Returns the work that goes on, whether its claim is over or not.
    pub fn live(&self) -> Option<&Grant> {
        self.live.as_ref()
    }

    /// Returns the work that is done.
    pub fn last_done(&self) -> Option<&Done> {
        self.done.as_ref()
    }

    /// Returns how often work failed since something was done.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    fn stale(&self) -> Closing {
        Closing::Stale { fence: self.fence, by: self.live.as_ref().map(|live| live.who.clone()) }
    }
}

impl Grant {
    /// Returns whether it was not renewed in time.
    pub fn is_over(&self, now: &Now) -> bool {
        self.life.is_over(now)
    }
}

impl Value for Claim {
    fn fence(&self) -> Fence {
        self.fence
    }

    fn raise(&mut self, above: Fence) {
        self.fence = self.fence.max(above);
    }

    fn each_life(&mut self, visit: &mut dyn FnMut(&mut Life)) {
        if let Some(live) = &mut self.live {
            visit(&mut live.life);
        }
    }
}

/// The way to the claim on one subject.
#[derive(Debug)]
pub struct Subject {
    register: Register<Claim>,
}

impl Subject {
    /// Names a subject within a scope, such as a host and a repository.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, scope: &str, subject: &str) -> Self {
        let key = Key::new(["claim", &scope.to_lowercase(), subject]);
        Self { register: Register::new(store, clock, key) }
    }

    /// Returns the register behind it, for reading and repairing.
    pub fn register(&self) -> &Register<Claim> {
        &self.register
    }

    /// Claims the subject, or says what is in the way. Does not wait.
    pub async fn claim(&self, claimant: &Claimant) -> Result<Outcome, Error> {
        self.claim_from(claimant).await.map(|(outcome, _)| outcome)
    }

    /// Claims the subject; waits for as long as other work, or the same work, goes on, if `waits` says so.
    pub async fn claim_in_turn(
        &self,
        claimant: &Claimant,
        waits: impl Fn(&Outcome) -> bool + Send + Sync,
    ) -> Result<Outcome, Error> {
        loop {
            let (outcome, version) = self.claim_from(claimant).await?;
            let wake = match &outcome {
                Outcome::Lost { wake, .. } | Outcome::Changed { wake, live: Some(_), .. } => *wake,
                _ => return Ok(outcome),
            };
            if !waits(&outcome) {
                return Ok(outcome);
            }
            let wait = wake.clamp(Duration::from_millis(50), Duration::from_secs(30));
            self.register.changed(version.as_ref(), wait).await?;
        }
    }

    /// Lets the claim made under this fence last another length.
    pub async fn renew(&self, fence: Fence) -> Result<Renewal, Error> {
        let renew = self.register.update(|claim, _| match claim.renew(fence) {
            Renewal::Renewed => Step::Write(Renewal::Renewed),
            lost @ Renewal::Lost { .. } => Step::Keep(lost),
        });
        renew.await
    }

    /// Closes the claim made under this fence: the work is done.
    pub async fn done(&self, fence: Fence, result: &str, at: Timestamp) -> Result<Closing, Error> {
        if result.len() > MAX_RESULT {
            let why = format!("a result may have {MAX_RESULT} bytes, not {}", result.len());
            return Err(Error::Request(why));
        }
        self.close(|claim| claim.done(fence, result, at)).await
    }

    /// Closes the claim made under this fence: the work has failed, and may be tried again.
    pub async fn failed(&self, fence: Fence) -> Result<Closing, Error> {
        self.close(|claim| claim.failed(fence)).await
    }

    /// Forgets the claim made under this fence, and what was done under it.
    pub async fn forget(&self, fence: Fence) -> Result<Closing, Error> {
        self.close(|claim| claim.forget(fence)).await
    }

    async fn claim_from(&self, claimant: &Claimant) -> Result<(Outcome, Option<Version>), Error> {
        let claim = self.register.update_to(|claim, now| {
            let outcome = claim.claim(claimant, now);
            match outcome {
                Outcome::Won { .. } => Step::Write(outcome),
                // The next caller goes on from what this one has seen.
                _ => Step::Note(outcome),
            }
        });
        claim.await
    }

    async fn close(
        &self,
        close: impl Fn(&mut Claim) -> Closing + Send + Sync,
    ) -> Result<Closing, Error> {
        let closing = self.register.update(|claim, _| {
            let before = claim.clone();
            let closing = close(claim);
            if *claim == before { Step::Keep(closing) } else { Step::Write(closing) }
        });
        closing.await
    }
}
