//! `interlock guard`, as a workflow calls it.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn command(state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
    command.arg("guard").args(arguments).current_dir(state).env("INTERLOCK_STATE_DIR", state);
    for name in [
        "GITHUB_OUTPUT",
        "GITHUB_STEP_SUMMARY",
        "GITHUB_ACTIONS",
        "GITHUB_EVENT_PATH",
        "GITHUB_REPOSITORY",
        "GITHUB_RUN_ID",
        "INTERLOCK_STORE",
        "RUNNER_TEMP",
        "GITLAB_CI",
        "JENKINS_URL",
    ] {
        command.env_remove(name);
    }
    command
}

fn guard(state: &Path, arguments: &[&str]) -> Output {
    command(state, arguments).output().expect("the binary starts")
}

fn ask(state: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = guard(state, &[arguments, &["--format", "json"]].concat());
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), answer)
}

#[track_caller]
fn check(state: &Path, arguments: &[&str], code: i32, outcome: &str) -> Value {
    let (exit, answer) = ask(state, arguments);
    assert_eq!((exit, answer["outcome"].as_str()), (Some(code), Some(outcome)), "{answer:#}");
    answer
}

#[test]
fn a_piece_of_work_goes_its_way() {
    let state = tempfile::tempdir().expect("a directory");
    let state = state.path();
    let won = check(state, &["issue-1", "--digest", "a"], 0, "won");
    assert_eq!((&won["fence"], &won["should_run"]), (&1.into(), &true.into()));
    check(state, &["issue-1", "--digest", "a"], 3, "lost");
    check(state, &["issue-2", "--digest", "a"], 0, "won");
    check(state, &["renew", "issue-1"], 0, "renewed");
    check(state, &["done", "issue-1", "--result", "https://x/1"], 0, "done");
    let replay = check(state, &["issue-1", "--digest", "a"], 3, "replay");
    assert_eq!((&replay["result"], &replay["should_run"]), (&"https://x/1".into(), &false.into()));
    check(state, &["issue-1", "--digest", "b", "--on-changed", "stop"], 3, "changed");
    check(state, &["issue-1", "--digest", "b"], 0, "won");
    check(state, &["failed", "issue-1"], 0, "failed");
    let again = check(state, &["issue-1", "--digest", "b"], 0, "won");
    assert_eq!((&again["fence"], &again["failures"]), (&3.into(), &1.into()));
    check(state, &["done", "issue-1", "--fence", "2"], 3, "stale");
    check(state, &["forget", "issue-1", "--fence", "3"], 0, "forgotten");
    check(state, &["issue-1", "--digest", "a"], 0, "won");
    let (_, shown) = ask(state, &["show", "issue-1"]);
    assert_eq!((&shown["state"], &shown["live"]["fence"]), (&"live".into(), &4.into()));
}

#[test]
fn closing_without_a_proof_is_refused() {
    let state = tempfile::tempdir().expect("a directory");
    let output = guard(state.path(), &["done", "issue-1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--fence"));
}

