//! `interlock run`, as a person calls it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::sandbox::{Ended, Sandbox};

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_interlock"))
}

/// Runs one workflow for a push and returns its result.
#[track_caller]
fn run_one(workflow: &str, code: i32) -> Value {
    let sandbox = sandbox();
    sandbox.workflow("ci.yml", workflow).commit();
    let runs = sandbox.run(&["run", "--format", "json"]).expect_code(code).runs();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0].clone()
}

fn job<'a>(run: &'a Value, name: &str) -> &'a Value {
    let jobs = run["jobs"].as_array().expect("jobs");
    jobs.iter()
        .find(|job| job["name"] == name)
        .unwrap_or_else(|| panic!("no job {name} in {jobs:?}"))
}

/// Waits until something is true, for at most ten seconds.
#[track_caller]
fn eventually(what: &str, check: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !check() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Says whether a process with this word in its arguments is alive.
fn is_alive(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    processes.into_iter().any(|entry| {
        let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let is_number = entry.file_name().to_string_lossy().parse::<u32>().is_ok();
        is_number && arguments.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    })
}

#[test]
fn outputs_reach_the_jobs_that_need_them() {
    let run = run_one(
        r#"
on: push
jobs:
  first:
    runs-on: ubuntu-latest
    outputs:
      word: ${{ steps.say.outputs.word }}
    steps:
      - id: say
        run: echo "word=hello" >> "$GITHUB_OUTPUT"
  second:
    needs: first
    runs-on: ubuntu-latest
    outputs:
      word: ${{ steps.say.outputs.word }}
    steps:
      - id: say
        run: echo "word=${{ needs.first.outputs.word }} again" >> "$GITHUB_OUTPUT"
"#,
        0,
    );
    assert_eq!(job(&run, "second")["outputs"], json!({"word": "hello again"}));
}

#[test]
fn independent_jobs_meet_while_they_run() {
    // Each waits for a file that the other makes, so one after the other would never end well.
    let sandbox = sandbox();
    let meeting = sandbox.path("meeting");
    std::fs::create_dir(&meeting).unwrap();
    let step = |mine: &str, theirs: &str| {
        format!(
            "touch {0}/{mine}; for i in $(seq 100); do [ -e {0}/{theirs} ] && exit 0; sleep 0.1; done; exit 1",
            meeting.display()
        )
    };
    let text = format!(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: {}\n  b:\n    runs-on: ubuntu-latest\n    steps:\n      - run: {}\n",
        step("a", "b"),
        step("b", "a")
    );
    sandbox.workflow("ci.yml", &text).commit();
    sandbox.run(&["run", "--max-parallel", "2"]).expect_code(0);
}

#[test]
fn allowed_failure_is_a_warning_and_a_real_one_is_red() {
    let run = run_one(
        "
on: push
jobs:
  lint:
    continue-on-error: true
    runs-on: ubuntu-latest
    steps: [{run: exit 1}]
  after:
    needs: lint
    runs-on: ubuntu-latest
    steps: [{run: 'true'}]
",
        0,
    );
    assert_eq!(
        (&run["conclusion"], &job(&run, "lint")["warning"]),
        (&json!("success"), &json!(true))
    );
    assert_eq!(job(&run, "after")["conclusion"], "success");
    let run = run_one(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: exit 3}]\n",
        1,
    );
    assert_eq!(run["conclusion"], "failure");
}

#[test]
fn step_outcome_and_conclusion_differ_where_errors_may_pass() {
    let run = run_one(
        "
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - {id: may, run: exit 1, continue-on-error: true}
      - {id: see, if: steps.may.outcome == 'failure' && steps.may.conclusion == 'success', run: 'true'}
      - {id: not, if: failure(), run: 'true'}
",
        0,
    );
    let steps = &job(&run, "a")["steps"];
    let ends: Vec<_> = (0..3)
        .map(|step| (steps[step]["outcome"].as_str(), steps[step]["conclusion"].as_str()))
        .collect();
    assert_eq!(
        ends,
        [
            (Some("failure"), Some("success")),
            (Some("success"), Some("success")),
            (Some("skipped"), Some("skipped")),
        ]
    );
}

#[test]
fn timeouts_of_steps_and_jobs_are_real() {
    let run = run_one(
        "
on: push
jobs:
  step:
    runs-on: ubuntu-latest
    steps:
      - {run: sleep 60, timeout-minutes: 0.01}
      - {if: always(), run: 'true'}
  job:
    runs-on: ubuntu-latest
    timeout-minutes: 0.01
    steps: [{run: sleep 60}]
",
        1,
    );
    assert_eq!(job(&run, "step")["conclusion"], "failure");
    assert_eq!(job(&run, "step")["steps"][1]["conclusion"], "success");
    assert_ne!(job(&run, "job")["conclusion"], "success");
}

