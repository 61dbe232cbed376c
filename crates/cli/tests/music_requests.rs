//! The README's first command: issues ask for music, and one run per issue makes it.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testkit::forge::{Faults, Forge, State};

fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace has a root")
}

#[test]
fn newest_run_of_each_issue_succeeds_and_a_comment_cancels_nothing() {
    let state = tempfile::tempdir().unwrap();
    let music = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_interlock"))
        .current_dir(workspace_root())
        .args(["run", "-C", "examples/music-requests"])
        .args(["--deliveries", "examples/music-requests/deliveries.jsonl", "--format", "json"])
        .arg("--env")
        .arg(format!("MUSIC_OUTPUT={}", music.path().display()))
        .env("INTERLOCK_STATE_DIR", state.path())
        .env_remove("GITHUB_OUTPUT")
        .env_remove("GITHUB_STEP_SUMMARY")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    let summary: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(summary["type"], "summary");

    // Deliveries 0, 2 and 4 are about issue 123, 1, 3 and 5 about issue 124; 6 is the comment.
    let runs: Vec<&Value> = summary["runs"].as_array().unwrap().iter().collect();
    let of = |delivery: u64| {
        let mut found = runs.iter().filter(|run| run["delivery"] == delivery);
        let run =
            *found.next().unwrap_or_else(|| panic!("no run for delivery {delivery}: {summary:#}"));
        assert!(found.next().is_none(), "two runs for delivery {delivery}");
        run
    };
    for delivery in [0, 1, 2, 3] {
        let run = of(delivery);
        assert_eq!(run["conclusion"], "cancelled", "{run:#}");
        assert!(!run["reason"].as_str().unwrap().is_empty(), "a reason is a sentence");
    }
    for (delivery, issue) in [(4, 123), (5, 124)] {
        let run = of(delivery);
        assert_eq!(run["conclusion"], "success", "{run:#}");
        assert_eq!(run["group"], format!("octobeats-issue-{issue}"));
        let compose =
            run["jobs"].as_array().unwrap().iter().find(|job| job["id"] == "compose").unwrap();
        assert_eq!(compose["outputs"]["file"], format!("track-{issue}.wav"));
    }
    for run in runs.iter().filter(|run| run["delivery"] == 6) {
        assert_eq!(run["conclusion"], "skipped", "a comment works on nothing: {run:#}");
    }
    check_music(music.path(), 123, 3);
    check_music(music.path(), 124, 2);
}

#[test]
fn policies_make_one_run_of_a_storm_and_an_edit_supersedes_it() {
    let state = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_interlock"))
        .current_dir(workspace_root())
        .args(["run", "-C", "examples/music-requests", "music", "--format", "json"])
        .args(["--settings", "examples/music-requests/policies.toml", "--env", "MUSIC_PAUSE=4"])
        .args(["--deliveries", "examples/music-requests/edits.jsonl"])
        .env("INTERLOCK_STATE_DIR", state.path())
        .env_remove("GITHUB_OUTPUT")
        .env_remove("GITHUB_STEP_SUMMARY")
        .output()
        .expect("the binary");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    let mut runs: Vec<&Value> = summary["runs"].as_array().expect("runs").iter().collect();
    runs.sort_by_key(|run| run["delivery"].as_u64());
    let ends: Vec<_> = runs.iter().map(|run| run["conclusion"].as_str().unwrap_or("")).collect();
    assert_eq!(ends, ["cancelled", "skipped", "skipped", "success"], "{summary:#}");
    assert!(runs[0]["reason"].as_str().is_some_and(|reason| reason.contains("superseded")));
    assert!(runs[1]["reason"].as_str().is_some_and(|reason| reason.contains("the same work")));
}

