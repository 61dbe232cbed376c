//! Keys as paths that object stores, Git and file systems all accept.
//!
//! Letters, digits, `-` and `_` stay; every other byte becomes `=` and two hexadecimal digits. A
//! segment that has others below it ends in `=`, so that `a` and `a/b` can both be records where
//! `a` would otherwise have to be a file and a directory at once. Long segments continue in
//! the next component after `==`.

use crate::Key;

/// Below the 255 bytes of a file name, with room for `.lock`.
const COMPONENT: usize = 150;

/// Returns the path of a key.
pub(crate) fn encode(key: &Key) -> String {
    join(key.as_str().split('/'), "")
}

/// Returns the path that all keys with this prefix lie below, or nothing.
pub(crate) fn directory(prefix: &str) -> String {
    match prefix.rsplit_once('/') {
        Some((whole, _)) => join(whole.split('/'), "="),
        None => String::new(),
    }
}

/// Returns the key of a path, or `None` if [`encode`] does not give such paths.
pub(crate) fn decode(path: &str) -> Option<Key> {
    let mut segments = vec![String::new()];
    for component in path.split('/') {
        let last = segments.last_mut()?;
        if let Some(part) = component.strip_suffix("==") {
            last.push_str(part);
        } else if let Some(part) = component.strip_suffix('=') {
            last.push_str(part);
            segments.push(String::new());
        } else {
            last.push_str(component);
        }
    }
    let texts: Option<Vec<_>> = segments.iter().map(|segment| plain(segment)).collect();
    let key = Key::parse(&texts?.join("/")).ok()?;
    // Whatever else would read as this key is not ours.
    (encode(&key) == path).then_some(key)
}

fn join<'a>(segments: impl Iterator<Item = &'a str>, end: &str) -> String {
    let components: Vec<_> = segments.map(|segment| components(&quoted(segment))).collect();
    components.join("=/") + end
}

fn components(quoted: &str) -> String {
    let mut rest = quoted;
    let mut components = String::new();
    while rest.len() > COMPONENT {
        let (component, after) = rest.split_at(COMPONENT);
        components.push_str(component);
        components.push_str("==/");
        rest = after;
    }
    components + rest
}

fn quoted(segment: &str) -> String {
    let digit = |n: u8| char::from_digit(n.into(), 16).unwrap_or('0').to_ascii_uppercase();
    let mut text = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            text.push(char::from(byte));
        } else {
            text.extend(['=', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    text
}

fn plain(quoted: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some((before, after)) = rest.split_once('=') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check<const N: usize>(segments: [&str; N], path: &str) {
        let key = Key::new(segments);
        assert_eq!(encode(&key), path);
        assert_eq!(decode(path), Some(key));
    }

    #[test]
    fn paths_keep_what_is_harmless() {
        check(["lock"], "lock");
        check(["lock", "octo-org", "repo_1"], "lock=/octo-org=/repo_1");
        check(["a.lock", "x y"], "a=2Elock=/x=20y");
        check(["a="], "a=3D");
        check(["octo/repo"], "octo=252Frepo");
        let long = "x".repeat(200);
        check([&long], &format!("{}==/{}", "x".repeat(150), "x".repeat(50)));
    }

    #[test]
    fn paths_of_others_are_no_keys() {
        for path in ["", "a/b", "a.b", "=clock", "a=/", "a=2e", "a=41", "a==/b", "ä", "a=FF"] {
            assert_eq!(decode(path), None, "{path}");
        }
    }

    #[test]
    fn keys_lie_below_the_directory_of_their_prefix() {
        assert_eq!(directory("lock/octo/re"), "lock=/octo=");
        assert_eq!(directory("lock/"), "lock=");
        assert_eq!(directory("lo"), "");
    }

    proptest! {
        #[test]
        fn any_key_returns_from_its_path(a in "(?s).{0,90}", b in "(?s).{0,90}", text in "[a=/F2.]{0,9}") {
            let key = Key::new([&a, &b]);
            let path = encode(&key);
            prop_assert!(path.split('/').all(|component| component.len() <= COMPONENT + 2));
            prop_assert_eq!(decode(&path), Some(key.clone()));
            let (prefix, _) = key.as_str().split_at(key.as_str().floor_char_boundary(9));
            prop_assert!(path.starts_with(&directory(prefix)));
            if let Some(key) = decode(&text) {
                prop_assert_eq!(encode(&key), text);
            }
        }
    }
}
