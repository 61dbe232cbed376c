//! The rendering of a diagnostic: for people with the source line under it, for programs as JSON.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde_json::{Value, json};

use crate::{
    diagnostic::{Diagnostic, Severity},
    source::Source,
    span::Span,
};

/// Places longer than this are drawn up to here, in lines.
const MOST_LINES: usize = 3;

/// Whether a rendering has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// It has none.
    Plain,
    /// It has those of a terminal.
    Colored,
}

impl Diagnostic {
    /// Draws the diagnostic with its place, its source line and its hint.
    pub fn render(&self, source: &Source, paint: Paint) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let (text, line, place) = window(source, self.span);
        let mut group = level.primary_title(self.message.as_str()).id(self.code).element(
            Snippet::source(text)
                .path(source.path.as_str())
                .line_start(line)
                .annotation(AnnotationKind::Primary.span(place)),
        );
        for (span, what) in &self.related {
            let (text, line, place) = window(source, *span);
            group = group.element(
                Snippet::source(text)
                    .path(source.path.as_str())
                    .line_start(line)
                    .annotation(AnnotationKind::Context.span(place).label(what.as_str())),
            );
        }
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
        }
        let renderer = match paint {
            Paint::Plain => Renderer::plain(),
            Paint::Colored => Renderer::styled(),
        };
        renderer.render(&[group])
    }

    /// Returns the diagnostic as an object, with lines and columns counted from 1.
    pub fn to_json(&self, source: &Source) -> Value {
        let (line, column) = source.line_column(self.span.start);
        let (end_line, end_column) = source.line_column(self.span.end);
        let related: Vec<Value> = self
            .related
            .iter()
            .map(|(span, message)| {
                let (line, column) = source.line_column(span.start);
                json!({"line": line, "column": column, "message": message})
            })
            .collect();
        json!({
            "file": source.path,
            "line": line,
            "column": column,
            "end_line": end_line,
            "end_column": end_column,
            "severity": self.severity.as_str(),
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "related": related,
        })
    }
}

/// Returns the lines around a place, the number of the first, and the place in them.
///
/// Only these are drawn from, so that the cost does not grow with the file.
fn window(source: &Source, span: Span) -> (&str, usize, Range<usize>) {
    let text = &*source.text;
    let start = text.floor_char_boundary(span.start);
    let end = text.floor_char_boundary(span.end).max(start);
    let first = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let mut last = first;
    for _ in 0..MOST_LINES {
        last = text[last..].find('\n').map_or(text.len(), |newline| last + newline + 1);
        if last >= end {
            break;
        }
    }
    let lines = text[first..last].trim_end_matches(['\n', '\r']);
    let place = (start - first).min(lines.len())..(end - first).min(lines.len());
    let (line, _) = source.line_column(start);
    (lines, line, place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnostic(text: &str, part: &str) -> (Source, Diagnostic) {
        let start = text.find(part).unwrap();
        let span = Span::new(start, start + part.len());
        let source = Source::new(".github/workflows/ci.yml", text);
        (source, Diagnostic::error("unknown-key", span, "a step has no key 'rnü'"))
    }

    #[test]
    fn carets_stand_under_what_is_meant() {
        let (source, diagnostic) = diagnostic("jobs:\n  é: {rnü: echo}\n", "rnü");
        let text = diagnostic.hinted("did you mean 'run'?").render(&source, Paint::Plain);
        insta::assert_snapshot!(text, @r"
        error[unknown-key]: a step has no key 'rnü'
         --> .github/workflows/ci.yml:2:7
          |
        2 |   é: {rnü: echo}
          |       ^^^
          |
          = hint: did you mean 'run'?
        ");
    }

    #[test]
    fn other_places_are_drawn_with_their_lines() {
        let (source, diagnostic) = diagnostic("a: 1\nb: 2\nc: 3\nA: 4\n", "A");
        let text =
            diagnostic.related(Span::new(0, 1), "defined here").render(&source, Paint::Plain);
        insta::assert_snapshot!(text, @r"
        error[unknown-key]: a step has no key 'rnü'
         --> .github/workflows/ci.yml:4:1
          |
        4 | A: 4
          | ^
          |
         ::: .github/workflows/ci.yml:1:1
          |
        1 | a: 1
          | - defined here
        ");
    }

    #[test]
    fn places_at_the_end_and_beyond_are_drawn() {
        for span in [Span::new(3, 3), Span::new(0, 0), Span::new(90, 99), Span::new(1, 99)] {
            for text in ["", "é", "abc", "a\nb\n\n\n\n", "\n\n\n\n\n\n"] {
                let source = Source::new("a.yml", text);
                let rendered = Diagnostic::error("x", span, "m").render(&source, Paint::Colored);
                assert!(rendered.contains("a.yml"), "{rendered}");
            }
        }
    }

    #[test]
    fn json_counts_from_one() {
        let (source, diagnostic) = diagnostic("jobs:\n  é: {rnü: echo}\n", "rnü");
        assert_eq!(
            diagnostic.to_json(&source),
            json!({
                "file": ".github/workflows/ci.yml", "line": 2, "column": 7, "end_line": 2,
                "end_column": 10, "severity": "error", "code": "unknown-key",
                "message": "a step has no key 'rnü'", "hint": null, "related": []
            })
        );
    }
}
