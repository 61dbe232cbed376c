//! `interlock guard` with work that others have done: every combination of what can be there.

use std::process::Command;

use serde_json::{Value, json};
use testkit::forge::{Effect, Faults, Forge, Pull, Rule, State};
use testkit::sandbox::{Ended, Sandbox};

const ISSUE: u64 = 12;

struct Scene {
    /// The forge runs on it.
    _runtime: tokio::runtime::Runtime,
    forge: Forge,
    sandbox: Sandbox,
}

impl Scene {
    fn new() -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let forge = runtime.block_on(Forge::start(State::new("octo/tones"), Faults::default()));
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_interlock"));
        let event = json!({"issue": {"number": ISSUE}}).to_string();
        std::fs::write(sandbox.path("event.json"), event).expect("a file");
        Self { _runtime: runtime, forge, sandbox }
    }

    fn command(&self, run: &str, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(&[&["guard"], arguments].concat());
        let store = format!("file:{}", self.sandbox.state().join("shared.db").display());
        command
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_API_URL", self.forge.url())
            .env("GITHUB_REPOSITORY", "octo/tones")
            .env("GITHUB_RUN_ID", run)
            .env("GITHUB_EVENT_PATH", self.sandbox.path("event.json"))
            .env("GITHUB_TOKEN", "token")
            .env("RUNNER_TEMP", self.sandbox.path(""))
            .env("INTERLOCK_STORE", store);
        command
    }

    fn ask(&self, run: &str, arguments: &[&str]) -> (i32, Value) {
        let output = self.command(run, arguments).arg("--format").arg("json").output();
        let ended = Ended::of(&output.expect("the binary"));
        (ended.code, serde_json::from_str(&ended.stdout).unwrap_or_default())
    }
}

/// Sets the scene for one line of the table and asks.
#[track_caller]
fn check(branch: bool, pull: &str, claim: &str, expected: &str) {
    let scene = Scene::new();
    scene.forge.with(|state| {
        if branch {
            state.branches.insert("tones/12".to_owned());
        }
        if pull != "none" {
            let open = if pull == "open" { "open" } else { "closed" };
            let (branch, sha) = ("tones/12".to_owned(), "a".repeat(40));
            state.pulls.push(Pull {
                number: 3,
                branch,
                sha,
                state: open,
                merged: pull == "merged",
            });
        }
    });
    let first: &[&[&str]] = match claim {
        "live" => &[&["k"]],
        "stale" => &[&["k", "--ttl", "1ms"]],
        "done" => &[&["k"], &["done", "k", "--result", "https://x/1"]],
        _ => &[],
    };
    for arguments in first {
        assert_eq!(scene.ask("1", arguments).0, 0, "{arguments:?}");
    }
    if claim == "stale" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let probes = ["k", "--unless-branch", "tones/12", "--unless-pull-request", "tones/12"];
    let (code, answer) = scene.ask("2", &probes);
    let line = format!("branch {branch}, pull request {pull}, claim {claim}: {answer}");
    assert_eq!(answer["outcome"], expected, "{line}");
    assert_eq!(code, if expected == "won" { 0 } else { 3 }, "{line}");
}

#[test]
fn every_combination_has_one_answer() {
    for claim in ["none", "live", "stale", "done"] {
        let claimed = match claim {
            "live" => Some("lost"),
            "done" => Some("replay"),
            _ => None,
        };
        for pull in ["none", "open", "merged", "closed"] {
            check(true, pull, claim, claimed.unwrap_or("exists"));
            // Without its branch only an open pull request says that the work is there.
            let alone = if pull == "open" { "exists" } else { "won" };
            check(false, pull, claim, claimed.unwrap_or(alone));
        }
    }
}

