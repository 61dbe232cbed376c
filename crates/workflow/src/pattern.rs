//! The pattern: GitHub's glob dialect for branches, tags and paths.
//!
//! `*` is any run of characters but `/`, `**` any run at all, `?` and `+` repeat
//! what stands before them (none or one, one or more), `[]` is one character of
//! some, and `\` takes the next one as it is. A pattern matches the whole text.

use std::ops::RangeInclusive;

/// The longest pattern and text that are compared, in characters.
const LONGEST: usize = 4096;

/// A pattern, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    is_negative: bool,
    items: Vec<(Item, Times)>,
}

/// What stands for some of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    /// Nothing; the two items after it, which are `**` and `/`, may be passed over together.
    Directories,
    /// Any character.
    Any,
    /// Any character but `/`.
    NotSlash,
    One(char),
    /// One of these, or with `true` none of them.
    Set(Vec<RangeInclusive<char>>, bool),
}

/// How often an item may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    One,
    /// `?`
    AtMostOne,
    /// `*`, `**`
    Any,

    /// `+`
    AtLeastOne,
}

/// Says why a pattern cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternFault(&'static str);

impl Pattern {
    /// Reads a pattern; one that starts with `!` takes away what it matches.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        if text.chars().count() > LONGEST {
            return Err(PatternFault("it is too long"));
        }
        let (is_negative, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut items: Vec<(Item, Times)> = Vec::new();
        let mut letters = rest.chars().peekable();
        while let Some(letter) = letters.next() {
            let item = match letter {
                '*' if letters.next_if_eq(&'*').is_some() => {
                    if letters.peek() == Some(&'/') {
                        items.push((Item::Directories, Times::One));
                    }
                    items.push((Item::Any, Times::Any));
                    continue;
                }
                '*' => {
                    items.push((Item::NotSlash, Times::Any));
                    continue;
                }
                '?' | '+' if !items.is_empty() => {
                    let Some((_, times)) = items.last_mut() else { continue };
                    *times = match (letter, *times) {
                        ('?', Times::One | Times::AtMostOne) => Times::AtMostOne,
                        ('+', Times::One | Times::AtLeastOne) => Times::AtLeastOne,
                        _ => Times::Any,
                    };
                    continue;
                }
                '[' => set(&mut letters)?,
                '\\' => Item::One(letters.next().ok_or(PatternFault("it ends with '\\'"))?),
                other => Item::One(other),
            };
            items.push((item, Times::One));
        }
        Ok(Self { is_negative, items })
    }

    /// Returns whether the pattern takes away what it matches.
    pub fn is_negative(&self) -> bool {
        self.is_negative
    }

    /// Returns whether the whole text matches, whatever the sign of the pattern.
    ///
    /// All places that the pattern can have reached are followed at once, so
    /// that no pattern takes longer than its length times that of the text.
    pub fn is_match(&self, text: &str) -> bool {
        if text.len() > LONGEST {
            return false;
        }
        let mut places = vec![false; self.items.len() + 1];
        let mut next = places.clone();
        self.reach(0, &mut places);
        for letter in text.chars() {
            next.fill(false);
            for (place, (item, times)) in self.items.iter().enumerate() {
                if places[place] && item.takes(letter) {
                    self.reach(place + 1, &mut next);
                    if matches!(times, Times::Any | Times::AtLeastOne) {
                        next[place] = true;
                    }
                }
            }
            std::mem::swap(&mut places, &mut next);
        }
        places[self.items.len()]
    }

    /// Adds a place and those that follow without taking anything.
    fn reach(&self, from: usize, places: &mut [bool]) {
        let mut place = from;
        while !std::mem::replace(&mut places[place], true) {
            match self.items.get(place) {
                Some((Item::Directories, _)) => self.reach(place + 3, places),
                Some((_, Times::Any | Times::AtMostOne)) => {}
                _ => break,
            }
            place += 1;
        }
    }
}

