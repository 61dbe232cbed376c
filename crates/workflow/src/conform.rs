//! The check of a tree against the grammar, which turns it into tokens.

mod expression;

use std::collections::HashMap;

use expr::Template;

use crate::{
    diagnostic::{Diagnostic, MOST, NOT_ON_GITHUB},
    schema::{Allowed, Field, Fields, NONE, Presence, Rule, Shape, Variants},
    source::Source,
    span::{Span, Spanned},
    suggest::{did_you_mean, nearest},
    token::Token,
    yaml::{Content, Node, Scalar},
};

/// Reads a tree by the grammar and says what does not conform.
#[derive(Debug)]
pub(crate) struct Conform<'a> {
    source: &'a Source,
    pub(crate) diagnostics: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

impl<'a> Conform<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        Self { source, diagnostics: Vec::new(), errors: 0, warnings: 0 }
    }

    /// Reads a node by a rule; what does not conform becomes nothing.
    pub(crate) fn root(&mut self, node: &Node, rule: &'static Rule) -> Spanned<Token> {
        self.value(node, rule, &NONE)
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        let count = if diagnostic.is_error() { &mut self.errors } else { &mut self.warnings };
        *count += 1;
        if *count <= MOST {
            self.diagnostics.push(diagnostic);
        }
    }

    fn value(
        &mut self,
        node: &Node,
        rule: &'static Rule,
        around: &'static Allowed,
    ) -> Spanned<Token> {
        let allowed = rule.allowed.unwrap_or(around);
        let token = match &node.content {
            Content::Scalar(scalar) => self.scalar(scalar, node.span, rule, allowed),
            Content::Sequence(items) => self.sequence(node, items, rule, allowed),
            Content::Mapping(entries) => self.mapping(node, entries, rule, allowed),
        };
        Spanned::new(token, node.span)
    }

    fn scalar(
        &mut self,
        scalar: &Scalar,
        span: Span,
        rule: &'static Rule,
        allowed: &'static Allowed,
    ) -> Token {
        if rule.shapes.iter().any(|shape| matches!(shape, Shape::Condition)) {
            let text = scalar.to_text();
            self.condition(&text, span, allowed);
            return Token::literal(&text);
        }
        if let Scalar::Text(text) = scalar
            && text.contains("${{")
        {
            return self.template(text, span, allowed, rule.shapes);
        }
        if let Some(token) = exact(scalar, rule.shapes) {
            return token;
        }
        let text = scalar.to_text();
        if rule.shapes.iter().any(|shape| takes_text(shape, &text)) {
            return Token::literal(&text);
        }
        self.report(unexpected_scalar(scalar, span, rule.shapes));
        Token::Null
    }

    fn sequence(
        &mut self,
        node: &Node,
        items: &[Node],
        rule: &'static Rule,
        allowed: &'static Allowed,
    ) -> Token {
        let item_rule = rule.shapes.iter().find_map(|shape| match shape {
            Shape::Sequence(rule) => Some(*rule),
            Shape::Any => Some(rule),
            _ => None,
        });
        let Some(item_rule) = item_rule else {
            self.report(unexpected_node(node, rule.shapes));
            return Token::Null;
        };
        Token::Sequence(items.iter().map(|item| self.value(item, item_rule, allowed)).collect())
    }

    fn mapping(
        &mut self,
        node: &Node,
        entries: &[(Node, Node)],
        rule: &'static Rule,
        allowed: &'static Allowed,
    ) -> Token {
        for shape in rule.shapes {
            match shape {
                Shape::Mapping(fields) => return self.fields(node, entries, fields, allowed),
                Shape::Variants(variants) => {
                    return match self.variant(node, entries, variants) {
                        Some(fields) => {
                            self.other_kinds(entries, fields, variants);
                            self.fields(node, entries, fields, allowed)
                        }
                        None => Token::Null,
                    };
                }
                Shape::Any => {
                    static ANYTHING: Fields =
                        Fields { noun: "a mapping", known: &[], rest: Some(&crate::schema::ANY) };
                    return self.fields(node, entries, &ANYTHING, allowed);
                }
                _ => {}
            }
        }
        self.report(unexpected_node(node, rule.shapes));
        Token::Null
    }

    /// Returns the kind of mapping that one of the keys tells.
    fn variant(
        &mut self,
        node: &Node,
        entries: &[(Node, Node)],
        variants: &'static Variants,
    ) -> Option<&'static Fields> {
        let has = |name: &str| entries.iter().any(|(key, _)| key_text(key) == name);
        let found = variants.kinds.iter().find(|(telling, _)| has(telling));
        if let Some((_, fields)) = found {
            return Some(fields);
        }
        let names = variants.kinds.iter().map(|(telling, _)| *telling);
        for (key, _) in entries {
            let text = key_text(key);
            let is_known = variants.kinds.iter().any(|(_, fields)| fields.get(&text).is_some());
            let meant = nearest(&text, names.clone()).filter(|_| !is_known);
            if let Some((_, fields)) =
                variants.kinds.iter().find(|(telling, _)| Some(*telling) == meant)
            {
                // The key is reported with the others of this kind.
                return Some(fields);
            }
        }
        let names: Vec<&str> = names.collect();
        let message = format!("{} needs one of the keys {}", variants.noun, one_of(&names));
        self.report(Diagnostic::error("missing-key", start_of(node, entries), message));
        None
    }

    /// Reports keys that would make the mapping another kind as well.
    fn other_kinds(
        &mut self,
        entries: &[(Node, Node)],
        fields: &'static Fields,
        variants: &'static Variants,
    ) {
        for (key, _) in entries {
            let text = key_text(key);
            if fields.get(&text).is_some() {
                continue;
            }
            let other = variants.kinds.iter().find(|(_, other)| other.get(&text).is_some());
            if let Some((telling, other)) = other {
                let message = format!("{} has no key '{text}'", fields.noun);
                let mut diagnostic = Diagnostic::error("unknown-key", key.span, message);
                diagnostic.hint = Some(if text == *telling {
                    format!("{} is told by one of these keys; keep one of them", variants.noun)
                } else {
                    format!("'{text}' belongs to {}", other.noun)
                });
                self.report(diagnostic);
            }
        }
    }

    fn fields(
        &mut self,
        node: &Node,
        entries: &[(Node, Node)],
        fields: &'static Fields,
        allowed: &'static Allowed,
    ) -> Token {
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut tokens = Vec::with_capacity(entries.len());
        let mut has_expression_key = false;
        for (key, value) in entries {
            let text = key_text(key);
            if text.contains("${{") {
                has_expression_key = true;
                if let Some(template) = self.expression_key(&text, key.span, allowed) {
                    let rule = fields.rest.unwrap_or(&crate::schema::ANY);
                    let token = self.value(value, rule, allowed);
                    tokens.push((Spanned::new(template, key.span), token));
                }
                continue;
            }
            // GitHub compares keys without regard to case, whatever they are keys of.
            if let Some(first) = seen.insert(text.to_uppercase(), key.span) {
                let message = format!("'{text}' is already defined");
                self.report(
                    Diagnostic::error("duplicate-key", key.span, message)
                        .hinted("keys that differ only in case count as the same; keep one")
                        .related(first, "defined here"),
                );
                continue;
            }
            let rule = match (fields.get(&text), fields.rest) {
                (Some(field), _) if !field.counts() => {
                    let message = format!("{} does not look at '{text}'", fields.noun);
                    self.report(
                        Diagnostic::warning("ignored-key", key.span, message).hinted("remove it"),
                    );
                    continue;
                }
                (Some(field), _) => field.rule,
                (None, Some(_)) if text.is_empty() => {
                    self.report(Diagnostic::error("empty-key", key.span, "a key may not be empty"));
                    continue;
                }
                (None, Some(rest)) => rest,
                (None, None) => {
                    if let Some(meant) = self.unknown_key(&text, key.span, fields) {
                        // What stands under it is checked as if it had been written right.
                        seen.insert(meant.name.to_uppercase(), key.span);
                        self.value(value, meant.rule, allowed);
                    }
                    continue;
                }
            };
            let token = self.value(value, rule, allowed);
            tokens.push((Spanned::new(Template::literal(&text), key.span), token));
        }
        if !has_expression_key {
            self.missing_keys(node, entries, fields, &seen);
        }
        Token::Mapping(tokens)
    }

    /// Reports a key that is not known, and returns the one that was probably meant.
    fn unknown_key(
        &mut self,
        text: &str,
        span: Span,
        fields: &'static Fields,
    ) -> Option<&'static Field> {
        // What is not kept is not worth a suggestion, and a key of another kind of the same
        // mapping was reported with a better hint.
        if self.errors >= MOST || self.diagnostics.iter().any(|diagnostic| diagnostic.span == span)
        {
            return None;
        }
        let names = fields.known.iter().filter(|field| field.counts()).map(|field| field.name);
        let meant = nearest(text, names.clone());
        let message = format!("{} has no key '{text}'", fields.noun);
        let hint = match meant {
            Some(meant) => format!("did you mean '{meant}'?"),
            None => format!("its keys are {}", list(&names.collect::<Vec<_>>())),
        };
        self.report(Diagnostic::error("unknown-key", span, message).hinted(hint));
        meant.and_then(|name| fields.get(name))
    }

    fn missing_keys(
        &mut self,
        node: &Node,
        entries: &[(Node, Node)],
        fields: &'static Fields,
        seen: &HashMap<String, Span>,
    ) {
        for field in fields.known {
            if field.presence == Presence::Optional || seen.contains_key(&field.name.to_uppercase())
            {
                continue;
            }
            let message = format!("{} needs the key '{}'", fields.noun, field.name);
            let span = start_of(node, entries);
            self.report(if field.presence == Presence::Required {
                Diagnostic::error("missing-key", span, message)
            } else {
                Diagnostic::warning(NOT_ON_GITHUB, span, message)
                    .hinted(format!("GitHub refuses it; add '{}'", field.name))
            });
        }
    }
}

