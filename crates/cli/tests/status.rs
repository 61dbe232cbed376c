//! `interlock status`, as jobs call it, against a forge on loopback.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::forge::{Effect, Faults, Forge, Pull, Rule, Run, RunJob, State};
use testkit::sandbox::{Ended, Sandbox};

const PULL: u64 = 7;

/// A repository with one pull request, on a forge and on disk.
struct Scene {
    runtime: tokio::runtime::Runtime,
    forge: Forge,
    sandbox: Sandbox,
}

fn sha(letter: char) -> String {
    letter.to_string().repeat(40)
}

impl Scene {
    fn new() -> Self {
        Self::with(Faults::default())
    }

    fn with(faults: Faults) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let mut state = State::new("octo/tones");
        let branch = "topic".to_owned();
        state.pulls.push(Pull {
            number: PULL,
            branch,
            sha: sha('a'),
            state: "open",
            merged: false,
        });
        let forge = runtime.block_on(Forge::start(state, faults));
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_interlock"));
        let scene = Self { runtime, forge, sandbox };
        scene.event(&json!({"pull_request": {"number": PULL, "head": {"sha": sha('a')}}}));
        scene
    }

    fn event(&self, event: &Value) {
        fs::write(self.sandbox.path("event.json"), event.to_string()).expect("a file");
    }

    /// Prepares a call as a step of `job` makes it.
    fn command(&self, job: &str, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(&[&["status"], arguments].concat());
        let store = format!("file:{}", self.sandbox.state().join("shared.db").display());
        command
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_API_URL", self.forge.url())
            .env("GITHUB_REPOSITORY", "octo/tones")
            .env("GITHUB_RUN_ID", "100")
            .env("GITHUB_RUN_ATTEMPT", "1")
            .env("GITHUB_JOB", job)
            .env("GITHUB_EVENT_NAME", "pull_request")
            .env("GITHUB_EVENT_PATH", self.sandbox.path("event.json"))
            .env("GITHUB_WORKFLOW_REF", "octo/tones/.github/workflows/ci.yml@refs/pull/7/merge")
            .env("GITHUB_SHA", sha('f'))
            .env("GITHUB_TOKEN", "token")
            .env("INTERLOCK_STORE", store);
        command
    }

    #[track_caller]
    fn call(&self, job: &str, arguments: &[&str], code: i32) -> Ended {
        let output = self.command(job, arguments).output().expect("the binary");
        Ended::of(&output).expect_code(code)
    }

    fn bodies(&self) -> Vec<String> {
        let ours = |state: &mut State| {
            let comments = state.comments.iter().filter(|c| c.author == "interlock[bot]");
            comments.map(|comment| comment.body.clone()).collect()
        };
        self.forge.with(ours)
    }

    #[track_caller]
    fn body(&self) -> String {
        let bodies = self.bodies();
        assert_eq!(bodies.len(), 1, "{bodies:#?}");
        bodies[0].clone()
    }
}

const QUICK: [&str; 4] = ["--settling", "200ms", "--lag", "100ms"];

#[test]
fn rows_of_several_jobs_stand_in_one_comment() {
    let scene = Scene::new();
    scene.call(
        "build",
        &["set", "compile", "--state", "running", "--phase", "linking", "--heading", "Our build"],
        0,
    );
    let body = scene.body();
    assert!(
        body.contains("| ⏳ running | [compile](https://github.com/octo/tones/actions/runs/100")
    );
    assert!(body.contains("linking") && body.contains("### Our build"));
    scene.call(
        "lint",
        &[
            "set",
            "clippy",
            "--state",
            "failed",
            "--message",
            "3 warnings",
            "--reproduce",
            "cargo clippy",
        ],
        0,
    );
    scene.call("build", &["set", "compile", "--state", "passed"], 0);
    let body = scene.body();
    assert!(body.contains("**❌ 1 failed, 1 passed**"), "{body}");
    assert!(body.contains("3 warnings") && body.contains("cargo clippy"));
    let shown = scene.call("x", &["show", "--format", "json"], 0).json();
    assert_eq!(shown[0]["overall"], "failed");
    assert_eq!(shown[0]["rows"].as_array().map(Vec::len), Some(2));
    assert_eq!(shown[0]["published"], shown[0]["revision"]);
    assert_eq!(shown[0]["rows"][0]["writer"]["workflow"], ".github/workflows/ci.yml");
    let markdown = scene.call("x", &["show", "--format", "markdown"], 0).stdout;
    assert!(markdown.contains("#### Failed (1)") && !markdown.contains("interlock-state"));
}

