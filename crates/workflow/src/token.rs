//! The token: a value of a file in which texts may still be expressions.

use expr::{Object, Partial, Reference, Scope, Template, Value};

use crate::span::{Span, Spanned};

/// A value of a file, to be evaluated when its time comes.
#[derive(Clone, Debug)]
pub enum Token {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text with any number of expressions, none included.
    Text(Template),
    /// A list.
    Sequence(Vec<Spanned<Self>>),
    /// Names and values, in order; the key `${{ insert }}` takes in the fields of its value.
    Mapping(Vec<(Spanned<Template>, Spanned<Self>)>),
}

impl Token {
    /// Takes a text as it is.
    pub fn literal(text: &str) -> Self {
        Self::Text(Template::literal(text))
    }

    /// Returns the value.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Value, expr::Error> {
        match self {
            Self::Null => Ok(Value::Null),
            Self::Bool(truth) => Ok(Value::Bool(*truth)),
            Self::Number(number) => Ok(Value::Number(*number)),
            Self::Text(template) => template.evaluate(scope),
            Self::Sequence(items) => {
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    let value = item.evaluate(scope)?;
                    match value.as_array() {
                        // As on GitHub, the items of an expression take its place.
                        Some(inserted) if item.is_expression() => {
                            values.extend(inserted.iter().cloned());
                        }
                        _ => values.push(value),
                    }
                }
                Ok(Value::array(values))
            }
            Self::Mapping(entries) => evaluate_mapping(entries, scope),
        }
    }

    /// Returns the value if it is certain without what the scope does not have.
    pub fn evaluate_partial(&self, scope: &dyn Scope) -> Partial {
        let known = match self {
            Self::Text(template) => return template.evaluate_partial(scope),
            Self::Sequence(items) => {
                items.iter().all(|item| is_known(&item.evaluate_partial(scope)))
            }
            Self::Mapping(entries) => entries.iter().all(|(key, value)| {
                (Template::is_insert(key.source()) || is_known(&key.evaluate_partial(scope)))
                    && is_known(&value.evaluate_partial(scope))
            }),
            Self::Null | Self::Bool(_) | Self::Number(_) => true,
        };
        // Everything below is certain, so that nothing is asked of the scope in vain.
        match self.evaluate(scope) {
            Ok(value) if known => Partial::Known(value),
            _ => Partial::Unknown,
        }
    }

    /// Returns the paths into contexts, in the order they are written.
    ///
    /// Their spans count from the start of the text that each stands in.
    pub fn references(&self) -> Vec<Reference> {
        let texts = self.texts(Span::default());
        texts.into_iter().flat_map(|(template, _)| template.references()).collect()
    }

    /// Returns whether a function is called, whatever the case of its name.
    pub fn calls(&self, function: &str) -> bool {
        self.texts(Span::default()).iter().any(|(template, _)| template.calls(function))
    }

    /// Returns the value of a key that is written out.
    pub fn get(&self, name: &str) -> Option<&Spanned<Self>> {
        self.entries()
            .iter()
            .find(|(key, _)| key.is_literal() && key.source() == name)
            .map(|(_, value)| value)
    }

    /// Returns the entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Spanned<Template>, Spanned<Self>)] {
        match self {
            Self::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// Returns the items of a sequence; none for anything else.
    pub fn items(&self) -> &[Spanned<Self>] {
        match self {
            Self::Sequence(items) => items,
            _ => &[],
        }
    }

    /// Returns the text, if it is one and there is no expression in it.
    pub fn as_literal(&self) -> Option<&str> {
        match self {
            Self::Text(template) if template.is_literal() => Some(template.source()),
            _ => None,
        }
    }

    /// Returns the text, if it is one.
    pub fn as_template(&self) -> Option<&Template> {
        match self {
            Self::Text(template) => Some(template),
            _ => None,
        }
    }

    /// Returns whether it is one expression and nothing around it.
    fn is_expression(&self) -> bool {
        self.as_template().is_some_and(|template| template.as_expression().is_some())
    }

    /// Returns whether there is no expression anywhere in it.
    pub fn is_literal(&self) -> bool {
        self.texts(Span::default()).iter().all(|(template, _)| template.is_literal())
    }

    /// Returns every text in it with its place; `span` is that of the token itself.
    pub fn texts(&self, span: Span) -> Vec<(&Template, Span)> {
        let mut texts = Vec::new();
        self.collect_texts(span, &mut texts);
        texts
    }

    fn collect_texts<'a>(&'a self, span: Span, texts: &mut Vec<(&'a Template, Span)>) {
        match self {
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
            Self::Text(template) => texts.push((template, span)),
            Self::Sequence(items) => {
                for item in items {
                    item.collect_texts(item.span, texts);
                }
            }
            Self::Mapping(entries) => {
                for (key, value) in entries {
                    if !Template::is_insert(key.source()) {
                        texts.push((&key.value, key.span));
                    }
                    value.collect_texts(value.span, texts);
                }
            }
        }
    }
}

fn is_known(partial: &Partial) -> bool {
    matches!(partial, Partial::Known(_))
}

fn evaluate_mapping(
    entries: &[(Spanned<Template>, Spanned<Token>)],
    scope: &dyn Scope,
) -> Result<Value, expr::Error> {
    let mut object = Object::new();
    for (key, value) in entries {
        if Template::is_insert(key.source()) {
            let value = value.evaluate(scope)?;
            let Some(inserted) = value.as_object() else {
                return Err(fault(format!(
                    "Only a mapping can be inserted, and this is {}",
                    value.kind().as_str()
                )));
            };
            for (name, value) in inserted.iter() {
                insert(&mut object, name, value.clone())?;
            }
        } else {
            insert(&mut object, &key.evaluate_text(scope)?, value.evaluate(scope)?)?;
        }
    }
    Ok(object.into())
}

fn insert(object: &mut Object, name: &str, value: Value) -> Result<(), expr::Error> {
    if object.contains(name) {
        return Err(fault(format!("'{name}' is already defined")));
    }
    object.insert(name, value);
    Ok(())
}

fn fault(message: String) -> expr::Error {
    expr::Error { kind: expr::ErrorKind::Evaluation, message, offset: 0 }
}
