//! One member's way to its group: it enters, lives on, is told, leaves.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use store::{Store, Version};

use super::housekeeping;
use super::waits::{self, Wait, Waits};
use super::{Death, Group, GroupName, Hold, Member, Newcomer, Reason, Request, Told};
use crate::{Clock, Error, ErrorKind, Fence, Now, Register, Step, Token, Value as _, Who, margin};

/// The least and the most that is waited before looking again.
const WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(15));
/// How often to look for a proof of death.
const PROOF: Duration = Duration::from_secs(1);
/// What is waited after a failure of the store.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether a member of this boot is proved dead: the lock that its processes would hold is free.
///
/// "Could not find out" is no. Death is final, so it may be asked again at any time.
pub type Proof = Arc<dyn Fn(&Member) -> bool + Send + Sync>;

/// Who enters what, and how.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The group.
    pub name: GroupName,
    /// Who.
    pub member: Member,
    /// How.
    pub request: Request,
    /// How long the membership lasts without a renewal.
    pub ttl: Duration,
}

/// Of whom a proof of death is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// Of everybody.
    All,
    /// Of those in progress and the next one. Were it all, a hundred that wait would look at a hundred
    /// locks each, at every step that the queue makes.
    Next,
}

/// A membership that is kept alive as long as [`Membership::next`] is called.
///
/// Dropping it leaves nothing: the group finds out when its life is over. Call [`Membership::leave`].
pub struct Membership {
    register: Register<Group>,
    waits: Register<Waits>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    proof: Proof,
    entry: Entry,
    told: Told,
    /// On our clock, before the last renewal was sent.
    renewed: Duration,
    version: Option<Version>,
    is_waiting_listed: bool,
    /// Whether somebody else could be proved dead: nobody sends a message when he dies.
    is_proof_possible: AtomicBool,
}

impl Membership {
    /// Asks to enter. What came of it is in [`Membership::told`].
    ///
    /// A second call with the same token goes on with the same membership, so a process that comes back
    /// after a crash can take it up again.
    pub async fn enter(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        entry: Entry,
        proof: Proof,
    ) -> Result<Self, Error> {
        entry.request.validate()?;
        let mut membership = Self::of(store, clock, entry, proof);
        let newcomer = Newcomer {
            member: membership.entry.member.clone(),
            request: membership.entry.request.clone(),
            ttl: membership.entry.ttl,
        };
        let name = membership.entry.name.as_str().to_owned();
        let mut floor = None;
        membership.told = loop {
            let told = membership.change(|group, death, now| match (group.is_new(), floor) {
                // Its record may have been removed: then its fence must not begin anew.
                (true, None) => None,
                (_, floor) => {
                    group.raise(floor.unwrap_or_default());
                    group.call(&name);
                    Some(group.enter(newcomer.clone(), death, now))
                }
            });
            match told.await? {
                Some(told) => break told,
                None => floor = Some(membership.floor().await?),
            }
        };
        membership.watch_for_deadlock().await?;
        Ok(membership)
    }

    /// Takes up a membership that another process began, and renews it. If the group does not know it any
    /// more, [`Membership::told`] says so: nobody enters twice.
    pub async fn resume(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        entry: Entry,
        proof: Proof,
    ) -> Result<Self, Error> {
        let mut membership = Self::of(store, clock, entry, proof);
        let token = membership.token().clone();
        let told = membership.change(|group, death, now| group.renew(&token, death, now));
        membership.told = told.await?;
        Ok(membership)
    }

    /// Returns what the member knows about itself.
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// Returns who entered what, and how.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Returns the token that proves the membership.
    pub fn token(&self) -> &Token {
        &self.entry.member.token
    }

    /// Returns the group.
    pub fn name(&self) -> &GroupName {
        &self.entry.name
    }

    /// Returns what a member has to show in [`Member::holds`] when it waits while it has this.
    pub fn hold(&self) -> Hold {
        Hold::new(self.register.key(), self.token().clone())
    }

    /// Returns how long the membership can be relied on: what is done under it must begin to end then,
    /// unless it was renewed.
    pub fn left(&self) -> Duration {
        let end = self.renewed + self.entry.ttl.saturating_sub(margin(self.entry.ttl));
        end.saturating_sub(self.clock.now())
    }

