//! The fences of boundaries that this job has claimed, kept for its later steps.

use std::collections::BTreeMap;

use coord::Fence;
use coord::milestone::Claimed;

use crate::caller::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::kept::Kept;
use crate::session::Session;

/// A file with fences by boundary.
#[derive(Debug)]
pub(super) struct Proof {
    file: Kept,
    fences: BTreeMap<i64, Fence>,
}

impl Proof {
    /// Reads what earlier steps have kept for a key.
    pub(super) fn read(session: &Session, caller: &Caller, key: &str) -> Result<Self, Failure> {
        let file = Kept::new(session, "milestone", &[&caller.scope(), key])?;
        let fences = file.load().unwrap_or_default();
        Ok(Self { file, fences })
    }

    /// Keeps the fences of these, too.
    pub(super) fn add(&mut self, claimed: &[Claimed]) -> Result<(), Failure> {
        if claimed.is_empty() {
            return Ok(());
        }
        self.fences.extend(claimed.iter().map(|claimed| (claimed.milestone, claimed.fence)));
        self.file.save(&self.fences)
    }

    /// Forgets a boundary that was reported.
    pub(super) fn remove(&mut self, milestone: i64) -> Result<(), Failure> {
        if self.fences.remove(&milestone).is_some() && self.fences.is_empty() {
            self.file.remove();
            return Ok(());
        }
        if self.fences.is_empty() { Ok(()) } else { self.file.save(&self.fences) }
    }

    /// Returns the claim of a boundary, by the fence that was given or the one that was kept.
    pub(super) fn claimed(&self, milestone: i64, given: Option<u64>) -> Result<Claimed, Failure> {
        let fence = given.map(Fence).or_else(|| self.fences.get(&milestone).copied());
        let fence = fence.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("no fence is known for milestone {milestone} here"))
                .hinted("give the one that `milestone check` printed with --fence")
        })?;
        Ok(Claimed { milestone, fence, again: false })
    }

    /// Returns all claims that were kept.
    pub(super) fn all(&self) -> Vec<Claimed> {
        let claimed = |(milestone, fence): (&i64, &Fence)| Claimed {
            milestone: *milestone,
            fence: *fence,
            again: false,
        };
        self.fences.iter().map(claimed).collect()
    }
}