/// Returns the first key of a mapping, or all of it where there is none.
fn start_of(node: &Node, entries: &[(Node, Node)]) -> Span {
    entries.first().map_or(node.span, |(key, _)| key.span)
}

fn key_text(key: &Node) -> String {
    match &key.content {
        Content::Scalar(scalar) => scalar.to_text(),
        Content::Sequence(_) | Content::Mapping(_) => String::new(),
    }
}

/// Returns the token of a scalar that has one of the shapes as it stands.
fn exact(scalar: &Scalar, shapes: &[Shape]) -> Option<Token> {
    let has = |wanted: fn(&Shape) -> bool| {
        shapes.iter().any(|shape| wanted(shape) || matches!(shape, Shape::Any))
    };
    match scalar {
        Scalar::Null => has(|shape| matches!(shape, Shape::Null)).then_some(Token::Null),
        Scalar::Bool(truth) => {
            let fits = if *truth {
                has(|shape| matches!(shape, Shape::Bool | Shape::True))
            } else {
                has(|shape| matches!(shape, Shape::Bool))
            };
            fits.then_some(Token::Bool(*truth))
        }
        Scalar::Number(number) => {
            has(|shape| matches!(shape, Shape::Number)).then_some(Token::Number(*number))
        }
        Scalar::Text(text) => has(|_| false).then(|| Token::literal(text)),
    }
}

