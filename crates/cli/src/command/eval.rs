//! `interlock eval`: the value of one expression.

use std::path::{Path, PathBuf};

use clap::Args;
use expr::{ErrorKind, Expression, Names, Scope, Template, Value};
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Session};

/// The functions of a place that `eval` stands in for: a step after which all went well.
const FUNCTIONS: [&str; 5] =
    ["success(0,0)", "failure(0,0)", "always(0,0)", "cancelled(0,0)", "hashFiles(1,255)"];

/// The arguments of `interlock eval`.
#[derive(Debug, Args)]
pub(crate) struct Eval {
    /// The expression, bare or in `${{ }}`; also a text with several `${{ }}` in it.
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    expression: String,
    /// A JSON object, context name to value; only these names are known.
    #[arg(long, value_name = "FILE.json")]
    context: Option<PathBuf>,
}

impl Eval {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let contexts = self.contexts(session)?;
        let names: Vec<String> = contexts
            .as_object()
            .into_iter()
            .flat_map(expr::Object::names)
            .map(str::to_owned)
            .collect();
        let desk = Desk { contexts, directory: &session.directory };
        match evaluate(&self.expression, &Names::new(&names, &FUNCTIONS), &desk) {
            Ok(value) => {
                let answer = json!({ "kind": value.kind().as_str(), "value": value.to_json() });
                session.answer(&answer, &format!("{:#}", value.to_json()))?;
                Ok(Exit::Done)
            }
            Err(error) => self.fail(session, &error, &names),
        }
    }

    /// Reads the contexts, none without a file.
    fn contexts(&self, session: &Session) -> Result<Value, Failure> {
        let Some(path) = &self.context else { return Ok(Value::object::<String, Value>([])) };
        let path = session.directory.join(path);
        let fault = |why: String| {
            Failure::new(Exit::Usage, format!("cannot read {}: {why}", path.display()))
                .hinted("--context takes a JSON object, context name to value")
        };
        let text = std::fs::read(&path).map_err(|error| fault(error.to_string()))?;
        let json: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| fault(error.to_string()))?;
        if json.is_object() {
            Ok(Value::from_json(&json))
        } else {
            Err(fault("it is no object".to_owned()))
        }
    }

    /// Says what is wrong and where.
    fn fail(
        &self,
        session: &Session,
        error: &expr::Error,
        names: &[String],
    ) -> Result<Exit, Failure> {
        let column = self.column(error.offset);
        if session.format == Format::Json {
            let message = self.as_github_says(error, column);
            let kind = error.kind.as_str();
            let answer = json!({ "error": { "kind": kind, "message": message, "column": column } });
            session.answer(&answer, "")?;
            return Ok(Exit::Failed);
        }
        let message = format!(
            "{} ({} error at column {column}){}",
            error.message,
            error.kind.as_str(),
            self.pointed_at(column)
        );
        let failure = Failure::new(Exit::Failed, message);
        Err(match names {
            _ if !error.message.starts_with("Unrecognized named-value") => failure,
            [] => failure.hinted("no context is known; --context FILE.json makes some known"),
            names => failure.hinted(format!("the contexts known here are: {}", names.join(", "))),
        })
    }

    fn column(&self, offset: usize) -> usize {
        self.expression.char_indices().take_while(|(place, _)| *place < offset).count() + 1
    }

    /// Returns the sentence with the place that GitHub puts into it.
    fn as_github_says(&self, error: &expr::Error, column: usize) -> String {
        match error.kind {
            ErrorKind::Lexing | ErrorKind::Parsing => format!(
                "{}. Located at position {column} within expression: {}",
                error.message, self.expression
            ),
            ErrorKind::Evaluation => error.message.clone(),
        }
    }

    /// Returns the expression with a mark under the place, if it fits on a line.
    fn pointed_at(&self, column: usize) -> String {
        const LINE: usize = 100;
        let text = &self.expression;
        if text.chars().count() > LINE || text.chars().any(char::is_control) {
            return String::new();
        }
        format!("\n    {text}\n    {}^", " ".repeat(column - 1))
    }
}