#[test]
fn finished_task_does_not_run_again_but_its_next_attempt_does() {
    let scene = Scene::new();
    scene.call("build", &["set", "compile", "--state", "failed"], 0);
    let again =
        scene.call("build", &["set", "compile", "--state", "running", "--format", "json"], 3);
    assert_eq!(again.json()[0]["outcome"], "finished");
    let mut next = scene.command("build", &["set", "compile", "--state", "running"]);
    let output = next.env("GITHUB_RUN_ATTEMPT", "2").output().expect("the binary");
    Ended::of(&output).expect_code(0);
    let late = scene.call("build", &["set", "compile", "--state", "passed", "--format", "json"], 3);
    assert_eq!(late.json()[0]["outcome"], "earlier-attempt");
    assert!(scene.body().contains("<sub>attempt 2</sub>"));
}

#[test]
fn writer_of_an_older_head_is_told_and_changes_nothing() {
    let scene = Scene::new();
    scene.call("build", &["set", "compile", "--state", "passed"], 0);
    scene.forge.with(|state| state.pulls[0].sha = sha('b'));
    let before = scene.body();
    let arguments =
        [&["set", "late", "--state", "failed", "--format", "json"][..], &QUICK].concat();
    let late = scene.call("old", &arguments, 3);
    assert_eq!(late.json()[0]["outcome"], "older-head");
    assert_eq!(late.json()[0]["current_head"], sha('b'));
    assert_eq!(scene.body(), before);
    scene.event(&json!({"pull_request": {"number": PULL, "head": {"sha": sha('b')}}}));
    scene.call("build", &[&["set", "compile", "--state", "failed"][..], &QUICK].concat(), 0);
    let body = scene.body();
    assert!(body.contains("1 failed**") && body.contains("commit bbbbbbbbbbbb"), "{body}");
    // A step output carries the answer, so the step stays green unless it asks.
    scene.event(&json!({"pull_request": {"number": PULL, "head": {"sha": sha('a')}}}));
    let outputs = scene.sandbox.path("outputs");
    let mut step = scene.command("old", &arguments);
    let output = step.env("GITHUB_OUTPUT", &outputs).output().expect("the binary");
    Ended::of(&output).expect_code(0);
    let told = fs::read_to_string(outputs).expect("outputs");
    assert!(told.contains("older-head") && told.contains("current-head<<"), "{told}");
}

#[test]
fn command_is_a_task_and_its_code_is_passed_on() {
    let scene = Scene::new();
    let script = "echo '[1/2] one'; echo 'hunter2-token'; echo 'it broke'; exit 7";
    let mut command = scene.command("build", &["run", "unit tests", "--", "sh", "-c", script]);
    let output = command.env("MY_SECRET", "hunter2-token").output().expect("the binary");
    let ended = Ended::of(&output).expect_code(7);
    assert!(ended.stdout.contains("it broke") && ended.stdout.contains("hunter2-token"));
    let body = scene.body();
    assert!(body.contains("| ❌ failed | [unit tests]"), "{body}");
    assert!(body.contains("exit code 7") && body.contains("it broke"), "{body}");
    assert!(!body.contains("hunter2"), "{body}");
    scene.call("build", &["run", "good", "--", "true"], 0);
    scene.call("build", &["run", "flaky", "--warn-on", "3", "--", "sh", "-c", "exit 3"], 3);
    scene.call("build", &["run", "absent", "--", "/no/such/program"], 127);
    let counts = &scene.call("x", &["show", "--format", "json"], 0).json()[0]["counts"];
    assert_eq!(
        (&counts["passed"], &counts["warning"], &counts["failed"]),
        (&json!(1), &json!(1), &json!(2))
    );
}

