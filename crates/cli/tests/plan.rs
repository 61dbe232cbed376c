//! What `interlock plan` shows of words that somebody else wrote.

#![expect(clippy::unwrap_used, reason = "a helper of a test says that it failed by ending it")]

use std::fs;
use std::path::Path;
use std::process::Command;

const WORKFLOW: &str = "on: issues
concurrency: g-${{ github.event.issue.title }}
jobs:
  a:
    name: job ${{ github.event.issue.title }}
    runs-on: ubuntu-latest
    steps:
      - run: 'true'
";

fn git(repository: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@b"];
    let status =
        Command::new("git").args(identity).args(arguments).current_dir(repository).status();
    assert!(status.unwrap().success(), "{arguments:?}");
}

#[test]
fn title_of_an_issue_moves_no_cursor_and_begins_no_line() {
    let directory = tempfile::tempdir().unwrap();
    let repository = directory.path().join("repository");
    fs::create_dir_all(repository.join(".github/workflows")).unwrap();
    fs::write(repository.join(".github/workflows/a.yml"), WORKFLOW).unwrap();
    git(&repository, &["init", "-q", "-b", "main"]);
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "-q", "-m", "first"]);
    let payload = directory.path().join("payload.json");
    let title = "\u{1b}]0;taken\u{7}\u{1b}[2Jx\n::error::forged";
    let issue = serde_json::json!({ "action": "opened", "issue": { "number": 1, "title": title } });
    fs::write(&payload, issue.to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_interlock"))
        .args(["plan", "--event", "issues", "--payload"])
        .arg(&payload)
        .current_dir(&repository)
        .env("INTERLOCK_STATE_DIR", directory.path().join("state"))
        // Without a terminal, escapes would be taken out anyway.
        .env("CLICOLOR_FORCE", "1")
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("::error::forged"), "{shown:?}");
    assert!(!shown.contains(['\u{1b}', '\u{7}']), "{shown:?}");
    assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{shown:?}");
}
