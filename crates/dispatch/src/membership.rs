//! Places in concurrency groups: asked for, kept alive, and given back.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use coord::group::{self, Death, Group, GroupName, Hold, Member, Membership, Request};
use coord::{BootClock, Clock, Register, Step, Token};
use engine::{Contexts, GroupRequest, Queue};
use jiff::Timestamp;
use store::Store;
use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::hands::RunFacts;
use crate::policies::{Policies, Standpoint};
use crate::record::{self, Entry};
use crate::recovery::end_processes;

/// How long a membership lasts without a renewal.
const TTL: Duration = Duration::from_secs(90);

/// How often giving a place back is tried before it is left to expire.
const ATTEMPTS: u32 = 5;

/// What a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It waits.
    Waiting {
        /// The name of the group.
        group: String,
        /// Who is before it.
        behind: String,
    },
    /// It is in progress.
    Entered,
    /// It is turned away, or must end.
    Refused {
        /// Why, as a sentence.
        reason: String,
        /// Whether somebody else does the work in its stead.
        superseded: bool,
        /// Whether it never had to be done, so that nothing was cancelled.
        skipped: bool,
    },
    /// Nobody knows, because the store does not answer.
    Failed {
        /// Why, as a sentence.
        reason: String,
    },
}

/// The groups of a store, as the runs of this machine see them.
#[derive(Clone, Debug)]
pub struct Groups {
    store: Arc<dyn Store>,
    url: String,
    clock: Arc<dyn Clock>,
    runs: PathBuf,
}

/// What the repository says about groups, and what there is to judge by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) policies: &'a Policies,
    pub(crate) contexts: &'a Contexts,
    pub(crate) standpoint: &'a Standpoint,
}

/// Who asks for which group, and what it keeps meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) job: Option<String>,
    pub(crate) group: &'a GroupRequest,
    pub(crate) holds: Vec<Hold>,
}

/// A place that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    entry: group::Entry,
}

/// When a place may be asked for: what this process asks of one group, it asks in order.
///
/// Were they asked for at once, chance would say who is the newest.
pub(crate) struct Turn {
    comes: Pin<Box<dyn Future<Output = ()> + Send>>,
    over: oneshot::Sender<()>,
}

/// The turns that are given out for each group.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    last: HashMap<String, oneshot::Receiver<()>>,
}

impl Turns {
    /// Returns the turn of a place, which comes when all before it in its group were asked for.
    pub(crate) fn take(&mut self, place: &Place) -> Turn {
        // Those that are over need no memory; looking at all of them is paid for by as many turns.
        if self.last.len() == self.last.capacity() {
            self.last.retain(|_, last| matches!(last.try_recv(), Err(TryRecvError::Empty)));
        }
        let (over, next) = oneshot::channel();
        let before = self.last.insert(place.entry.name.key().as_str().to_owned(), next);
        let comes = Box::pin(async move {
            if let Some(before) = before {
                // Over is over, whatever came of it.
                drop(before.await);
            }
        });
        Turn { comes, over }
    }
}

impl Groups {
    /// Uses the groups of `store`, for runs whose records are under `runs`.
    pub fn new(store: Arc<dyn Store>, url: String, runs: PathBuf) -> Self {
        Self { store, url, clock: Arc::new(BootClock::of_this_machine()), runs }
    }

    /// Returns the URL of the store, without what is nobody's business.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Describes the place that a run, or a job of it, asks for.
    pub(crate) fn place(&self, facts: &RunFacts, asked: Asked<'_>, rules: Rules<'_>) -> Place {
        let Asked { job, group: asked, holds } = asked;
        let member = Member {
            token: Token::random(),
            run: facts.id.to_string(),
            attempt: facts.attempt,
            job,
            link: None,
            surface: "run".to_owned(),
            entered: Timestamp::now(),
            boot: Some(self.clock.boot().to_owned()),
            lock: facts.directory.join(record::LOCK).to_str().map(ToOwned::to_owned),
            holds,
        };
        let queue = match asked.queue {
            Queue::Single => group::Queue::Single,
            Queue::Max => group::Queue::Max,
        };
        let mut request =
            Request { cancel_in_progress: asked.cancel_in_progress, queue, ..Request::default() };
        if let Some(rule) = rules.policies.rule(&asked.name) {
            rule.apply(&mut request, rules.contexts, rules.standpoint);
        }
        let name = GroupName::new(&facts.host, &facts.repository, &asked.name);
        Place { entry: group::Entry { name, member, request, ttl: TTL } }
    }