#[test]
fn killed_writer_is_shown_as_aborted_and_settle_proves_it() {
    let scene = Scene::new();
    let arguments = ["run", "long", "--ttl", "900ms", "--", "sleep", "600"];
    let mut child =
        scene.command("build", &arguments).stdout(Stdio::null()).spawn().expect("the binary");
    let began = Instant::now();
    while scene.bodies().is_empty() && began.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(scene.body().contains("⏳ running"));
    child.kill().expect("a process to kill");
    child.wait().expect("its end");
    let settled = scene.call(
        "x",
        &[&["settle", "--timeout", "30s", "--format", "json"][..], &QUICK].concat(),
        0,
    );
    let answer = &settled.json()[0];
    assert_eq!((&answer["outcome"], &answer["proven"]), (&json!("settled"), &json!(true)));
    let body = scene.body();
    assert!(body.contains("🛑 aborted") && body.contains("no sign of life since"), "{body}");
    // The real result comes late, and counts.
    scene.call("build", &["set", "long", "--state", "passed"], 0);
    assert!(scene.body().contains("**✅ 1 passed**"));
}

#[test]
fn rate_limit_fails_no_task() {
    let limited = Rule {
        method: "",
        path: "/",
        per_mille: 1000,
        budget: u32::MAX,
        effect: Effect::Refuse(403, vec![("retry-after", "600".to_owned())], "{}".to_owned()),
    };
    let scene = Scene::with(Faults::new(1, vec![limited]));
    let running = scene.call(
        "build",
        &["set", "compile", "--state", "running", "--author", "interlock[bot]", "--format", "json"],
        0,
    );
    assert_eq!(running.json()[0]["published"], false);
    assert!(running.stderr.contains("::warning"), "{}", running.stderr);
    scene.forge.set_faults(Faults::default());
    assert!(scene.bodies().is_empty());
}

#[test]
fn edited_and_deleted_and_doubled_comments_are_repaired() {
    let scene = Scene::new();
    scene.call("build", &["set", "compile", "--state", "passed"], 0);
    let publish = [&["publish", "--final"][..], &QUICK].concat();
    scene.forge.with(|state| {
        let body = state.comments[0].body.clone();
        let marker = body.lines().next().unwrap_or_default().to_owned();
        state.comment(PULL, "mallory", &body);
        let id = state.comments[0].id;
        state.edit(id, &format!("{marker}\nI have edited this"));
    });
    scene.call("x", &publish, 0);
    assert!(scene.body().contains("1 passed"));
    assert_eq!(scene.forge.with(|state| state.comments.len()), 2, "the forged one is left alone");
    scene.forge.with(|state| {
        let body = state.comments[0].body.clone();
        state.comment(PULL, "interlock[bot]", &body);
    });
    scene.call("x", &publish, 0);
    assert!(scene.body().contains("1 passed"));
    scene.forge.with(|state| {
        let id = state.comments[0].id;
        state.remove(id);
    });
    scene.call("x", &publish, 0);
    assert!(scene.body().contains("1 passed"));
}

#[test]
fn number_comes_from_the_forge_when_the_run_was_a_forks() {
    let scene = Scene::new();
    scene.event(&json!({"workflow_run": {
        "head_sha": sha('a'), "head_branch": "topic", "pull_requests": [],
        "head_repository": {"owner": {"login": "mallory"}},
    }}));
    scene.call("report", &["set", "forked", "--state", "passed"], 0);
    assert!(scene.body().contains("1 passed"));
    scene.event(&json!({"workflow_run": {"head_sha": sha('e'), "head_branch": "gone"}}));
    let shown =
        scene.call("report", &["set", "nobody's", "--state", "passed", "--format", "json"], 0);
    assert_eq!(
        shown.json()[0]["outcome"],
        "stored",
        "a commit without a pull request has no comment"
    );
    assert!(!scene.body().contains("nobody"));
}

