//! The building of the tree from the events of the parser.

use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use crate::{
    diagnostic::Diagnostic,
    span::Span,
    yaml::{
        Content, MAX_DEPTH, Node,
        anchor::{Anchors, scalar_cost, too_deep},
        extent::quoted_length,
        scalar::Scalar,
    },
};

/// Builds the tree of the one document in a text.
pub(crate) fn build(text: &str) -> Result<Node, Diagnostic> {
    let mut builder = Builder::new(text);
    let mut parser = Parser::new_from_str(builder.body);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| builder.syntax(&error))?;
        let span = builder.span(&span);
        builder.event(event, span)?;
    }
    builder.root.ok_or_else(|| {
        Diagnostic::error("yaml-empty", Span::new(0, 0), "the file has nothing in it")
    })
}

struct Builder<'a> {
    text: &'a str,
    /// The text without its byte order mark.
    body: &'a str,
    /// The byte offset in `text` of each character of `body`; absent where all are single bytes.
    offsets: Option<Vec<usize>>,
    anchors: Anchors,
    open: Vec<Open>,
    documents: usize,
    root: Option<Node>,
}

/// A collection that has not ended.
struct Open {
    span: Span,
    anchor: usize,
    kind: Kind,
    is_flow: bool,
}

enum Kind {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<(Node, Node)>, key: Option<Node> },
}

impl<'a> Builder<'a> {
    fn new(text: &'a str) -> Self {
        let body = text.strip_prefix('\u{feff}').unwrap_or(text);
        let base = text.len() - body.len();
        let offsets = (!body.is_ascii() || base > 0).then(|| {
            body.char_indices().map(|(offset, _)| base + offset).chain([text.len()]).collect()
        });
        Self {
            text,
            body,
            offsets,
            anchors: Anchors::default(),
            open: Vec::new(),
            documents: 0,
            root: None,
        }
    }

    /// Turns the parser's place, counted in characters, into bytes.
    fn offset(&self, index: usize) -> usize {
        match &self.offsets {
            None => index.min(self.text.len()),
            Some(offsets) => offsets.get(index).copied().unwrap_or(self.text.len()),
        }
    }

