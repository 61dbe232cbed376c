//! `interlock milestone` as its users meet it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A directory with a state of its own.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
        command.arg("milestone").args(arguments).current_dir(self.0.path());
        for (name, _) in std::env::vars() {
            if name.starts_with("GITHUB_")
                || name.starts_with("INTERLOCK_")
                || name == "RUNNER_TEMP"
            {
                command.env_remove(name);
            }
        }
        command.env("INTERLOCK_STATE_DIR", self.path("state"));
        command
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        read(self.command(arguments).output().expect("it starts"))
    }

    fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, stdout, stderr) = self.run(&[&["--format", "json"], arguments].concat());
        let value = serde_json::from_str(&stdout);
        (code, value.unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}")))
    }

    /// Checks a value, and returns the boundaries with their fences.
    fn check(&self, value: &str) -> Vec<(i64, i64)> {
        let (code, answer) = self.json(&["check", "nodes", "--value", value]);
        let claims = claims(&answer);
        assert_eq!(code, if claims.is_empty() { 3 } else { 0 }, "{answer}");
        claims
    }
}

fn read(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn claims(answer: &Value) -> Vec<(i64, i64)> {
    let claims = answer["claims"].as_array().expect("claims");
    let pair = |claim: &Value| (claim["milestone"].as_i64(), claim["fence"].as_i64());
    let pairs = claims.iter().map(pair);
    pairs
        .map(|(milestone, fence)| (milestone.expect("a number"), fence.expect("a fence")))
        .collect()
}

#[test]
fn a_boundary_is_handed_out_and_accepted_once() {
    let desk = Desk::new();
    assert_eq!(desk.check("95"), []);
    assert_eq!(desk.check("210"), [(100, 1), (200, 2)]);
    assert_eq!(desk.check("210"), [], "they are claimed");
    assert_eq!(desk.run(&["done", "nodes", "100"]).0, 0);
    assert_eq!(desk.run(&["failed", "nodes", "200"]).0, 0);
    assert_eq!(desk.check("150"), [(200, 3)], "handed out again, also after a fall");
    let (code, answer) = desk.json(&["done", "nodes", "200", "--fence", "2"]);
    assert_eq!((code, &answer["outcome"]), (3, &"stale".into()), "{answer}");
    assert_eq!(desk.run(&["done", "nodes", "200", "--fence", "3"]).0, 0);
    assert_eq!(desk.run(&["done", "nodes", "200", "--fence", "3"]).0, 0, "the same report again");
    assert_eq!(desk.check("299"), []);
    let (_, history) = desk.json(&["history", "nodes"]);
    let done = history["history"].as_array().expect("a list");
    let done: Vec<_> = done.iter().map(|past| past["milestone"].as_i64()).collect();
    assert_eq!(done, [Some(100), Some(200)]);
    assert_eq!((&history["current"], &history["farthest"]), (&json!(299), &json!(299)));
}

#[test]
fn a_step_of_github_actions_gets_outputs() {
    let desk = Desk::new();
    let step = |value: &str, more: &[&str]| {
        let arguments = [&["check", "nodes", "--value", value], more].concat();
        let mut command = desk.command(&arguments);
        command.env("GITHUB_ACTIONS", "true").env("RUNNER_TEMP", desk.path("temp"));
        command.env("GITHUB_REPOSITORY", "octo/graph").env("GITHUB_RUN_ID", "7");
        command.env("INTERLOCK_STORE", format!("file:{}", desk.path("shared.db").display()));
        fs::write(desk.path("output"), "").expect("written");
        command.env("GITHUB_OUTPUT", desk.path("output"));
        let (code, _, stderr) = read(command.output().expect("it starts"));
        let text = fs::read_to_string(desk.path("output")).expect("outputs");
        (code, outputs(&text), stderr)
    };
    let (code, seen, stderr) = step("95", &[]);
    assert_eq!((code, seen["is-milestone"].as_str()), (0, "false"), "{stderr}");
    let (code, seen, _) = step("305", &[]);
    assert_eq!((code, seen["is-milestone"].as_str()), (0, "true"));
    assert_eq!(
        (seen["milestone-number"].as_str(), seen["milestones"].as_str()),
        ("300", "[100,200,300]")
    );
    assert_eq!((seen["current"].as_str(), seen["previous"].as_str()), ("305", "95"));
    assert_eq!(seen["since-last"], "5");
    assert_eq!(step("305", &["--exit-code"]).0, 3);
    let mode = fs::read_dir(desk.path("temp/interlock")).expect("kept").map(|file| {
        use std::os::unix::fs::PermissionsExt as _;
        file.expect("a file").metadata().expect("its mode").permissions().mode() & 0o777
    });
    assert_eq!(mode.collect::<Vec<_>>(), [0o600]);
}

fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut lines = text.lines();
    let mut found = BTreeMap::new();
    while let Some((name, end)) = lines.next().and_then(|line| line.split_once("<<")) {
        let value: Vec<_> = lines.by_ref().take_while(|line| *line != end).collect();
        found.insert(name.to_owned(), value.join("\n"));
    }
    found
}

