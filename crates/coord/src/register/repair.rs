//! How a damaged record is set aside, and a new one begun above every fence it can have given.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use store::{Expect, Key, Written};

use super::{Envelope, Register, Value};
use crate::{Error, Fence};

/// The farthest a repair jumps beyond the one before it.
const LEAP: u64 = 1 << 32;
/// Numbers above this are damage, not fences. JavaScript still counts exactly below it.
pub(super) const LARGEST: u64 = 1 << 52;

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// The record is sound, or there is none. Nothing was changed.
    Sound,
    /// The record was replaced by one in which nothing has happened.
    Replaced {
        /// Where a copy of the damaged record is.
        copy: Key,
        /// Every fence from now on is larger than this.
        above: Fence,
    },
    /// Somebody else changed the record meanwhile. Nothing was changed.
    Changed,
}

impl<T: Value> Register<T> {
    /// Sets a damaged record aside and starts again above every fence it can have had.
    ///
    /// Grants are counted by one, so the milliseconds since 1970 are above any count, and a leap above
    /// the last repair is above any clock that was wrong. `today` is only that: a large number.
    pub async fn repair(&self, today: Timestamp) -> Result<Repaired, Error> {
        let Some(record) = self.store.read(&self.key).await? else { return Ok(Repaired::Sound) };
        match Envelope::open::<T>(&self.key, &record.value) {
            Ok(_) => return Ok(Repaired::Sound),
            Err(Error::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        let earlier = self.earlier_repairs().await?;
        let today = u64::try_from(today.as_millisecond()).unwrap_or_default();
        let found = largest_fence(&record.value);
        let above = Fence(found.max(today).max(earlier.map_or(0, |fence| fence + LEAP)));
        let copy = Key::new(["corrupt", self.key.as_str(), &above.to_string()]);
        // If there is such a copy, somebody else is at it: one of us wins the swap below.
        drop(self.store.write(&copy, record.value.clone(), Expect::Absent).await?);
        let mut value = T::default();
        value.raise(above);
        let (_, _, bytes) = Envelope::default().replaced_by(&self.key, &value)?;
        match self.store.write(&self.key, bytes, Expect::At(record.version)).await? {
            Written::Stored(_) => Ok(Repaired::Replaced { copy, above }),
            Written::Conflict => Ok(Repaired::Changed),
        }
    }

    /// Returns the largest fence that a repair of this record started above.
    async fn earlier_repairs(&self) -> Result<Option<u64>, Error> {
        let prefix = Key::new(["corrupt", self.key.as_str()]);
        let copies = Arc::clone(&self.store).list(&format!("{prefix}/")).await?;
        let fence = |key: &Key| key.segments().last().and_then(|text| text.parse().ok());
        Ok(copies.iter().filter_map(fence).max())
    }
}

/// Returns the largest number that stands where a fence would, however damaged the rest is.
fn largest_fence(bytes: &Bytes) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    let number = |rest: &str| {
        let rest = rest.trim_start_matches(['"', ':', ' ', '\n', '\t']);
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse().ok().filter(|fence| *fence <= LARGEST)
    };
    text.split("fence").skip(1).filter_map(number).max().unwrap_or_default()
}
