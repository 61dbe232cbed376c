//! `interlock workspace`, as a person calls it.

use std::process::{Command, Output};

use jiff::Timestamp;
use workdir::{Identity, Keep, Outcome, Workdirs};

fn identity(run: u64) -> Identity {
    Identity {
        host: "github.com".to_owned(),
        owner: "octo".to_owned(),
        repository: "hello".to_owned(),
        workflow: ".github/workflows/ci.yml".to_owned(),
        event: "push".to_owned(),
        run,
        attempt: 1,
        job: "build".to_owned(),
        leg: None,
    }
}

fn interlock(state: &std::path::Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
    command.arg("workspace").args(arguments).current_dir(state).env("INTERLOCK_STATE_DIR", state);
    command.env_remove("GITHUB_OUTPUT").output().expect("the binary starts")
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("one JSON value on standard output")
}

#[test]
fn dead_directories_are_shown_and_cleared_and_nothing_else() {
    let state = tempfile::tempdir().unwrap();
    let workdirs = Workdirs::open(state.path().join("work")).unwrap();
    let now = Timestamp::now();
    let live = workdirs.allocate(&identity(1), now).unwrap();
    let dead = workdirs.allocate(&identity(2), now).unwrap().path().to_owned();
    let failed = workdirs.allocate(&identity(3), now).unwrap();
    let kept = failed.path().to_owned();
    failed.finish(Outcome::Failure, &Keep::default(), now).unwrap();

    let listed = json(&interlock(state.path(), &["list", "--format", "json"]));
    let states: Vec<_> = listed["workspaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["live", "dead", "kept"]);
    assert_eq!(listed["workspaces"][2]["outcome"], "failure");

    let rehearsal = json(&interlock(state.path(), &["gc", "--dry-run", "--format", "json"]));
    assert_eq!((&rehearsal["removed"], &rehearsal["dry_run"]), (&1.into(), &true.into()));
    assert!(dead.exists());

    let output = interlock(state.path(), &["gc"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 directory removed"), "{text}");
    assert!(text.contains("its job is running") && text.contains("kept until"), "{text}");
    assert!(!dead.exists() && kept.exists() && live.path().exists());

    let output = interlock(state.path(), &["gc", "--kept"]);
    assert!(output.status.success() && !kept.exists() && live.path().exists());
}

#[test]
fn limit_that_makes_no_sense_is_wrong_usage() {
    let state = tempfile::tempdir().unwrap();
    let output = interlock(state.path(), &["gc", "--older-than", "soon"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("7d"));
}
