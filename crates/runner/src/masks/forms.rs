//! Forms: how a secret looks when a program has quoted, escaped or encoded it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// Surrounding quotes are trimmed only where enough remains.
const SHORTEST_QUOTED: usize = 8;

/// A part of a secret must be this long to be masked by itself.
const SHORTEST_PART: usize = 6;

/// The middle of an encoded secret must be this long to be masked by itself.
const SHORTEST_ENCODED: usize = 8;

/// Returns the forms of a secret that differ from it.
pub(super) fn of(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.replace('"', "\\\""),
        secret.replace('\'', "''"),
        json(secret),
        json_ascii(secret),
        uri(secret),
        xml(secret),
    ];
    for shift in 0..3 {
        base64_from(secret.as_bytes(), shift, &mut forms);
    }
    forms.extend(trimmed_quotes(secret));
    forms.extend(powershell_parts(secret));
    forms.retain(|form| !form.is_empty() && form != secret);
    forms
}

/// Encodes as if `shift` bytes had been encoded together with what stands before the secret.
fn base64_from(secret: &[u8], shift: usize, forms: &mut Vec<String>) {
    let rest = secret.get(shift..).filter(|rest| !rest.is_empty()).unwrap_or(secret);
    forms.push(BASE64_STANDARD.encode(rest));
    // What follows the secret changes the last group, so the whole groups count by themselves.
    let whole = &rest[..rest.len() / 3 * 3];
    let encoded = BASE64_STANDARD.encode(whole);
    if encoded.len() >= SHORTEST_ENCODED {
        forms.push(encoded);
    }
}

fn json(secret: &str) -> String {
    let quoted = serde_json::to_string(secret).unwrap_or_default();
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}

/// Escapes for programs that keep their JSON in ASCII.
fn json_ascii(secret: &str) -> String {
    let mut text = String::new();
    for character in json(secret).chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                // Writing to a text cannot fail.
                let _written = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

fn uri(secret: &str) -> String {
    let mut text = String::new();
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _written = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn xml(secret: &str) -> String {
    let escaped = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&quot;").replace('\'', "&apos;")
}

fn trimmed_quotes(secret: &str) -> Option<String> {
    let inner = secret.strip_prefix('"')?.strip_suffix('"')?;
    (secret.len() > SHORTEST_QUOTED).then(|| inner.to_owned())
}

/// Returns the parts that `PowerShell` prints in different colours when a secret with `&` is run as a
/// command; after `&+` it colours one more letter.
fn powershell_parts(secret: &str) -> Vec<String> {
    let (before, after) = match secret.find("&+") {
        Some(at) => {
            let mut rest = secret[at + 2..].chars();
            rest.next();
            (&secret[..at + 2], rest.as_str())
        }
        None => match secret.rfind('&') {
            Some(at) => secret.split_at(at + 1),
            None => return Vec::new(),
        },
    };
    let parts = [before, after].into_iter().filter(|part| part.len() >= SHORTEST_PART);
    parts.map(str::to_owned).collect()
}
