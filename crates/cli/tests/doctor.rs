//! `interlock doctor`, as a person calls it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use testkit::servers::{S3, bare_repository};

fn doctor(state: &Path, arguments: &[&str], variables: &[(String, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
    command.arg("doctor").args(arguments).current_dir(state).env("INTERLOCK_STATE_DIR", state);
    for name in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS", "INTERLOCK_STORE"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().cloned()).output().expect("the binary starts")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON value on standard output")
}

#[test]
fn embedded_store_and_a_repository_are_safe() {
    let state = tempfile::tempdir().expect("a directory");
    let repository = bare_repository();
    let git = format!("git+file://{}/repository.git", repository.path().display());
    for arguments in [&["--format", "json"][..], &["--store", &git, "--format", "json"]] {
        let output = doctor(state.path(), arguments, &[]);
        let answer = json(&output);
        assert_eq!(output.status.code(), Some(0), "{answer:#}");
        assert_eq!(answer["safe"], true);
        let checks = answer["checks"].as_array().expect("checks");
        assert!(checks.len() == 9 && checks[..8].iter().all(|check| check["outcome"] == "passed"));
        assert_eq!(checks[8]["outcome"], "absent", "neither shows the time of day");
        assert_eq!(answer["latency"].as_array().expect("latencies").len(), 3);
    }
}

#[test]
fn store_that_is_not_shared_is_not_safe() {
    let state = tempfile::tempdir().expect("a directory");
    let output = doctor(state.path(), &["--store", "memory:"], &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("FAILED") && text.contains("NOT safe"), "{text}");
    assert!(text.contains("use a store that all of them reach"), "{text}");
}

#[test]
fn store_that_cannot_be_reached_is_said_to_be_unavailable() {
    let state = tempfile::tempdir().expect("a directory");
    let gone = "git+file:///nowhere/repository.git";
    let output = doctor(state.path(), &["--store", gone, "--format", "json"], &[]);
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(json(&output)["safe"], false);
    let output = doctor(state.path(), &["--store", "ftp://x"], &[]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("s3://BUCKET/PREFIX"), "{text}");
}

#[tokio::test]
async fn bucket_is_safe_with_the_clock_of_its_server() {
    let Some(server) = S3::start().await else { return };
    let state = tempfile::tempdir().expect("a directory");
    let url = format!("s3://{}/ci", S3::BUCKET);
    let variables: Vec<_> = S3::variables(server.port()).into_iter().collect();
    let output = doctor(state.path(), &["--store", &url, "--format", "json"], &variables);
    let answer = json(&output);
    assert_eq!(output.status.code(), Some(0), "{answer:#}");
    let behind = answer["clock_behind_seconds"].as_f64().expect("a clock");
    assert!(behind.abs() < 30.0, "{behind}");
}
