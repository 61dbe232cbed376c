//! What would happen to a sequence of deliveries in their groups, if every run took the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use coord::group::{Death, Group, Member, Newcomer, Queue, Request, Told};
use coord::{Now, Stamp, Token, Value as _};
use engine::{Event, RunId};
use jiff::Timestamp;

use crate::membership::is_skip;
use crate::planner::{Planner, Seed, Verdict};

/// The clock of a simulation has no boot.
const CLOCK: &str = "simulated";

/// Longer than any simulation: nobody dies in one.
const TTL: Duration = Duration::from_hours(10 * 365 * 24);

/// One thing that would happen.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Moment {
    /// When, counted from the first delivery.
    pub at_ms: u64,
    /// The index of the delivery.
    pub delivery: usize,
    /// The path of the workflow.
    pub path: String,
    /// The group, if the run has one.
    pub group: Option<String>,
    /// `ignored`, `pending`, `starts`, `cancelled`, `skipped` or `succeeds`.
    pub what: &'static str,
    /// Why, where that is not plain.
    pub why: Option<String>,
}

/// A run in a simulation.
#[derive(Debug)]
struct Actor {
    delivery: usize,
    path: String,
    group: Option<String>,
    token: Token,
    /// When it ends by itself, once it works.
    ends: Option<Duration>,
    is_out: bool,
    was_told_to_wait: bool,
}

/// Everything that a simulation knows.
#[derive(Debug, Default)]
struct Stage {
    groups: BTreeMap<String, Group>,
    actors: Vec<Actor>,
    moments: Vec<Moment>,
    /// When somebody's window closes.
    wakes: Vec<Duration>,
}

/// Plays all deliveries; every run takes `each`, and a run that is told to end ends at once.
pub fn simulate(planner: &Planner, each: Duration) -> Vec<Moment> {
    let mut stage = Stage::default();
    let mut at = Duration::ZERO;
    for (index, delay) in planner.delays().enumerate() {
        stage.pass(at, at + delay, each);
        at += delay;
        for verdict in planner.verdicts(index) {
            match verdict {
                Verdict::Ignored { path, reason, .. } => stage.ignore(at, index, path, reason),
                Verdict::Run(seed) => stage.deliver(planner, at, index, &seed),
            }
            stage.settle(at, each);
        }
    }
    stage.pass(at, Duration::MAX, each);
    stage.moments
}

impl Stage {
    fn ignore(&mut self, at: Duration, delivery: usize, path: String, why: String) {
        let (at_ms, why) = (milliseconds(at), Some(why));
        self.moments.push(Moment { at_ms, delivery, path, group: None, what: "ignored", why });
    }

    fn deliver(&mut self, planner: &Planner, at: Duration, delivery: usize, seed: &Seed) {
        let token = Token::new(format!("{}", self.actors.len()));
        let asked = group_request(seed);
        let group = asked.as_ref().map(|asked| asked.name.clone());
        let mut actor = Actor {
            delivery,
            path: seed.path.clone(),
            group: group.clone(),
            token: token.clone(),
            ends: None,
            is_out: false,
            was_told_to_wait: false,
        };
        if let Some(asked) = asked {
            let queue = match asked.queue {
                engine::Queue::Single => Queue::Single,
                engine::Queue::Max => Queue::Max,
            };
            let mut request = Request {
                cancel_in_progress: asked.cancel_in_progress,
                queue,
                ..Request::default()
            };
            if let Some(rule) = planner.policies.rule(&asked.name) {
                rule.apply(&mut request, &seed.contexts, &seed.standpoint);
            }
            let newcomer = Newcomer { member: member(&token, delivery), request, ttl: TTL };
            let told = self.change(&asked.name, at, |group, now| {
                group.enter(newcomer.clone(), &Death::default(), now)
            });
            if let Told::Out { reason } = told {
                actor.is_out = true;
                let what = if is_skip(&reason) { "skipped" } else { "cancelled" };
                self.tell(at, &actor, what, Some(reason.to_string()));
            }
        }
        self.actors.push(actor);
    }

    /// Lets time pass, from one thing that happens by itself to the next.
    fn pass(&mut self, from: Duration, to: Duration, each: Duration) {
        let mut now = from;
        loop {
            let ends = self.actors.iter().filter_map(|actor| actor.ends);
            let next =
                ends.chain(self.wakes.iter().copied()).filter(|at| *at > now && *at <= to).min();
            let Some(next) = next else { return };
            now = next;
            self.wakes.retain(|wake| *wake > now);
            for index in 0..self.actors.len() {
                if self.actors[index].ends == Some(now) {
                    self.end(index, now, "succeeds", None);
                }
            }
            self.settle(now, each);
        }
    }

