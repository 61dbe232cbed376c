//! Where a record lives: a few segments, for example `lock/octo/repo`.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// The longest text of a key: percent-encoded it fits S3's 1,024 bytes, with a prefix.
const MAX_LENGTH: usize = 300;
/// The most segments of a key, so that shortening each is always enough.
const MAX_SEGMENTS: usize = 8;

/// Where a record lives: segments joined by slashes, for example `lock/octo/repo`.
///
/// Any text can be a segment. What would be mistaken for structure (slash, percent sign, control
/// characters, nothing at all, `.` and `..`) is escaped, and what is too long is cut and told apart by
/// a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// A text that is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a key: {why}")]
pub struct BadKey {
    /// The beginning of the text.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl Key {
    /// Joins segments into a key, whatever they contain.
    pub fn new<const N: usize>(segments: [&str; N]) -> Self {
        const { assert!(0 < N && N <= MAX_SEGMENTS, "a key has one to eight segments") };
        let escaped = segments.map(escape);
        let keeps = [MAX_LENGTH, 40, 0];
        let texts = keeps.map(|keep| escaped.clone().map(|s| shorten(&s, keep)).join("/"));
        let [whole, cut, digests] = texts;
        Self([whole, cut].into_iter().find(|text| text.len() <= MAX_LENGTH).unwrap_or(digests))
    }

    /// Reads a key from its text.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let bad = |why| BadKey { text: text.chars().take(60).collect(), why };
        if text.len() > MAX_LENGTH {
            return Err(bad("it is longer than 300 bytes"));
        }
        if text.split('/').count() > MAX_SEGMENTS {
            return Err(bad("it has more than eight segments"));
        }
        if text.split('/').any(str::is_empty) {
            return Err(bad("it has an empty segment"));
        }
        if text.split('/').any(|segment| !is_canonical(segment)) {
            return Err(bad("a `%`, a control character, `.` and `..` must be escaped"));
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the text: escaped segments joined by slashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the segments as they were given, unless they had to be shortened.
    pub fn segments(&self) -> impl Iterator<Item = String> + '_ {
        self.0.split('/').map(unescape)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Escapes what would be mistaken for structure. Nothing at all becomes a lone `%`.
fn escape(segment: &str) -> String {
    if segment.is_empty() {
        return "%".to_owned();
    }
    let dots = matches!(segment, "." | "..");
    let mut text = String::with_capacity(segment.len());
    for char in segment.chars() {
        match char {
            '.' if dots => text.push_str("%2E"),
            _ if char.is_control() || matches!(char, '/' | '%') => {
                text.extend(percent(char));
            }
            _ => text.push(char),
        }
    }
    text
}

/// Names a character below U+0100 by `%` and two digits.
fn percent(char: char) -> [char; 3] {
    let digit = |n| char::from_digit(n % 16, 16).unwrap_or('0').to_ascii_uppercase();
    ['%', digit(u32::from(char) / 16), digit(u32::from(char))]
}

fn unescape(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        segment.push_str(before);
        match after.get(..2).map(|code| u8::from_str_radix(code, 16)) {
            Some(Ok(code)) => segment.push(char::from(code)),
            _ if after.is_empty() => return segment,
            _ => {
                segment.push('%');
                rest = after;
                continue;
            }
        }
        rest = &after[2..];
    }
    segment + rest
}

/// Returns whether the text is what [`escape`] or [`shorten`] would give.
fn is_canonical(text: &str) -> bool {
    if let Some((head, digest)) = text.rsplit_once("%~") {
        let hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        return digest.len() == 32
            && digest.bytes().all(hex)
            && !head.chars().any(char::is_control);
    }
    escape(&unescape(text)) == text
}

/// Keeps `keep` bytes of a text that has more, and adds a digest of the whole.
fn shorten(text: &str, keep: usize) -> String {
    if text.len() <= keep.max(34) {
        return text.to_owned();
    }
    let digest = Sha256::digest(text.as_bytes());
    let (number, _) = digest.split_at(16);
    let number = u128::from_be_bytes(number.try_into().expect("a digest has more than 16 bytes"));
    format!("{}%~{number:032x}", &text[..text.floor_char_boundary(keep)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check<const N: usize>(segments: [&str; N], text: &str) {
        assert_eq!(Key::new(segments).as_str(), text);
        assert_eq!(Key::parse(text), Ok(Key::new(segments)));
        assert!(Key::new(segments).segments().eq(segments));
    }

    #[test]
    fn structure_inside_a_segment_is_escaped() {
        check(["lock", "octo/repo"], "lock/octo%2Frepo");
        check(["a", "", "b"], "a/%/b");
        check([".."], "%2E%2E");
        check(["100%"], "100%25");
        check(["two\nlines"], "two%0Alines");
        check(["größe", "a b", "@{x}~^:?*[\\"], "größe/a b/@{x}~^:?*[\\");
    }

    #[test]
    fn texts_that_no_segments_give_are_refused() {
        for text in ["", "/a", "a//b", "a/", "..", "a/./b", "50%", "%zz", "%41", "%2f", "a\0"] {
            assert!(Key::parse(text).is_err(), "{text:?}");
        }
        assert!(Key::parse(&"a".repeat(301)).is_err());
        assert!(Key::parse("a/a/a/a/a/a/a/a/a").is_err());
    }

    #[test]
    fn long_names_that_differ_only_at_the_end_stay_apart() {
        let long = "x".repeat(1000);
        let [one, two] = ["1", "2"].map(|end| Key::new(["lock", &format!("{long}{end}")]));
        assert_ne!(one, two);
        assert!(one.as_str().starts_with("lock/xxxx") && one.as_str().len() <= MAX_LENGTH);
        assert_eq!(Key::parse(one.as_str()), Ok(one));
    }

    proptest! {
        #[test]
        fn any_segments_make_a_key_that_reads_back(a in ".{0,400}", b in ".{0,400}", c in "(?s).{0,9}") {
            let key = Key::new([&a, &b, &c]);
            prop_assert!(key.as_str().len() <= MAX_LENGTH);
            prop_assert_eq!(Key::parse(key.as_str()), Ok(key));
        }

        #[test]
        fn reading_any_text_does_not_panic(text in "(?s).{0,60}") {
            if let Ok(key) = Key::parse(&text) {
                prop_assert_eq!(key.as_str(), &text);
                prop_assert!(key.segments().count() > 0);
            }
        }
    }
}