#[test]
fn workspace_is_empty_until_a_checkout_and_never_the_users_tree() {
    let sandbox = sandbox();
    let text = r#"
on: push
jobs:
  bare:
    runs-on: ubuntu-latest
    steps:
      - run: test -z "$(ls -A)"
  full:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: test -f kept.txt && test -f new.txt && ! test -e ignored.txt && touch written.txt
"#;
    sandbox
        .workflow("ci.yml", text)
        .file("kept.txt", "1")
        .file(".gitignore", "ignored.txt\n")
        .commit();
    sandbox.file("new.txt", "not committed").file("ignored.txt", "ignored");
    sandbox.run(&["run"]).expect_code(0);
    assert!(!sandbox.repository().join("written.txt").exists());
    assert!(sandbox.git(&["status", "--porcelain"]).trim() == "?? new.txt");
    let ended = sandbox.run(&["run", "--committed", "--job", "full"]).expect_code(1);
    assert!(ended.stdout.contains("failure"), "{}", ended.stdout);
}

#[test]
fn environment_is_made_and_not_inherited() {
    let sandbox = sandbox();
    let text = r#"
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: test -z "$AWS_SECRET_ACCESS_KEY" && test -z "$GITHUB_TOKEN" && test "$ASKED" = yes
      - run: test "$HOME" != "$USERS_HOME" && test -d "$RUNNER_TEMP"
        env:
          USERS_HOME: ${{ vars.USERS_HOME }}
"#;
    sandbox.workflow("ci.yml", text).commit();
    let home = format!("USERS_HOME={}", sandbox.path("").display());
    let mut command = sandbox.command(&["run", "--env", "ASKED=yes", "--var", &home]);
    command.env("AWS_SECRET_ACCESS_KEY", "leak").env("GITHUB_TOKEN", "leak");
    Ended::of(&command.output().unwrap()).expect_code(0);
}

