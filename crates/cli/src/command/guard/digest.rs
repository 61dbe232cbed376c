//! What the work is, as one digest: texts, files, and fields of the event.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::kept::hex;
use crate::session::Session;

/// The largest file that is looked at whole.
const MAX_FILE: u64 = 1 << 30;
/// The largest payload; GitHub's limit is 25 MB.
const MAX_PAYLOAD: u64 = 64 << 20;

/// What the work is. All that is given counts; without any of it, all work on a key is the same.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DigestFlags {
    /// The content of a file is what the work is; may be repeated.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    digest_of: Vec<PathBuf>,
    /// A text is what the work is.
    #[arg(long, value_name = "TEXT")]
    digest: Option<String>,
    /// Fields of the event are what the work is, such as `issue.title,issue.body`.
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    payload_fields: Vec<String>,
    /// The file with the event; `GITHUB_EVENT_PATH` if it is not given.
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
}

impl DigestFlags {
    /// Takes fields of the event that a setting names.
    pub(crate) fn of_fields(fields: &[String]) -> Self {
        Self { payload_fields: fields.to_vec(), ..Self::default() }
    }

    /// Computes the digest, or none if nothing was given.
    pub(crate) fn digest(&self, session: &Session) -> Result<Option<String>, Failure> {
        if self.digest.is_none() && self.digest_of.is_empty() && self.payload_fields.is_empty() {
            return Ok(None);
        }
        let mut digest = Sha256::new();
        let mut add = |kind: &str, bytes: &[u8]| {
            // Lengths keep the parts apart.
            for part in [kind.as_bytes(), bytes] {
                digest.update(part.len().to_le_bytes());
                digest.update(part);
            }
        };
        if let Some(text) = &self.digest {
            add("text", text.as_bytes());
        }
        for path in &self.digest_of {
            add("file", &read(&session.directory.join(path), MAX_FILE)?);
        }
        if !self.payload_fields.is_empty() {
            let payload = self.read_payload(session)?;
            for field in &self.payload_fields {
                let value = lookup(&payload, field);
                if value.is_null() {
                    session.note(&format!("note: the event has no `{field}`; it counts as null"));
                }
                add(field, canonical(&value).as_bytes());
            }
        }
        Ok(Some(hex(&digest.finalize())))
    }

    fn read_payload(&self, session: &Session) -> Result<Value, Failure> {
        let path = self.payload.clone();
        let path =
            path.or_else(|| session.surroundings.get("GITHUB_EVENT_PATH").map(PathBuf::from));
        let path = path.ok_or_else(|| {
            Failure::new(Exit::Usage, "--payload-fields needs an event, and there is none")
                .hinted("name its file with --payload")
        })?;
        let path = session.directory.join(path);
        serde_json::from_slice(&read(&path, MAX_PAYLOAD)?).map_err(|error| {
            Failure::new(Exit::Unknown, format!("{} is not JSON: {error}", path.display()))
        })
    }
}

fn read(path: &std::path::Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let failed = |why: String| {
        Failure::new(Exit::Unknown, format!("cannot read {}: {why}", path.display()))
            .hinted("what the work is cannot be said, so nothing was claimed")
    };
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > limit {
        return Err(failed(format!("it has {size} bytes, and {limit} are allowed")));
    }
    std::fs::read(path).map_err(|error| failed(error.to_string()))
}

/// Finds `issue.title`; `event.` and `github.event.` before it may be left out.
fn lookup(payload: &Value, path: &str) -> Value {
    let path = path.trim();
    let path = path.strip_prefix("github.").unwrap_or(path);
    let path = path.strip_prefix("event.").unwrap_or(path);
    let step = |value: &Value, name: &str| match value {
        Value::Array(items) => name.parse().ok().and_then(|index: usize| items.get(index)).cloned(),
        other => other.get(name).cloned(),
    };
    path.split('.')
        .try_fold(payload.clone(), |value, name| step(&value, name))
        .unwrap_or(Value::Null)
}

/// Writes JSON with sorted keys, so that equal values have equal texts.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            let field = |(name, value): (&String, &Value)| {
                format!("{}:{}", Value::String(name.clone()), canonical(value))
            };
            format!("{{{}}}", fields.into_iter().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_with_and_without_their_context() {
        let payload = json!({"issue": {"title": "t", "labels": [{"name": "a"}]}});
        for path in ["issue.title", "event.issue.title", "github.event.issue.title"] {
            assert_eq!(lookup(&payload, path), json!("t"), "{path}");
        }
        assert_eq!(lookup(&payload, "issue.labels.0.name"), json!("a"));
        assert_eq!(lookup(&payload, "issue.body"), Value::Null);
    }

    #[test]
    fn the_order_of_keys_does_not_count() {
        let one = serde_json::from_str(r#"{"a": 1, "b": [{"y": 1, "x": 2}]}"#).unwrap();
        let other = serde_json::from_str(r#"{"b": [{"x": 2, "y": 1}], "a": 1}"#).unwrap();
        assert_eq!(canonical(&one), canonical(&other));
        assert_ne!(canonical(&json!(["ab"])), canonical(&json!(["a", "b"])));
    }
}