#[test]
fn pull_request_counts_by_its_state() {
    let scene = Scene::new();
    scene.forge.with(|state| {
        let (branch, sha) = ("b".to_owned(), "a".repeat(40));
        state.pulls.push(Pull { number: 3, branch, sha, state: "closed", merged: true });
    });
    let outcome = |state: &str| {
        let key = format!("k-{state}");
        let answer = scene.ask("1", &[&key, "--unless-pull-request", "b", "--state", state]).1;
        answer["outcome"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(outcome("merged"), "exists");
    assert_eq!(outcome("any"), "exists");
    assert_eq!(outcome("closed"), "won");
    assert_eq!(outcome("open"), "won");
}

#[test]
fn what_cannot_be_found_out_is_an_answer_of_its_own() {
    let scene = Scene::new();
    let refuse = Effect::Refuse(403, Vec::new(), "{}".to_owned());
    let rule =
        Rule { method: "GET", path: "/branches", per_mille: 1000, budget: 99, effect: refuse };
    scene.forge.set_faults(Faults::new(1, vec![rule]));
    let ask =
        |key: &str, on: &str| scene.ask("1", &[key, "--unless-branch", "b", "--on-unknown", on]);
    assert_eq!(ask("a", "fail").0, 5);
    let (code, answer) = ask("b", "skip");
    assert_eq!(
        (code, &answer["outcome"], &answer["should_run"]),
        (3, &json!("unknown"), &json!(false))
    );
    let (code, answer) = ask("c", "proceed");
    assert_eq!((code, &answer["outcome"]), (0, &json!("won")));
}

#[test]
fn path_in_the_checkout_is_work_that_is_done() {
    let scene = Scene::new();
    scene.sandbox.file("audio/12/tone.mp3", "");
    let (code, answer) = scene.ask("1", &["k", "--unless-path", "audio/12/*.mp3"]);
    assert_eq!((code, &answer["exists"]), (3, &json!("file audio/12/tone.mp3")));
    assert_eq!(scene.ask("1", &["k", "--unless-path", "audio/13/*.mp3"]).1["outcome"], "won");
}

#[test]
fn people_are_told_once_however_often_they_ask() {
    let scene = Scene::new();
    scene.sandbox.file("notice.md", "Here: {{ link }}{{ result }} ({{ outcome }})");
    scene.forge.with(|state| {
        state.comment(ISSUE, "mallory", "<!-- interlock guard k -->\nnothing to see");
    });
    assert_eq!(scene.ask("1", &["k", "--notify"]).1["outcome"], "won");
    for run in ["2", "3", "4"] {
        let answer = scene.ask(run, &["k", "--notify", "--template", "notice.md"]).1;
        assert_eq!(answer["outcome"], "lost");
    }
    let ours = || {
        let all = scene.forge.with(|state| state.comments.clone());
        let ours = all.into_iter().filter(|comment| comment.author == "interlock[bot]");
        ours.map(|comment| comment.body).collect::<Vec<_>>()
    };
    let bodies = ours();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(bodies[0].starts_with("<!-- interlock guard k -->\n") && bodies[0].contains("(lost)"));
    scene.ask("1", &["done", "k", "--result", "https://x/1"]);
    assert_eq!(
        scene.ask("5", &["k", "--notify", "--template", "notice.md"]).1["outcome"],
        "replay"
    );
    let bodies = ours();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(
        bodies[0].contains("https://x/1 (replay)") || bodies[0].contains("https://x/1"),
        "{bodies:?}"
    );
    let (code, _) = scene.ask("6", &["k", "--notify", "--template", "absent.md"]);
    assert_eq!(code, 2);
}

#[test]
fn notice_that_cannot_be_written_changes_no_answer() {
    let scene = Scene::new();
    let refuse = Effect::Refuse(403, Vec::new(), "{}".to_owned());
    let rule = Rule { method: "", path: "/comments", per_mille: 1000, budget: 99, effect: refuse };
    scene.forge.set_faults(Faults::new(1, vec![rule]));
    assert_eq!(scene.ask("1", &["k"]).0, 0);
    let (code, answer) = scene.ask("2", &["k", "--notify"]);
    assert_eq!((code, &answer["outcome"]), (3, &json!("lost")));
}
