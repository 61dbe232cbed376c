//! `interlock group`, as jobs outside our runner call it.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What one caller's call looks like; callers of one world share a store, and each keeps its own proofs.
struct World {
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn command(&self, run: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
        command.arg("group").args(arguments).current_dir(self.path());
        for name in [
            "GITHUB_OUTPUT",
            "GITHUB_STEP_SUMMARY",
            "GITHUB_TOKEN",
            "GH_TOKEN",
            "GITHUB_SHA",
            "GITLAB_CI",
            "JENKINS_URL",
            "INTERLOCK_GROUP_HOLDS",
        ] {
            command.env_remove(name);
        }
        let temp = self.path().join(format!("temp-{run}"));
        std::fs::create_dir_all(&temp).expect("a directory");
        command.env("INTERLOCK_STATE_DIR", self.path().join("state"));
        command.env("INTERLOCK_STORE", format!("file:{}", self.path().join("store.db").display()));
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_REPOSITORY", "octo/repo");
        command.env("GITHUB_RUN_ID", run).env("RUNNER_TEMP", temp).env("GITHUB_RUN_ATTEMPT", "1");
        command
    }

    fn call(&self, run: &str, arguments: &[&str]) -> Output {
        self.command(run, arguments).output().expect("the binary starts")
    }

