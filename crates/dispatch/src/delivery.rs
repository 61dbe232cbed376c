//! Deliveries: events with their payloads, in the order and at the times they arrive.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

/// Longest payload accepted, as GitHub caps webhooks: 25 MB.
pub const MAX_PAYLOAD: usize = 25 * 1024 * 1024;

/// Longest list of deliveries accepted in one call.
pub const MAX_DELIVERIES: usize = 1_000_000;

/// One event as GitHub would deliver it to a webhook.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The name of the event, for example `issues`.
    pub event: String,
    /// The webhook payload.
    pub payload: Value,
    /// How long after the previous delivery this one arrives.
    pub delay: Duration,
}

/// A delivery that cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {why}")]
pub struct Malformed {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    event: String,
    #[serde(default)]
    payload: Map<String, Value>,
    #[serde(default)]
    delay_ms: u64,
}

/// Reads deliveries, a JSON object a line; empty lines are skipped.
pub fn parse(text: &str) -> Result<Vec<Delivery>, Malformed> {
    let mut deliveries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() {
            continue;
        }
        let malformed = |why: String| Malformed { line: index + 1, why };
        if line.len() > MAX_PAYLOAD {
            return Err(malformed(format!("is longer than {MAX_PAYLOAD} bytes")));
        }
        if deliveries.len() == MAX_DELIVERIES {
            return Err(malformed(format!("there are more than {MAX_DELIVERIES} deliveries")));
        }
        let parsed: Line =
            serde_json::from_str(line).map_err(|error| malformed(error.to_string()))?;
        check_event(&parsed.event).map_err(malformed)?;
        deliveries.push(Delivery {
            event: parsed.event,
            payload: Value::Object(parsed.payload),
            delay: Duration::from_millis(parsed.delay_ms),
        });
    }
    Ok(deliveries)
}

/// Refuses what cannot be the name of an event.
pub fn check_event(name: &str) -> Result<(), String> {
    let plausible = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if plausible { Ok(()) } else { Err(format!("`{name}` is not the name of an event")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn delay_and_payload_have_defaults() {
        let deliveries = parse("{\"event\":\"push\"}\n\n{\"event\":\"issues\",\"payload\":{\"action\":\"opened\"},\"delay_ms\":20}").unwrap();
        let second = Delivery {
            event: "issues".into(),
            payload: json!({"action": "opened"}),
            delay: Duration::from_millis(20),
        };
        let first = Delivery { event: "push".into(), payload: json!({}), delay: Duration::ZERO };
        assert_eq!(deliveries, [first, second]);
    }

    #[track_caller]
    fn refused(text: &str, line: usize, part: &str) {
        let malformed = parse(text).unwrap_err();
        assert_eq!(malformed.line, line);
        assert!(malformed.why.contains(part), "{}", malformed.why);
    }

    #[test]
    fn faults_are_named_with_their_line() {
        refused("{\"event\":\"push\"}\n{", 2, "EOF");
        refused("{\"event\":\"../x\"}", 1, "not the name of an event");
        refused("{\"event\":\"push\",\"dealy_ms\":1}", 1, "dealy_ms");
        refused("{\"event\":\"push\",\"payload\":[]}", 1, "invalid type");
        refused("{\"event\":\"push\",\"delay_ms\":-1}", 1, "invalid value");
    }
}
