//! Masks: what must never be read in a log, and every form it may be written in.

mod forms;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use aho_corasick::AhoCorasick;

/// What stands where a secret was.
const MASK: &str = "***";

/// A line of a secret that has several must be this long to be one by itself: the braces of a
/// JSON file are not.
const SHORTEST_LINE: usize = 4;

/// Finds secrets in lines and replaces them.
///
/// Secrets are looked for in whole lines, all at once, and overlapping finds are masked as one, so that
/// nothing of two secrets remains where one begins within the other.
#[derive(Debug, Default)]
pub struct Masks {
    known: HashSet<String>,
    /// Each tier is larger than the next, so a thousand secrets that come one by one cost little more
    /// than if they had come together.
    tiers: Vec<Tier>,
}

#[derive(Debug)]
struct Tier {
    patterns: Vec<String>,
    search: Option<AhoCorasick>,
}

impl Masks {
    /// Returns masks for some secrets.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut masks = Self::default();
        let mut patterns = Vec::new();
        for secret in secrets {
            masks.collect(secret.as_ref(), &mut patterns);
        }
        masks.push(patterns);
        masks
    }

    /// Masks a secret from now on, its lines by themselves, and every form in which it is often written.
    pub fn add(&mut self, secret: &str) {
        let mut patterns = Vec::new();
        self.collect(secret, &mut patterns);
        self.push(patterns);
    }

    /// Returns a text without secrets.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found: Vec<Range<usize>> = Vec::new();
        for search in self.tiers.iter().filter_map(|tier| tier.search.as_ref()) {
            found.extend(search.find_overlapping_iter(text).map(|find| find.range()));
        }
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_unstable_by_key(|range| (range.start, range.end));
        let mut masked = String::with_capacity(text.len());
        let mut end = None;
        for range in found {
            if end.is_none_or(|end| range.start > end) {
                masked.push_str(&text[end.unwrap_or(0)..range.start]);
                masked.push_str(MASK);
            }
            end = end.max(Some(range.end));
        }
        masked.push_str(&text[end.unwrap_or(0)..]);
        Cow::Owned(masked)
    }

    /// Returns how much of a line whose end has not come can be shown: not the beginning of what may
    /// turn out to be a secret, and not half of one.
    pub fn safe_length(&self, text: &str) -> usize {
        let patterns = self.tiers.iter().flat_map(|tier| &tier.patterns);
        let longest = patterns.map(String::len).max().unwrap_or(0);
        let mut safe = text.len().saturating_sub(longest.saturating_sub(1));
        let mut found: Vec<Range<usize>> = Vec::new();
        for search in self.tiers.iter().filter_map(|tier| tier.search.as_ref()) {
            found.extend(search.find_overlapping_iter(text).map(|find| find.range()));
        }
        while let Some(range) = found.iter().find(|range| range.start < safe && safe < range.end) {
            safe = range.start;
        }
        while !text.is_char_boundary(safe) {
            safe -= 1;
        }
        safe
    }

    /// Tells whether a text holds a secret.
    pub fn find(&self, text: &str) -> bool {
        self.tiers
            .iter()
            .filter_map(|tier| tier.search.as_ref())
            .any(|search| search.is_match(text))
    }

    fn collect(&mut self, secret: &str, patterns: &mut Vec<String>) {
        if secret.trim().is_empty() {
            return;
        }
        let trimmed = secret.trim_matches(['\r', '\n', ' ']);
        let lines = secret.split(['\r', '\n']).map(str::trim);
        let lines = lines.filter(|line| *line != trimmed && line.len() >= SHORTEST_LINE);
        for text in [secret, trimmed].into_iter().chain(lines) {
            if !self.known.insert(text.to_owned()) {
                continue;
            }
            patterns.push(text.to_owned());
            for form in forms::of(text) {
                if self.known.insert(form.clone()) {
                    patterns.push(form);
                }
            }
        }
    }

    fn push(&mut self, mut patterns: Vec<String>) {
        if patterns.is_empty() {
            return;
        }
        while self.tiers.last().is_some_and(|last| last.patterns.len() <= patterns.len()) {
            patterns.extend(self.tiers.pop().into_iter().flat_map(|tier| tier.patterns));
        }
        // Only more patterns than a machine has memory for are refused.
        let search = AhoCorasick::new(&patterns).ok();
        self.tiers.push(Tier { patterns, search });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vectors;

    #[track_caller]
    fn check(secrets: &[&str], text: &str, expected: &str) {
        assert_eq!(Masks::new(secrets).apply(text), expected);
        let mut one_by_one = Masks::default();
        for secret in secrets {
            one_by_one.add(secret);
        }
        assert_eq!(one_by_one.apply(text), expected);
    }

    #[test]
    fn nothing_remains_of_overlapping_secrets() {
        check(&["hunter2", "hunter2-long"], "a hunter2-long b", "a *** b");
        check(&["abcd", "cdef"], "xabcdefx", "x***x");
        check(&["abc", "def"], "abcdef", "***");
        check(&["aa"], "aaaaa b", "*** b");
    }

    #[test]
    fn the_lines_of_a_secret_are_secrets() {
        let key = "-----BEGIN-----\nMIIEow\r\nabcd\n}\n";
        check(&[key], "MIIEow and abcd", "*** and ***");
        check(&[key], "{ a }", "{ a }");
    }

    #[test]
    fn blank_secrets_mask_nothing() {
        check(&["", " ", "\n"], "a b\n", "a b\n");
    }

    #[test]
    fn a_secret_inside_encoded_text_is_found_at_every_alignment() {
        use base64::prelude::{BASE64_STANDARD, Engine as _};
        let masks = Masks::new(["correct-horse-battery"]);
        for before in ["", "a", "ab", "abc"] {
            for after in ["", "x", "xy", "xyz"] {
                let text = BASE64_STANDARD.encode(format!("{before}correct-horse-battery{after}"));
                assert!(masks.find(&text), "{before} {after}");
                // What remains is what was encoded together with its neighbours: two letters at most.
                assert!(masks.apply(&text).len() <= 15, "{}", masks.apply(&text));
            }
        }
    }

    #[test]
    fn a_line_is_never_cut_within_a_secret() {
        let masks = Masks::new(["0123456789"]);
        let text = "abc0123456789xyzXYZ";
        for end in 0..=text.len() {
            let safe = masks.safe_length(&text[..end]);
            let shown = format!("{}{}", masks.apply(&text[..safe]), masks.apply(&text[safe..]));
            assert_eq!(shown, "abc***xyzXYZ", "{end}");
        }
        assert_eq!(masks.safe_length("é23456789"), 0);
    }

    #[test]
    fn lines_hold_as_on_github() {
        for case in vectors::cases("secret-masking.json") {
            let secrets: Vec<_> =
                case["secrets"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
            check(&secrets, case["input"].as_str().unwrap(), case["expected"].as_str().unwrap());
        }
    }

    proptest! {
        #[test]
        fn a_secret_never_comes_through(secret in "[a-zé]{4,8}", before in any::<String>(), after in any::<String>()) {
            let masks = Masks::new([&secret]);
            let masked = masks.apply(&format!("{before}{secret}{after}")).into_owned();
            prop_assert!(!masked.contains(&secret));
        }

        #[test]
        fn other_text_stays_as_it_is(text in "[A-Z ]*") {
            prop_assert_eq!(Masks::new(["secret", "other"]).apply(&text), text.as_str());
        }
    }
}
