//! The reading of files: from a text to a model, with everything that is wrong on the way.

mod action;
mod job;
mod step;
mod trigger;

use expr::Condition;
use indexmap::IndexMap;

use crate::{
    action::Action,
    conform::Conform,
    diagnostic::{Diagnostic, MOST, Reading},
    model::Workflow,
    rules,
    schema::{ACTION, Allowed, Rule, WORKFLOW},
    source::Source,
    span::{Span, Spanned},
    token::Token,
    yaml,
};

/// Reads a workflow.
pub fn read(source: Source) -> Reading<Workflow> {
    let (root, mut diagnostics) = match conform(&source, &WORKFLOW) {
        Ok(conformed) => conformed,
        Err(diagnostic) => return Reading { value: None, diagnostics: vec![diagnostic] },
    };
    if let Some(jobs) = root.get("jobs").filter(|jobs| is_empty(jobs)) {
        let message = "there are no jobs";
        diagnostics.push(Diagnostic::error("no-jobs", jobs.span, message));
    }
    let workflow = workflow(source, &root);
    diagnostics.extend(rules::check(&workflow));
    finish(workflow, diagnostics)
}

/// Reads an `action.yml`.
pub fn read_action(source: Source) -> Reading<Action> {
    let (root, mut diagnostics) = match conform(&source, &ACTION) {
        Ok(conformed) => conformed,
        Err(diagnostic) => return Reading { value: None, diagnostics: vec![diagnostic] },
    };
    let action = action::action(source, &root);
    diagnostics.extend(rules::check_action(&action));
    finish(action, diagnostics)
}

fn conform(
    source: &Source,
    rule: &'static Rule,
) -> Result<(Spanned<Token>, Vec<Diagnostic>), Diagnostic> {
    let node = yaml::parse(source)?;
    let mut conform = Conform::new(source);
    let root = conform.root(&node, rule);
    Ok((root, conform.diagnostics))
}

fn finish<T>(value: T, mut diagnostics: Vec<Diagnostic>) -> Reading<T> {
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
    let is_whole = !diagnostics.iter().any(Diagnostic::is_error);
    let (mut errors, mut warnings) = (0, 0);
    diagnostics.retain(|diagnostic| {
        let count = if diagnostic.is_error() { &mut errors } else { &mut warnings };
        *count += 1;
        *count <= MOST
    });
    Reading { value: is_whole.then_some(value), diagnostics }
}

fn workflow(source: Source, root: &Token) -> Workflow {
    let jobs = entries(root.get("jobs")).map(|(id, value)| (id.value.clone(), job::job(id, value)));
    Workflow {
        source,
        name: text(root, "name"),
        run_name: token(root, "run-name"),
        on: root.get("on").map(trigger::triggers).unwrap_or_default(),
        env: token(root, "env"),
        defaults: token(root, "defaults"),
        concurrency: token(root, "concurrency"),
        permissions: token(root, "permissions"),
        jobs: jobs.collect::<IndexMap<_, _>>(),
    }
}

fn is_empty(mapping: &Token) -> bool {
    matches!(mapping, Token::Mapping(entries) if entries.is_empty())
}

/// Returns the value of a key.
fn token(mapping: &Token, key: &str) -> Option<Spanned<Token>> {
    mapping.get(key).cloned()
}

/// Returns the value of a key that is a text without expressions.
fn text(mapping: &Token, key: &str) -> Option<Spanned<String>> {
    mapping.get(key).and_then(written)
}

/// Returns a text without expressions.
fn written(token: &Spanned<Token>) -> Option<Spanned<String>> {
    token.as_literal().map(|text| Spanned::new(text.to_owned(), token.span))
}

/// Returns the value of a key that is one text or several.
fn texts(mapping: &Token, key: &str) -> Option<Vec<Spanned<String>>> {
    let value = mapping.get(key)?;
    Some(match written(value) {
        Some(text) => vec![text],
        None => value.items().iter().filter_map(written).collect(),
    })
}

/// Returns whether the value of a key is `true`.
fn flag(mapping: &Token, key: &str) -> bool {
    matches!(mapping.get(key).map(|value| &value.value), Some(Token::Bool(true)))
}

/// Returns the keys that are written out, with their values.
fn entries(
    mapping: Option<&Spanned<Token>>,
) -> impl Iterator<Item = (Spanned<String>, &Spanned<Token>)> {
    mapping
        .map_or(&[][..], |mapping| mapping.entries())
        .iter()
        .map(|(key, value)| (Spanned::new(key.source().to_owned(), key.span), value))
}

/// Returns the condition of a key; what cannot be read was reported when it was checked.
fn condition(mapping: &Token, key: &str, allowed: &Allowed) -> Option<Spanned<Condition>> {
    let value = mapping.get(key)?;
    let condition = Condition::parse(value.as_literal()?, allowed.names()).ok()?;
    Some(Spanned::new(condition, value.span))
}

/// Returns the place from the first key of a mapping to the last value.
fn whole(value: &Spanned<Token>) -> Span {
    match (value.entries().first(), value.entries().last()) {
        (Some((first, _)), Some((_, last))) => first.span.to(last.span),
        _ => value.span,
    }
}
