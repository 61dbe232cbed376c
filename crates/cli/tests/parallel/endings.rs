//! The truth about how each job ended.

use serde_json::{Value, json};
use testkit::servers::has_program;

use crate::desk::Desk;

/// Runs one job and returns the exit code of all, its result and its exit code.
fn ending(flag: &str, command: &str, more: &[&str]) -> (i32, String, Value) {
    let job = format!("a={command}");
    let (code, summary) = Desk::new().json(&[&[flag, &job], more].concat());
    let row = &summary["jobs"][0];
    (code, row["result"].as_str().expect("a word").to_owned(), row["exit_code"].clone())
}

#[track_caller]
fn check(command: &str, expected: (i32, &str, Value)) {
    let (code, result, exit_code) = ending("--critical", command, &[]);
    assert_eq!(
        (code, result.as_str(), &exit_code),
        (expected.0, expected.1, &expected.2),
        "{command}"
    );
    // The same as an advisory job is a warning, whatever it is.
    let (code, result, exit_code) = ending("--advisory", command, &[]);
    assert_eq!((code, result.as_str(), &exit_code), (0, expected.1, &expected.2), "{command}");
}

#[test]
fn exit_codes_are_the_jobs_own() {
    check("true", (0, "passed", json!(0)));
    check("false", (1, "failed", json!(1)));
    check("exit 77", (1, "failed", json!(77)));
    check("exit 127", (1, "failed", json!(127)));
    // What loses them in shell recipes: a pipe into tee, and a command in the middle.
    check("false | tee /dev/null", (1, "failed", json!(1)));
    check("false; echo done", (1, "failed", json!(1)));
    check("exit 9 | cat", (1, "failed", json!(9)));
}

#[test]
fn signals_are_told_from_failures() {
    check("kill -9 $$", (1, "killed", json!(137)));
    check("kill -SEGV $$", (1, "killed", json!(139)));
}

#[test]
fn what_cannot_start_is_neither() {
    check("no-such-program", (1, "could-not-start", Value::Null));
    check("./no-such-file --flag", (1, "could-not-start", Value::Null));
    let (code, result, _) = ending("--critical", "true", &["--shell", "no-such-shell"]);
    assert_eq!((code, result.as_str()), (1, "could-not-start"));
}

#[test]
fn a_timeout_is_a_word_of_its_own() {
    let (code, result, exit_code) = ending("--critical", "sleep 60", &["--timeout", "100ms"]);
    assert_eq!((code, result.as_str(), exit_code), (1, "timed-out", Value::Null));
    let clean = "trap 'exit 0' INT; sleep 60 & wait";
    let (code, result, _) = ending("--critical", clean, &["--timeout", "200ms"]);
    assert_eq!((code, result.as_str()), (1, "timed-out"), "its own 0 is not a success");
}

#[test]
fn a_failure_does_not_end_the_others_and_all_have_a_row() {
    let desk = Desk::new();
    let (code, stdout, stderr) = desk.run(&[
        "--critical",
        "validate=sleep 0.2; echo broken; exit 1",
        "--advisory",
        "edges=exit 4",
        "--advisory",
        "website=sleep 0.4; echo built",
    ]);
    assert_eq!(code, 1);
    let rows: Vec<_> = stdout.lines().skip_while(|line| !line.starts_with("JOB")).collect();
    assert!(rows[1].starts_with("validate  failed (1)  critical"), "{stdout}");
    assert!(rows[2].starts_with("edges     failed (4)  advisory"), "{stdout}");
    assert!(rows[3].starts_with("website   passed      advisory"), "{stdout}");
    assert!(rows[4].starts_with("failed: 3 jobs, 1 with a warning"), "{stdout}");
    assert!(stdout.contains("built\n") && stdout.contains("broken\n"), "{stdout}");
    assert!(stderr.contains("warning: edges: failed (4) (advisory)"), "{stderr}");
    assert!(stderr.contains("error: validate: failed (1) (critical)"), "{stderr}");
}