    /// Returns those who were told to end, or are out, because of this member.
    pub async fn displaced(&self) -> Result<Vec<Member>, Error> {
        let group = self.register.read().await?.value;
        Ok(group.displaced_by(&Who::of(&self.entry.member)).cloned().collect())
    }

    /// Keeps the membership alive until the member is told something else, and returns that.
    ///
    /// It may be dropped at any time and called again. An error means that the membership could not be
    /// renewed and ends within its margin: whatever is done under it must be stopped now.
    pub async fn next(&mut self) -> Result<&Told, Error> {
        loop {
            let told = match self.step().await {
                Ok(told) => told,
                Err(error) if self.is_final(&error) => return Err(error),
                Err(error) => {
                    tracing::debug!(%error, group = %self.entry.name, "looking again");
                    tokio::time::sleep(PAUSE.min(self.left())).await;
                    continue;
                }
            };
            let is_news = !is_same(&self.told, &told);
            self.told = told;
            if is_news {
                self.forget_waiting().await;
                return Ok(&self.told);
            }
        }
    }

    /// Notes that the processes of dead members have been ended, or cannot be reached from here.
    pub async fn cleared(&mut self, ended: &[Member]) -> Result<(), Error> {
        let tokens: Vec<Token> = ended.iter().map(|member| member.token.clone()).collect();
        let cleared = self.register.update_to(|group, _| {
            if group.clear(&tokens) { Step::Write(()) } else { Step::Keep(()) }
        });
        let ((), version) = cleared.await?;
        self.version = version;
        if let Told::Running { orphans, .. } = &mut self.told {
            orphans.retain(|orphan| !tokens.contains(&orphan.token));
        }
        Ok(())
    }

    /// Leaves the group, or acknowledges that one is out. Leaving twice is leaving once.
    pub async fn leave(&mut self) -> Result<(), Error> {
        let token = self.token().clone();
        self.change(|group, death, now| group.leave(&token, death, now)).await?;
        self.told = Told::Gone;
        self.forget_waiting().await;
        Ok(())
    }

    fn of(store: Arc<dyn Store>, clock: Arc<dyn Clock>, entry: Entry, proof: Proof) -> Self {
        Self {
            register: Register::new(Arc::clone(&store), Arc::clone(&clock), entry.name.key()),
            waits: Register::new(Arc::clone(&store), Arc::clone(&clock), waits::key()),
            renewed: clock.now(),
            store,
            clock,
            proof,
            entry,
            told: Told::Gone,
            version: None,
            is_waiting_listed: false,
            is_proof_possible: AtomicBool::new(false),
        }
    }

    /// Returns the fence above which a group begins that has no record.
    async fn floor(&self) -> Result<Fence, Error> {
        let floor = housekeeping::floor(Arc::clone(&self.store), Arc::clone(&self.clock));
        Ok(floor.read().await?.value.fence())
    }

    /// Waits until something may have happened, renews if that is due, and looks.
    async fn step(&mut self) -> Result<Told, Error> {
        let due = self.renewed + self.entry.ttl / 3;
        let rest = due.saturating_sub(self.clock.now());
        let wake = match &self.told {
            Told::Pending { .. } if self.is_proof_possible.load(Ordering::Relaxed) => PROOF,
            Told::Pending { wake, .. } => *wake,
            _ => Duration::MAX,
        };
        let wait = rest.min(wake).clamp(WAITS.0, WAITS.1);
        let changed = self.register.changed(self.version.as_ref(), wait).await?;
        let token = self.token().clone();
        let now = self.clock.now();
        if now >= due {
            let told = self.change(|group, death, now| group.renew(&token, death, now)).await?;
            self.renewed = now;
            return Ok(told);
        }
        if !changed && rest < wake {
            return Ok(self.told.clone());
        }
        self.change_after(Doubt::Next, |group, death, now| group.look(&token, death, now)).await
    }

