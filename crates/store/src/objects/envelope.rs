//! What an object holds: a line with a nonce, then the value.
//!
//! S3's `ETag` is a digest of the bytes, so equal bytes would bring an old version back. The nonce
//! makes every write a new one, and tells a writer whose answer was lost that it had won.

use bytes::Bytes;
use uuid::Uuid;

const RECORD: &[u8] = b"interlock 1 ";
const NONCE: usize = 32;
/// The line of a record, with its end.
pub(super) const HEADER: usize = RECORD.len() + NONCE + 1;
/// What is left of a record that was removed: shorter than any record, so that a list can tell.
const REMOVED: &[u8] = b"removed ";

/// One state of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    /// Given by the writer, and to nothing else.
    pub(super) nonce: String,
    /// The value, or `None` if the record was removed.
    pub(super) value: Option<Bytes>,
}

impl Envelope {
    /// Puts a value, or its removal, under a fresh nonce.
    pub(super) fn new(value: Option<Bytes>) -> Self {
        Self { nonce: Uuid::new_v4().simple().to_string(), value }
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        let (label, value) = match &self.value {
            Some(value) => (RECORD, &value[..]),
            None => (REMOVED, &b""[..]),
        };
        [label, self.nonce.as_bytes(), b"\n", value].concat().into()
    }

    /// Reads an object, or returns `None` if no store of ours wrote it.
    pub(super) fn from_bytes(bytes: &Bytes) -> Option<Self> {
        let removed = bytes.strip_prefix(REMOVED).is_some();
        let label = if removed { REMOVED.len() } else { RECORD.len() };
        let nonce = bytes.get(label..label + NONCE)?;
        let whole = removed || bytes.starts_with(RECORD);
        let value = bytes.slice(label + NONCE..);
        let hexadecimal = nonce.iter().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(c));
        if !whole || !hexadecimal || value.first() != Some(&b'\n') || (removed && value.len() != 1)
        {
            return None;
        }
        let nonce = String::from_utf8(nonce.to_vec()).ok()?;
        Some(Self { nonce, value: (!removed).then(|| value.slice(1..)) })
    }

    /// Returns whether an object of this size is the remains of a removed record.
    pub(super) fn is_removed_by_size(size: u64) -> bool {
        size < HEADER as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_removed_record_is_shorter_than_a_header() {
        let record = Envelope::new(Some(Bytes::new()));
        let removed = Envelope::new(None);
        for (envelope, is_removed) in [(record, false), (removed, true)] {
            let bytes = envelope.to_bytes();
            assert_eq!(Envelope::is_removed_by_size(bytes.len() as u64), is_removed);
            assert_eq!(Envelope::from_bytes(&bytes), Some(envelope));
        }
    }

    #[test]
    fn bytes_of_others_are_no_envelope() {
        let bytes = Envelope::new(Some("value".into())).to_bytes();
        for cut in 0..HEADER {
            assert_eq!(Envelope::from_bytes(&bytes.slice(..cut)), None);
        }
        let removed = Envelope::new(None).to_bytes();
        assert_eq!(Envelope::from_bytes(&[&removed[..], b"x"].concat().into()), None);
        assert_eq!(Envelope::from_bytes(&Bytes::from_static(b"{\"value\": 1}")), None);
    }

    proptest! {
        #[test]
        fn any_value_comes_back(value in prop::collection::vec(any::<u8>(), 0..99)) {
            let envelope = Envelope::new(Some(value.into()));
            prop_assert_eq!(Envelope::from_bytes(&envelope.to_bytes()), Some(envelope));
        }

        #[test]
        fn reading_any_bytes_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let _envelope = Envelope::from_bytes(&bytes.into());
        }
    }
}
