//! The forge's answers and our client's requests, held against GitHub's own description of its API.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use github::{Client, CommitState, Http, Settings};
use serde_json::{Value, json};
use testkit::forge::{Faults, Forge, Pull, Run, RunJob, Seen, State};

/// Reads the description, if it is there.
#[expect(clippy::print_stderr, reason = "a test that checks nothing must say so")]
fn description() -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/conformance/openapi/github-19-paths.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("GitHub's description of its API is not here, so nothing is held against it");
        return None;
    };
    let mut description = serde_json::from_str(&text).expect("JSON");
    modernise(&mut description);
    Some(description)
}

/// Writes `nullable` as JSON Schema says it.
fn modernise(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(modernise),
        Value::Object(fields) => {
            fields.values_mut().for_each(modernise);
            if fields.get("nullable") == Some(&json!(true)) {
                fields.remove("nullable");
                let plain = Value::Object(std::mem::take(fields));
                fields.insert("anyOf".to_owned(), json!([plain, { "type": "null" }]));
            }
        }
        _ => {}
    }
}

/// Says whether a path is one of a template.
fn is_of(template: &str, path: &str) -> bool {
    let (parts, given): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    parts.len() == given.len()
        && parts.iter().zip(given).all(|(part, given)| part.starts_with('{') || *part == given)
}

#[track_caller]
fn check(description: &Value, schema: &Value, value: &Value, what: &str) {
    let mut whole = json!({ "components": description["components"] });
    let fields = whole.as_object_mut().expect("an object");
    fields.extend(schema.as_object().expect("a schema").clone());
    let validator = jsonschema::validator_for(&whole).expect("a schema");
    let faults: Vec<String> = validator
        .iter_errors(value)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{what}: {faults:#?}");
}

/// Holds one exchange against the description. Says whether the description knows it.
#[track_caller]
fn hold(description: &Value, seen: &Seen) -> bool {
    let what = format!("{} {}", seen.method, seen.path);
    let paths = description["paths"].as_object().expect("paths");
    let Some((_, operations)) = paths.iter().find(|(path, _)| is_of(path, &seen.path)) else {
        return false;
    };
    let operation = &operations[seen.method.to_lowercase()];
    assert!(operation.is_object(), "GitHub has no {what}");
    let request = &operation["requestBody"]["content"]["application/json"]["schema"];
    if request.is_object() && !seen.body.is_empty() {
        let body = serde_json::from_str(&seen.body).expect("JSON");
        check(description, request, &body, &format!("the request {what}"));
    }
    let answer = &operation["responses"][seen.status.to_string()];
    assert!(answer.is_object(), "{what} is never answered with {}", seen.status);
    let schema = &answer["content"]["application/json"]["schema"];
    if schema.is_object() {
        let body = serde_json::from_str(&seen.answer).expect("JSON");
        check(description, schema, &body, &format!("the answer to {what}"));
    }
    true
}

fn world() -> State {
    let mut state = State::new("octo/tones");
    let (branch, sha) = ("topic".to_owned(), "a".repeat(40));
    state.pulls.push(Pull { number: 7, branch, sha, state: "open", merged: false });
    let job = |id, status: &str, conclusion: Option<&str>| RunJob {
        id,
        name: format!("build ({id})"),
        status: status.to_owned(),
        conclusion: conclusion.map(ToOwned::to_owned),
    };
    state.runs.push(Run {
        id: 5,
        attempt: 1,
        path: ".github/workflows/ci.yml".to_owned(),
        name: "CI".to_owned(),
        event: "push".to_owned(),
        sha: "a".repeat(40),
        status: "in_progress".to_owned(),
        jobs: vec![job(1, "completed", Some("failure")), job(2, "in_progress", None)],
        ..Run::default()
    });
    state.branches.insert("topic".to_owned());
    state
}

#[tokio::test]
async fn requests_and_answers_are_githubs() {
    let Some(description) = description() else { return };
    let forge = Forge::start(world(), Faults::default()).await;
    let http = Http::new(Some("token".to_owned()), Duration::from_secs(5)).expect("a client");
    let repository = "octo/tones".parse().expect("a name");
    let client = Client::new(Arc::new(http), &forge.url(), repository, Settings::default());
    let sha = "a".repeat(40);
    let made = client.create_comment(7, "hello").await.expect("a comment");
    client.update_comment(made.id, "hello again").await.expect("a comment");
    client.comment(made.id).await.expect("a comment");
    client.comments(7).await.expect("comments");
    client.pull(7).await.expect("a pull request");
    client.pulls_of_commit(&sha).await.expect("pull requests");
    client.runs_of(&sha).await.expect("runs");
    client.run(5).await.expect("a run");
    client.jobs_of(5).await.expect("jobs");
    assert!(client.cancel_run(5).await.expect("a run to cancel"));
    let about = ("1 failed", Some("https://github.com/octo/tones"));
    client
        .set_commit_status(&sha, "interlock", CommitState::Failure, about)
        .await
        .expect("a status");
    client.delete_comment(made.id).await.expect("no comment");
    assert!(client.comment(made.id).await.is_err(), "it is gone");
    let seen = forge.with(|state| state.seen.clone());
    let known = seen.iter().filter(|seen| hold(&description, seen)).count();
    assert_eq!(known, seen.len(), "the description knows every request");
}
