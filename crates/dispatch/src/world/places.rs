//! Places in groups: the world asks for them, is told, and gives them back.

use engine::{Event, Member, RunId};
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{Incoming, World};
use crate::driven::Seat;
use crate::error::Error;
use crate::membership::{Asked, Rules, Told};
use crate::notice::News;
use crate::record::Entry;

impl World {
    pub(super) fn group_told(
        &mut self,
        run: RunId,
        member: Member,
        told: Told,
    ) -> Result<(), Error> {
        let job = match &member {
            Member::Run => None,
            Member::Job(key) | Member::Called(key) => Some(key.to_string()),
        };
        let seat = self.runs.get_mut(&run).and_then(|driven| driven.memberships.get_mut(&member));
        if let Some(seat) = seat
            && !std::mem::replace(&mut seat.is_answered, true)
        {
            self.asking -= 1;
        }
        match told {
            Told::Waiting { group, behind } => {
                self.tell(run, News::Waiting { job, group, behind });
                Ok(())
            }
            Told::Entered => {
                if member == Member::Run {
                    self.tell(run, News::RunStarted {});
                }
                self.feed(run, Event::Entered { member })
            }
            Told::Failed { reason } => {
                self.trouble.get_or_insert_with(|| reason.clone());
                self.feed(run, Event::Refused { member, reason })
            }
            Told::Refused { reason, superseded, skipped } => {
                if let Some(driven) = self.runs.get_mut(&run)
                    && member == Member::Run
                {
                    driven.story.superseded |= superseded;
                    driven.story.was_not_needed |= skipped;
                    driven.story.reason.get_or_insert_with(|| reason.clone());
                }
                self.feed(run, Event::Refused { member, reason })
            }
        }
    }

    /// Gives a place back, or does not ask for it any more.
    pub(super) fn leave(&mut self, id: RunId, member: &Member) {
        let driven = self.runs.get_mut(&id);
        // Dropping the sender is the message.
        let seat = driven.and_then(|driven| driven.memberships.remove(member));
        if seat.is_some_and(|seat| !seat.is_answered) {
            self.asking -= 1;
        }
    }

    pub(super) fn enter(
        &mut self,
        id: RunId,
        member: Member,
        group: engine::GroupRequest,
    ) -> Result<(), Error> {
        let Some(driven) = self.runs.get_mut(&id) else { return Ok(()) };
        let job = match &member {
            Member::Run => None,
            Member::Job(key) | Member::Called(key) => Some(key.to_string()),
        };
        let asked = Asked { job, group: &group, holds: driven.holds(&member) };
        let rules = Rules {
            policies: &self.setup.planner.policies,
            contexts: &driven.run.spec().contexts,
            standpoint: &driven.facts.standpoint,
        };
        let place = self.setup.groups.place(&driven.facts, asked, rules);
        driven.record.append(&Entry::Entering {
            at: Timestamp::now(),
            host: driven.facts.host.clone(),
            repository: driven.facts.repository.clone(),
            group: place.group().to_owned(),
            token: place.token().as_str().to_owned(),
        })?;
        let turn = self.turns.take(&place);
        let (leave, left) = oneshot::channel();
        let seat = Seat { _leave: leave, is_answered: false, hold: place.hold() };
        drop(driven.memberships.insert(member.clone(), seat));
        self.asking += 1;
        let outbox = self.outbox.clone();
        let groups = self.setup.groups.clone();
        self.tasks.spawn(async move {
            let tell = |told| {
                // The loop waits for its tasks, so it is there to listen.
                drop(outbox.send(Incoming::Group { run: id, member: member.clone(), told }));
            };
            groups.keep(place, turn, &tell, left).await;
        });
        Ok(())
    }
}
