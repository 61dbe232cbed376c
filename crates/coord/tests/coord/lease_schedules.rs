//! Whatever happens to a lease in whatever order, its invariants hold.

use std::time::Duration;

use coord::lease::{Answer, Attempt, Contender, Holder, Lease, Moment, Release, Renewal, Stance};
use coord::{Fence, Now, Stamp, Token, Value as _};
use jiff::Timestamp;
use proptest::prelude::*;

const TTL: u64 = 60;
const TICKET: u64 = 20;
const PEOPLE: u8 = 8;

#[derive(Clone, Debug)]
enum Event {
    Ask { who: u8, stance: Stance },
    Rerun(u8),
    Renew(u8),
    Release(u8),
    Break(u8),
    Die(u8),
    Wait(u64),
}

fn events() -> impl Strategy<Value = Event> {
    let who = || 0..PEOPLE;
    let stance = prop_oneof![Just(Stance::Passing), Just(Stance::Queueing), Just(Stance::Renewing)];
    prop_oneof![
        8 => (who(), stance).prop_map(|(who, stance)| Event::Ask { who, stance }),
        1 => who().prop_map(Event::Rerun),
        2 => who().prop_map(Event::Renew),
        4 => who().prop_map(Event::Release),
        1 => who().prop_map(Event::Break),
        1 => who().prop_map(Event::Die),
        3 => (0..30u64).prop_map(Event::Wait),
    ]
}

/// A person's n-th life, with a token and a name of its own.
fn contender(who: u8, turn: u32) -> Contender {
    let name = format!("{who}.{turn}");
    let attempt = Some(Attempt { run: who.to_string(), number: turn + 1 });
    let holder = Holder { name: name.clone(), attempt, ..Holder::default() };
    let [ttl, ticket] = [TTL, TICKET].map(Duration::from_secs);
    Contender { token: Token::new(name), holder, ttl, ticket }
}

fn queue(lease: &Lease) -> Vec<Token> {
    lease.queue().iter().map(|ticket| ticket.token().clone()).collect()
}

fn holder(lease: &Lease) -> Option<Token> {
    lease.grant().map(|grant| grant.token().clone())
}

/// The world around a lease, and what must be true of it.
struct World {
    lease: Lease,
    seconds: u64,
    turns: [u32; PEOPLE as usize],
    fence: Fence,
    /// When the grant was last seen to be renewed.
    renewed: u64,
}

impl World {
    fn new() -> Self {
        let (lease, fence) = (Lease::default(), Fence::default());
        Self { lease, seconds: 0, turns: [0; PEOPLE as usize], fence, renewed: 0 }
    }

    fn now(&self) -> Now {
        Now::at(Stamp::new("clock", Duration::from_secs(self.seconds)))
    }

    fn person(&self, who: u8) -> Contender {
        contender(who, self.turns[usize::from(who)])
    }

    fn note(&mut self) {
        let stamp = Stamp::new("clock", Duration::from_secs(self.seconds));
        self.lease.each_life(&mut |life| {
            life.note(&stamp);
        });
    }

    fn ask(&mut self, who: u8, stance: Stance, dead: &[Token]) {
        let (person, now, before) = (self.person(who), self.now(), self.lease.clone());
        let answer =
            self.lease.ask(&person, stance, &Moment { at: Timestamp::UNIX_EPOCH, dead, now: &now });
        let mine = holder(&self.lease) == Some(person.token.clone());
        match answer {
            Answer::Held { by, ahead, .. } => {
                assert!(!mine, "refused what it has");
                assert_ne!(by.holder.name, person.holder.name, "refused in favour of itself");
                assert_eq!(ahead, queue(&self.lease).iter().position(|it| *it == person.token));
                assert!(stance == Stance::Passing || ahead.is_some(), "a waiter has a place");
            }
            Answer::AlreadyMine { fence } => {
                assert!(mine && fence == self.fence, "the same grant has the same fence");
                if stance == Stance::Queueing {
                    assert_eq!(self.lease, before, "whoever only looks changes nothing");
                } else {
                    self.renewed = self.seconds;
                }
            }
            Answer::Acquired { fence } | Answer::TakenOver { fence, .. } => {
                assert!(mine && fence > self.fence, "fences only grow");
                assert_eq!(self.term(), TTL, "whoever takes it has it for its whole length");
            }
        }
    }

    /// Returns whether the lock was handed over to an earlier life: the next one takes it over.
    fn holds_in_an_earlier_life(&self, who: u8) -> bool {
        let person = self.person(who);
        self.lease.grant().is_some_and(|grant| person.holder.is_rerun_of(&grant.holder))
    }

    fn term(&self) -> u64 {
        self.lease.grant().map_or(0, |grant| grant.ttl().as_secs())
    }