#[test]
fn equal_fields_of_the_event_are_equal_work() {
    let state = tempfile::tempdir().expect("a directory");
    let state = state.path();
    std::fs::write(
        state.join("a.json"),
        r#"{"action": "opened", "issue": {"title": "t", "n": 1}}"#,
    )
    .unwrap();
    std::fs::write(
        state.join("b.json"),
        r#"{"issue": {"n": 2, "title": "t"}, "action": "labeled"}"#,
    )
    .unwrap();
    let fields = ["--payload-fields", "issue.title,issue.body"];
    let with = |file: &'static str| [&["k", "--payload", file][..], &fields].concat();
    check(state, &with("a.json"), 0, "won");
    check(state, &with("b.json"), 3, "lost");
    std::fs::write(state.join("b.json"), r#"{"issue": {"title": "u"}}"#).unwrap();
    check(state, &with("b.json"), 0, "won");
    let torn = guard(state, &["k", "--payload", "nowhere.json", "--payload-fields", "x"]);
    assert_eq!(torn.status.code(), Some(6), "what the work is cannot be said");
}

#[test]
fn the_content_of_files_is_what_the_work_is() {
    let state = tempfile::tempdir().expect("a directory");
    let state = state.path();
    std::fs::write(state.join("prompt"), "a").unwrap();
    check(state, &["k", "--digest-of", "prompt"], 0, "won");
    check(state, &["k", "--digest-of", "prompt"], 3, "lost");
    std::fs::write(state.join("prompt"), "b").unwrap();
    check(state, &["k", "--digest-of", "prompt"], 0, "won");
}

#[test]
fn exactly_one_of_many_callers_wins() {
    let repository = testkit::servers::bare_repository();
    let git = format!("git+file://{}/repository.git", repository.path().display());
    for store in [&[][..], &["--store", &git]] {
        let state = tempfile::tempdir().expect("a directory");
        let arguments = [&["issue-1", "--digest", "a", "--format", "json"], store].concat();
        let call = || command(state.path(), &arguments).stdout(Stdio::piped()).spawn();
        let calls: Vec<_> = (0..50).map(|_| call().expect("it starts")).collect();
        let codes: Vec<_> =
            calls.into_iter().map(|call| call.wait_with_output().unwrap().status.code()).collect();
        assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
        assert_eq!(codes.iter().filter(|code| **code == Some(3)).count(), 49, "{codes:?}");
    }
}

#[test]
fn in_github_actions_a_no_is_a_step_output_and_no_red_step() {
    let state = tempfile::tempdir().expect("a directory");
    let state = state.path();
    let (output, summary) = (state.join("output"), state.join("summary"));
    let store = format!("file:{}", state.join("shared.db").display());
    let call = |arguments: &[&str]| {
        let mut command = command(state, arguments);
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_RUN_ID", "7");
        command.env("GITHUB_REPOSITORY", "octo/repo").env("GITHUB_OUTPUT", &output);
        command.env("GITHUB_STEP_SUMMARY", &summary).env("RUNNER_TEMP", state);
        command
    };
    let refused = call(&["k"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "a private store excludes nobody");
    let proceeds = call(&["k", "--on-no-store", "proceed", "--format", "json"]).output().unwrap();
    assert!(String::from_utf8_lossy(&proceeds.stdout).contains("\"disabled\""));
    assert_eq!(call(&["k"]).env("INTERLOCK_STORE", &store).status().unwrap().code(), Some(0));
    let mut other = call(&["k"]);
    other.env("INTERLOCK_STORE", &store).env("GITHUB_RUN_ID", "8");
    assert_eq!(other.status().unwrap().code(), Some(0));
    let text = std::fs::read_to_string(&output).unwrap();
    assert!(text.contains("should-run") && text.contains("lost"), "{text}");
    assert!(std::fs::read_to_string(&summary).unwrap().contains("run 7"));
    let mut strict = call(&["k", "--exit-code"]);
    assert_eq!(
        strict.env("INTERLOCK_STORE", &store).env("GITHUB_RUN_ID", "9").status().unwrap().code(),
        Some(3)
    );
    // A later attempt of the run that won takes its own claim over.
    let mut rerun = call(&["k", "--exit-code"]);
    rerun.env("INTERLOCK_STORE", &store).env("GITHUB_RUN_ATTEMPT", "2");
    assert_eq!(rerun.status().unwrap().code(), Some(0));
    let kept = std::fs::read_dir(state.join("interlock")).unwrap().count();
    assert_eq!(kept, 1, "the proof is kept for later steps");
}

#[test]
fn unknown_is_an_answer_of_its_own() {
    let state = tempfile::tempdir().expect("a directory");
    let state = state.path();
    let gone = ["k", "--store", "git+file:///nowhere/repository.git"];
    assert_eq!(ask(state, &gone).0, Some(5));
    check(state, &[&gone[..], &["--on-unknown", "proceed"]].concat(), 0, "unknown");
    check(state, &[&gone[..], &["--on-unknown", "skip"]].concat(), 3, "unknown");
}

#[test]
fn a_wrapped_command_is_claimed_run_and_closed() {
    let state = tempfile::tempdir().expect("a directory");
    let state = state.path();
    let run = |command: &str, more: &[&str]| {
        let shell = ["--", "sh", "-c", command];
        guard(state, &[&["run", "k", "--outcome-file", "outcome"], more, &shell].concat())
    };
    let outcome = || -> Value {
        serde_json::from_slice(&std::fs::read(state.join("outcome")).unwrap()).unwrap()
    };
    let failed = run("echo out; echo err >&2; exit 7", &[]);
    assert_eq!(failed.status.code(), Some(7));
    assert_eq!(
        (&failed.stdout[..], outcome()["outcome"].as_str()),
        (&b"out\n"[..], Some("failed"))
    );
    let done = run("echo \"$INTERLOCK_KEY $INTERLOCK_FENCE\"", &["--result", "there"]);
    assert_eq!((done.status.code(), &done.stdout[..]), (Some(0), &b"k 2\n"[..]));
    assert_eq!(outcome()["outcome"], "done");
    let replay = run("echo never", &[]);
    assert_eq!((replay.status.code(), replay.stdout.len()), (Some(3), 0));
    assert_eq!((&outcome()["outcome"], &outcome()["result"]), (&"replay".into(), &"there".into()));
    let absent = guard(state, &["run", "other", "--", "no-such-program"]);
    assert_eq!(absent.status.code(), Some(127));
}

#[test]
fn a_wrapped_command_that_is_superseded_is_stopped() {
    let state = tempfile::tempdir().expect("a directory");
    let state = state.path();
    let began = Instant::now();
    let sleeper =
        ["run", "k", "--digest", "a", "--ttl", "3s", "--", "sh", "-c", "echo on; sleep 60"];
    let running = command(state, &sleeper).stdout(Stdio::piped()).spawn().expect("it starts");
    let is_live = || ask(state, &["show", "k"]).1["state"] == "live";
    while !is_live() {
        assert!(began.elapsed() < Duration::from_secs(20), "it claims");
        std::thread::sleep(Duration::from_millis(50));
    }
    check(state, &["k", "--digest", "b"], 0, "won");
    let ended = running.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(4), "it is lost while working");
    assert!(began.elapsed() < Duration::from_secs(30));
}
