//! One contender's way to one lock: it asks, waits, keeps, releases.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::{Store, Version, Wait};

use super::{
    Answer, Contender, Ended, Grant, Holder, Lease, Moment, Release, Renewal, Stance, key,
};
use crate::{Clock, Error, ErrorKind, Fence, Manner, Register, Step, Token, margin};

/// The least and the most that is waited before looking again.
const WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(20));
/// How often to look for a proof of death: nobody sends a message when he dies.
const PROOF: Duration = Duration::from_secs(1);
/// What is waited after a failure of the store.
const PAUSE: Duration = Duration::from_millis(500);
/// For how long a grant that was found is kept without a renewal, which work that is over by then saves.
const SOON: Duration = Duration::from_secs(2);
/// How often a holder looks whether its grant was taken away.
const GLANCE: Duration = Duration::from_secs(20);
/// How often a release is tried before it is left to the end of the grant.
const RELEASES: usize = 8;

/// Whether a holder of this boot is proved dead: the lock that its processes would hold is free.
///
/// "Could not find out" is no. Death is final, so it may be asked again at any time.
pub type Proof = Arc<dyn Fn(&Holder) -> bool + Send + Sync>;

/// A lock, as one contender sees it.
///
/// Dropping it leaves the grant or the ticket to end by itself. Call [`Lock::release`].
pub struct Lock {
    name: String,
    register: Register<Lease>,
    clock: Arc<dyn Clock>,
    contender: Contender,
    proof: Proof,
    /// The time of day when this was made, for people, and what the clock showed then.
    made: (Timestamp, Duration),
    fence: Option<Fence>,
    /// On our clock, before the last renewal of the grant, or of the ticket, was sent; for a grant that
    /// was handed over, before we saw last that it was not there yet.
    renewed: Duration,
    /// How long the grant lasts from then.
    term: Duration,
    /// Whether we found the grant and have not renewed it yet.
    is_found: bool,
    /// On our clock, before the last question was sent whose answer was that we have to wait.
    refused: Duration,
    /// On our clock: when there was last something else to be said.
    news: Duration,
    /// On our clock: when the grant was last seen to be ours.
    seen: Duration,
    /// On our clock: when something may happen by itself.
    wake: Duration,
    version: Option<Version>,
    /// Whether we asked and were not answered, so that the grant may be ours without our knowing.
    is_in_doubt: bool,
    /// Whether we stand in the queue, so that the grant may be handed over to us.
    is_waiting: bool,
    /// How to write: where others were seen in the queue, who write as well, what was seen a moment ago
    /// is not there any more.
    manner: Manner,
    is_proof_possible: AtomicBool,
}

/// What a question came to.
struct Asked {
    answer: Answer,
    /// To whom the lock was handed over.
    heir: Option<Token>,
    /// How long the grant lasts.
    term: Option<Duration>,
    /// How the one before it ended, if it was not released.
    from: Option<Box<Ended>>,
    is_crowded: bool,
}

