//! Removes the records of groups that nobody uses, without letting a fence begin anew.
//!
//! Before a record is removed, its fence is written to a floor that all groups of a store share, and a
//! group that has no record begins above that floor. Whoever begins one reads the floor after having found
//! no record, so it could miss a removal only if the record had been made, used and left alone for the whole
//! age meanwhile. A group that knows the newest commit it ran is never removed: nothing else knows it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use store::{Key, Store, Written};

use super::Group;
use crate::{Clock, Error, Fence, Life, Register, Step, Value};

/// The least age at which a record may be removed.
pub const MIN_AGE: Duration = Duration::from_hours(1);

/// The largest fence of all groups that were removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Floor {
    #[serde(default)]
    fence: Fence,
}

/// What a sweep did to one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Where the group was.
    pub key: Key,
    /// Its name.
    pub name: String,
}

/// Returns where the floor of a store is.
pub(super) fn floor(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Register<Floor> {
    Register::new(store, clock, Key::new(["group-floor"]))
}

/// Removes the records of groups that have been idle for `age`, or says which it would.
///
/// Only stores with a clock know how old a record is; in others nothing is removed.
pub async fn sweep(
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    prefix: &str,
    age: Duration,
    is_dry: bool,
) -> Result<Vec<Swept>, Error> {
    let age = age.max(MIN_AGE);
    let mut swept = Vec::new();
    for key in store.list(prefix).await? {
        let group = Register::<Group>::new(Arc::clone(store), Arc::clone(clock), key.clone());
        let reading = match group.read().await {
            Ok(reading) => reading,
            // A damaged record is nobody's to remove.
            Err(Error::Corrupt { .. } | Error::Newer { .. }) => continue,
            Err(error) => return Err(error),
        };
        let (Some(version), Some(idle)) = (&reading.version, group.age().await?) else { continue };
        if !reading.value.is_idle() || reading.value.newest().is_some() || idle < age {
            continue;
        }
        if !is_dry {
            raise(&floor(Arc::clone(store), Arc::clone(clock)), reading.value.fence()).await?;
            if store.remove(&key, version).await? == Written::Conflict {
                continue;
            }
        }
        swept.push(Swept { key, name: reading.value.name().to_owned() });
    }
    Ok(swept)
}

async fn raise(floor: &Register<Floor>, above: Fence) -> Result<(), Error> {
    let raised = floor.update(|floor, _| {
        if floor.fence >= above {
            return Step::Keep(());
        }
        floor.raise(above);
        Step::Write(())
    });
    raised.await
}

impl Value for Floor {
    fn fence(&self) -> Fence {
        self.fence
    }

    fn raise(&mut self, above: Fence) {
        self.fence = self.fence.max(above);
    }

    fn each_life(&mut self, _: &mut dyn FnMut(&mut Life)) {}
}
