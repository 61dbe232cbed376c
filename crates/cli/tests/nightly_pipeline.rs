//! `examples/nightly-pipeline`, over many nights, with crashes and a failing validation in between.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::sandbox::{Ended, Sandbox};
use testkit::servers::has_program;

/// A copy of the example in a repository of its own, and its data.
struct Pipeline {
    sandbox: Sandbox,
    data: PathBuf,
}

impl Pipeline {
    fn new() -> Self {
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_interlock"));
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/nightly-pipeline");
        let status =
            Command::new("cp").arg("-r").arg(example.join(".")).arg(sandbox.repository()).status();
        assert!(status.expect("cp").success());
        sandbox.commit();
        let data = sandbox.path("data");
        Self { sandbox, data }
    }

    fn command(&self, workflow: &str) -> Command {
        let given = format!("DATA={}", self.data.display());
        let arguments = ["run", workflow, "--event", "workflow_dispatch", "--var", &given];
        let mut command = self.sandbox.command(&arguments);
        let binary = Path::new(env!("CARGO_BIN_EXE_interlock")).parent().expect("a directory");
        let path = std::env::var("PATH").expect("a path");
        command.env("PATH", format!("{}:{path}", binary.display()));
        command
    }

    #[track_caller]
    fn night(&self, workflow: &str, code: i32) -> Ended {
        Ended::of(&self.command(workflow).output().expect("the binary")).expect_code(code)
    }

    fn nodes(&self) -> i64 {
        let text = fs::read_to_string(self.data.join("checkpoint.json")).expect("a checkpoint");
        serde_json::from_str::<Value>(&text).expect("JSON")["nodes"].as_i64().expect("a number")
    }

    /// Returns how often each boundary was accepted as done.
    fn done(&self) -> BTreeMap<i64, usize> {
        let mut done = BTreeMap::new();
        for line in self.history().json() {
            *done.entry(line["milestone"].as_i64().expect("a boundary")).or_default() += 1;
        }
        done
    }

    /// Asks about the repository of the jobs, as the pipeline does.
    fn history(&self) -> Ended {
        let arguments = ["milestone", "history", "nodes", "--format", "jsonl"];
        let mut command = self.sandbox.command(&arguments);
        command.env("GITHUB_REPOSITORY", "local/project");
        Ended::of(&command.output().expect("the binary")).expect_code(0)
    }

    fn subjects(&self) -> String {
        let output = Command::new("git")
            .arg("-C")
            .arg(&self.data)
            .args(["log", "--format=%s"])
            .output()
            .expect("git");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

fn each_once(up_to: i64) -> BTreeMap<i64, usize> {
    (1..=up_to / 100).map(|hundred| (hundred * 100, 1)).collect()
}

#[test]
fn twelve_nights_with_crashes_record_each_boundary_once() {
    if !has_program("python3") {
        return;
    }
    let pipeline = Pipeline::new();
    for night in 0..12 {
        if night % 4 == 3 {
            crash(&pipeline);
        } else {
            pipeline.night("nightly", 0);
        }
    }
    // What a crash left claimed is handed out again when its claim has ended; the last nights are quiet.
    pipeline.night("nightly", 0);
    let nodes = pipeline.nodes();
    assert!(nodes > 1000, "{nodes}");
    assert_eq!(pipeline.done(), each_once(nodes), "{}", pipeline.history().stdout);
    assert!(pipeline.subjects().contains("[Milestone 100]"), "{}", pipeline.subjects());
    assert!(pipeline.data.join("website/index.html").exists());
}

/// Kills a night in the middle, at whatever it is doing, and lets the next one clean up.
fn crash(pipeline: &Pipeline) {
    let before = pipeline.nodes();
    let mut command = pipeline.command("nightly");
    let mut child =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary");
    let end = Instant::now() + Duration::from_secs(20);
    while pipeline.nodes() == before && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("kill");
    child.wait().expect("wait");
}

#[test]
fn failing_validation_fails_the_night_while_the_others_finish() {
    if !has_program("python3") {
        return;
    }
    let pipeline = Pipeline::new();
    pipeline.night("nightly", 0);
    pipeline.night("nightly", 0);
    let connect =
        "import sqlite3,sys; g=sqlite3.connect(sys.argv[1]); g.execute(sys.argv[2]); g.commit()";
    let graph = pipeline.data.join("graph.sqlite");
    let change = |sql: &str| {
        let status = Command::new("python3")
            .args(["-c", connect])
            .arg(&graph)
            .arg(sql)
            .status()
            .expect("python3");
        assert!(status.success());
    };
    change("insert into edges values (999999, 999998, 0.5)");
    fs::remove_file(pipeline.data.join("edges.json")).expect("a file of the last milestone");
    fs::remove_dir_all(pipeline.data.join("website")).expect("a page of the last milestone");
    let ended = pipeline.night("nightly", 1);
    assert!(ended.stderr.contains("FAIL orphaned edges"), "{}", ended.stderr);
    assert!(
        pipeline.data.join("edges.json").exists()
            && pipeline.data.join("website/index.html").exists()
    );
    assert_eq!(pipeline.done(), each_once(100));
    change("delete from edges where a = 999999");
    pipeline.night("nightly", 0);
    assert_eq!(pipeline.done(), each_once(pipeline.nodes()), "{}", pipeline.history().stdout);
}

#[test]
fn native_parallel_steps_keep_the_same_ledger() {
    if !has_program("python3") {
        return;
    }
    let pipeline = Pipeline::new();
    for _ in 0..4 {
        pipeline.night("nightly-native", 0);
    }
    let done = pipeline.done();
    assert!(done.values().all(|count| *count == 1) && done.contains_key(&400), "{done:?}");
    assert!(pipeline.subjects().contains("[Milestone 400]"), "{}", pipeline.subjects());
}