    #[track_caller]
    fn check(&self, run: &str, arguments: &[&str], code: i32, outcome: &str) -> Value {
        let output = self.call(run, &[arguments, &["--format", "json"]].concat());
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            (output.status.code(), answer["outcome"].as_str()),
            (Some(code), Some(outcome)),
            "{answer:#}\n{errors}"
        );
        answer
    }

    fn start(&self, run: &str, arguments: &[&str]) -> Child {
        let mut command = self.command(run, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
    }

    /// Waits until the members of a group are as expected, written `7* 8`.
    #[track_caller]
    fn until(&self, group: &str, expected: &str) {
        let began = Instant::now();
        loop {
            let output = self.call("0", &["show", group, "--format", "json"]);
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            let members = answer["members"].as_array().cloned().unwrap_or_default();
            let text = |member: &Value| {
                let mark = match member["status"].as_str() {
                    Some("in_progress") => "*",
                    Some("cancelling") => "~",
                    _ => "",
                };
                format!("{}{mark}", member["run"].as_str().unwrap_or_default())
            };
            let text = members.iter().map(text).collect::<Vec<_>>().join(" ");
            if text == expected {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{text} instead of {expected}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

#[test]
fn a_place_is_entered_waited_for_and_left() {
    let world = World::new();
    let first = world.check("7", &["enter", "deploy"], 0, "in-progress");
    assert_eq!(first["fence"], 1);
    let second = world.check("8", &["enter", "DEPLOY"], 3, "pending");
    assert_eq!((&second["position"], &second["behind"]), (&1.into(), &"run 7".into()));
    world.check("8", &["wait", "deploy", "--timeout", "100ms"], 3, "pending");
    world.check("7", &["renew", "deploy"], 0, "in-progress");
    let waiting = world.start("8", &["wait", "deploy", "--format", "json"]);
    world.check("7", &["leave", "deploy"], 0, "left");
    let waited = waiting.wait_with_output().unwrap();
    assert_eq!(waited.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&waited.stdout).contains("\"fence\":2"));
    world.check("8", &["leave", "deploy"], 0, "left");
    let again = world.call("8", &["leave", "deploy"]);
    assert_eq!(again.status.code(), Some(2), "no place is known any more");
}

#[test]
fn a_job_that_enters_twice_has_one_place() {
    let world = World::new();
    world.check("7", &["enter", "g"], 0, "in-progress");
    world.check("7", &["enter", "g"], 0, "in-progress");
    world.check("7", &["enter", "g", "--as", "other", "--queue", "max"], 3, "pending");
    world.until("g", "7* 7");
    world.check("7", &["leave", "g"], 0, "left");
    world.check("7", &["wait", "g", "--as", "other"], 0, "in-progress");
}

#[test]
fn outside_of_jobs_a_second_place_needs_a_name() {
    let world = World::new();
    let call = |arguments: &[&str]| {
        let mut command = world.command("0", arguments);
        command.env_remove("GITHUB_ACTIONS").env_remove("RUNNER_TEMP");
        command.output().expect("the binary starts").status.code()
    };
    assert_eq!(call(&["enter", "g"]), Some(0));
    assert_eq!(call(&["enter", "g"]), Some(2), "nobody can tell whose place that is");
    assert_eq!(call(&["enter", "g", "--as", "me"]), Some(3));
    assert_eq!(call(&["leave", "g"]), Some(0));
    assert_eq!(call(&["enter", "g"]), Some(3));
}

#[test]
fn a_newcomer_replaces_the_one_who_waits() {
    let world = World::new();
    world.check("7", &["enter", "g"], 0, "in-progress");
    world.check("8", &["enter", "g"], 3, "pending");
    let replaced = world.start("8", &["wait", "g", "--format", "json"]);
    world.check("9", &["enter", "g"], 3, "pending");
    let replaced = replaced.wait_with_output().unwrap();
    assert_eq!(replaced.status.code(), Some(3));
    let text = String::from_utf8_lossy(&replaced.stdout);
    assert!(text.contains("superseded") && text.contains("run 9"), "{text}");
    world.until("g", "7* 9");
}

#[test]
fn the_policies_have_names() {
    let world = World::new();
    world.check("1", &["enter", "first", "--policy", "first"], 0, "in-progress");
    world.check("2", &["enter", "first", "--policy", "first"], 3, "not-first");
    world.check("1", &["enter", "same", "--digest", "x"], 0, "in-progress");
    world.check("2", &["enter", "same", "--digest", "x"], 3, "coalesced");
    world.check("3", &["enter", "same", "--digest", "y"], 3, "pending");
    world.until("same", "1~ 3");
    let commit = |number| ["enter", "ordered", "--order", "commit", "--position", number];
    world.check("1", &commit("5"), 0, "in-progress");
    world.check("2", &commit("4"), 3, "older");
    world.check("3", &commit("6"), 3, "pending");
    let bad = world.call("4", &["enter", "q", "--queue", "max", "--cancel-in-progress"]);
    assert_eq!(bad.status.code(), Some(2));
}

#[test]
fn rules_of_the_repository_hold_here_too() {
    let world = World::new();
    let rules = "[[groups.rules]]\ngroup = 'first-*'\npolicy = 'first'\n";
    std::fs::write(world.path().join("interlock.toml"), rules).unwrap();
    world.check("1", &["enter", "first-a"], 0, "in-progress");
    world.check("2", &["enter", "first-a"], 3, "not-first");
    world.check("2", &["enter", "first-a", "--queue", "max"], 3, "pending");
}

#[test]
fn commands_of_one_group_never_overlap() {
    let world = World::new();
    let script = "mkdir busy && sleep 0.05 && rmdir busy && echo done >> log";
    let arguments = ["run", "g", "--queue", "max", "--", "sh", "-c", script];
    let calls: Vec<_> =
        (0..12).map(|number| world.start(&format!("{}", 100 + number), &arguments)).collect();
    for call in calls {
        let output = call.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let log = std::fs::read_to_string(world.path().join("log")).unwrap();
    assert_eq!(log.lines().count(), 12);
    world.until("g", "");
}

#[test]
fn a_superseded_command_is_stopped_with_all_it_started() {
    let world = World::new();
    let script =
        "setsid sleep 77 & echo $! > pid; trap 'echo told >> log' INT; sleep 60 & wait; wait";
    let first =
        world.start("7", &["run", "g", "--outcome-file", "outcome", "--", "sh", "-c", script]);
    world.until("g", "7*");
    while !world.path().join("pid").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = world.start(
        "8",
        &[
            "run",
            "g",
            "--cancel-in-progress",
            "--cancel-through-api",
            "false",
            "--",
            "echo",
            "mine",
        ],
    );
    let first = first.wait_with_output().unwrap();
    assert_eq!(first.status.code(), Some(3), "{}", String::from_utf8_lossy(&first.stderr));
    let outcome: Value =
        serde_json::from_slice(&std::fs::read(world.path().join("outcome")).unwrap()).unwrap();
    assert_eq!((&outcome["outcome"], &outcome["by"]), (&"superseded".into(), &"run 8".into()));
    let second = second.wait_with_output().unwrap();
    assert_eq!((second.status.code(), &second.stdout[..]), (Some(0), &b"mine\n"[..]));
    let pid = std::fs::read_to_string(world.path().join("pid")).unwrap();
    assert!(!Path::new(&format!("/proc/{}", pid.trim())).exists(), "a daemon survived");
}

#[test]
fn a_command_gets_the_fence_and_its_code_is_passed_on() {
    let world = World::new();
    let script = "echo \"$INTERLOCK_GROUP $INTERLOCK_FENCE\"; exit 9";
    let output = world.call("7", &["run", "g", "--", "sh", "-c", script]);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(9), &b"g 1\n"[..]));
    let output = world.call("7", &["run", "g", "--", "sh", "-c", script]);
    assert_eq!(&output.stdout[..], b"g 2\n");
}

#[test]
fn groups_that_wait_for_each_other_are_found() {
    let world = World::new();
    let binary = env!("CARGO_BIN_EXE_interlock");
    // Each holds one and asks for the other once both hold theirs.
    let inner = |mine: &str, other: &str| {
        format!(
            "touch {mine}; while ! [ -e {other} ]; do sleep 0.02; done; \
             exec {binary} group run {other} -- echo got-{other}"
        )
    };
    let (one, other) = (inner("a", "b"), inner("b", "a"));
    let calls = [
        world.start("1", &["run", "a", "--", "sh", "-c", &one]),
        world.start("2", &["run", "b", "--", "sh", "-c", &other]),
    ];
    let outputs = calls.map(|call| call.wait_with_output().unwrap());
    let mut codes = outputs.each_ref().map(|output| output.status.code());
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(3)]);
    let errors: String =
        outputs.iter().map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).collect();
    assert!(errors.contains("deadlock"), "{errors}");
}