impl Lock {
    /// Names a lock and who wants it. Nothing is asked yet.
    ///
    /// `today` is only for people. A contender whose token asked before is the same contender.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        name: &str,
        contender: Contender,
        today: Timestamp,
    ) -> Self {
        let began = clock.now();
        let holder = contender.holder.clone().bounded();
        Self {
            name: name.to_owned(),
            register: Register::new(store, Arc::clone(&clock), key(name)),
            clock,
            contender: Contender { holder, ..contender },
            proof: Arc::new(|_| false),
            made: (today, began),
            fence: None,
            renewed: began,
            term: Duration::ZERO,
            is_found: false,
            refused: began,
            news: began,
            seen: began,
            wake: began,
            version: None,
            is_in_doubt: false,
            is_waiting: false,
            manner: Manner::AtOnce,
            is_proof_possible: AtomicBool::new(false),
        }
    }

    /// Gives it a way to prove that others on this machine are dead.
    #[must_use]
    pub fn with_proof(self, proof: Proof) -> Self {
        Self { proof, ..self }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the register behind it, for reading and repairing.
    pub fn register(&self) -> &Register<Lease> {
        &self.register
    }

    /// Returns who asks.
    pub fn contender(&self) -> &Contender {
        &self.contender
    }

    /// Returns the fence of the grant, as long as nothing says that it is lost.
    pub fn fence(&self) -> Option<Fence> {
        self.fence
    }

    /// Returns how long the grant can be relied on: what is done under it must begin to end then.
    ///
    /// Others wait until `margin` later, which is the time there is to end it.
    pub fn left(&self) -> Duration {
        if self.fence.is_none() {
            return Duration::ZERO;
        }
        (self.renewed + self.term.saturating_sub(margin(self.term)))
            .saturating_sub(self.clock.now())
    }

    /// Returns how long it is until others may have the lock.
    pub fn left_to_others(&self) -> Duration {
        match self.fence {
            Some(_) => (self.renewed + self.term).saturating_sub(self.clock.now()),
            None => Duration::ZERO,
        }
    }

    /// Takes the lock if it can be had at once.
    pub async fn try_acquire(&mut self) -> Result<Answer, Error> {
        let answer = self.ask(Stance::Passing).await?;
        Ok(self.told(answer))
    }

    /// Takes the lock if it is our turn, and otherwise stands in the queue.
    pub async fn enter(&mut self) -> Result<Answer, Error> {
        let answer = self.ask(Stance::Renewing).await?;
        Ok(self.told(answer))
    }

    /// Waits, in the queue, until there is something else to be said than `known`, and returns that.
    ///
    /// It may be dropped at any time and called again. The ticket lives only as long as it is called.
    pub async fn next(&mut self, known: &Answer) -> Result<Answer, Error> {
        loop {
            match self.step().await {
                Ok(Some(answer)) if !is_same(known, &answer) => {
                    self.news = self.clock.now();
                    return Ok(answer);
                }
                Ok(_) => {}
                Err(error) if may_pass(&error) => {
                    tracing::debug!(%error, lock = self.name, "looking again");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets a grant that was handed over last its whole length. One that is kept is renewed in time
    /// anyway; one that is not kept ends with the ticket otherwise.
    pub async fn confirm(&mut self) -> Result<Renewal, Error> {
        match self.fence {
            Some(fence) if !self.is_found && self.clock.now() < self.renewed + SOON => {
                Ok(Renewal::Renewed { fence })
            }
            _ => self.renew().await,
        }
    }

    /// Lets the grant last another length.
    pub async fn renew(&mut self) -> Result<Renewal, Error> {
        let sent = self.clock.now();
        let token = &self.contender.token;
        let ttl = self.contender.ttl;
        let renewal = self.register.update(|lease, _| match lease.renew(token, Some(ttl)) {
            renewed @ Renewal::Renewed { .. } => Step::Write(renewed),
            lost @ Renewal::Lost { .. } => Step::Keep(lost),
        });
        let renewal = renewal.await?;
        self.seen = sent;
        match &renewal {
            Renewal::Renewed { fence } => self.note_grant(*fence, sent, ttl),
            Renewal::Lost { .. } => self.fence = None,
        }
        Ok(renewal)
    }

    /// Returns how long it is until the grant should be renewed.
    pub(super) fn due(&self) -> Duration {
        let due = self.renewed + self.term / 3;
        // What was found is ours for the length of a ticket, and soon for its own.
        let due = if self.is_found { due.min(self.seen + SOON) } else { due };
        due.saturating_sub(self.clock.now())
    }

    /// Returns how long it is until something should be done to keep the grant.
    pub(super) fn next_look(&self) -> Duration {
        self.due().min((self.seen + GLANCE).saturating_sub(self.clock.now()))
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Returns whether the grant is still there, and whose the lock is otherwise.
    pub async fn verify(&mut self) -> Result<Renewal, Error> {
        self.seen = self.clock.now();
        let reading = self.register.read().await?;
        let grant = reading.value.grant().filter(|grant| *grant.token() == self.contender.token);
        if let Some(grant) = grant {
            return Ok(Renewal::Renewed { fence: grant.fence });
        }
        self.fence = None;
        let by = reading.value.grant().map(|grant| Box::new(grant.holder.clone()));
        let last = reading.value.history().last().cloned().map(Box::new);
        Ok(Renewal::Lost { by, last })
    }

    /// Gives the lock back, and the place in the queue. Releasing twice is releasing once.
    ///
    /// A store that is away for a moment is asked again, as long as others have to wait for the end of
    /// the grant otherwise.
    pub async fn release(&mut self) -> Result<Release, Error> {
        let mut tries = 0;
        loop {
            match self.release_once().await {
                Err(error) if may_pass(&error) && tries < RELEASES => {
                    tries += 1;
                    tracing::debug!(%error, lock = self.name, "releasing again");
                    tokio::time::sleep(PAUSE).await;
                }
                result => return result,
            }
        }
    }

    /// Gives the lock back and asks no second time.
    pub async fn release_once(&mut self) -> Result<Release, Error> {
        let (token, at) = (&self.contender.token, self.at());
        let release = self.register.update_in(self.manner, |lease, now| {
            let before = lease.clone();
            let dead = self.dead(lease);
            let release = lease.release(token, &Moment { at, dead: &dead, now });
            let heir = heir(&before, lease, token);
            if *lease == before {
                Step::Keep((release, heir))
            } else if is_only_a_ticket(&before, lease) {
                Step::WriteLightly((release, heir))
            } else {
                Step::Write((release, heir))
            }
        });
        let ((release, heir), _) = release.await?;
        (self.fence, self.is_waiting) = (None, false);
        self.manner = if heir.is_some() { Manner::InTurn } else { Manner::AtOnce };
        self.wake_up(heir).await;
        Ok(release)
    }

    /// Waits until something may have happened, renews the ticket if that is due, and looks.
    async fn step(&mut self) -> Result<Option<Answer>, Error> {
        let due = self.renewed + self.contender.ticket / 3;
        let now = self.clock.now();
        let mut wake = self.wake.saturating_sub(now);
        if self.is_proof_possible.load(Ordering::Relaxed) {
            wake = wake.min(PROOF);
        }
        let timeout = due.saturating_sub(now).min(wake).clamp(WAITS.0, WAITS.1);
        let wait = Wait {
            since: self.version.as_ref(),
            timeout,
            quiet: now.saturating_sub(self.news),
            bell: Some(self.contender.token.hint()),
        };
        let changed = self.register.wait(&wait).await?;
        if self.clock.now() >= due {
            return self.enter().await.map(Some);
        }
        if !changed && timeout < wake {
            return Ok(None);
        }
        self.look().await.map(Some)
    }

    /// Looks whether it is our turn, and writes nothing if it is not.
    async fn look(&mut self) -> Result<Answer, Error> {
        let answer = self.ask(Stance::Queueing).await?;
        // What is kept in time needs no write now, unless we come late, or are to have it for less time
        // than a ticket.
        if self.fence.is_some()
            && self.is_found
            && (self.renewed + self.term / 3 <= self.clock.now() || self.term > self.contender.ttl)
            && matches!(self.renew().await?, Renewal::Lost { .. })
        {
            return self.enter().await;
        }
        Ok(self.told(answer))
    }

    /// Notes that the caller is told.
    fn told(&mut self, answer: Answer) -> Answer {
        self.is_waiting = matches!(answer, Answer::Held { ahead: Some(_), .. });
        answer
    }

    async fn ask(&mut self, stance: Stance) -> Result<Answer, Error> {
        let sent = self.clock.now();
        let at = self.at();
        let is_news = std::mem::replace(&mut self.is_in_doubt, true) || self.is_waiting;
        let manner = if stance == Stance::Queueing { Manner::AtOnce } else { self.manner };
        let asked = self.register.update_in(manner, |lease, now| {
            let before = lease.clone();
            let dead = self.dead(lease);
            let answer = lease.ask(&self.contender, stance, &Moment { at, dead: &dead, now });
            let asked = Asked {
                answer,
                heir: heir(&before, lease, &self.contender.token),
                term: lease.grant().map(Grant::ttl),
                from: lease.predecessor().cloned().map(Box::new),
                is_crowded: lease.queue().iter().any(|it| *it.token() != self.contender.token),
            };
            match stance {
                _ if is_only_a_ticket(&before, lease) => Step::WriteLightly(asked),
                _ if *lease != before => Step::Write(asked),
                // Whoever waits remembers what it has seen, and writes it when it renews its ticket.
                Stance::Queueing => Step::Keep(asked),
                // Whoever does not leaves it for the next one.
                Stance::Passing | Stance::Renewing => Step::Note(asked),
            }
        });
        let (Asked { answer, heir, term, from, is_crowded }, version) = asked.await?;
        self.wake_up(heir).await;
        self.is_in_doubt = false;
        self.version = version;
        self.manner = if is_crowded { Manner::InTurn } else { Manner::AtOnce };
        match answer {
            Answer::Held { wake, .. } => {
                (self.fence, self.refused) = (None, sent);
                self.wake = self.clock.now().saturating_add(wake);
                if stance != Stance::Queueing {
                    self.renewed = sent;
                }
            }
            // Whoever only looked finds what others began, at some time since it was refused.
            Answer::AlreadyMine { fence } if stance == Stance::Queueing => {
                self.note_grant(fence, self.refused, term.unwrap_or_default());
                self.is_found = true;
            }
            Answer::Acquired { fence }
            | Answer::TakenOver { fence, .. }
            | Answer::AlreadyMine { fence } => self.note_grant(fence, sent, self.contender.ttl),
        }
        self.seen = sent;
        Ok(match (answer, from) {
            (Answer::AlreadyMine { fence }, Some(from)) if is_news => {
                Answer::TakenOver { fence, from }
            }
            (Answer::AlreadyMine { fence }, None) if is_news => Answer::Acquired { fence },
            (answer, _) => answer,
        })
    }

    fn note_grant(&mut self, fence: Fence, since: Duration, term: Duration) {
        (self.fence, self.renewed, self.term) = (Some(fence), since, term);
        self.is_found = false;
    }

    /// Rings for whoever was given the lock.
    async fn wake_up(&self, heir: Option<Token>) {
        if let Some(heir) = heir {
            self.register.ring(heir.hint()).await;
        }
    }

    /// Collects who of this boot is proved dead.
    fn dead(&self, lease: &Lease) -> Vec<Token> {
        let here = self.clock.boot();
        let grants = lease.grant().map(|grant| (grant.token(), &grant.holder));
        let tickets = lease.queue().iter().map(|ticket| (ticket.token(), &ticket.holder));
        let others = grants.into_iter().chain(tickets);
        let others = others.filter(|(token, _)| **token != self.contender.token);
        let mut provable = others.filter(|(_, holder)| holder.is_provable_on(here)).peekable();
        self.is_proof_possible.store(provable.peek().is_some(), Ordering::Relaxed);
        let dead = provable.filter(|(_, holder)| (self.proof)(holder));
        dead.map(|(token, _)| token.clone()).collect()
    }

    /// Returns the time of day, for people.
    fn at(&self) -> Timestamp {
        let (today, then) = self.made;
        let since = SignedDuration::try_from(self.clock.now().saturating_sub(then));
        since.ok().and_then(|since| today.checked_add(since).ok()).unwrap_or(today)
    }
}

/// Returns to whom a change handed the lock over.
fn heir(before: &Lease, after: &Lease, us: &Token) -> Option<Token> {
    let new = after.grant().filter(|grant| grant.is_unconfirmed() && grant.token() != us)?;
    let is_old = before.grant().is_some_and(|old| old.fence == new.fence);
    (!is_old).then(|| new.token().clone())
}

/// Returns whether a change is about the queue alone. If the power fails, all of its waiters are gone.
fn is_only_a_ticket(before: &Lease, after: &Lease) -> bool {
    before.queue() != after.queue()
        && before.grant() == after.grant()
        && before.history() == after.history()
}

/// Returns whether it may be otherwise in a moment.
fn may_pass(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown)
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Lock");
        debug.field("name", &self.name).field("fence", &self.fence).finish_non_exhaustive()
    }
}

/// Returns whether the two say the same. How soon one should look again does not count.
fn is_same(one: &Answer, other: &Answer) -> bool {
    match (one, other) {
        (Answer::Held { by, ahead, .. }, Answer::Held { by: other_by, ahead: other_ahead, .. }) => {
            (by, ahead) == (other_by, other_ahead)
        }
        _ => one == other,
    }
}