    fn span(&self, span: &saphyr_parser::Span) -> Span {
        let start = self.offset(span.start.index());
        Span::new(start, self.offset(span.end.index()).max(start))
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a second document starts here, and a file may have one";
                    return Err(Diagnostic::error("yaml-documents", span, message)
                        .hinted("remove the line '---', or move what follows into another file"));
                }
            }
            Event::Scalar(value, style, anchor, tag) => {
                let tag = tag.as_deref();
                let (span, value) = (self.trimmed(span, style), value.as_ref());
                self.anchors.count(scalar_cost(value), span)?;
                let scalar = read_scalar(value, style, tag, span)?;
                let node = Node { span, content: Content::Scalar(scalar) };
                self.anchors.keep(anchor, &node);
                self.add(node)?;
            }
            Event::Alias(anchor) => {
                let depth = self.open.len();
                let node = self.anchors.alias(anchor, span, depth)?;
                self.add(node)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.start(span, anchor, (tag.as_deref(), "seq"), Kind::Sequence(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                let kind = Kind::Mapping { entries: Vec::new(), key: None };
                self.start(span, anchor, (tag.as_deref(), "map"), kind)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span)?,
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Nothing => {}
        }
        Ok(())
    }

    fn start(
        &mut self,
        span: Span,
        anchor: usize,
        (tag, expected): (Option<&Tag>, &str),
        kind: Kind,
    ) -> Result<(), Diagnostic> {
        if let Some(tag) = tag.filter(|tag| !(tag.is_yaml_core_schema() && tag.suffix == expected))
        {
            return Err(unexpected_tag(tag, span));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(span));
        }
        self.anchors.count(1, span)?;
        let start = self.after_properties(span);
        let is_flow = self.text[start..].starts_with(['[', '{']);
        self.open.push(Open { span: Span::new(start, start), anchor, kind, is_flow });
        Ok(())
    }

    fn end(&mut self, end: Span) -> Result<(), Diagnostic> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let (content, inside) = match open.kind {
            Kind::Sequence(items) => {
                let inside = items.first().zip(items.last()).map(|(a, b)| a.span.to(b.span));
                (Content::Sequence(Arc::new(items)), inside)
            }
            Kind::Mapping { entries, .. } => {
                let inside =
                    entries.first().zip(entries.last()).map(|(a, b)| a.0.span.to(b.1.span));
                (Content::Mapping(Arc::new(entries)), inside)
            }
        };
        let span = match inside {
            _ if open.is_flow => Span::new(open.span.start, end.end.max(open.span.start)),
            Some(inside) => inside,
            None => open.span,
        };
        let node = Node { span, content };
        self.anchors.keep(open.anchor, &node);
        self.add(node)
    }

    fn add(&mut self, node: Node) -> Result<(), Diagnostic> {
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some(node),
            Some(Kind::Sequence(items)) => items.push(node),
            Some(Kind::Mapping { entries, key }) => {
                if let Some(key) = key.take() {
                    entries.push((key, node));
                } else {
                    check_key(&node, self.text)?;
                    *key = Some(node);
                }
            }
        }
        Ok(())
    }

    /// Returns the place of a scalar without its anchor, its tag and what runs on after it.
    fn trimmed(&self, span: Span, style: ScalarStyle) -> Span {
        let raw = &self.text[span.start..span.end];
        match style {
            ScalarStyle::Literal | ScalarStyle::Folded => {
                Span::new(span.start, span.start + raw.trim_end().len())
            }
            ScalarStyle::Plain => {
                let start = self.after_properties(span);
                // An empty scalar has no text of its own, though its span may have.
                let end = if start > span.end { start } else { span.end };
                let text = self.text[start..end].trim_end();
                let is_closing = text.starts_with(['}', ']', ',']);
                Span::new(start, if is_closing { start } else { start + text.len() })
            }
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                let start = self.after_properties(span);
                let length = quoted_length(&self.text[start..span.end.max(start)]);
                Span::new(start, length.map_or(span.end, |length| start + length))
            }
        }
    }

    /// Returns where a node starts after its anchor and its tag.
    fn after_properties(&self, span: Span) -> usize {
        let raw = &self.text[span.start..span.end];
        let mut rest = raw;
        while rest.starts_with(['&', '!']) {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            rest = rest[end..].trim_start();
        }
        span.start + (raw.len() - rest.len())
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let start = self.offset(error.marker().index());
        let line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let indent = line.len() - line.trim_start().len();
        let next = self.text[start..].chars().next().map_or(0, char::len_utf8);
        let diagnostic = Diagnostic::error(
            "yaml-syntax",
            Span::new(start, start + next),
            format!("this is not YAML: {}", error.info()),
        );
        if line[..indent].contains('\t') {
            diagnostic.hinted("YAML is indented with spaces, and this line starts with a tab")
        } else if line.contains("${{") {
            diagnostic.hinted("put the text with '${{ }}' in quotes")
        } else {
            diagnostic
        }
    }
}

fn read_scalar(
    value: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    span: Span,
) -> Result<Scalar, Diagnostic> {
    match tag {
        // A bare `!` says that this is not to be guessed.
        Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => {
            Ok(Scalar::Text(value.to_owned()))
        }
        Some(tag) => tag
            .is_yaml_core_schema()
            .then(|| Scalar::tagged(&tag.suffix, value))
            .flatten()
            .ok_or_else(|| unexpected_tag(tag, span)),
        None if style == ScalarStyle::Plain => Ok(Scalar::plain(value)),
        None => Ok(Scalar::Text(value.to_owned())),
    }
}

fn unexpected_tag(tag: &Tag, span: Span) -> Diagnostic {
    let name =
        if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix) } else { tag.to_string() };
    let message = format!("the tag '{name}' does not fit what it stands before");
    Diagnostic::error("yaml-tag", span, message).hinted("remove the tag")
}

fn check_key(key: &Node, text: &str) -> Result<(), Diagnostic> {
    let Content::Scalar(scalar) = &key.content else {
        let message = format!("a key must be a string, and this is {}", key.noun());
        return Err(Diagnostic::error("yaml-key", key.span, message));
    };
    let is_plain = text.get(key.span.start..key.span.end) == Some("<<");
    if is_plain && *scalar == Scalar::Text("<<".into()) {
        let message = "merge keys are not part of YAML 1.2, and GitHub does not apply them";
        return Err(Diagnostic::error("yaml-merge-key", key.span, message)
            .hinted("give the whole mapping an anchor and use its alias, or write the keys out"));
    }
    Ok(())
}