/// What GitHub gives an expression that is evaluated by itself.
const MEMORY: usize = 1024 * 1024;

/// Evaluates a bare expression, or a text with `${{ }}`.
fn evaluate(text: &str, names: &Names, scope: &dyn Scope) -> Result<Value, expr::Error> {
    match Expression::parse(text, names) {
        Ok(expression) => expression.evaluate_within(scope, MEMORY),
        // Outside of a text of its own, `${{` is nothing that an expression can have.
        Err(error) if error.kind == ErrorKind::Lexing && text.contains("${{") => {
            let skipped = text.len() - text.trim_start().len();
            evaluate_template(text.trim(), names, scope)
                .map_err(|error| expr::Error { offset: error.offset + skipped, ..error })
        }
        Err(error) => Err(error),
    }
}

fn evaluate_template(text: &str, names: &Names, scope: &dyn Scope) -> Result<Value, expr::Error> {
    let template = Template::parse(text, names)?;
    match template.as_expression() {
        Some(expression) => expression.evaluate_within(scope, MEMORY),
        None => template.evaluate(scope),
    }
}

/// What names mean at a desk, outside of any job.
struct Desk<'a> {
    contexts: Value,
    directory: &'a Path,
}

impl Scope for Desk<'_> {
    fn context(&self, name: &str) -> Option<Value> {
        self.contexts.get(name).cloned()
    }

    fn call(&self, function: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        match function {
            "success" | "always" => Some(Ok(true.into())),
            "failure" | "cancelled" => Some(Ok(false.into())),
            "hashfiles" => Some(hash_files(self.directory, arguments)),
            _ => None,
        }
    }
}

/// Hashes files as a step would, an option first if there is one.
fn hash_files(directory: &Path, arguments: &[Value]) -> Result<Value, String> {
    let texts: Vec<String> = arguments.iter().map(Value::to_text).collect();
    let mut patterns: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut links = workdir::Links::Keep;
    if patterns.first().is_some_and(|first| first.starts_with("--")) {
        let option = patterns.remove(0);
        if !option.eq_ignore_ascii_case("--follow-symbolic-links") {
            return Err(format!(
                "Invalid glob option {option}, available option: '--follow-symbolic-links'."
            ));
        }
        links = workdir::Links::Follow;
    }
    workdir::hash_files(directory, &patterns, links)
        .map(Value::from)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: serde_json::Value) {
        let contexts = Value::object([("a", Value::from(1)), ("b", "x".into())]);
        let desk = Desk { contexts, directory: Path::new("/nowhere") };
        let found = evaluate(text, &Names::new(&["a", "b"], &FUNCTIONS), &desk);
        let found = match found {
            Ok(value) => value.to_json(),
            Err(error) => format!("{} @{}", error.message, error.offset).into(),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn bare_wrapped_and_mixed_expressions_are_read() {
        check("a", json!(1));
        check("${{ a }}", json!(1));
        check("  ${{ a }}\n", json!(1));
        check("${{ a }}-${{ b }}", json!("1-x"));
        check("v${{ a }}", json!("v1"));
        check("'${{ a }}'", json!("${{ a }}"));
        check("", json!(null));
    }

    #[test]
    fn faults_are_placed_in_what_was_typed() {
        check("a + b", json!("Unexpected symbol: '+' @2"));
        check(" ${{ nope }}", json!("Unrecognized named-value: 'nope' @5"));
        check(
            "${{ a",
            json!(
                "The expression is not closed. An unescaped ${{ sequence was found, but the closing }} sequence was not found. @0"
            ),
        );
    }

    #[test]
    fn all_went_well_so_far() {
        check("success() && always() && !failure() && !cancelled()", json!(true));
    }

    #[test]
    fn hash_files_takes_one_option() {
        check(
            "hashFiles('--fast', 'x')",
            json!("Invalid glob option --fast, available option: '--follow-symbolic-links'. @0"),
        );
    }
}
