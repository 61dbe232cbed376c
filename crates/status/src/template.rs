//! The template: the order of the comment's parts, as a repository wants it.

/// The parts that a template may name.
pub(crate) const PARTS: [&str; 9] =
    ["title", "summary", "failed", "running", "flagged", "passed", "skipped", "reproduce", "tips"];

/// The longest text that a template may bring along, in characters.
const MAX_LENGTH: usize = 8000;

/// Text with `{{ part }}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Part(&'static str),
}

/// Says why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// It names a part that does not exist.
    #[error("line {line}: there is no part `{name}`; there are {}", PARTS.join(", "))]
    Unknown {
        /// Where.
        line: usize,
        /// The name.
        name: String,
    },
    /// A `{{` is not closed.
    #[error("line {line}: `{{{{` is not closed")]
    Open {
        /// Where.
        line: usize,
    },
    /// It would hide failures.
    #[error("it must have `{{{{ {0} }}}}`, so that no failure is hidden")]
    Missing(&'static str),
    /// It is too long.
    #[error("it has more than {MAX_LENGTH} characters")]
    TooLong,
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        if text.chars().count() > MAX_LENGTH {
            return Err(BadTemplate::TooLong);
        }
        let (mut pieces, mut rest, mut line) = (Vec::new(), text, 1);
        while let Some((before, after)) = rest.split_once("{{") {
            line += before.matches('\n').count();
            let (name, after) = after.split_once("}}").ok_or(BadTemplate::Open { line })?;
            let known = PARTS.iter().find(|part| **part == name.trim());
            let part =
                known.ok_or_else(|| BadTemplate::Unknown { line, name: name.trim().to_owned() })?;
            line += name.matches('\n').count();
            pieces.extend([Piece::Text(before.to_owned()), Piece::Part(part)]);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        for part in ["summary", "failed"] {
            if !pieces.contains(&Piece::Part(part)) {
                return Err(BadTemplate::Missing(part));
            }
        }
        Ok(Self { pieces })
    }

    /// Returns how many characters it brings along.
    pub(crate) fn own_length(&self) -> usize {
        let own = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.encode_utf16().count(),
            Piece::Part(_) => 0,
        });
        own.sum()
    }

    /// Fills it.
    pub(crate) fn fill<'a>(&'a self, part: impl Fn(&'static str) -> &'a str) -> String {
        let texts = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Part(name) => part(name),
        });
        texts.collect()
    }
}

impl Default for Template {
    /// Failed first, then what runs, then what is flagged; what passed is folded.
    fn default() -> Self {
        let text = "{{title}}{{summary}}\n\n{{failed}}{{running}}{{flagged}}{{reproduce}}{{tips}}{{passed}}{{skipped}}";
        Self::parse(text).expect("it names parts that exist")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_is_checked_before_it_is_used() {
        assert_eq!(
            Template::parse("{{summary}}\n{{ fialed }}"),
            Err(BadTemplate::Unknown { line: 2, name: "fialed".to_owned() })
        );
        assert_eq!(Template::parse("a\n{{summary"), Err(BadTemplate::Open { line: 2 }));
        assert_eq!(Template::parse("{{summary}}"), Err(BadTemplate::Missing("failed")));
        assert_eq!(Template::parse(&"x".repeat(9000)), Err(BadTemplate::TooLong));
        let template = Template::parse("# Ours\n{{ summary }}\n{{ failed }}!").unwrap();
        assert_eq!(template.fill(|part| part), "# Ours\nsummary\nfailed!");
    }
}
