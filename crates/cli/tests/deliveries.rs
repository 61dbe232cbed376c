//! `interlock run --deliveries`, with many of them.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde_json::Value;

const WORKFLOW: &str = "name: ci
on: issues
concurrency: {group: 'issue-${{ github.event.issue.number }}', cancel-in-progress: true}
jobs:
  a: {runs-on: x, steps: [{run: sleep 0.1}]}
";

#[test]
fn many_groups_at_once_need_few_files_and_the_newest_of_each_succeeds() {
    const GROUPS: usize = 60;
    let place = tempfile::tempdir().unwrap();
    let workflows = place.path().join(".github/workflows");
    fs::create_dir_all(&workflows).unwrap();
    fs::write(workflows.join("ci.yml"), WORKFLOW).unwrap();
    for arguments in [&["init", "--quiet"][..], &["add", "--all"], &["commit", "--quiet", "-mx"]] {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(arguments);
        assert!(git.current_dir(place.path()).status().unwrap().success());
    }
    let mut deliveries = String::new();
    for index in 0..3 * GROUPS {
        let number = index % GROUPS;
        writeln!(
            deliveries,
            r#"{{"event": "issues", "payload": {{"action": "opened", "issue": {{"number": {number}}}}}}}"#
        )
        .unwrap();
    }
    let file = place.path().join("deliveries.jsonl");
    fs::write(&file, deliveries).unwrap();

    let script = "ulimit -Sn 80; exec \"$0\" run --deliveries \"$1\" --format json";
    let mut command = Command::new("bash");
    command.args(["-c", script, env!("CARGO_BIN_EXE_interlock")]).arg(&file);
    command.current_dir(place.path()).env("INTERLOCK_STATE_DIR", place.path().join("state"));
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");

    let lines = String::from_utf8(output.stdout).unwrap();
    let summary: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let runs = summary["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3 * GROUPS);
    for run in runs {
        let is_newest = run["delivery"].as_u64().unwrap() >= 2 * GROUPS as u64;
        assert!(!is_newest || run["conclusion"] == "success", "{run}");
        assert!(run["conclusion"] != "cancelled" || run["reason"].is_string(), "{run}");
    }
}
