//! How a newcomer enters a group, and what that does to those who are there.

use std::time::Duration;

use super::request::Rule;
use super::settle::remember;
use super::{
    Death, Group, MAX_PENDING, Member, Phase, Policy, Reason, Request, Standing, Told, Who,
};
use crate::{Fence, Life, Now, Token};

/// Somebody who wants to enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// Who.
    pub member: Member,
    /// How.
    pub request: Request,
    /// How long its membership lasts without a renewal.
    pub ttl: Duration,
}

impl Group {
    /// Lets somebody in, or says why not. Entering twice is entering once and renewing.
    pub fn enter(&mut self, newcomer: Newcomer, death: &Death, now: &Now) -> Told {
        let token = newcomer.member.token.clone();
        if self.knows(&token) {
            return self.renew(&token, death, now);
        }
        self.end_earlier_attempts(&newcomer.member);
        self.settle(death, now);
        let rule = newcomer.request.rule(self.is_changed_by(&newcomer.request));
        if let Some(reason) = self.refusal(&newcomer.request, rule, now) {
            return Told::Out { reason };
        }
        self.admit(newcomer, rule, now);
        self.settle(death, now);
        self.told(&token, now)
    }

    /// Gives the group the name under which people know it, if it has none.
    pub fn call(&mut self, name: &str) {
        if self.name.is_empty() {
            name.clone_into(&mut self.name);
        }
    }

    fn knows(&self, token: &Token) -> bool {
        let mut untold = self.untold.iter().map(|untold| &untold.member);
        self.members.iter().any(|one| one.member.token == *token)
            || untold.any(|member| member.token == *token)
    }

    /// Takes out earlier attempts of the newcomer's own run: they are over, whatever they say.
    fn end_earlier_attempts(&mut self, newcomer: &Member) {
        let is_earlier = |standing: &mut Standing| newcomer.is_rerun_of(&standing.member);
        for dead in self.members.extract_if(.., is_earlier) {
            remember(&mut self.orphans, dead);
        }
    }

    /// Returns the newest member that is to be taken seriously: one told to end is not.
    fn last(&self) -> Option<&Standing> {
        self.members.iter().rev().find(|standing| standing.phase != Phase::Cancelling)
    }

    fn pending(&self) -> impl Iterator<Item = &Standing> {
        self.members.iter().filter(|standing| !standing.is_in_progress())
    }

    /// Returns whether the work is known to be other work than that of the newest member.
    fn is_changed_by(&self, request: &Request) -> bool {
        let last = self.last().and_then(|standing| standing.digest.as_ref());
        matches!((last, &request.digest), (Some(last), Some(digest)) if last != digest)
    }

    fn refusal(&self, request: &Request, rule: Rule, now: &Now) -> Option<Reason> {
        if let Some(reason) = self.newer_than(request, rule) {
            return Some(reason);
        }
        let last = self.last()?;
        if request.digest.is_some() && request.digest == last.digest {
            return Some(Reason::Coalesced { into: Who::of(&last.member) });
        }
        if self.gathering(request, now).is_some() {
            return None;
        }
        if rule.yields {
            return Some(Reason::NotFirst { first: Who::of(&last.member) });
        }
        let is_full = !rule.replaces && self.pending().count() >= MAX_PENDING;
        is_full.then_some(Reason::QueueFull)
    }

    /// Says which commit comes first, if the newcomer's would have to run after a newer one.
    fn newer_than(&self, request: &Request, rule: Rule) -> Option<Reason> {
        let mine = request.position()?;
        let waiting = self.pending().filter_map(|standing| standing.position.as_ref());
        // Whoever queues gets its place among those who wait; whoever replaces has to be newer.
        let waiting = waiting.filter(|_| rule.replaces || rule.yields);
        let newer = self.newest.iter().chain(waiting).filter(|other| *other > mine).max()?;
        Some(Reason::Older { mine: mine.label.clone(), newer: newer.label.clone() })
    }

    /// Returns the waiting member into whose window the newcomer falls.
    fn gathering(&self, request: &Request, now: &Now) -> Option<usize> {
        request.debounce?;
        let is_gathering = |one: &Standing| !one.is_in_progress() && one.is_gathering(now);
        self.members.iter().position(is_gathering)
    }

    fn admit(&mut self, newcomer: Newcomer, rule: Rule, now: &Now) {
        let Newcomer { member, request, ttl } = newcomer;
        let by = Who::of(&member);
        let mut window = request.debounce.map(|length| Life::new(member.token.clone(), length));
        let mut place = None;
        if let Some(index) = self.gathering(&request, now) {
            let mut replaced = self.members.remove(index);
            window = replaced.window.take();
            place = Some(index);
            self.put_out(replaced, Reason::Debounced { by: by.clone() });
        }
        if rule.replaces {
            // Without a digest nobody can tell two requests apart: the newcomer stands for both.
            let same = request.policy == Some(Policy::Coalesce) && request.digest.is_none();
            let reason =
                if same { Reason::Coalesced { into: by } } else { Reason::Superseded { by } };
            for replaced in self.take_pending() {
                self.put_out(replaced, reason.clone());
            }
        }
        let position = request.position().cloned();
        let ahead_of = |one: &Standing| !one.is_in_progress() && one.position > position;
        let sorted = position.as_ref().and_then(|_| self.members.iter().position(ahead_of));
        let index = sorted.or(place).unwrap_or(self.members.len()).min(self.members.len());
        let standing = Standing {
            life: Life::new(member.token.clone(), ttl),
            member,
            phase: Phase::Pending,
            fence: Fence::default(),
            reason: None,
            supersedes: rule.supersedes,
            window,
            digest: request.digest,
            position,
        };
        self.members.insert(index, standing);
    }

    fn take_pending(&mut self) -> Vec<Standing> {
        self.members.extract_if(.., |standing| !standing.is_in_progress()).collect()
    }
}
