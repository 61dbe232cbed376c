//! The expressions in a file: whether they can be read, and use only what their key may use.

use expr::{Condition, ErrorKind, Template};

use crate::{
    conform::{Conform, list},
    diagnostic::{Diagnostic, NOT_ON_GITHUB},
    schema::{Allowed, EVERYTHING, FUNCTIONS, Shape},
    span::Span,
    suggest::did_you_mean,
    token::Token,
    yaml::locate,
};

impl Conform<'_> {
    /// Checks the text of an `if`.
    pub(super) fn condition(&mut self, text: &str, span: Span, allowed: &'static Allowed) {
        match Condition::parse(text, allowed.names()) {
            Ok(condition) if condition.is_text() => {
                let message = "text around '${{ }}' makes this a string, which is always true";
                let diagnostic = Diagnostic::warning("always-true", span, message);
                self.report(diagnostic.hinted("put the whole condition inside '${{ }}'"));
            }
            Ok(_) => {}
            Err(error) => {
                let elsewhere = Condition::parse(text, EVERYTHING.names());
                let references = elsewhere.map(|condition| condition.references());
                self.expression_fault(text, span, &error, (allowed, references.ok()));
            }
        }
    }

    /// Reads a text with expressions.
    pub(super) fn template(
        &mut self,
        text: &str,
        span: Span,
        allowed: &'static Allowed,
        shapes: &[Shape],
    ) -> Token {
        match self.parse(text, span, allowed) {
            None => Token::Null,
            Some(template) => {
                let takes_text = shapes.iter().any(|shape| {
                    matches!(shape, Shape::Text | Shape::NonEmpty | Shape::Words(_) | Shape::Any)
                });
                if template.as_expression().is_none() && !takes_text {
                    let message = format!(
                        "{} was expected, and text around '${{{{ }}}}' makes this a string",
                        super::expected(shapes)
                    );
                    let diagnostic = Diagnostic::error("wrong-type", span, message);
                    self.report(diagnostic.hinted("use one '${{ }}' with nothing around it"));
                }
                Token::Text(template)
            }
        }
    }

    /// Reads a key with expressions, or `${{ insert }}`.
    pub(super) fn expression_key(
        &mut self,
        text: &str,
        span: Span,
        allowed: &'static Allowed,
    ) -> Option<Template> {
        if Template::is_insert(text) && !allowed.contexts.is_empty() {
            return Some(Template::literal(text));
        }
        self.parse(text, span, allowed)
    }

    fn parse(&mut self, text: &str, span: Span, allowed: &'static Allowed) -> Option<Template> {
        if allowed.contexts.is_empty() {
            let span = self.first_expression(text, span);
            let message = "an expression is not evaluated here";
            let diagnostic = Diagnostic::error("expression-not-allowed", span, message);
            self.report(diagnostic.hinted("write the value out"));
            return None;
        }
        match Template::parse(text, allowed.names()) {
            Ok(template) => {
                if allowed.beyond && !template.is_literal() {
                    let span = self.first_expression(text, span);
                    let message = "GitHub does not evaluate an expression here";
                    let diagnostic = Diagnostic::warning(NOT_ON_GITHUB, span, message);
                    self.report(diagnostic.hinted("put it into 'defaults.run' of the job"));
                }
                Some(template)
            }
            Err(error) => {
                let elsewhere = Template::parse(text, EVERYTHING.names());
                let references = elsewhere.map(|template| template.references());
                self.expression_fault(text, span, &error, (allowed, references.ok()));
                None
            }
        }
    }

    fn first_expression(&self, text: &str, span: Span) -> Span {
        let start = text.find("${{").unwrap_or(0);
        let end = text[start..].find("}}").map_or(text.len(), |end| start + end + 2);
        locate(&self.source.text, span, text, start..end)
    }

    /// Reports an expression that cannot be read.
    ///
    /// `elsewhere` has its references where it could be read with every context,
    /// so that only the key is at fault.
    fn expression_fault(
        &mut self,
        text: &str,
        span: Span,
        error: &expr::Error,
        (allowed, elsewhere): (&'static Allowed, Option<Vec<expr::Reference>>),
    ) {
        let word = word_at(text, error.offset);
        let place = locate(&self.source.text, span, text, error.offset..error.offset + word.len());
        let Some(references) = elsewhere else {
            let mut diagnostic = Diagnostic::error("expression", place, error.message.clone());
            diagnostic.hint = hint(word, error, allowed);
            return self.report(diagnostic);
        };
        let is_context = references.iter().any(|reference| {
            reference.path.first().is_some_and(|name| name.eq_ignore_ascii_case(word))
        });
        let (code, kind) = if is_context {
            ("context-not-allowed", "context")
        } else {
            ("function-not-allowed", "function")
        };
        let message = format!("the {kind} '{word}' may not be used here");
        let hint = if is_context {
            format!("this key may use {}", list(allowed.contexts))
        } else if allowed.functions.is_empty() {
            "this key has no functions of its own".to_owned()
        } else {
            format!("this key may use {}", list(&bare(allowed.functions)))
        };
        self.report(Diagnostic::error(code, place, message).hinted(hint));
    }
}

/// Returns the word that starts at an offset, or the one character there.
fn word_at(text: &str, offset: usize) -> &str {
    let rest = text.get(offset..).unwrap_or_default();
    let length = rest
        .find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'))
        .unwrap_or(rest.len());
    let length = if length == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { length };
    &rest[..length]
}

fn hint(word: &str, error: &expr::Error, allowed: &'static Allowed) -> Option<String> {
    match error.kind {
        ErrorKind::Lexing if word == "\"" => Some("strings have single quotes".to_owned()),
        ErrorKind::Parsing if error.message.starts_with("Unrecognized") => {
            let known = allowed.contexts.iter().copied();
            let known = known.chain(bare(allowed.functions)).chain(FUNCTIONS);
            did_you_mean(word, known)
        }
        _ => None,
    }
}

/// Returns the names of functions without their numbers of arguments.
fn bare(functions: &[&'static str]) -> Vec<&'static str> {
    functions
        .iter()
        .map(|function| function.split_once('(').map_or(*function, |(name, _)| name))
        .collect()
}