#[test]
fn fail_fast_stops_the_rest_at_once() {
    let desk = Desk::new();
    let began = std::time::Instant::now();
    let (code, summary) = desk.json(&[
        "--fail-fast",
        "--max-parallel",
        "2",
        "--critical",
        "bad=exit 2",
        "--critical",
        "long=sleep 60",
        "--advisory",
        "late=true",
    ]);
    assert_eq!(code, 1);
    let words: Vec<_> = (0..3).map(|place| &summary["jobs"][place]["result"]).collect();
    assert_eq!(words, ["failed", "cancelled", "skipped"]);
    assert_eq!(summary["jobs"][2]["reason"], "`bad` failed");
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn a_file_says_everything() {
    if !has_program("python3") {
        return;
    }
    let desk = Desk::new();
    desk.write(
        "jobs.yml",
        "
max-parallel: 2
env: {GREETING: hello}
jobs:
  make:
    run: echo $GREETING $NAME > made; sleep 0.1
    env: {NAME: world}
    writes: made
  read: {run: cat made, needs: make, reads: [made]}
  odd: {run: exit 3, accept: [0, 3]}
  flaky:
    run: test -e again || { touch again; exit 75; }
    retries: {times: 2, delay: 10ms, on: [75]}
  stubborn: {run: exit 1, retries: {times: 2, on: [75]}, critical: false}
  hopeless: {run: 'true', needs: [stubborn], critical: false}
  inside: {run: pwd, working-directory: sub, log: places/inside.txt}
  python: {run: 'print(6 * 7)', shell: python3}
",
    );
    std::fs::create_dir(desk.path("sub")).expect("a directory");
    let (code, summary) = desk.json(&["jobs.yml", "--log-dir", "logs"]);
    assert_eq!(code, 0, "{summary:#}");
    let words: Vec<_> = summary["jobs"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| {
            format!(
                "{} {} {}",
                row["name"].as_str().unwrap(),
                row["detail"].as_str().unwrap(),
                row["attempts"]
            )
        })
        .collect();
    assert_eq!(
        words,
        [
            "make passed 1",
            "read passed 1",
            "odd passed 1",
            "flaky passed 2",
            "stubborn failed (1) 1",
            "hopeless skipped (needs `stubborn`, which failed) 0",
            "inside passed 1",
            "python passed 1",
        ]
    );
    assert_eq!(summary["jobs"][2]["exit_code"], 3);
    assert_eq!(summary["jobs"][3]["flaky"], true);
    assert_eq!(desk.read("logs/read.log"), "hello world\n");
    assert!(desk.read("logs/places/inside.txt").ends_with("/sub\n"));
    assert_eq!(desk.read("logs/python.log"), "42\n");
    assert_eq!(desk.read("logs/flaky.log"), "interlock: attempt 2\n");
}

#[test]
fn what_cannot_be_run_is_refused_before_anything_starts() {
    let desk = Desk::new();
    desk.write("jobs.yml", "jobs:\n  a: {run: touch ran}\n  b: {rum: x}\n");
    let (code, _, stderr) = desk.run(&["jobs.yml"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("unknown key `rum`"), "{stderr}");
    assert!(stderr.contains("jobs.yml:3:7"), "{stderr}");
    let refused: [&[&str]; 8] = [
        &[],
        &["no-such-file.yml"],
        &["--critical", "a"],
        &["--critical", "a=true", "--critical", "A=true"],
        &["--critical", "a=touch ran", "--max-parallel", "0"],
        &["--critical", "a=touch ran", "--json", "no/such/place.json"],
        &["--critical", "a=touch ran", "--timeout", "soon"],
        &["--critical", "../a=touch ran"],
    ];
    for arguments in refused {
        assert_eq!(desk.run(arguments).0, 2, "{arguments:?}");
    }
    assert!(!desk.path("ran").exists());
}

#[test]
fn a_place_that_cannot_be_written_is_an_error() {
    let desk = Desk::new();
    let (code, _, stderr) = desk.run(&["--critical", "a=true", "--log-dir", "/proc/logs"]);
    assert_eq!(code, 5, "{stderr}");
    assert!(stderr.contains("cannot create the directory of logs /proc/logs"), "{stderr}");
    std::fs::create_dir_all(desk.path("logs")).expect("a directory");
    std::os::unix::fs::symlink("/dev/full", desk.path("logs/a.log")).expect("a link");
    let (code, _, stderr) = desk.run(&["--critical", "a=echo x", "--log-dir", "logs"]);
    assert_eq!(code, 1, "a log that is not whole is not a success");
    assert!(stderr.contains("cannot write the log"), "{stderr}");
}
