//! `interlock check`, as a person calls it.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

const FINE: &str =
    "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo hi\n";

/// Makes a repository of some files.
fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn interlock(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
    command.arg("check").args(arguments).current_dir(directory);
    command.env("INTERLOCK_STATE_DIR", directory.join("state"));
    for name in ["GITHUB_OUTPUT", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Returns the JSON objects and the exit code.
fn found(directory: &Path, arguments: &[&str]) -> (Vec<Value>, Option<i32>) {
    let output = interlock(directory, &[arguments, &["--format", "json"]].concat());
    let lines = text(&output.stdout);
    let objects = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (objects, output.status.code())
}

fn codes(objects: &[Value]) -> Vec<(&str, &str)> {
    objects
        .iter()
        .map(|object| (object["file"].as_str().unwrap(), object["code"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_repository_without_faults_is_fine() {
    let repository = repository(&[(".github/workflows/ci.yml", FINE)]);
    let output = interlock(repository.path(), &[]);
    assert_eq!(text(&output.stdout), "nothing is wrong in 1 file\n");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(found(repository.path(), &[]), (vec![], Some(0)));
}

#[test]
fn faults_have_their_line_and_a_hint() {
    let faulty = FINE.replace("runs-on", "runs_on");
    let repository =
        repository(&[(".github/workflows/ci.yml", &faulty), (".github/workflows/b.yaml", FINE)]);
    // From anywhere inside.
    let inside = repository.path().join("src");
    fs::create_dir(&inside).unwrap();
    let output = interlock(&inside, &[]);
    let expected = "\
error[unknown-key]: a job has no key 'runs_on'
 --> .github/workflows/ci.yml:4:5
  |
4 |     runs_on: ubuntu-latest
  |     ^^^^^^^
  |
  = hint: did you mean 'runs-on'?

1 error and no warnings in 1 of 2 files
";
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn json_has_one_object_for_each_fault() {
    let faulty = FINE.replace("runs-on", "runs_on");
    let repository = repository(&[("odd/place.yml", &faulty)]);
    let expected = json!({
        "file": "odd/place.yml", "line": 4, "column": 5, "end_line": 4, "end_column": 12,
        "severity": "error", "code": "unknown-key", "message": "a job has no key 'runs_on'",
        "hint": "did you mean 'runs-on'?", "related": []
    });
    assert_eq!(found(repository.path(), &["odd/place.yml"]), (vec![expected], Some(1)));
}

#[test]
fn warnings_alone_are_no_failure() {
    let shared = FINE.replace("jobs:", "concurrency: ${{ github.run_id }}\njobs:");
    let repository = repository(&[
        (".github/workflows/ci.yml", &shared),
        (".github/workflows/mac.yml", &FINE.replace("ubuntu", "macos")),
    ]);
    let (objects, code) = found(repository.path(), &[]);
    assert_eq!(
        codes(&objects),
        [
            (".github/workflows/ci.yml", "group-never-matches"),
            (".github/workflows/mac.yml", "unsupported-system")
        ]
    );
    assert!(objects.iter().all(|object| object["severity"] == "warning"));
    assert_eq!(code, Some(0));
}

#[test]
fn people_see_one_foreign_action_and_programs_all() {
    let foreign = FINE.replace(
        "run: echo hi",
        "uses: actions/cache@v4\n      - uses: actions/cache@v4\n      - uses: a/b@c",
    );
    let repository = repository(&[(".github/workflows/ci.yml", &foreign)]);
    let output = text(&interlock(repository.path(), &[]).stdout);
    let message = "'actions/cache@v4' is an action of another repository, and 2 more steps use";
    assert!(output.contains(message), "{output}");
    assert!(output.ends_with("no errors and 3 warnings in 1 of 1 file\n"), "{output}");
    assert_eq!(found(repository.path(), &[]).0.len(), 3);
}

#[test]
fn files_are_checked_with_what_they_name() {
    let uses = |uses: &str| FINE.replace("run: echo hi", uses);
    let called = "on: {workflow_call: {inputs: {x: {type: string, required: true}}}}\n\
        jobs: {a: {runs-on: x, steps: [run: x]}}\n";
    let calls = |uses: &str| format!("on: push\njobs: {{a: {{uses: {uses}}}}}\n");
    let repository = repository(&[
        (".github/workflows/a.yml", &uses("{uses: ./tools/one, with: {colour: red}}")),
        (".github/workflows/b.yml", &uses("uses: ./tools/none")),
        (".github/workflows/c.yml", &calls("./.github/workflows/called.yml")),
        (".github/workflows/called.yml", called),
        (".github/workflows/d.yml", &calls("./.github/workflows/none.yml")),
        (
            "tools/one/action.yml",
            "name: one\nruns: {using: composite, steps: [{run: x, shell: sh}, {uses: ./tools/two}]}\n",
        ),
        ("tools/two/action.yaml", "name: two\nruns: {using: node99, main: x}\n"),
    ]);
    let (objects, code) = found(repository.path(), &[]);
    assert_eq!(
        codes(&objects),
        [
            (".github/workflows/a.yml", "unknown-input"),
            (".github/workflows/b.yml", "missing-action"),
            (".github/workflows/c.yml", "missing-input"),
            (".github/workflows/d.yml", "missing-workflow"),
            ("tools/two/action.yaml", "unknown-value"),
        ]
    );
    assert_eq!(code, Some(1));
    let (objects, _) = found(repository.path(), &["tools/two/action.yaml"]);
    assert_eq!(codes(&objects), [("tools/two/action.yaml", "unknown-value")]);
}

#[test]
fn what_cannot_be_read_is_an_error_of_its_own() {
    let repository = repository(&[(".github/workflows/ci.yml", FINE), ("bad.yml", "")]);
    fs::write(repository.path().join("bad.yml"), [0xff, 0xfe]).unwrap();
    for (file, why) in
        [("none.yml", "No such file"), ("bad.yml", "not UTF-8"), (".github", "is a directory")]
    {
        let output = interlock(repository.path(), &[file, ".github/workflows/ci.yml"]);
        assert_eq!(output.status.code(), Some(2), "{file}");
        assert!(text(&output.stderr).contains(why), "{file}: {}", text(&output.stderr));
        assert!(text(&output.stdout).contains("nothing is wrong in 1 file"), "{file}");
    }
}

#[cfg(unix)]
#[test]
fn links_out_of_the_repository_are_not_shown() {
    let outside = repository(&[("secret", "on: the-secret\n")]);
    let repository = repository(&[(".github/workflows/ci.yml", FINE)]);
    let link = repository.path().join(".github/workflows/link.yml");
    std::os::unix::fs::symlink(outside.path().join("secret"), link).unwrap();
    let output = interlock(repository.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    let all = text(&output.stdout) + &text(&output.stderr);
    assert!(!all.contains("the-secret"), "{all}");
    assert!(all.contains("not in the repository"), "{all}");
}

#[test]
fn jobs_on_github_get_annotations_and_outputs() {
    let repository = repository(&[(".github/workflows/ci.yml", &FINE.replace("push", "pussh"))]);
    let outputs = repository.path().join("outputs");
    let output = Command::new(env!("CARGO_BIN_EXE_interlock"))
        .args(["check", "--format", "json"])
        .current_dir(repository.path())
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_OUTPUT", &outputs)
        .output()
        .unwrap();
    assert!(
        text(&output.stderr).starts_with(
            "::error file=.github/workflows/ci.yml,line=1,endLine=1,col=5,endColumn=10,\
             title=unknown-value::'pussh' is not known here: did you mean 'push'?"
        ),
        "{}",
        text(&output.stderr)
    );
    let outputs = fs::read_to_string(outputs).unwrap();
    assert!(outputs.contains("errors<<") && outputs.contains("\n1\n"), "{outputs}");
}

#[test]
fn what_works_here_alone_is_an_error_to_check_and_runs() {
    let action = "runs:\n  using: composite\n  steps:\n    - run: test \"$BASH\"\n";
    let workflow = "on: push\nenv: {S: sh}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      \
                    - uses: actions/checkout@v4\n      - uses: ./act\n      - run: test -z \"${BASH+x}\"\n        \
                    shell: ${{ env.S }}\n";
    let repository =
        repository(&[(".github/workflows/ci.yml", workflow), ("act/action.yml", action)]);
    let (objects, code) = found(repository.path(), &[]);
    let expected =
        [(".github/workflows/ci.yml", "not-on-github"), ("act/action.yml", "not-on-github")];
    assert_eq!(codes(&objects), expected);
    assert!(objects.iter().all(|object| object["severity"] == "error"));
    assert_eq!(code, Some(1));

    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(repository.path()).args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
        ]);
        assert!(command.args(arguments).output().unwrap().status.success());
    };
    git(&["init", "--quiet"]);
    git(&["add", ".github", "act"]);
    git(&["commit", "--quiet", "-m", "x"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
    command.arg("run").current_dir(repository.path());
    command.env("INTERLOCK_STATE_DIR", repository.path().join("state"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}