#[tokio::test(flavor = "multi_thread")]
async fn guard_does_each_request_once_and_says_so_in_one_comment() {
    let forge = Forge::start(State::new("music-box/music-requests"), Faults::default()).await;
    let state = tempfile::tempdir().unwrap();
    let music = tempfile::tempdir().unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_interlock"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new(binary);
    command
        .current_dir(workspace_root())
        .args(["run", "-C", "examples/music-requests", "music", "--format", "json"])
        .args(["--settings", "examples/music-requests/queue.toml", "--var", "GUARD=on"])
        .args(["--deliveries", "examples/music-requests/again.jsonl"])
        .args(["--secret", "GITHUB_TOKEN", "--var", &format!("API_URL={}", forge.url())])
        .args(["--env", &format!("MUSIC_OUTPUT={}", music.path().display())])
        .env("PATH", path)
        .env("GITHUB_TOKEN", "token")
        .env("INTERLOCK_STATE_DIR", state.path())
        .env_remove("GITHUB_OUTPUT")
        .env_remove("GITHUB_STEP_SUMMARY");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let mut runs: Vec<&Value> = summary["runs"].as_array().unwrap().iter().collect();
    runs.sort_by_key(|run| run["delivery"].as_u64());
    let composed = |run: &&Value| {
        let jobs = run["jobs"].as_array().unwrap();
        let compose = jobs.iter().find(|job| job["id"] == "compose").unwrap();
        compose["steps"]
            .as_array()
            .unwrap()
            .iter()
            .any(|step| step["name"] == "Compose" && step["conclusion"] == "success")
    };
    let worked: Vec<bool> = runs.iter().map(composed).collect();
    assert_eq!(worked, [true, false, false, true], "{summary:#}");
    let comments = forge.with(|state| state.comments.clone());
    assert_eq!(comments.len(), 1, "{comments:#?}");
    assert!(comments[0].issue == 123 && comments[0].author == "interlock[bot]", "{comments:#?}");
    check_music(music.path(), 123, 3);
}

/// Checks that a real WAV file of the right length is there, and what is known about it.
#[track_caller]
fn check_music(directory: &Path, issue: u64, seconds: usize) {
    let wav = std::fs::read(directory.join(format!("track-{issue}.wav"))).unwrap();
    assert_eq!(wav.len(), 44 + seconds * 8000 * 2);
    assert_eq!(
        (&wav[..4], &wav[8..16], &wav[36..40]),
        (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..])
    );
    assert!(wav[44..].iter().any(|byte| *byte != 0), "it is not silence");
    let metadata = std::fs::read(directory.join(format!("track-{issue}.json"))).unwrap();
    let metadata: Value = serde_json::from_slice(&metadata).unwrap();
    assert_eq!(metadata["issue_number"], issue);
    assert_eq!(metadata["parameters"]["duration"], seconds);
}

/// GitHub's example payloads say which fields every payload of an event has.
#[test]
fn deliveries_have_the_shape_of_the_real_ones() {
    let examples = workspace_root().join("../shared/conformance/webhooks/examples.json");
    let Ok(examples) = std::fs::read(&examples) else {
        eprintln!("not checked: there are no example payloads at {}", examples.display());
        return;
    };
    let examples: Vec<Value> = serde_json::from_slice(&examples).unwrap();
    let deliveries = workspace_root().join("examples/music-requests/deliveries.jsonl");
    let deliveries = std::fs::read_to_string(deliveries).unwrap();
    assert_eq!(deliveries.lines().count(), 7);
    for line in deliveries.lines() {
        let delivery: Value = serde_json::from_str(line).unwrap();
        let event = examples.iter().find(|event| event["name"] == delivery["event"]).unwrap();
        let same = event["examples"].as_array().unwrap().iter();
        let same: Vec<_> =
            same.filter(|example| example["action"] == delivery["payload"]["action"]).collect();
        for pointer in [
            "",
            "/issue",
            "/issue/user",
            "/repository",
            "/repository/owner",
            "/label",
            "/comment",
            "/sender",
        ] {
            let mut objects =
                same.iter().map(|example| example.pointer(pointer).and_then(Value::as_object));
            // `draft` is in the examples of issues and only pull requests have it today.
            let Some(first) = objects.next().flatten() else { continue };
            let always = first.keys().filter(|key| {
                *key != "draft"
                    && same.iter().all(|example| {
                        example.pointer(pointer).is_some_and(|at| at.get(*key).is_some())
                    })
            });
            let ours = delivery["payload"].pointer(pointer).unwrap();
            for key in always {
                assert!(
                    ours.get(key).is_some(),
                    "{}: {pointer}/{key} is missing",
                    delivery["event"]
                );
            }
        }
    }
}
