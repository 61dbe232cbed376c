//! What is written around every value: its layout, the last operations, the largest fence.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use store::Key;
use uuid::Uuid;

use super::Value;
use super::repair::LARGEST;
use crate::{Error, Fence};

/// How many operations are remembered. A writer whose reply was lost finds itself among them.
const MAX_OPERATIONS: usize = 32;

/// The name of one attempt to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OperationId(Uuid);

/// A record without its value.
#[derive(Clone, Debug, Default)]
pub(super) struct Envelope {
    operations: Vec<OperationId>,
    fence: Fence,
    /// What we do not know about passes through, here and at the top of the value.
    unknown: Unknown,
    unknown_in_value: Unknown,
}

/// What is written. The order of the fields is that of the records since the first one.
#[derive(Serialize)]
struct Written<'a, V> {
    schema: u64,
    ops: &'a [OperationId],
    fence: u64,
    value: V,
}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// Fields that are kept to the letter.
type Unknown = Vec<(String, Box<RawValue>)>;

impl Envelope {
    /// Takes a record apart.
    pub(super) fn open<T: Value>(key: &Key, bytes: &[u8]) -> Result<(Self, T), Error> {
        let corrupt = |why: String| Error::Corrupt { key: key.clone(), why };
        let bad = |error: serde_json::Error| corrupt(error.to_string());
        let mut record: Fields<'_> = serde_json::from_slice(bytes).map_err(bad)?;
        let number = |field: Option<&RawValue>| field.and_then(|it| it.get().parse::<u64>().ok());
        let schema = number(record.remove("schema"));
        let found = schema.ok_or_else(|| corrupt("it has no schema number".to_owned()))?;
        if found > T::SCHEMA {
            return Err(Error::Newer { key: key.clone(), found, known: T::SCHEMA });
        }
        let operations = record.remove("ops").and_then(operations);
        let operations = operations.ok_or_else(|| corrupt("it has no operations".to_owned()))?;
        let fence = number(record.remove("fence"));
        let fence = fence.ok_or_else(|| corrupt("it has no fence".to_owned()))?;
        if fence > LARGEST {
            return Err(corrupt("its fence is larger than any that was ever given".to_owned()));
        }
        let fence = Fence(fence);
        let raw = record.remove("value").ok_or_else(|| corrupt("it has no value".to_owned()))?;
        let mut value: T = serde_json::from_str(raw.get()).map_err(bad)?;
        value.raise(fence);
        let unknown_in_value = unknown_fields(raw, &value);
        let unknown = kept(record);
        Ok((Self { operations, fence, unknown, unknown_in_value }, value))
    }

    /// Returns whether this operation is among the last.
    pub(super) fn has(&self, id: &OperationId) -> bool {
        self.operations.contains(id)
    }

    /// Returns whether this operation is the last.
    pub(super) fn is_last(&self, id: &OperationId) -> bool {
        self.operations.first() == Some(id)
    }

    /// Puts the next value into the envelope, and names the operation, which is the first in it.
    pub(super) fn replaced_by<T: Value>(
        &self,
        key: &Key,
        value: &T,
    ) -> Result<(Self, OperationId, Bytes), Error> {
        let id = OperationId(Uuid::new_v4());
        let operations = std::iter::once(id).chain(self.operations.iter().copied());
        let next = Self {
            operations: operations.take(MAX_OPERATIONS).collect(),
            fence: value.fence().max(self.fence),
            ..self.clone()
        };
        let bytes = next.to_bytes(T::SCHEMA, value);
        if bytes.len() > T::LIMIT {
            let (size, limit) = (bytes.len(), T::LIMIT);
            return Err(Error::TooLarge { key: key.clone(), size, limit });
        }
        Ok((next, id, bytes.into()))
    }

    fn to_bytes<T: Serialize>(&self, schema: u64, value: &T) -> Vec<u8> {
        let (ops, fence) = (&self.operations[..], self.fence.0);
        if self.unknown.is_empty() && self.unknown_in_value.is_empty() {
            let written = Written { schema, ops, fence, value };
            return serde_json::to_vec(&written).expect("our records are plain data");
        }
        let text = serde_json::to_vec(value).expect("our records are plain data");
        let value = joined(&text, &self.unknown_in_value);
        let written = Written { schema, ops, fence, value: &value };
        let text = serde_json::to_vec(&written).expect("our records are plain data");
        serde_json::to_vec(&joined(&text, &self.unknown)).expect("JSON values can be written")
    }
}

impl Serialize for OperationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.simple().encode_lower(&mut Uuid::encode_buffer()))
    }
}

/// Reads the names of operations, and passes over what is none.
fn operations(raw: &RawValue) -> Option<Vec<OperationId>> {
    let texts: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
    let id = |text: &&RawValue| {
        let text: String = serde_json::from_str(text.get()).ok()?;
        Some(OperationId(Uuid::try_parse(&text).ok()?))
    };
    Some(texts.iter().filter_map(id).collect())
}

/// Adds the fields that an object does not have itself.
fn joined<'a>(object: &'a [u8], more: &'a Unknown) -> Fields<'a> {
    let mut fields: Fields<'_> = serde_json::from_slice(object).unwrap_or_default();
    for (name, field) in more {
        fields.entry(name.clone()).or_insert(field);
    }
    fields
}

fn kept(fields: Fields<'_>) -> Unknown {
    fields.into_iter().map(|(name, field)| (name, field.to_owned())).collect()
}

/// Returns the fields of the value that its type would not write back.
fn unknown_fields<T: Value>(raw: &RawValue, value: &T) -> Unknown {
    let Ok(mut fields) = serde_json::from_str::<Fields<'_>>(raw.get()) else {
        return Unknown::new();
    };
    // Most types write all their fields always, so that the first look is the last.
    let known = names(&T::default());
    fields.retain(|name, _| !known.contains(name));
    if !fields.is_empty() {
        let known = names(value);
        fields.retain(|name, _| !known.contains(name));
    }
    kept(fields)
}

fn names(value: &impl Serialize) -> BTreeSet<String> {
    let text = serde_json::to_vec(value).unwrap_or_default();
    serde_json::from_slice::<Fields<'_>>(&text).unwrap_or_default().into_keys().collect()
}