    /// Asks for a place when its turn comes, and keeps it until the sender of `left` is dropped.
    /// Says what happens meanwhile.
    pub(crate) async fn keep(
        &self,
        place: Place,
        turn: Turn,
        tell: &(dyn Fn(Told) + Send + Sync),
        mut left: oneshot::Receiver<()>,
    ) {
        tokio::select! {
            biased;
            () = turn.comes => {}
            // It is not wanted any more, and nobody has heard of it.
            _ = &mut left => return,
        }
        let runs = self.runs.clone();
        let proof: group::Proof = Arc::new(move |member| is_dead(&runs, member));
        let entering =
            Membership::enter(Arc::clone(&self.store), Arc::clone(&self.clock), place.entry, proof);
        let entered = entering.await;
        drop(turn.over);
        let mut membership = match entered {
            Ok(membership) => membership,
            Err(error) => {
                tell(Told::Failed {
                    reason: format!("The concurrency group could not be asked: {}", causes(&error)),
                });
                return;
            }
        };
        self.follow(&mut membership, tell, left).await;
        for attempt in 1..=ATTEMPTS {
            match membership.leave().await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, attempt, "a place in a group is not given back yet");
                }
            }
        }
    }

    /// Passes on what the member is told, until it leaves.
    async fn follow(
        &self,
        membership: &mut Membership,
        tell: &(dyn Fn(Told) + Send + Sync),
        mut left: oneshot::Receiver<()>,
    ) {
        loop {
            let told = membership.told().clone();
            let is_out = matches!(told, group::Told::Out { .. } | group::Told::Gone);
            if let group::Told::Running { orphans, .. } = &told
                && !orphans.is_empty()
            {
                self.end_orphans(orphans).await;
                if let Err(error) = membership.cleared(orphans).await {
                    // They are ended; that nobody knows it costs the next one a look.
                    tracing::debug!(%error, "ended orphans are still listed");
                }
            }
            tell(translate(membership, told));
            if is_out {
                // Only the owner says when it has noticed.
                drop(left.await);
                return;
            }
            tokio::select! {
                _ = &mut left => return,
                next = membership.next() => if let Err(error) = next {
                    tell(Told::Failed { reason: format!("The place in the concurrency group could not be renewed: {}", causes(&error)) });
                    drop(left.await);
                    return;
                },
            }
        }
    }

    async fn end_orphans(&self, orphans: &[Member]) {
        for orphan in orphans {
            let here = orphan.boot.as_deref() == Some(self.clock.boot());
            // Another boot's processes are gone; another machine's are out of reach, and its own next call ends them.
            let Some(directory) = here.then(|| directory(&self.runs, orphan)).flatten() else {
                continue;
            };
            for entry in record::journal(&directory).unwrap_or_default() {
                if let Entry::Created { marker, .. } = entry {
                    end_processes(&marker).await;
                }
            }
        }
    }

    /// Gives back a place that a dead process had.
    pub(crate) async fn leave(
        &self,
        host: &str,
        repository: &str,
        group: &str,
        token: &str,
    ) -> Result<(), coord::Error> {
        let key = GroupName::new(host, repository, group).key();
        let register =
            Register::<Group>::new(Arc::clone(&self.store), Arc::clone(&self.clock), key);
        let token = Token::new(token);
        let leaving = register.update(|group, now| {
            if group.leave(&token, &Death::default(), now) {
                Step::Write(())
            } else {
                Step::Keep(())
            }
        });
        leaving.await
    }
}

impl Place {
    /// Returns the name of the group as the workflow writes it.
    pub(crate) fn group(&self) -> &str {
        self.entry.name.as_str()
    }

    /// Returns what proves the membership.
    pub(crate) fn token(&self) -> &Token {
        &self.entry.member.token
    }

    /// Returns what somebody shows who waits elsewhere while this place is taken.
    pub(crate) fn hold(&self) -> Hold {
        Hold::new(&self.entry.name.key(), self.token().clone())
    }
}

fn translate(membership: &Membership, told: group::Told) -> Told {
    let refused = |reason: &group::Reason| Told::Refused {
        reason: reason.to_string(),
        superseded: reason.is_replaced(),
        skipped: is_skip(reason),
    };
    match told {
        group::Told::Running { .. } => Told::Entered,
        group::Told::Pending { position, behind, .. } => {
            let behind = behind.map_or_else(|| "others".to_owned(), |who| who.to_string());
            let behind =
                if position > 1 { format!("{behind} and {} more", position - 1) } else { behind };
            Told::Waiting { group: membership.name().to_string(), behind }
        }
        group::Told::Cancel { reason, .. } | group::Told::Out { reason } => refused(&reason),
        group::Told::Gone => Told::Failed {
            reason:
                "The place in the concurrency group was lost, because it was not renewed in time."
                    .to_owned(),
        },
    }
}

/// Says whether a member that is out for this reason was not needed, as opposed to cancelled.
pub(crate) fn is_skip(reason: &group::Reason) -> bool {
    use group::Reason::{Coalesced, Debounced, NotFirst, Older};
    matches!(reason, Debounced { .. } | Coalesced { .. } | NotFirst { .. } | Older { .. })
}

/// Returns the directory of a member's run, if its lock is one of ours.
fn directory(runs: &Path, member: &Member) -> Option<PathBuf> {
    let lock = Path::new(member.lock.as_deref()?);
    let directory = lock.parent()?;
    (directory.parent() == Some(runs) && lock.file_name()?.to_str() == Some(record::LOCK))
        .then(|| directory.to_owned())
}

/// Says whether the process that drove a member's run is gone. "Could not find out" is no.
fn is_dead(runs: &Path, member: &Member) -> bool {
    let Some(directory) = directory(runs, member) else { return false };
    let lock = OpenOptions::new().write(true).open(directory.join(record::LOCK));
    lock.is_ok_and(|lock| lock.try_lock().is_ok())
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
