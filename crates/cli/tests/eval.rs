//! `interlock eval`, as a person calls it.

use std::process::{Command, Output};

use serde_json::{Value, json};

fn interlock(directory: &std::path::Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
    command.arg("eval").args(arguments).current_dir(directory);
    command.env_remove("GITHUB_OUTPUT").output().expect("the binary starts")
}

/// Evaluates with contexts and compares the JSON answer and the exit code.
#[track_caller]
fn check(contexts: &Value, expression: &str, expected: &Value, code: i32) {
    let directory = tempfile::tempdir().expect("there is room for a directory");
    std::fs::write(directory.path().join("contexts.json"), contexts.to_string())
        .expect("the directory is ours");
    let arguments = ["--context", "contexts.json", "--format", "json", expression];
    let output = interlock(directory.path(), &arguments);
    let answer: Value =
        serde_json::from_slice(&output.stdout).expect("one JSON value on standard output");
    assert_eq!((&answer, output.status.code()), (expected, Some(code)), "{expression}");
}

#[test]
fn values_come_with_their_kind() {
    let contexts = json!({ "github": { "event": { "labels": [{ "name": "music" }, {}] } } });
    let value = |kind: &str, value: Value| json!({ "kind": kind, "value": value });
    check(&contexts, "github.event.labels.*.name", &value("Array", json!(["music"])), 0);
    check(&contexts, "${{ GitHub.missing }}", &value("Null", Value::Null), 0);
    check(&contexts, "n=${{ 0x10 }}", &value("String", json!("n=16")), 0);
    check(&contexts, "-1.50", &value("Number", json!(-1.5)), 0);
    check(&contexts, "NaN", &value("Number", json!("NaN")), 0);
    check(&contexts, "-Infinity", &value("Number", json!("-Infinity")), 0);
    check(&contexts, "!github", &value("Boolean", json!(false)), 0);
    check(
        &contexts,
        "fromJSON('{\"b\": 1, \"a\": 2}')",
        &value("Object", json!({ "b": 1, "a": 2 })),
        0,
    );
}

#[test]
fn faults_come_with_kind_and_column() {
    let fault = |kind: &str, message: &str, column: usize| json!({ "error": { "kind": kind, "message": message, "column": column } });
    let none = json!({});
    let place = "Unexpected symbol: '@'. Located at position 3 within expression: é @";
    check(
        &none,
        "é @",
        &fault("lexing", "Unexpected symbol: 'é'. Located at position 1 within expression: é @", 1),
        1,
    );
    check(&none, "1 @", &fault("lexing", &place.replace('é', "1"), 3), 1);
    check(
        &none,
        "'é' == env.x",
        &fault(
            "parsing",
            "Unrecognized named-value: 'env'. Located at position 8 within expression: 'é' == env.x",
            8,
        ),
        1,
    );
    check(
        &none,
        "1 && format('{0}')",
        &fault(
            "evaluation",
            "The following format string references more arguments than were supplied: {0}",
            6,
        ),
        1,
    );
}

#[test]
fn people_see_the_value_and_the_place() {
    let directory = tempfile::tempdir().unwrap();
    let output = interlock(directory.path(), &["join(fromJSON('[1, 2]'))"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "\"1,2\"\n");
    let output = interlock(directory.path(), &["1 == github.ref"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("    1 == github.ref\n         ^"), "{text}");
    assert!(text.contains("hint: no context is known"), "{text}");
}

#[test]
fn a_context_file_must_be_an_object() {
    let directory = tempfile::tempdir().unwrap();
    for text in ["[]", "{", "7"] {
        std::fs::write(directory.path().join("contexts.json"), text).unwrap();
        let output = interlock(directory.path(), &["1", "--context", "contexts.json"]);
        assert_eq!(output.status.code(), Some(2), "{text}");
    }
    assert_eq!(interlock(directory.path(), &["1", "--context", "missing"]).status.code(), Some(2));
}

#[test]
fn files_are_hashed_where_the_command_stands() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("lock.txt"), "content").unwrap();
    let output =
        interlock(directory.path(), &["hashFiles('*.txt') != '' && hashFiles('*.none') == ''"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "true\n");
}