#[test]
fn result_of_parallel_becomes_rows() {
    let scene = Scene::new();
    let jobs = json!({"result": "failed", "jobs": [
        {"name": "unit", "result": "failed", "detail": "exit code 2", "critical": true, "duration_ms": 1500, "attempts": 1, "flaky": false, "left_behind": 0},
        {"name": "docs", "result": "failed", "detail": "exit code 1", "critical": false, "duration_ms": 10},
        {"name": "lint", "result": "passed", "detail": "passed", "critical": true, "duration_ms": 10, "attempts": 2, "flaky": true},
        {"name": "late", "result": "skipped", "detail": "skipped", "critical": true, "duration_ms": 0, "reason": "unit failed"},
    ]});
    let path = scene.sandbox.path("result.json");
    fs::write(&path, jobs.to_string()).expect("a file");
    let path = path.display().to_string();
    scene.call("build", &["import", "--parallel", &path], 0);
    let body = scene.body();
    assert!(body.contains("1 failed, 1 warning, 1 passed, 1 skipped"), "{body}");
    assert!(body.contains("**flaky**") && body.contains("exit code 2") && body.contains("1 s"));
    fs::write(scene.sandbox.path("torn.json"), "{\"jobs\": [").expect("a file");
    let torn = scene.sandbox.path("torn.json").display().to_string();
    scene.call("build", &["import", "--parallel", &torn], 6);
}

#[test]
fn jobs_that_never_call_us_are_shown_too() {
    let scene = Scene::new();
    let job = |id, name: &str, status: &str, conclusion: Option<&str>| RunJob {
        id,
        name: name.to_owned(),
        status: status.to_owned(),
        conclusion: conclusion.map(ToOwned::to_owned),
    };
    scene.forge.with(|state| {
        let run = |id, status: &str, jobs| Run {
            id,
            attempt: 1,
            path: ".github/workflows/old.yml".to_owned(),
            name: "Old".to_owned(),
            event: "push".to_owned(),
            sha: sha('a'),
            status: status.to_owned(),
            jobs,
            ..Run::default()
        };
        let done = vec![
            job(1, "compile", "completed", Some("success")),
            job(2, "test (1)", "completed", Some("failure")),
        ];
        let own = vec![
            job(3, "build", "completed", Some("success")),
            job(4, "settle", "in_progress", None),
        ];
        state.runs = vec![run(99, "completed", done), run(100, "in_progress", own)];
    });
    scene.call("build", &["set", "compile", "--state", "passed"], 0);
    let settle =
        [&["settle", "--include-jobs", "--timeout", "20s", "--format", "json"][..], &QUICK]
            .concat();
    let settled = scene.call("settle", &settle, 0);
    assert_eq!(settled.json()[0]["outcome"], "settled");
    let body = scene.body();
    assert!(body.contains("test \\(1\\)") && body.contains("1 failed, 2 passed"), "{body}");
    assert!(!body.contains("settle"), "a job does not wait for itself: {body}");
}

