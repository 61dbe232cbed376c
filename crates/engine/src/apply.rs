//! The transition: what an event changes in a run, and what is then to be done.

use jiff::Timestamp;

use crate::conclusion::Conclusion;
use crate::effect::{Effect, Notice, Severity};
use crate::event::{Event, Member};
use crate::key::JobKey;
use crate::report::JobReport;
use crate::run::{At, Phase, Run, State};
use crate::typed::Reader;

/// Applies one event to a run and returns what is to be done, in order.
///
/// An event that no longer matters changes nothing: the answer of a group that
/// was left, the second end of a job, anything after the run has ended.
pub fn apply(run: &mut Run, event: Event, now: Timestamp) -> Vec<Effect> {
    if run.state == State::Completed {
        return Vec::new();
    }
    let mut turn = Turn { run, now, effects: Vec::new() };
    match event {
        Event::Start => turn.start(),
        Event::Entered { member } => turn.entered(&member),
        Event::Refused { member, reason } => turn.refused(&member, &reason),
        Event::JobStarted { job } => turn.job_started(&job),
        Event::JobEnded { job, report } => turn.job_ended(&job, report),
        Event::Cancel { reason } => turn.cancel(&reason),
    }
    turn.advance();
    turn.effects
}

/// One event on its way through a run.
pub(crate) struct Turn<'a> {
    pub(crate) run: &'a mut Run,
    pub(crate) now: Timestamp,
    pub(crate) effects: Vec<Effect>,
}

impl Turn<'_> {
    fn start(&mut self) {
        if self.run.started.is_some() {
            return;
        }
        self.run.started = Some(self.now);
        let flow = &self.run.flows[0];
        let workflow = flow.workflow.clone();
        let place = crate::place::Place::of_workflow(&flow.contexts);
        let reader = Reader { source: &workflow.source, place };
        match workflow.concurrency.as_ref().map(|token| reader.group(token)).transpose() {
            Err(error) => {
                self.notice(Severity::Error, None, error.to_string());
                self.give_up(Conclusion::Failure, &error.to_string());
            }
            Ok(group) => {
                self.run.flows[0].group.clone_from(&group);
                self.doom_deadlocks(0);
                let is_over = |node: &crate::run::Node| node.result.is_some();
                match group {
                    // A run whose every job is doomed must not cancel anything on its way.
                    Some(group) if !self.run.flows[0].nodes.iter().all(is_over) => {
                        self.run.state = State::Pending;
                        self.run.flows[0].is_member = true;
                        self.effects.push(Effect::Enter { member: Member::Run, group });
                    }
                    _ => self.open(0),
                }
            }
        }
    }

    /// Lets the jobs of a flow begin.
    pub(crate) fn open(&mut self, flow: usize) {
        self.run.flows[flow].is_open = true;
        if flow == 0 {
            self.run.state = State::InProgress;
        }
    }

    fn entered(&mut self, member: &Member) {
        match member {
            Member::Run if self.run.state == State::Pending => self.open(0),
            Member::Run => {}
            Member::Job(key) => {
                if let Some(at) = self.find(key)
                    && let Phase::Entering { calls } = self.run.leg(at).phase
                {
                    self.begin(at, calls);
                }
            }
            Member::Called(key) => {
                if let Some(at) = self.find(key)
                    && let Phase::EnteringCall { calls } = self.run.leg(at).phase
                {
                    self.run.leg_mut(at).phase = Phase::Calling { calls };
                    self.open(calls);
                }
            }
        }
    }

    fn refused(&mut self, member: &Member, reason: &str) {
        match member {
            Member::Run => self.cancel(reason),
            Member::Job(key) => {
                if let Some(at) = self.find(key)
                    && self.run.leg(at).is_member
                {
                    self.tell(at, reason);
                }
            }
            Member::Called(key) => {
                if let Some(at) = self.find(key)
                    && let Phase::EnteringCall { calls } | Phase::Calling { calls } =
                        self.run.leg(at).phase
                    && self.run.flows[calls].is_member
                {
                    self.tell(at, reason);
                }
            }
        }
    }

    fn job_started(&mut self, key: &JobKey) {
        let now = self.now;
        if let Some(at) = self.find(key)
            && self.run.leg(at).phase == Phase::Running
        {
            self.run.leg_mut(at).started.get_or_insert(now);
        }
    }

    fn job_ended(&mut self, key: &JobKey, report: JobReport) {
        let Some(at) = self.find(key) else { return };
        if self.run.leg(at).phase != Phase::Running {
            return;
        }
        let conclusion = report.conclusion;
        let leg = self.run.leg(at);
        let reason = match conclusion {
            Conclusion::Cancelled => leg.told.clone().or_else(|| report.error.clone()),
            _ => report.error.clone(),
        };
        self.run.leg_mut(at).report = Some(report);
        self.end_leg(at, conclusion, reason);
    }

    fn cancel(&mut self, reason: &str) {
        match self.run.state {
            // Nothing of the run has begun, so nothing of it is left to be done, not even
            // a job with `always()`.
            State::Waiting | State::Pending => self.give_up(Conclusion::Cancelled, reason),
            _ if self.run.is_cancelled() => {}
            _ => {
                self.run.reason = Some(reason.to_owned());
                self.cancel_flow(0, reason);
            }
        }
    }

    /// Ends a run of which no job has begun.
    fn give_up(&mut self, conclusion: Conclusion, reason: &str) {
        self.run.reason = Some(reason.to_owned());
        self.run.started.get_or_insert(self.now);
        self.run.flows[0].cancelled = Some(reason.to_owned());
        for node in 0..self.run.flows[0].nodes.len() {
            if self.run.flows[0].nodes[node].result.is_none() {
                self.end_node(0, node, Conclusion::Cancelled, reason);
            }
        }
        self.finish(conclusion);
    }

    /// Ends the run.
    pub(crate) fn finish(&mut self, conclusion: Conclusion) {
        if std::mem::take(&mut self.run.flows[0].is_member) {
            self.effects.push(Effect::Leave { member: Member::Run });
        }
        self.run.flows[0].is_over = true;
        self.run.state = State::Completed;
        self.run.conclusion = Some(conclusion);
        self.run.ended = Some(self.now);
        self.effects.push(Effect::Finished { conclusion });
    }

    /// Tells people something.
    pub(crate) fn notice(&mut self, severity: Severity, job: Option<JobKey>, message: String) {
        self.effects.push(Effect::Notice(Notice { severity, job, message }));
    }

    fn find(&self, key: &JobKey) -> Option<At> {
        self.run.find(key)
    }
}