#[test]
fn overlapping_pipelines_never_hold_one_boundary_at_once() {
    let desk = Desk::new();
    assert_eq!(desk.check("0"), []);
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let mut command =
                desk.command(&["--format", "json", "check", "nodes", "--value", "1000"]);
            command.stdout(std::process::Stdio::piped()).spawn().expect("it starts")
        })
        .collect();
    let mut held: Vec<i64> = Vec::new();
    for call in calls {
        let (_, stdout, _) = read(call.wait_with_output().expect("ours"));
        let answer: Value = serde_json::from_str(&stdout).expect("an answer");
        held.extend(claims(&answer).iter().map(|(milestone, _)| milestone));
    }
    held.sort_unstable();
    assert_eq!(held, (1..=10).map(|step| step * 100).collect::<Vec<_>>());
}

#[test]
fn what_is_unknown_is_not_no() {
    let desk = Desk::new();
    fs::write(desk.path("torn.json"), r#"{"nodes": 1"#).expect("written");
    let (code, _, stderr) = desk.run(&["check", "nodes", "--value-from", "torn.json#/nodes"]);
    assert_eq!(code, 6, "{stderr}");
    assert!(stderr.contains("the value cannot be read from torn.json#/nodes"), "{stderr}");
    assert_eq!(desk.run(&["check", "nodes", "--value-from", "no.json"]).0, 6);
    assert_eq!(desk.run(&["check", "nodes"]).0, 2);
    assert_eq!(desk.run(&["check", "nodes", "--value", "1", "--step", "0"]).0, 2);
    assert_eq!(desk.run(&["done", "nodes", "100"]).0, 2, "no fence is known");
    // A history that cannot be read is no history that is empty.
    desk.check("95");
    let store = desk.path("state/store.db");
    fs::write(&store, "this is no database, and it is long enough to be taken for one")
        .expect("written");
    for left in ["store.db-wal", "store.db-shm"] {
        let _absent = fs::remove_file(desk.path("state").join(left));
    }
    let (code, _, stderr) = desk.run(&["check", "nodes", "--value", "105"]);
    assert!([5, 6].contains(&code), "{code} {stderr}");
}

#[test]
fn directions_lists_and_first_runs() {
    let desk = Desk::new();
    let check = |key: &str, more: &[&str]| {
        let (_, answer) = desk.json(&[&["check", key], more].concat());
        claims(&answer).iter().map(|(milestone, _)| *milestone).collect::<Vec<_>>()
    };
    assert_eq!(
        check("list", &["--at", "100,500,1000", "--value", "600", "--first-run", "fire"]),
        [100, 500]
    );
    assert_eq!(check("down", &["--direction", "down", "--value", "350"]), [0_i64; 0]);
    assert_eq!(check("down", &["--direction", "down", "--value", "150"]), [300, 200]);
    assert_eq!(check("previous", &["--value", "350", "--previous", "150"]), [200, 300]);
    assert_eq!(check("highest", &["--value", "350", "--previous", "150", "--highest"]), [300]);
}

#[test]
fn a_history_can_be_exported_and_imported() {
    let (desk, other) = (Desk::new(), Desk::new());
    desk.check("0");
    desk.check("250");
    assert_eq!(desk.run(&["done", "nodes", "100"]).0, 0);
    assert_eq!(desk.run(&["done", "nodes", "200"]).0, 0);
    let (_, lines, _) = desk.run(&["history", "nodes", "--format", "jsonl"]);
    assert_eq!(lines.lines().count(), 2, "{lines}");
    fs::write(other.path("past.jsonl"), &lines).expect("written");
    let (code, answer) = other.json(&["import", "nodes", "past.jsonl"]);
    assert_eq!((code, &answer["imported"]), (0, &json!(2)), "{answer}");
    assert_eq!(other.json(&["import", "nodes", "past.jsonl"]).1["imported"], 0);
    let (_, answer) = other.json(&["check", "nodes", "--value", "310"]);
    assert_eq!(claims(&answer).iter().map(|it| it.0).collect::<Vec<_>>(), [300]);
    fs::write(other.path("torn.jsonl"), format!("{lines}{{\"milestone\": 4")).expect("written");
    let (code, _, stderr) = other.run(&["import", "nodes", "torn.jsonl"]);
    assert_eq!(code, 6);
    assert!(stderr.contains("torn.jsonl: line 3: EOF"), "{stderr}");
}

#[test]
fn run_claims_works_and_reports() {
    let desk = Desk::new();
    let night = |value: &str, script: &str| {
        let arguments = [
            "run",
            "nodes",
            "--value",
            value,
            "--outcome-file",
            "outcome",
            "--",
            "bash",
            "-c",
            script,
        ];
        let (code, stdout, stderr) = desk.run(&arguments);
        let outcome = fs::read_to_string(desk.path("outcome")).expect("an outcome");
        let outcome: Value = serde_json::from_str(&outcome).expect("JSON");
        (code, outcome["outcome"].as_str().expect("a word").to_owned(), stdout + &stderr)
    };
    let note = "echo $INTERLOCK_MILESTONE/$INTERLOCK_FENCE";
    assert_eq!(night("95", note).0, 3);
    let (code, word, text) = night("210", &format!("{note}; exit 9"));
    assert_eq!((code, word.as_str()), (9, "failed"), "{text}");
    let (code, word, text) = night("210", note);
    assert_eq!((code, word.as_str()), (0, "done"));
    assert!(text.contains("100/3\n200/4\n"), "{text}");
    let (code, word, _) = night("210", note);
    assert_eq!((code, word.as_str()), (3, "no-milestone"));
    let (code, ..) = night("300", "kill -9 $$");
    assert_eq!(code, 137);
    assert_eq!(desk.check("300"), [(300, 6)]);
}

#[test]
fn a_killed_run_loses_its_boundary_after_a_while_and_not_before() {
    let desk = Desk::new();
    assert_eq!(desk.check("0"), []);
    let script = "touch began; sleep 60";
    let arguments = ["run", "nodes", "--value", "100", "--ttl", "2s", "--", "bash", "-c", script];
    let mut front = desk.command(&arguments).spawn().expect("it starts");
    while !desk.path("began").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(desk.check("100"), [], "it is renewed");
    let pid = Pid::from_raw(i32::try_from(front.id()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::KILL).expect("it lives");
    front.wait().expect("ours");
    let began = std::time::Instant::now();
    let handed_out = loop {
        let claims = desk.check("100");
        if !claims.is_empty() {
            break claims;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it is never handed out again");
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(handed_out, [(100, 2)]);
}