#[test]
fn comment_alone_keeps_the_document_as_well_as_it_can() {
    let scene = Scene::new();
    let with = |arguments: &[&str]| {
        [arguments, &["--store", "comment"], &QUICK]
            .concat()
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    for (job, state) in [("build", "passed"), ("lint", "failed")] {
        let arguments = with(&["set", job, "--state", state, "--format", "json"]);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let said = scene.call(job, &arguments, 0);
        assert_eq!(said.json()[0]["outcome"], "shown");
    }
    assert!(scene.body().contains("1 failed, 1 passed"));
    // A writer with a store takes the rows over that it finds only in the comment.
    scene.call("docs", &["set", "docs", "--state", "passed"], 0);
    let body = scene.body();
    assert!(body.contains("1 failed, 2 passed"), "{body}");
    let shown = scene.call("x", &["show", "--format", "json"], 0).json();
    assert_eq!(shown[0]["rows"].as_array().map(Vec::len), Some(3));
}

#[test]
fn other_places_show_the_same_document() {
    let scene = Scene::new();
    let summary = scene.sandbox.path("summary.md");
    let arguments =
        ["set", "compile", "--state", "failed", "--summary", "--commit-status", "interlock"];
    let output = scene.command("build", &arguments).env("GITHUB_STEP_SUMMARY", &summary).output();
    Ended::of(&output.expect("the binary")).expect_code(0);
    let markdown = fs::read_to_string(summary).expect("a summary");
    assert!(markdown.contains("1 failed") && !markdown.contains("interlock-state"));
    let statuses = scene.forge.with(|state| state.statuses.clone());
    assert_eq!(statuses.len(), 1);
    assert_eq!(
        (statuses[0].sha.clone(), &*statuses[0].state, &*statuses[0].description),
        (sha('a'), "failure", "1 failed")
    );
}

#[test]
fn template_of_the_repository_is_used_and_a_wrong_one_is_refused() {
    let scene = Scene::new();
    scene
        .sandbox
        .file("status.md", "# Our status\n{{ summary }}\n{{ failed }}\nAsk in the channel.\n");
    scene.call("build", &["set", "a", "--state", "failed", "--template", "status.md"], 0);
    let body = scene.body();
    assert!(body.contains("# Our status") && body.contains("Ask in the channel."));
    scene.sandbox.file("wrong.md", "{{ summary }}");
    let refused =
        scene.call("build", &["set", "a", "--state", "failed", "--template", "wrong.md"], 2);
    assert!(refused.stderr.contains("no failure is hidden"), "{}", refused.stderr);
}

#[test]
fn what_is_missing_is_said() {
    let scene = Scene::new();
    let without = |name: &str, arguments: &[&str], code: i32, words: &str| {
        let output = scene.command("build", arguments).env_remove(name).output();
        let ended = Ended::of(&output.expect("the binary")).expect_code(code);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    };
    without("INTERLOCK_STORE", &["set", "a", "--state", "passed"], 2, "no store was chosen");
    without("GITHUB_TOKEN", &["publish"], 2, "GITHUB_TOKEN");
    scene.event(&json!({"issue": {"number": 3}}));
    without("GITHUB_SHA", &["set", "a", "--state", "passed"], 2, "--pull");
    scene.call("build", &["set", "a", "--state", "rnuning"], 2);
}

#[test]
fn legs_that_do_not_say_who_they_are_lose_no_row() {
    let scene = Scene::new();
    for (leg, state) in [("github_1", "failed"), ("github_2", "passed"), ("github_1", "failed")] {
        let mut command = scene.command("test", &["set", "unit", "--state", state]);
        let output = command.env("RUNNER_TRACKING_ID", leg).output().expect("the binary");
        Ended::of(&output).expect_code(0);
    }
    assert!(scene.body().contains("1 failed, 1 passed"), "{}", scene.body());
}

#[test]
fn many_processes_lose_no_row() {
    let scene = Scene::new();
    let begun = Instant::now();
    let children: Vec<_> = (0..12)
        .map(|index| {
            let job = format!("job-{index}");
            let state = if index % 3 == 0 { "failed" } else { "passed" };
            let task = format!("task-{index}");
            let mut command = scene.command(&job, &["set", &task, "--state", state]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary")
        })
        .collect();
    for mut child in children {
        assert_eq!(child.wait().expect("its end").code(), Some(0));
    }
    let body = scene.body();
    assert!(body.contains("4 failed, 8 passed"), "{body}");
    for index in 0..12 {
        assert!(body.contains(&format!("[task-{index}]")));
    }
    let writes = scene
        .forge
        .with(|state| state.count("PATCH", "/comments") + state.count("POST", "/comments"));
    assert!(writes <= 12, "{writes} writes in {:?}", begun.elapsed());
    drop(scene.runtime);
}