fn takes_text(shape: &Shape, text: &str) -> bool {
    match shape {
        Shape::Text => true,
        Shape::NonEmpty => !text.is_empty(),
        Shape::Words(words) => words.contains(&text),
        _ => false,
    }
}

fn unexpected_scalar(scalar: &Scalar, span: Span, shapes: &[Shape]) -> Diagnostic {
    let text = scalar.to_text();
    let words: Vec<&str> = shapes
        .iter()
        .flat_map(|shape| if let Shape::Words(words) = shape { *words } else { &[] })
        .copied()
        .collect();
    if !words.is_empty() && !text.is_empty() {
        let hint = did_you_mean(&text, words.iter().copied())
            .unwrap_or_else(|| format!("it may be {}", one_of(&words)));
        let message = format!("'{text}' is not known here");
        return Diagnostic::error("unknown-value", span, message).hinted(hint);
    }
    let message = match scalar {
        Scalar::Text(text) if text.is_empty() => {
            format!("{} was expected, and this is an empty string", expected(shapes))
        }
        Scalar::Null => format!("{} was expected, and there is nothing", expected(shapes)),
        _ => format!("{} was expected, and this is {}", expected(shapes), scalar.noun()),
    };
    let diagnostic = Diagnostic::error("wrong-type", span, message);
    let unquoted = matches!(scalar, Scalar::Text(text) if match Scalar::plain(text) {
        Scalar::Bool(_) => shapes.iter().any(|shape| matches!(shape, Shape::Bool)),
        Scalar::Number(_) => shapes.iter().any(|shape| matches!(shape, Shape::Number)),
        _ => false,
    });
    if unquoted { diagnostic.hinted("remove the quotes") } else { diagnostic }
}

fn unexpected_node(node: &Node, shapes: &[Shape]) -> Diagnostic {
    let message = format!("{} was expected, and this is {}", expected(shapes), node.noun());
    let span = match &node.content {
        Content::Mapping(entries) => start_of(node, entries),
        _ => node.span,
    };
    Diagnostic::error("wrong-type", span, message)
}

/// Says what the shapes are, in words for people.
fn expected(shapes: &[Shape]) -> String {
    let mut nouns: Vec<&str> = Vec::new();
    for shape in shapes {
        let noun = match shape {
            Shape::Null => "nothing",
            Shape::Bool => "true or false",
            Shape::True => "true",
            Shape::Number => "a number",
            Shape::Text | Shape::Condition | Shape::Words(_) => "a string",
            Shape::NonEmpty => "a string that is not empty",
            Shape::Sequence(_) => "a sequence",
            Shape::Mapping(_) | Shape::Variants(_) => "a mapping",
            Shape::Any | Shape::Ignored => "a value",
        };
        if !nouns.contains(&noun) {
            nouns.push(noun);
        }
    }
    // Where something may be there, it says more than that it may be absent.
    if nouns.len() > 1 {
        nouns.retain(|noun| *noun != "nothing");
    }
    join(nouns.into_iter().map(str::to_owned), "or")
}

/// Joins quoted words as in "'a', 'b' and 'c'".
pub(crate) fn list(words: &[&str]) -> String {
    join(words.iter().map(|word| format!("'{word}'")), "and")
}

/// Joins quoted words as in "'a', 'b' or 'c'".
pub(crate) fn one_of(words: &[&str]) -> String {
    join(words.iter().map(|word| format!("'{word}'")), "or")
}

fn join(words: impl Iterator<Item = String>, last: &str) -> String {
    let mut words: Vec<String> = words.collect();
    let end = words.pop().unwrap_or_default();
    if words.is_empty() { end } else { format!("{} {last} {end}", words.join(", ")) }
}