#[test]
fn groups_are_listed_with_who_is_in_them() {
    let world = World::new();
    world.check("7", &["enter", "deploy"], 0, "in-progress");
    world.check("8", &["enter", "deploy"], 3, "pending");
    world.check("9", &["enter", "other"], 0, "in-progress");
    world.check("9", &["leave", "other"], 0, "left");
    let output = world.call("0", &["list"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "deploy: run 7 in progress, 1 pending\n");
    let output = world.call("0", &["show", "deploy"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("run 8: pending since") && text.contains("/actions/runs/8"), "{text}");
}

#[test]
fn groups_that_were_just_used_are_not_cleared() {
    let world = World::new();
    world.check("9", &["enter", "other"], 0, "in-progress");
    world.check("9", &["leave", "other"], 0, "left");
    let output = world.call("0", &["gc", "--older-than", "1s"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0 removed\n", "an hour is the least");
    let output = world.call("0", &["list", "--idle"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "other: free, 0 pending\n");
}

#[test]
fn step_outputs_carry_the_answer() {
    let world = World::new();
    world.check("7", &["enter", "g"], 0, "in-progress");
    let outputs = world.path().join("outputs");
    let mut command = world.command("8", &["enter", "g"]);
    let status = command.env("GITHUB_OUTPUT", &outputs).status().unwrap();
    assert_eq!(status.code(), Some(0), "a no is not a red step");
    let text = std::fs::read_to_string(&outputs).unwrap();
    assert!(text.contains("in-progress<<") && text.contains("\nfalse\n"), "{text}");
}