    /// Lets everybody look at its group until nothing new is seen.
    fn settle(&mut self, at: Duration, each: Duration) {
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            for index in 0..self.actors.len() {
                goes_on |= self.look(index, at, each);
            }
        }
    }

    /// Lets one run look. Returns whether that changed anything.
    fn look(&mut self, index: usize, at: Duration, each: Duration) -> bool {
        if self.actors[index].is_out {
            return false;
        }
        let is_working = self.actors[index].ends.is_some();
        let Some(group) = self.actors[index].group.clone() else {
            return !is_working && self.start(index, at, each);
        };
        let token = self.actors[index].token.clone();
        match self.change(&group, at, |group, now| group.look(&token, &Death::default(), now)) {
            Told::Running { .. } => !is_working && self.start(index, at, each),
            Told::Pending { behind, wake, .. } => {
                if wake < TTL {
                    self.wakes.push(at + wake.max(Duration::from_millis(1)));
                }
                if !self.actors[index].was_told_to_wait {
                    self.actors[index].was_told_to_wait = true;
                    let why = behind.map(|who| format!("behind {who}"));
                    self.tell_of(index, at, "pending", why);
                }
                false
            }
            Told::Cancel { reason, .. } | Told::Out { reason } => {
                let what = if is_skip(&reason) { "skipped" } else { "cancelled" };
                self.end(index, at, what, Some(reason.to_string()));
                true
            }
            Told::Gone => false,
        }
    }

    fn start(&mut self, index: usize, at: Duration, each: Duration) -> bool {
        self.actors[index].ends = Some(at + each);
        self.tell_of(index, at, "starts", None);
        true
    }

    fn end(&mut self, index: usize, at: Duration, what: &'static str, why: Option<String>) {
        self.actors[index].ends = None;
        self.actors[index].is_out = true;
        self.tell_of(index, at, what, why);
        if let Some(group) = self.actors[index].group.clone() {
            let token = self.actors[index].token.clone();
            self.change(&group, at, |group, now| {
                group.leave(&token, &Death::default(), now);
            });
        }
    }

    /// Changes a group as a register does: every life in it is seen by the clock.
    fn change<R>(
        &mut self,
        name: &str,
        at: Duration,
        transition: impl Fn(&mut Group, &Now) -> R,
    ) -> R {
        let group = self.groups.entry(name.to_lowercase()).or_default();
        let stamp = Stamp::new(CLOCK, at);
        let result = transition(group, &Now::at(stamp.clone()));
        group.each_life(&mut |life| {
            life.note(&stamp);
        });
        result
    }

    fn tell_of(&mut self, index: usize, at: Duration, what: &'static str, why: Option<String>) {
        let moment = moment(&self.actors[index], at, what, why);
        self.moments.push(moment);
    }

    fn tell(&mut self, at: Duration, actor: &Actor, what: &'static str, why: Option<String>) {
        self.moments.push(moment(actor, at, what, why));
    }
}

fn moment(actor: &Actor, at: Duration, what: &'static str, why: Option<String>) -> Moment {
    Moment {
        at_ms: milliseconds(at),
        delivery: actor.delivery,
        path: actor.path.clone(),
        group: actor.group.clone(),
        what,
        why,
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the group that a run asks for, as the engine asks.
fn group_request(seed: &Seed) -> Option<engine::GroupRequest> {
    let mut run = engine::Run::new(seed.spec(RunId(0), 1)).ok()?;
    let effects = engine::apply(&mut run, Event::Start, Timestamp::UNIX_EPOCH);
    effects.into_iter().find_map(|effect| match effect {
        engine::Effect::Enter { member: engine::Member::Run, group } => Some(group),
        _ => None,
    })
}

fn member(token: &Token, delivery: usize) -> Member {
    Member {
        token: token.clone(),
        run: format!("of delivery {delivery}"),
        attempt: 1,
        job: None,
        link: None,
        surface: "plan".to_owned(),
        entered: Timestamp::UNIX_EPOCH,
        boot: None,
        lock: None,
        holds: Vec::new(),
    }
}
