//! A record as a Git commit: no parent, an empty tree, a message with the key, a nonce and the value.
//!
//! The nonce makes every write another commit. Without it two writers of equal bytes would push one
//! and the same, and Git would tell both of them that everything is up to date.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use uuid::Uuid;

use crate::{Key, MAX_VALUE};

/// The tree that every repository can have.
pub(super) const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
/// More bytes than any record's commit has: the value in base64 and a few lines.
pub(super) const LIMIT: usize = MAX_VALUE / 3 * 4 + 8192;

const TITLE: &str = "interlock record 1";

/// Writes a commit that holds a value. The time is for people who look; nobody compares it.
pub(super) fn encode(key: &Key, value: &Bytes, seconds: u64) -> Vec<u8> {
    let nonce = Uuid::new_v4().simple();
    let (form, body) = match std::str::from_utf8(value) {
        // Git refuses a zero byte in a message.
        Ok(text) if !text.contains('\0') => ("text", value.clone()),
        _ => ("base64", STANDARD.encode(value).into()),
    };
    let who = format!("Interlock <interlock@localhost> {seconds} +0000");
    let head = format!(
        "tree {EMPTY_TREE}\nauthor {who}\ncommitter {who}\n\n\
         {TITLE}\n\nkey {key}\nnonce {nonce}\nform {form}\n\n"
    );
    [head.as_bytes(), &body].concat()
}

/// Reads the value of a key's record, or says why the commit is not one.
pub(super) fn decode(key: &Key, commit: &[u8]) -> Result<Bytes, &'static str> {
    let message = after(commit, b"\n\n").ok_or("the commit has no message")?;
    let rest =
        message.strip_prefix(TITLE.as_bytes()).and_then(|rest| rest.strip_prefix(b"\n\nkey "));
    let rest = rest.ok_or("the commit is not a record of ours")?;
    let (name, rest) = line(rest).ok_or("the record names no key")?;
    if name != key.as_str().as_bytes() {
        return Err("the record belongs to another key");
    }
    let rest = rest.strip_prefix(b"nonce ").and_then(line).ok_or("the record has no nonce")?.1;
    let (form, rest) =
        rest.strip_prefix(b"form ").and_then(line).ok_or("the record does not say its form")?;
    let body = rest.strip_prefix(b"\n").ok_or("the record has no value")?;
    let value = match form {
        b"text" => body.to_vec(),
        b"base64" => STANDARD.decode(body).map_err(|_| "the value is not base64")?,
        _ => return Err("the value is in a form of another version"),
    };
    if value.len() > MAX_VALUE {
        return Err("the value is larger than we ever write");
    }
    Ok(value.into())
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn after<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let start = bytes.windows(mark.len()).position(|window| window == mark)?;
    Some(&bytes[start + mark.len()..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_values_make_different_commits() {
        let key = Key::new(["lock"]);
        assert_ne!(encode(&key, &"a".into(), 0), encode(&key, &"a".into(), 0));
    }

    #[test]
    fn commits_that_are_no_record_of_this_key_are_refused() {
        let key = Key::new(["lock"]);
        let commit = encode(&key, &"value".into(), 0);
        assert!(decode(&Key::new(["other"]), &commit).is_err());
        let head = commit.len() - "value".len();
        for cut in 0..head {
            assert!(decode(&key, &commit[..cut]).is_err(), "cut at {cut}");
        }
        assert!(decode(&key, b"tree x\n\nFix a bug").is_err());
    }

    proptest! {
        #[test]
        fn any_value_comes_back(value in prop::collection::vec(any::<u8>(), 0..99), text in "(?s).{0,40}") {
            let key = Key::new(["lock", &text]);
            for value in [Bytes::from(value), Bytes::from(text)] {
                let commit = encode(&key, &value, 1);
                prop_assert!(commit.len() <= LIMIT);
                prop_assert_eq!(decode(&key, &commit), Ok(value));
            }
        }

        #[test]
        fn reading_any_bytes_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let _value = decode(&Key::new(["lock"]), &bytes);
        }
    }
}
