//! Workflow commands: what a step says to its runner in a line of its output.
//!
//! Two dialects are read, as on GitHub: `::name key=value,key=value::data` and the older
//! `##[name key=value;key=value]data`. Only names the caller knows are commands; any other line
//! is output.

/// A command that was found in a line.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WorkflowCommand {
    /// The name as it was written; names are compared without case.
    pub name: String,
    /// What stands between name and data, unescaped; a property without a value is left out.
    pub properties: Vec<(String, String)>,
    /// What follows, unescaped.
    pub data: String,
}

impl WorkflowCommand {
    /// Returns a property's value; names are compared without case, and the last one counts.
    pub fn property(&self, name: &str) -> Option<&str> {
        let mut pairs = self.properties.iter().rev();
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Tells whether this is the command of a name.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Reads a line as a command of one of the names that `known` accepts.
pub fn parse(line: &str, known: impl Fn(&str) -> bool) -> Option<WorkflowCommand> {
    parse_colons(line, &known).or_else(|| parse_brackets(line, &known))
}

/// Reads `::name key=value,…::data`; only blanks may stand before it.
pub fn parse_colons(line: &str, known: &impl Fn(&str) -> bool) -> Option<WorkflowCommand> {
    let rest = line.trim_start().strip_prefix("::")?;
    let (head, data) = rest.split_once("::")?;
    let dialect = Dialect { separator: ',', property: &COLON_PROPERTY, data: &COLON_DATA };
    dialect.read(head, data, known)
}

/// Reads `##[name key=value;…]data`; anything may stand before it.
pub fn parse_brackets(line: &str, known: &impl Fn(&str) -> bool) -> Option<WorkflowCommand> {
    let (_, rest) = line.split_once("##[")?;
    let (head, data) = rest.split_once(']')?;
    let dialect = Dialect { separator: ';', property: &BRACKET, data: &BRACKET };
    dialect.read(head, data, known)
}

type Escapes = [(&'static str, char)];

const COLON_DATA: [(&str, char); 3] = [("%0D", '\r'), ("%0A", '\n'), ("%25", '%')];
const COLON_PROPERTY: [(&str, char); 5] =
    [("%0D", '\r'), ("%0A", '\n'), ("%3A", ':'), ("%2C", ','), ("%25", '%')];
const BRACKET: [(&str, char); 5] =
    [("%3B", ';'), ("%0D", '\r'), ("%0A", '\n'), ("%5D", ']'), ("%25", '%')];

struct Dialect {
    separator: char,
    property: &'static Escapes,
    data: &'static Escapes,
}

impl Dialect {
    fn read(
        &self,
        head: &str,
        data: &str,
        known: &impl Fn(&str) -> bool,
    ) -> Option<WorkflowCommand> {
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        if name.is_empty() || !known(name) {
            return None;
        }
        let pairs = properties.trim().split(self.separator).filter_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (!value.is_empty())
                .then(|| (key.trim_start().to_owned(), unescape(value, self.property)))
        });
        Some(WorkflowCommand {
            name: name.to_owned(),
            properties: pairs.collect(),
            data: unescape(data, self.data),
        })
    }
}

/// Replaces every escape once, from left to right, so that an escaped percent sign stays what it is.
fn unescape(text: &str, escapes: &Escapes) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = escapes.iter().find(|(escape, _)| rest.starts_with(escape));
        let (length, character) = found.map_or((1, '%'), |(escape, c)| (escape.len(), *c));
        plain.push(character);
        rest = &rest[length..];
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::vectors;

    type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

    #[track_caller]
    fn check(line: &str, expected: Option<Expected<'_>>) {
        let expected = expected.map(|(name, properties, data)| WorkflowCommand {
            name: name.into(),
            properties: properties.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            data: data.into(),
        });
        assert_eq!(parse(line, |_| true), expected, "{line}");
    }

    #[test]
    fn both_dialects_are_read() {
        check(
            "::error file=a.js,line=1::no",
            Some(("error", &[("file", "a.js"), ("line", "1")], "no")),
        );
        check(
            "::error file=a.js, line=1::no",
            Some(("error", &[("file", "a.js"), ("line", "1")], "no")),
        );
        check("##[group]Build", Some(("group", &[], "Build")));
        check("12:00 ##[warning]x]y", Some(("warning", &[], "x]y")));
        check("  ::endgroup::", Some(("endgroup", &[], "")));
    }

    #[test]
    fn other_lines_are_output() {
        for line in ["", "::", "::::", ":: x::", "::error", "x ::error::y", "##[", "##[]", "##[x"] {
            check(line, None);
        }
        assert_eq!(parse("::unknown::x", |name| name == "error"), None);
    }

    #[test]
    fn a_name_the_newer_dialect_does_not_know_may_be_one_of_the_older() {
        let line = "::x::##[error]y";
        assert_eq!(parse(line, |name| name == "error").map(|found| found.data), Some("y".into()));
    }

    #[test]
    fn lines_hold_as_on_github() {
        for case in vectors::cases("action-command.json") {
            let known = |name: &str| name == "do-something";
            let line = case["message"].as_str().unwrap();
            let found = if case["version"] == 1 {
                parse_brackets(line, &known)
            } else {
                parse_colons(line, &known)
            };
            assert_eq!(found.is_some(), case["parses"] == true, "{line}");
            let Some(found) = found else { continue };
            assert_eq!(Value::from(found.name), case["command"], "{line}");
            assert_eq!(Value::from(found.data), case["data"], "{line}");
            let properties: BTreeMap<_, _> = found.properties.into_iter().collect();
            assert_eq!(serde_json::to_value(properties).unwrap(), case["properties"], "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in r"(::|##\[|%0A|%2|error| |=|,|;|\]|[^x])*") {
            drop(parse(&line, |_| true));
        }

        #[test]
        fn data_comes_back_as_it_was(data in any::<String>()) {
            let escaped = data.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
            let found = parse(&format!("::x::{escaped}"), |_| true).unwrap();
            prop_assert_eq!(found.data, data);
        }
    }
}