    /// Nobody who stood before the winner still stands there, and nobody was passed by.
    fn check_order(&self, before: &Lease) {
        let Some(winner) = self.lease.grant() else { return };
        let before_it = queue(before);
        let place = before_it.iter().position(|token| token == winner.token());
        let ahead = &before_it[..place.unwrap_or(before_it.len())];
        let is_rerun = before.grant().is_some_and(|grant| {
            grant.holder.attempt.as_ref().map(|it| &it.run)
                == winner.holder.attempt.as_ref().map(|it| &it.run)
        });
        let after = queue(&self.lease);
        assert!(is_rerun || !ahead.iter().any(|token| after.contains(token)), "out of order");
        let expected = if winner.is_unconfirmed() { TICKET } else { TTL };
        assert_eq!(self.term(), expected);
    }

    /// Compares with what was before: who lost the lock had to lose it.
    fn check(&mut self, before: &Lease, may_end: bool) {
        let holder_of = |lease: &Lease| lease.grant().map(|it| (it.token().clone(), it.fence));
        let current = holder_of(&self.lease);
        if current != holder_of(before) {
            if let Some(grant) = before.grant() {
                let unrenewed = Duration::from_secs(self.seconds - self.renewed);
                let who = grant.token();
                assert!(may_end || unrenewed >= grant.ttl(), "{who:?} lost it after {unrenewed:?}");
            }
            if let Some((_, fence)) = current {
                assert!(fence > self.fence, "a grant that ended came back");
                (self.fence, self.renewed) = (fence, self.seconds);
                self.check_order(before);
            }
        }
        assert!(self.lease.fence() >= self.fence);
        let is_free = self.lease.grant().is_none();
        assert!(!is_free || queue(&self.lease).is_empty(), "it is free and somebody waits");
    }

    fn apply(&mut self, event: Event) {
        let lease = self.lease.clone();
        let before = lease.grant().map(|grant| (grant.token().clone(), grant.fence));
        let holds = |person: &Contender| before.as_ref().is_some_and(|(t, _)| *t == person.token);
        let mut may_end = false;
        match event {
            Event::Ask { who, stance } => {
                may_end = self.holds_in_an_earlier_life(who);
                self.ask(who, stance, &[]);
            }
            Event::Rerun(who) => {
                may_end = holds(&self.person(who)) || self.holds_in_an_earlier_life(who);
                self.turns[usize::from(who)] += 1;
                self.ask(who, Stance::Renewing, &[]);
            }
            Event::Renew(who) => {
                let person = self.person(who);
                let renewal = self.lease.renew(&person.token, None);
                assert_eq!(matches!(renewal, Renewal::Renewed { .. }), holds(&person));
                if holds(&person) {
                    self.renewed = self.seconds;
                }
            }
            Event::Release(who) => {
                let person = self.person(who);
                may_end = holds(&person);
                let release = {
                    let now = self.now();
                    let moment = Moment { at: Timestamp::UNIX_EPOCH, dead: &[], now: &now };
                    self.lease.release(&person.token, &moment)
                };
                assert_eq!(matches!(release, Release::Released { .. }), may_end);
                assert!(!queue(&self.lease).contains(&person.token));
                self.turns[usize::from(who)] += 1;
            }
            Event::Break(who) => {
                let name = self.person(who).holder.name;
                may_end = holds(&self.person(who));
                let at = Timestamp::UNIX_EPOCH;
                let now = self.now();
                let moment = Moment { at, dead: &[], now: &now };
                self.lease.break_grant(&name, "somebody", "it hangs", &moment);
                if may_end {
                    let broken = before.as_ref().map(|(_, fence)| *fence);
                    assert_ne!(self.lease.grant().map(|grant| grant.fence), broken);
                }
            }
            Event::Die(who) => {
                let dead = self.person(who);
                may_end = holds(&dead) || self.holds_in_an_earlier_life((who + 1) % PEOPLE);
                self.turns[usize::from(who)] += 1;
                self.ask((who + 1) % PEOPLE, Stance::Queueing, std::slice::from_ref(&dead.token));
                assert!(holder(&self.lease) != Some(dead.token.clone()));
                // Who has the lock need not look who is dead.
                let looked = !holds(&self.person((who + 1) % PEOPLE));
                assert!(!(looked && queue(&self.lease).contains(&dead.token)));
            }
            Event::Wait(time) => self.seconds += time,
        }
        self.note();
        self.check(&lease, may_end);
    }

    /// Lets everybody who is there do its part until nobody is left.
    fn finish(&mut self) {
        let mut people: Vec<u8> = (0..PEOPLE).collect();
        for _ in 0..10_000 {
            if people.is_empty() {
                return;
            }
            self.seconds += 1;
            people.retain(|who| {
                let person = self.person(*who);
                if holder(&self.lease) == Some(person.token.clone()) {
                    self.apply(Event::Release(*who));
                    return false;
                }
                self.apply(Event::Ask { who: *who, stance: Stance::Renewing });
                true
            });
        }
        panic!("somebody waits for ever: {:?}", self.lease);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(800) })]

    #[test]
    fn a_lease_has_one_holder_in_order_and_everybody_gets_a_turn(
        schedule in prop::collection::vec(events(), 1..100)
    ) {
        let mut world = World::new();
        for event in schedule {
            world.apply(event);
        }
        world.finish();
    }
}
