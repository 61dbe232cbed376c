//! The proof that `lock acquire` leaves for `lock release`, for whoever called it and nobody else.
//!
//! In a CI job, that is the job: it may ask twice and has the lock. Elsewhere it is the shell or the
//! script, known by its process: another script of the same user has files of its own, and neither gets
//! a second yes nor releases what is not its own.

use coord::{Fence, Token};
use rustix::process::{Pid, getpgrp, getppid};
use serde::{Deserialize, Serialize};

use super::identity::started;
use crate::caller::surface;
use crate::failure::Failure;
use crate::kept::Kept;
use crate::session::Session;

/// What is kept of one lock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Saved {
    /// Proves the grant.
    pub(super) token: Token,
    /// The fence, once the lock is ours.
    pub(super) fence: Option<Fence>,
    /// For how long it was taken.
    pub(super) ttl_ms: u64,
    /// The process that asked, and when it was started.
    pub(super) asker: (i32, u64),
}

/// Where the proof of one lock is.
#[derive(Debug)]
pub(super) struct Place {
    kept: Kept,
    /// Whether a second question of the same caller means the same grant.
    is_job: bool,
}

impl Place {
    /// Names the place for a lock of a store.
    pub(super) fn new(session: &Session, url: &str, name: &str) -> Result<Self, Failure> {
        let job = job(session);
        let caller = job.clone().unwrap_or_else(caller);
        Ok(Self { kept: Kept::new(session, "lock", &[url, name, &caller])?, is_job: job.is_some() })
    }

    /// Returns the token to ask with, kept before anything is asked.
    pub(super) fn token(&self, ttl_ms: u64) -> Result<Token, Failure> {
        let before = self.kept.load::<Saved>();
        let token = before.as_ref().filter(|saved| self.may_go_on(saved));
        let token = token.map_or_else(Token::random, |saved| saved.token.clone());
        let is_held = before.as_ref().is_some_and(|saved| saved.fence.is_some());
        if !is_held {
            let asker = (own_id(), started(own_id()).unwrap_or_default());
            self.kept.save(&Saved { token: token.clone(), fence: None, ttl_ms, asker })?;
        }
        Ok(token)
    }

    /// A job asks twice; a script goes on where a question of its own was cut off by its death.
    fn may_go_on(&self, saved: &Saved) -> bool {
        let (id, start) = saved.asker;
        let is_cut_off = saved.fence.is_none() && started(id) != Some(start);
        self.is_job || is_cut_off
    }

    /// Keeps that the lock is ours.
    pub(super) fn save(&self, token: &Token, fence: Fence, ttl_ms: u64) -> Result<(), Failure> {
        let asker = (own_id(), started(own_id()).unwrap_or_default());
        self.kept.save(&Saved { token: token.clone(), fence: Some(fence), ttl_ms, asker })
    }

    /// Reads what was kept.
    pub(super) fn load(&self) -> Option<Saved> {
        self.kept.load()
    }

    /// Forgets it.
    pub(super) fn forget(&self) {
        self.kept.remove();
    }

    /// Forgets it unless it proves a grant: nobody got what was asked for.
    pub(super) fn forget_question(&self) {
        if self.load().is_some_and(|saved| saved.fence.is_none()) {
            self.forget();
        }
    }
}

/// Returns the name of the CI job, if this is one.
fn job(session: &Session) -> Option<String> {
    let get = |name: &str| session.surroundings.get(name).map(ToOwned::to_owned);
    match surface(&session.surroundings) {
        // The file is in the job's own RUNNER_TEMP, if there is one.
        "actions" => get("RUNNER_TEMP"),
        "gitlab" => get("CI_JOB_ID"),
        "jenkins" => get("BUILD_TAG"),
        _ => None,
    }
}

/// Returns a name for the shell or script that called.
///
/// In a script all processes are in one group. A command typed into a shell is a group of its own, and
/// then it is the shell that counts.
fn caller() -> String {
    let group = Pid::as_raw(Some(getpgrp()));
    let id = if group == own_id() { Pid::as_raw(getppid()) } else { group };
    format!("{id} {}", started(id).unwrap_or_default())
}

fn own_id() -> i32 {
    i32::try_from(std::process::id()).unwrap_or_default()
}
