//! One pattern of a matcher: a regular expression with a meaning for its groups.

use std::fmt;

use fancy_regex::{Regex, RegexBuilder};

use super::Match;

/// How many steps back a regular expression may take on one line.
const BACKTRACK_LIMIT: usize = 100_000;

/// What a group can mean.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Property {
    File,
    FromPath,
    Line,
    Column,
    Severity,
    Code,
    Message,
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::FromPath => "fromPath",
            Self::Line => "line",
            Self::Column => "column",
            Self::Severity => "severity",
            Self::Code => "code",
            Self::Message => "message",
        })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regexp: Regex,
    groups: Vec<(Property, usize)>,
    repeats: bool,
}

impl Pattern {
    pub(super) fn new(
        regexp: &str,
        groups: Vec<(Property, usize)>,
        repeats: bool,
    ) -> Result<Self, fancy_regex::Error> {
        let mut builder = RegexBuilder::new(&plain_classes(regexp));
        let regexp = builder.backtrack_limit(BACKTRACK_LIMIT).build()?;
        Ok(Self { regexp, groups, repeats })
    }

    /// Returns whether it goes on finding problems after the first.
    pub(super) fn repeats(&self) -> bool {
        self.repeats
    }

    /// Returns a property whose group the regular expression does not have.
    pub(super) fn without_group(&self) -> Option<Property> {
        let count = self.regexp.captures_len();
        self.groups.iter().find(|(_, group)| *group >= count).map(|(property, _)| *property)
    }

    /// Matches a line; what the patterns before it have found stays.
    pub(super) fn look(&self, line: &str, before: Option<&Match>) -> Option<Match> {
        // A line that would take too long to look at is one without a problem.
        let captures = self.regexp.captures(line).ok().flatten()?;
        let mut found = before.cloned().unwrap_or_default();
        for (property, group) in &self.groups {
            let field = match property {
                Property::File => &mut found.file,
                Property::FromPath => &mut found.from_path,
                Property::Line => &mut found.line,
                Property::Column => &mut found.column,
                Property::Severity => &mut found.severity,
                Property::Code => &mut found.code,
                Property::Message => &mut found.message,
            };
            field.get_or_insert_with(|| {
                captures.get(*group).map_or_else(String::new, |text| text.as_str().to_owned())
            });
        }
        Some(found)
    }
}

/// Escapes `[` and doubled operators inside of classes: they are plain characters for the dialect
/// in which people write matchers, and operators for ours.
fn plain_classes(regexp: &str) -> String {
    let mut plain = String::with_capacity(regexp.len());
    let mut in_class = false;
    let mut characters = regexp.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                plain.push('\\');
                plain.extend(characters.next());
                continue;
            }
            '[' if in_class => plain.push('\\'),
            '&' | '~' if in_class && characters.peek() == Some(&character) => plain.push('\\'),
            '[' => {
                in_class = true;
                plain.push('[');
                if characters.peek() == Some(&'^') {
                    plain.extend(characters.next());
                }
                continue;
            }
            ']' => in_class = false,
            _ => {}
        }
        plain.push(character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(regexp: &str, line: &str, message: Option<&str>) {
        let pattern = Pattern::new(regexp, vec![(Property::Message, 1)], false).unwrap();
        let found = pattern.look(line, None).and_then(|found| found.message);
        assert_eq!(found.as_deref(), message, "{regexp}");
    }

    #[test]
    fn the_dialect_of_matchers_in_use_is_understood() {
        check(r"^([^[\]]+)\[x\]$", "abc[x]", Some("abc"));
        check(r"^(?!note)(.+)$", "note: x", None);
        check(r"^([a&&b]+)$", "a&b", Some("a&b"));
        check(r"^\s*File\s\u0022(.*)\u0022,\sline\s(\d+)", "  File \"a.py\", line 3", Some("a.py"));
        check(r"^(.+)\/x$", "a/x", Some("a"));
    }
}