#[test]
fn secrets_are_masked_wherever_they_appear() {
    let sandbox = sandbox();
    let text = "
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo \"it is ${{ secrets.PASSWORD }}\"; echo \"${{ secrets.PASSWORD }}\" | base64; exit 1
";
    sandbox.workflow("ci.yml", text).commit();
    let mut command = sandbox.command(&["run", "--format", "json", "--secret", "PASSWORD"]);
    let ended =
        Ended::of(&command.env("PASSWORD", "hunter2-long").output().unwrap()).expect_code(1);
    let shown = format!("{}{}", ended.stdout, ended.stderr);
    assert!(shown.contains("it is ***"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("aHVudGVyMi1sb25n"), "{shown}");
    for entry in walk(&sandbox.state().join("runs")) {
        let text = String::from_utf8_lossy(&std::fs::read(&entry).unwrap()).into_owned();
        assert!(!text.contains("hunter2"), "{}", entry.display());
    }
}

fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries =
        std::fs::read_dir(directory).expect("a directory").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn newest_of_a_group_wins_and_an_irrelevant_comment_cancels_nothing() {
    let sandbox = sandbox();
    let text = "
on: {issues: {types: [opened, labeled]}, issue_comment: {}}
concurrency: {group: 'issue-${{ github.event.issue.number }}', cancel-in-progress: true}
jobs:
  work:
    if: github.event_name == 'issues'
    runs-on: ubuntu-latest
    steps: [{run: sleep 1}]
";
    let deliveries = r#"{"event":"issues","payload":{"action":"opened","issue":{"number":1}}}
{"event":"issues","payload":{"action":"labeled","issue":{"number":1}},"delay_ms":200}
{"event":"issues","payload":{"action":"opened","issue":{"number":2}}}
{"event":"issue_comment","payload":{"action":"created","issue":{"number":1}},"delay_ms":200}
"#;
    sandbox.workflow("music.yml", text).file("deliveries.jsonl", deliveries).commit();
    let ended = sandbox
        .run(&["run", "--deliveries", "deliveries.jsonl", "--format", "json"])
        .expect_code(0);
    let mut runs = ended.runs();
    runs.sort_by_key(|run| run["delivery"].as_u64());
    let ends: Vec<_> =
        runs.iter().map(|run| (run["delivery"].as_u64(), run["conclusion"].as_str())).collect();
    assert_eq!(
        ends,
        [(Some(0), Some("cancelled")), (Some(1), Some("success")), (Some(2), Some("success"))]
    );
    assert_eq!(runs[0]["group"], "issue-1");
    assert!(
        runs[0]["reason"].as_str().is_some_and(|reason| reason.contains("superseded")),
        "{}",
        runs[0]
    );
}

#[test]
fn two_calls_see_the_same_groups() {
    let sandbox = sandbox();
    let meeting = sandbox.path("in-use");
    let text = format!(
        "on: workflow_dispatch\nconcurrency: {{group: one, queue: max}}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: mkdir {0} && sleep 0.3 && rmdir {0}\n",
        meeting.display()
    );
    sandbox.workflow("ci.yml", &text).commit();
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let mut command = sandbox.command(&["run", "--event", "workflow_dispatch"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for call in calls {
        Ended::of(&call.wait_with_output().unwrap()).expect_code(0);
    }
}

#[test]
fn interrupt_cancels_as_github_does_and_leaves_nothing() {
    let sandbox = sandbox();
    let text = "
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: setsid sleep 70711 & sleep 70712
      - {if: always(), run: echo cleaned up}
";
    sandbox.workflow("ci.yml", text).commit();
    let mut command = sandbox.command(&["run"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the step runs", || is_alive("70711") && is_alive("70712"));
    signal(child.id(), "-INT");
    let ended = Ended::of(&child.wait_with_output().unwrap()).expect_code(130);
    assert!(ended.stderr.contains("cleaned up"), "{}", ended.stderr);
    assert!(!is_alive("70711") && !is_alive("70712"));
    assert_eq!(sandbox.job_directories(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn killed_run_is_found_cleaned_up_and_reported_by_the_next_call() {
    let sandbox = sandbox();
    let text = "
on: push
concurrency: one
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: if [ -e \"$HOLD\" ]; then setsid sleep 70713 & sleep 70714; fi
";
    let hold = sandbox.path("hold");
    std::fs::write(&hold, "").unwrap();
    sandbox.workflow("ci.yml", text).commit();
    let given = format!("HOLD={}", hold.display());
    let mut command = sandbox.command(&["run", "--env", &given]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the step runs", || is_alive("70713") && is_alive("70714"));
    // Front and worker at once, so that neither can clean up after the other.
    let worker =
        std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
    let worker: u32 = worker.split_whitespace().next().expect("a worker").parse().unwrap();
    signal(child.id(), "-STOP");
    signal(worker, "-KILL");
    signal(child.id(), "-KILL");
    child.wait().unwrap();
    eventually("the worker is dead", || {
        !std::path::Path::new(&format!("/proc/{worker}/fd/0")).exists()
    });
    std::fs::remove_file(&hold).unwrap();
    let ended = sandbox.run(&["run", "--env", &given]).expect_code(0);
    assert!(ended.stderr.contains("interrupted: run"), "{}", ended.stderr);
    assert!(!is_alive("70713") && !is_alive("70714"));
    assert_eq!(sandbox.job_directories(), Vec::<std::path::PathBuf>::new());
    let again = sandbox.run(&["run", "--env", &given]).expect_code(0);
    assert!(!again.stderr.contains("interrupted: run"), "{}", again.stderr);
}

fn signal(process: u32, signal: &str) {
    let process = process.to_string();
    let status = std::process::Command::new("kill").args([signal, &process]).status();
    assert!(status.expect("kill").success());
}

#[test]
fn what_is_not_supported_is_refused_before_anything_starts() {
    let sandbox = sandbox();
    let text = "
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: touch /tmp/never
      - uses: docker/login-action@v3
";
    sandbox.workflow("ci.yml", text).commit();
    let ended = sandbox.run(&["run"]).expect_code(2);
    assert!(ended.stderr.contains("ci.yml:8:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("nothing was started"), "{}", ended.stderr);
    assert!(!sandbox.state().join("runs").exists());
}

#[test]
fn wrong_usage_is_told_with_what_to_do() {
    let sandbox = sandbox();
    sandbox
        .workflow("ci.yml", "on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{run: 'true'}]\n")
        .commit();
    let check = |arguments: &[&str], part: &str| {
        let ended = sandbox.run(arguments).expect_code(2);
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    };
    check(&["run", "nope"], "there is no workflow `nope`");
    check(&["run", "--secret", "MISSING"], "there is no such environment variable");
    check(&["run", "--payload", "nowhere.json", "--event", "issues"], "cannot read nowhere.json");
    check(&["run", "--event", "../x"], "is not the name of an event");
    check(&["run", "--max-parallel", "0"], "--max-parallel");
    check(&["run", "ci", "--event", "issues"], "nothing ran for the event issues");
    check(&["run", "--input", "novalue"], "there is no `=`");
}
