//! A record in a turn of one's own: nobody else writes it between the look and the write.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::SyncSender;

use bytes::Bytes;

use crate::{Error, Record, Written};

/// How an exclusive write ends.
pub(crate) type End = Pin<Box<dyn Future<Output = Result<Written, Error>> + Send>>;

/// A record that only its owner can write. Dropping it gives the turn back.
///
/// It is for a moment: whoever keeps it for long loses it, and its write is a [`Written::Conflict`].
#[must_use = "others wait for it"]
pub struct Exclusive {
    /// The record as it is, or `None` if there is none.
    pub record: Option<Record>,
    value: SyncSender<(Bytes, Weight)>,
    end: End,
}

/// Whether a write may be forgotten if the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Durable,
    Light,
}

impl Exclusive {
    pub(crate) fn new(
        record: Option<Record>,
        value: SyncSender<(Bytes, Weight)>,
        end: End,
    ) -> Self {
        Self { record, value, end }
    }

    /// Writes the record, and ends the turn.
    pub async fn write(self, value: Bytes) -> Result<Written, Error> {
        self.finish(value, Weight::Durable).await
    }

    /// Writes what may be forgotten, as [`Store::write_lightly`](crate::Store::write_lightly) does.
    pub async fn write_lightly(self, value: Bytes) -> Result<Written, Error> {
        self.finish(value, Weight::Light).await
    }

    async fn finish(self, value: Bytes, weight: Weight) -> Result<Written, Error> {
        // If nobody listens any more, the end says so.
        drop(self.value.send((value, weight)));
        self.end.await
    }
}

impl fmt::Debug for Exclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exclusive").field("record", &self.record).finish_non_exhaustive()
    }
}