impl Item {
    fn takes(&self, letter: char) -> bool {
        match self {
            Self::Directories => false,
            Self::Any => true,
            Self::NotSlash => letter != '/',
            Self::One(one) => letter == *one,
            Self::Set(ranges, is_negated) => {
                ranges.iter().any(|range| range.contains(&letter)) != *is_negated
            }
        }
    }
}

/// Reads what follows `[`.
fn set(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Item, PatternFault> {
    const OPEN: PatternFault = PatternFault("a '[' has no ']'");
    let is_negated = letters.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let mut letter = letters.next().ok_or(OPEN)?;
        if letter == ']' && !ranges.is_empty() {
            return Ok(Item::Set(ranges, is_negated));
        }
        if letter == ']' {
            return Err(PatternFault("a '[]' has nothing in it"));
        }
        if letter == '\\' {
            letter = letters.next().ok_or(OPEN)?;
        }
        let mut ahead = letters.clone();
        let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|end| end != ']');
        if is_range {
            letters.next();
            let end = letters.next().ok_or(OPEN)?;
            if end < letter {
                return Err(PatternFault("a range in '[]' ends before it starts"));
            }
            ranges.push(letter..=end);
        } else {
            ranges.push(letter..=letter);
        }
    }
}

/// Returns whether a list of patterns keeps a text: the last that matches decides.
pub(crate) fn keeps<'a>(patterns: impl IntoIterator<Item = &'a Pattern>, text: &str) -> bool {
    let mut kept = false;
    for pattern in patterns {
        if kept == pattern.is_negative && pattern.is_match(text) {
            kept = !pattern.is_negative;
        }
    }
    kept
}

/// Returns whether a list of patterns to ignore ignores a text.
///
/// A pattern with `!` ignores what it does not match.
pub(crate) fn ignores<'a>(patterns: impl IntoIterator<Item = &'a Pattern>, text: &str) -> bool {
    patterns.into_iter().any(|pattern| pattern.is_match(text) != pattern.is_negative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let read = Pattern::parse(pattern).unwrap();
        for text in yes {
            assert!(read.is_match(text), "'{pattern}' should match '{text}'");
        }
        for text in no {
            assert!(!read.is_match(text), "'{pattern}' should not match '{text}'");
        }
    }

    #[test]
    fn patterns_have_githubs_dialect() {
        check("*", &["main", ""], &["a/b"]);
        check("**", &["main", "a/b", ""], &[]);
        check("feature/*", &["feature/a", "feature/"], &["feature/a/b", "feature"]);
        check("v[12].[0-9]+.[0-9]+", &["v1.10.1", "v2.0.0"], &["v3.0.0", "v1.0", "v1..1"]);
        check("*.jsx?", &["page.js", "page.jsx"], &["page.jsxx", "a/page.js"]);
        check("docs/**/*.md", &["docs/a.md", "docs/b/c/a.md"], &["docsa.md", "docs/a.txt"]);
        check("**/docs/**", &["docs/a", "x/docs/a"], &["xdocs/a", "docs"]);
        check("release+", &["release", "releaseee"], &["releas"]);
        check("?x", &["?x"], &["x"]);
        check(r"\*", &["*"], &["a"]);
        check("[^a]", &["b"], &["a", "bb"]);
        check("[a-c-]", &["a", "b", "-"], &["d"]);
        check("é*", &["é", "éa"], &["e"]);
        check(".yml", &[".yml"], &["fyml"]);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for pattern in ["[", "[]", "[a", "a\\", "[z-a]"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
        assert!(Pattern::parse(&"a".repeat(5000)).is_err());
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let patterns: Vec<_> =
            ["*.md", "!README.md", "README*"].map(|text| Pattern::parse(text).unwrap()).into();
        assert!(keeps(&patterns, "a.md"));
        assert!(keeps(&patterns, "README.md"));
        assert!(!keeps(&patterns[..2], "README.md"));
        assert!(!keeps(&patterns, "a.txt"));
    }

    #[test]
    fn hostile_patterns_end() {
        let pattern = Pattern::parse(&"*a".repeat(500)).unwrap();
        assert!(pattern.is_match(&"a".repeat(2000)));
        assert!(!pattern.is_match(&format!("{}b", "a".repeat(2000))));
    }
}
