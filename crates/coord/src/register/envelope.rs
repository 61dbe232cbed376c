//! What is written around every value: its layout, the last operations, the largest fence.

use bytes::Bytes;
use serde_json::{Map, Value as Json};
use store::Key;

use super::Value;
use crate::{Error, Fence};

/// How many operations are remembered. A writer whose reply was lost finds itself among them.
const MAX_OPERATIONS: usize = 32;

/// The name of one attempt to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OperationId(String);

/// A record without its value.
#[derive(Clone, Debug, Default)]
pub(super) struct Envelope {
    operations: Vec<OperationId>,
    fence: Fence,
    /// What we do not know about passes through, here and at the top of the value.
    unknown: Map<String, Json>,
    unknown_in_value: Map<String, Json>,
}

impl Envelope {
    /// Takes a record apart.
    pub(super) fn open<T: Value>(key: &Key, bytes: &[u8]) -> Result<(Self, T), Error> {
        let corrupt = |why: String| Error::Corrupt { key: key.clone(), why };
        let mut record: Map<String, Json> =
            serde_json::from_slice(bytes).map_err(|error| corrupt(error.to_string()))?;
        let schema = record.remove("schema").and_then(|schema| schema.as_u64());
        let found = schema.ok_or_else(|| corrupt("it has no schema number".to_owned()))?;
        if found > T::SCHEMA {
            return Err(Error::Newer { key: key.clone(), found, known: T::SCHEMA });
        }
        let operations = match record.remove("ops") {
            Some(Json::Array(ids)) => ids.iter().filter_map(operation).collect(),
            _ => return Err(corrupt("it has no operations".to_owned())),
        };
        let fence = record.remove("fence").and_then(|fence| fence.as_u64());
        let fence = Fence(fence.ok_or_else(|| corrupt("it has no fence".to_owned()))?);
        let raw = record.remove("value").ok_or_else(|| corrupt("it has no value".to_owned()))?;
        let mut value: T =
            serde_json::from_value(raw.clone()).map_err(|error| corrupt(error.to_string()))?;
        value.raise(fence);
        let unknown_in_value = unknown_fields(raw, &value);
        Ok((Self { operations, fence, unknown: record, unknown_in_value }, value))
    }

    /// Returns whether this operation is among the last.
    pub(super) fn has(&self, id: &OperationId) -> bool {
        self.operations.contains(id)
    }

    /// Puts the next value into the envelope, and names the operation, which is the first in it.
    pub(super) fn replaced_by<T: Value>(
        &self,
        key: &Key,
        value: &T,
    ) -> Result<(Self, OperationId, Bytes), Error> {
        let id = OperationId(uuid::Uuid::new_v4().simple().to_string());
        let operations = std::iter::once(&id).chain(&self.operations).take(MAX_OPERATIONS);
        let next = Self {
            operations: operations.cloned().collect(),
            fence: value.fence().max(self.fence),
            ..self.clone()
        };
        let bytes = next.to_bytes(key, value)?;
        Ok((next, id, bytes))
    }

    fn to_bytes<T: Value>(&self, key: &Key, value: &T) -> Result<Bytes, Error> {
        let operations: Vec<&str> = self.operations.iter().map(|id| id.0.as_str()).collect();
        let mut json = serde_json::to_value(value).expect("our records are plain data");
        if let Json::Object(fields) = &mut json {
            for (name, field) in &self.unknown_in_value {
                fields.entry(name.as_str()).or_insert_with(|| field.clone());
            }
        }
        let mut record = Map::new();
        record.insert("schema".to_owned(), T::SCHEMA.into());
        record.insert("ops".to_owned(), operations.into());
        record.insert("fence".to_owned(), self.fence.0.into());
        record.insert("value".to_owned(), json);
        for (name, field) in &self.unknown {
            record.entry(name.as_str()).or_insert_with(|| field.clone());
        }
        let bytes = serde_json::to_vec(&record).expect("JSON values can be written");
        if bytes.len() > T::LIMIT {
            let (size, limit) = (bytes.len(), T::LIMIT);
            return Err(Error::TooLarge { key: key.clone(), size, limit });
        }
        Ok(bytes.into())
    }
}

fn operation(id: &Json) -> Option<OperationId> {
    id.as_str().map(|id| OperationId(id.to_owned()))
}

/// Returns the fields of the value that its type would not write back.
fn unknown_fields<T: Value>(raw: Json, value: &T) -> Map<String, Json> {
    let known = serde_json::to_value(T::default()).unwrap_or_default();
    let present = serde_json::to_value(value).unwrap_or_default();
    let Json::Object(fields) = raw else { return Map::new() };
    let unknown = |name: &str| known.get(name).is_none() && present.get(name).is_none();
    fields.into_iter().filter(|(name, _)| unknown(name)).collect()
}