    /// Applies a transition, and writes only if it changed something.
    async fn change<R: Send>(
        &mut self,
        transition: impl Fn(&mut Group, &Death, &Now) -> R + Send + Sync,
    ) -> Result<R, Error> {
        self.change_after(Doubt::All, transition).await
    }

    async fn change_after<R: Send>(
        &mut self,
        doubt: Doubt,
        transition: impl Fn(&mut Group, &Death, &Now) -> R + Send + Sync,
    ) -> Result<R, Error> {
        let changed = self.register.update_to(|group, now| {
            let before = group.clone();
            let death = self.deaths(group, doubt);
            let result = transition(group, &death, now);
            if *group == before { Step::Keep(result) } else { Step::Write(result) }
        });
        let (result, version) = changed.await?;
        self.version = version;
        Ok(result)
    }

    /// Collects who of this boot is proved dead.
    fn deaths(&self, group: &Group, doubt: Doubt) -> Death {
        let here = self.clock.boot();
        let mut is_next_seen = false;
        let doubted = group.members().iter().filter(|standing| {
            doubt == Doubt::All
                || standing.is_in_progress()
                || !std::mem::replace(&mut is_next_seen, true)
        });
        let members = doubted.map(|standing| &standing.member);
        let others = members.filter(|member| member.token != *self.token());
        let provable = others.filter(|m| m.lock.is_some() && m.boot.as_deref() == Some(here));
        let mut provable = provable.peekable();
        self.is_proof_possible.store(provable.peek().is_some(), Ordering::Relaxed);
        let dead = provable.filter(|member| (self.proof)(member));
        Death(dead.map(|member| member.token.clone()).collect())
    }

    /// Returns whether there is no use in trying again.
    fn is_final(&self, error: &Error) -> bool {
        let may_pass = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown);
        let is_working = matches!(self.told, Told::Running { .. } | Told::Cancel { .. });
        // Who works goes on for as long as the membership can be relied on, whatever is wrong.
        self.left().is_zero() || !(may_pass || is_working)
    }

    /// Enters a wait that keeps other groups taken into the list of such waits, and withdraws if it
    /// closes a cycle.
    async fn watch_for_deadlock(&mut self) -> Result<(), Error> {
        if self.entry.member.holds.is_empty() || !matches!(self.told, Told::Pending { .. }) {
            return Ok(());
        }
        let wait = Wait {
            token: self.token().clone(),
            group: self.register.key().as_str().to_owned(),
            name: self.entry.name.as_str().to_owned(),
            holds: self.entry.member.holds.clone(),
        };
        self.is_waiting_listed = true;
        let cycle = waits::enlist(&self.waits, &self.store, &self.clock, wait).await?;
        if let Some(groups) = cycle {
            let token = self.token().clone();
            let reason = Reason::Deadlock { groups };
            let told = self.change(|group, death, now| match group.look(&token, death, now) {
                Told::Pending { .. } => {
                    group.leave(&token, death, now);
                    Told::Out { reason: reason.clone() }
                }
                told => told,
            });
            self.told = told.await?;
            self.forget_waiting().await;
        }
        Ok(())
    }

    async fn forget_waiting(&mut self) {
        if !self.is_waiting_listed || matches!(self.told, Told::Pending { .. }) {
            return;
        }
        // What stays in the list is found to be stale by whoever meets it.
        match waits::strike(&self.waits, self.token()).await {
            Ok(()) => self.is_waiting_listed = false,
            Err(error) => tracing::debug!(%error, "a wait stays in the list"),
        }
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Membership");
        debug.field("name", &self.entry.name).field("told", &self.told).finish_non_exhaustive()
    }
}

/// Returns whether the two mean the same for the member. How soon it should look again does not count.
fn is_same(one: &Told, other: &Told) -> bool {
    let fence = |told: &Told| match told {
        Told::Running { fence, .. } => Some(*fence),
        _ => None::<Fence>,
    };
    match (one, other) {
        (
            Told::Pending { position, behind, .. },
            Told::Pending { position: other_position, behind: other_behind, .. },
        ) => (position, behind) == (other_position, other_behind),
        (Told::Running { .. }, Told::Running { .. }) => fence(one) == fence(other),
        _ => one == other,
    }
}
