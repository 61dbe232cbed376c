//! Who waits for a group while holding others, so that a cycle is found when it is closed.
//!
//! All such waits of a store are in one record, so they are in one order: the last wait of a cycle finds
//! the others there. A wait is entered after its member has entered the group, and a member that has been
//! promoted never waits again under the same token. So if the record shows a cycle, and afterwards each
//! of its members is still found waiting and holding what it said, then all of that was true at once, and
//! it stays true until one of them gives up. The last one does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use store::{Key, Store};

use super::{Group, Hold};
use crate::{Clock, Error, Fence, Life, Register, Step, Token, Value};

/// From how many on stale waits are looked for that nobody met.
const MANY: usize = 64;

/// One wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wait {
    /// The member that waits.
    pub(super) token: Token,
    /// The key of the group it waits for.
    pub(super) group: String,
    /// The name of that group, for people.
    pub(super) name: String,
    /// What stays taken meanwhile.
    pub(super) holds: Vec<Hold>,
}

/// All waits of a store that keep something taken, in the order in which they began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waits {
    #[serde(default)]
    waits: Vec<Wait>,
    #[serde(default)]
    fence: Fence,
}

/// Returns where the waits of a store are.
pub(super) fn key() -> Key {
    Key::new(["waits"])
}

/// Enters a wait, and returns the names of the groups of the cycle it closes, if it closes one.
pub(super) async fn enlist(
    register: &Register<Waits>,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    wait: Wait,
) -> Result<Option<Vec<String>>, Error> {
    let add = |waits: &mut Waits| {
        waits.waits.retain(|known| known.token != wait.token);
        waits.waits.push(wait.clone());
    };
    let waits = register.update(|waits, _| {
        add(waits);
        Step::Write(waits.clone())
    });
    let waits = waits.await?;
    let mut keys = waits.reachable_from(&wait.group);
    if waits.waits.len() >= MANY {
        keys.extend(waits.waits.iter().map(|wait| wait.group.clone()));
    } else if waits.cycle(&wait, |_, _| true).is_none() {
        return Ok(None);
    }
    let mut groups = BTreeMap::new();
    for text in keys {
        if let Ok(key) = Key::parse(&text) {
            let group = Register::<Group>::new(Arc::clone(store), Arc::clone(clock), key);
            groups.insert(text, group.read().await?.value);
        }
    }
    let is_stale =
        |wait: &Wait| groups.get(&wait.group).is_some_and(|group| !waits_in(wait, group));
    let stale: Vec<Token> =
        waits.waits.iter().filter(|wait| is_stale(wait)).map(|wait| wait.token.clone()).collect();
    if !stale.is_empty() {
        let strike = register.update(|waits, _| {
            waits.waits.retain(|wait| !stale.contains(&wait.token));
            Step::Write(())
        });
        strike.await?;
    }
    let holds = |wait: &Wait, hold: &Hold| {
        let holds = |group: &Group| {
            let mut working = group.members().iter().filter(|one| one.is_in_progress());
            working.any(|one| one.member.token == *hold.token())
        };
        !stale.contains(&wait.token) && groups.get(hold.group()).is_some_and(holds)
    };
    Ok(waits.cycle(&wait, holds))
}

/// Takes a wait out of the list.
pub(super) async fn strike(register: &Register<Waits>, token: &Token) -> Result<(), Error> {
    let strike = register.update(|waits, _| {
        let before = waits.waits.len();
        waits.waits.retain(|wait| wait.token != *token);
        if waits.waits.len() == before { Step::Keep(()) } else { Step::Write(()) }
    });
    strike.await
}

fn waits_in(wait: &Wait, group: &Group) -> bool {
    let mut pending = group.members().iter().filter(|one| !one.is_in_progress());
    pending.any(|one| one.member.token == wait.token)
}

impl Waits {
    /// Returns the keys of all groups that something reachable from this group waits for.
    fn reachable_from(&self, group: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::from([group.to_owned()]);
        let mut edge = vec![group.to_owned()];
        while let Some(group) = edge.pop() {
            for wait in self.waits_of_holders(&group) {
                if reached.insert(wait.group.clone()) {
                    edge.push(wait.group.clone());
                }
            }
        }
        reached
    }

    fn waits_of_holders<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Wait> {
        let holds = move |wait: &&Wait| wait.holds.iter().any(|hold| hold.group() == group);
        self.waits.iter().filter(holds)
    }

    /// Returns the names of the groups on a way from what `last` waits for to what it holds.
    fn cycle(&self, last: &Wait, is_held: impl Fn(&Wait, &Hold) -> bool) -> Option<Vec<String>> {
        let closes = |group: &str| {
            last.holds.iter().any(|hold| hold.group() == group && is_held(last, hold))
        };
        let mut seen = BTreeSet::from([last.group.as_str()]);
        let mut ways = vec![vec![last]];
        while let Some(way) = ways.pop() {
            let end = *way.last()?;
            if closes(&end.group) {
                return Some(way.iter().map(|wait| wait.name.clone()).collect());
            }
            for next in self.waits_of_holders(&end.group) {
                let blocks =
                    next.holds.iter().any(|hold| hold.group() == end.group && is_held(next, hold));
                if blocks && seen.insert(&next.group) {
                    let mut longer = way.clone();
                    longer.push(next);
                    ways.push(longer);
                }
            }
        }
        None
    }
}

impl Value for Waits {
    fn fence(&self) -> Fence {
        self.fence
    }

    fn raise(&mut self, above: Fence) {
        self.fence = self.fence.max(above);
    }

    fn each_life(&mut self, _: &mut dyn FnMut(&mut Life)) {}
}
