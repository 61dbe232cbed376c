//! Who holds a lock or waits for it, as people and successors find it again.

use serde::{Deserialize, Serialize};

/// The longest text of a holder that is kept, in bytes.
const LONGEST: usize = 512;

/// Who. Nothing is proved by it but death: see [`Holder::lock`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its whole identity, for people: `actions:octo/repo:7:1:build`.
    pub name: String,
    /// What kind of program it is: `actions`, `cli`, `bot`, …
    pub surface: String,
    /// Why it wants the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where people can look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The attempt of a run it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// The boot of the machine it is on. With the lock below it can be proved dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// What its processes hold as long as one of them lives: the path of an OS lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
}

/// One attempt of a run. When a higher one exists, the CI system has ended this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The whole name of the run: host, repository, id.
    pub run: String,
    /// The number of the attempt.
    pub number: u32,
}

impl Holder {
    /// Returns the holder with texts that are not longer than a record should carry.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let cut = |text: &mut String| text.truncate(text.floor_char_boundary(LONGEST));
        cut(&mut self.name);
        cut(&mut self.surface);
        self.reason.as_mut().map(cut);
        self.link.as_mut().map(cut);
        self
    }

    /// Returns whether the other belongs to an earlier attempt of the same run, and is over therefore.
    pub fn is_rerun_of(&self, other: &Self) -> bool {
        match (&self.attempt, &other.attempt) {
            (Some(mine), Some(other)) => mine.run == other.run && mine.number > other.number,
            _ => false,
        }
    }

    /// Returns whether an OS lock of this boot could prove it dead.
    pub(super) fn is_provable_on(&self, boot: &str) -> bool {
        self.lock.is_some() && self.boot.as_deref() == Some(boot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(run: &str, number: u32) -> Holder {
        let attempt = Some(Attempt { run: run.to_owned(), number });
        Holder { attempt, ..Holder::default() }
    }

    #[test]
    fn only_a_higher_attempt_of_the_same_run_is_a_rerun() {
        assert!(holder("a", 2).is_rerun_of(&holder("a", 1)));
        assert!(!holder("a", 1).is_rerun_of(&holder("a", 1)));
        assert!(!holder("a", 1).is_rerun_of(&holder("a", 2)));
        assert!(!holder("b", 2).is_rerun_of(&holder("a", 1)));
        assert!(!holder("a", 2).is_rerun_of(&Holder::default()));
        assert!(!Holder::default().is_rerun_of(&Holder::default()));
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let name = "ü".repeat(1000);
        let holder = Holder { name, link: Some("x".repeat(600)), ..Holder::default() }.bounded();
        assert_eq!((holder.name.len(), holder.link.map(|link| link.len())), (512, Some(512)));
    }
}
