//! Wildcards within one part of a path, as `minimatch` 3 reads them for `@actions/glob`.
//!
//! Not `globset`: that one counts bytes and knows braces; JavaScript counts UTF-16 units, and so do we.

/// One part of a pattern between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentGlob {
    tokens: Vec<Token>,
    /// The one name it can mean, as `@actions/glob` sees it when it decides where to begin.
    literal: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Unit(u16),
    One,
    Many,
    Class { is_negated: bool, ranges: Vec<(u16, u16)> },
}

impl SegmentGlob {
    pub(crate) fn parse(text: &str) -> Self {
        let units: Vec<u16> = text.encode_utf16().collect();
        Self { tokens: tokens(&units), literal: literal(text) }
    }

    /// Returns the segment that means exactly this name.
    pub(crate) fn exactly(name: &str) -> Self {
        Self {
            tokens: name.encode_utf16().map(Token::Unit).collect(),
            literal: Some(name.to_owned()),
        }
    }

    pub(crate) fn literal(&self) -> Option<&str> {
        self.literal.as_deref()
    }

    /// Matches a whole name. After a mismatch the last `*` takes one unit more, so no pattern is slow.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let units: Vec<u16> = name.encode_utf16().collect();
        let (mut token, mut place) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            match self.tokens.get(token) {
                Some(Token::Many) => {
                    retry = Some((token + 1, place));
                    token += 1;
                    continue;
                }
                Some(one) if units.get(place).is_some_and(|unit| one.takes(*unit)) => {
                    (token, place) = (token + 1, place + 1);
                    continue;
                }
                None if place == units.len() => return !units.is_empty(),
                Some(_) | None => {}
            }
            match retry {
                Some((after, start)) if start < units.len() => {
                    retry = Some((after, start + 1));
                    (token, place) = (after, start + 1);
                }
                _ => return false,
            }
        }
    }
}

impl Token {
    fn takes(&self, unit: u16) -> bool {
        match self {
            Self::Unit(own) => *own == unit,
            Self::One => true,
            Self::Class { is_negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&unit)) != *is_negated
            }
            Self::Many => false,
        }
    }
}

const fn ascii(c: char) -> u16 {
    c as u16
}

const BACKSLASH: u16 = ascii('\\');
const OPEN: u16 = ascii('[');
const CLOSE: u16 = ascii(']');
const STAR: u16 = ascii('*');
const QUESTION: u16 = ascii('?');

fn tokens(units: &[u16]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&unit) = units.get(at) {
        at += 1;
        match unit {
            BACKSLASH => {
                tokens.push(Token::Unit(units.get(at).copied().unwrap_or(BACKSLASH)));
                at += 1;
            }
            STAR => {
                if tokens.last() != Some(&Token::Many) {
                    tokens.push(Token::Many);
                }
            }
            QUESTION => tokens.push(Token::One),
            OPEN => match class(&units[at..]) {
                Some((class, length)) => {
                    tokens.push(class);
                    at += length;
                }
                // A bracket that is never closed means itself.
                None => tokens.push(Token::Unit(OPEN)),
            },
            unit => tokens.push(Token::Unit(unit)),
        }
    }
    tokens
}

/// Reads a class after its opening bracket, with its length; `None` if it is not closed or makes no sense.
fn class(units: &[u16]) -> Option<(Token, usize)> {
    let is_negated =
        matches!(units.first(), Some(&unit) if unit == ascii('!') || unit == ascii('^'));
    let mut at = usize::from(is_negated);
    let mut members: Vec<(u16, bool)> = Vec::new();
    loop {
        let &unit = units.get(at)?;
        at += 1;
        match unit {
            CLOSE if at > 1 => break,
            BACKSLASH => {
                members.push((*units.get(at)?, true));
                at += 1;
            }
            unit => members.push((unit, false)),
        }
    }
    let mut ranges = Vec::new();
    let mut index = 0;
    while let Some(&(low, _)) = members.get(index) {
        let dash =
            members.get(index + 1).is_some_and(|(unit, escaped)| *unit == ascii('-') && !escaped);
        match members.get(index + 2) {
            Some(&(high, _)) if dash => {
                if low > high {
                    return None;
                }
                ranges.push((low, high));
                index += 3;
            }
            _ => {
                ranges.push((low, low));
                index += 1;
            }
        }
    }
    Some((Token::Class { is_negated, ranges }, at))
}

/// Returns the one name that a segment can mean, by the rules of `@actions/glob`, which are its own.
fn literal(text: &str) -> Option<String> {
    let characters: Vec<char> = text.chars().collect();
    let mut literal = String::new();
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        at += 1;
        match character {
            '\\' if at < characters.len() => {
                literal.push(characters[at]);
                at += 1;
                continue;
            }
            '*' | '?' => return None,
            '[' if at < characters.len() => {
                if let Some((set, length)) = set(&characters[at..]) {
                    if set.chars().count() > 1 {
                        return None;
                    }
                    if !set.is_empty() {
                        literal.push_str(&set);
                        at += length;
                        continue;
                    }
                }
            }
            _ => {}
        }
        literal.push(character);
    }
    Some(literal)
}

fn set(characters: &[char]) -> Option<(String, usize)> {
    let mut set = String::new();
    let mut at = 0;
    loop {
        let &character = characters.get(at)?;
        at += 1;
        match character {
            '\\' if at < characters.len() => {
                set.push(characters[at]);
                at += 1;
            }
            ']' => return Some((set, at)),
            character => set.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, hits: &[&str], misses: &[&str]) {
        let glob = SegmentGlob::parse(pattern);
        for name in hits {
            assert!(glob.matches(name), "{pattern} should match {name}");
        }
        for name in misses {
            assert!(!glob.matches(name), "{pattern} should not match {name}");
        }
    }

    #[test]
    fn wildcards_are_those_of_minimatch() {
        check("*.lock", &["a.lock", ".lock"], &["lock", "a.lock.b"]);
        check("?", &["a", "ä"], &["", "ab", "😀"]);
        check("[!a-c]x", &["dx"], &["ax", "x"]);
        check("[a-]", &["a", "-"], &["b"]);
        check("[]a]", &["a", "]"], &["b"]);
        check("[z-a]", &["[z-a]"], &["z", "b"]);
        check("[a", &["[a"], &["a"]);
        check("{a,b}", &["{a,b}"], &["a"]);
        check("a\\*", &["a*"], &["ab"]);
    }

    #[test]
    fn many_stars_are_not_slow() {
        let glob = SegmentGlob::parse(&"*a".repeat(200));
        assert!(!glob.matches(&"a".repeat(20_000).replace("aa", "ab")[..199]));
    }
}
