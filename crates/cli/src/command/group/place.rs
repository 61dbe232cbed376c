//! A place in a group: taken by one call, kept for others.

use std::sync::Arc;
use std::time::Duration;

use coord::group::{Entry, GroupName, Hold, Member, Membership, Proof, Request, Told};
use coord::{Token, Who};
use dispatch::membership::Groups;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::Store;
use workdir::Workdirs;

use crate::caller::{Caller, StoreFlags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::kept::Kept;
use crate::session::Session;

/// The variable in which a wrapper tells the wrappers below it what stays taken while they wait.
pub(super) const HOLDS: &str = "INTERLOCK_GROUP_HOLDS";

/// What a later call needs to go on with the same membership.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Remembered {
    group: String,
    member: Member,
    ttl_ms: u64,
}

/// A group as one caller sees it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) name: GroupName,
    pub(super) caller: Caller,
    pub(super) store: Arc<dyn Store>,
    url: String,
    kept: Kept,
}

impl Place {
    /// Finds the group; nothing if there is no store and that is accepted.
    pub(super) async fn find(
        name: &str,
        alias: Option<&str>,
        flags: &StoreFlags,
        session: &Session,
    ) -> Result<Option<Self>, Failure> {
        let caller = Caller::of(session).await;
        let Some(store) = flags.open(session).await? else { return Ok(None) };
        let kept = Kept::new(
            session,
            "group",
            &[&caller.scope(), &name.to_lowercase(), alias.unwrap_or_default()],
        )?;
        let name = GroupName::new(&caller.host, &caller.repository, name);
        let url = session.store_url(flags.store.as_deref())?;
        Ok(Some(Self { name, caller, store, url, kept }))
    }

    /// Enters the group.
    pub(super) async fn enter(
        &self,
        request: Request,
        ttl: Duration,
        session: &Session,
    ) -> Result<Membership, Failure> {
        let Who { run, attempt, job, link } = self.caller.who.clone();
        let holds = session.surroundings.get(HOLDS);
        let holds: Vec<Hold> =
            holds.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let member = Member {
            token: Token::random(),
            run,
            attempt,
            job,
            link,
            surface: self.caller.surface.to_owned(),
            entered: Timestamp::now(),
            boot: None,
            lock: None,
            holds,
        };
        let entry = Entry { name: self.name.clone(), member, request, ttl };
        let clock = Arc::clone(&self.caller.clock);
        Ok(Membership::enter(Arc::clone(&self.store), clock, entry, no_proof()).await?)
    }

    /// Goes on with the membership that an earlier call began.
    pub(super) async fn resume(&self) -> Result<Membership, Failure> {
        if let Some(remembered) = self.kept.load() {
            return self.take_up(remembered).await;
        }
        let what = format!("no place in the group `{}` is known here", self.name);
        Err(Failure::new(Exit::Usage, what)
            .hinted("`interlock group enter` takes one and remembers it for this job"))
    }

    /// Goes on with the membership that this job has already, if it has one.
    ///
    /// Elsewhere than in a CI job nobody can tell whose it is: then it is refused, since two could believe
    /// that they are the one member, and one would give away the other's place.
    pub(super) async fn again(&self) -> Result<Option<Membership>, Failure> {
        let Some(remembered) = self.kept.load() else { return Ok(None) };
        let membership = self.take_up(remembered).await?;
        if matches!(membership.told(), Told::Gone | Told::Out { .. }) {
            return Ok(None);
        }
        if self.caller.surface == "cli" {
            let what = format!("the group `{}` was entered from here already", self.name);
            return Err(Failure::new(Exit::Usage, what).hinted(
                "`interlock group leave` gives that place back; `--as NAME` tells several places apart; \
                 `interlock group run` needs neither",
            ));
        }
        Ok(Some(membership))
    }

    async fn take_up(&self, remembered: Remembered) -> Result<Membership, Failure> {
        let Remembered { member, ttl_ms, .. } = remembered;
        let entry = Entry {
            name: self.name.clone(),
            member,
            request: Request::default(),
            ttl: Duration::from_millis(ttl_ms),
        };
        let clock = Arc::clone(&self.caller.clock);
        Ok(Membership::resume(Arc::clone(&self.store), clock, entry, no_proof()).await?)
    }

    /// Keeps what a later call needs.
    pub(super) fn remember(&self, membership: &Membership) -> Result<(), Failure> {
        let entry = membership.entry();
        self.kept.save(&Remembered {
            group: self.name.as_str().to_owned(),
            member: entry.member.clone(),
            ttl_ms: u64::try_from(entry.ttl.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Forgets it.
    pub(super) fn forget(&self) {
        self.kept.remove();
    }

    /// Ends what dead runs of this machine left behind, before anything of ours starts.
    pub(super) async fn clear_orphans(
        &self,
        membership: &mut Membership,
        session: &Session,
    ) -> Result<(), Failure> {
        let Told::Running { orphans, .. } = membership.told() else { return Ok(()) };
        if orphans.is_empty() {
            return Ok(());
        }
        let orphans = orphans.clone();
        let state = session.state_directory()?;
        let workdirs = Workdirs::open(state.join("work"))
            .map_err(|error| Failure::from_error(Exit::Unavailable, &error))?;
        let runs = state.join("runs");
        let groups = Groups::new(Arc::clone(&self.store), self.url.clone(), runs.clone());
        for recovered in dispatch::recovery::recover(&runs, &groups, &workdirs).await {
            session.note(&recovered.to_string());
        }
        // Those of other machines are out of reach; what they write is told by the fence.
        Ok(membership.cleared(&orphans).await?)
    }
}

/// Members outside our runner hold no lock that would prove their death; they end by their length.
fn no_proof() -> Proof {
    Arc::new(|_| false)
}
