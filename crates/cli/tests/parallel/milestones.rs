//! `parallel --on-milestone`: claim, work and report in one.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::desk::{Desk, read};

/// Runs a job that notes each boundary it works for.
fn night(desk: &Desk, value: &str, then: &str) -> (i32, String) {
    let job = format!("note=echo $INTERLOCK_MILESTONE/$INTERLOCK_FENCE >> notes; {then}");
    let arguments = ["--on-milestone", "nodes", "--value", value, "--critical", &job];
    let (code, stdout, stderr) = desk.run(&arguments);
    (code, stdout + &stderr)
}

fn notes(desk: &Desk) -> Vec<String> {
    let text = std::fs::read_to_string(desk.path("notes")).unwrap_or_default();
    text.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn every_boundary_is_worked_for_once_over_jumps_and_falls() {
    let desk = Desk::new();
    let nights = [
        ("95", 3, 0), // the first sight is a baseline
        ("101", 0, 1),
        ("150", 3, 1),
        ("350", 0, 3), // two boundaries at once
        ("190", 3, 3),
        ("305", 3, 3),
        ("400", 0, 4),
    ];
    for (value, code, count) in nights {
        let (seen, text) = night(&desk, value, "true");
        assert_eq!((seen, notes(&desk).len()), (code, count), "{value}: {text}");
    }
    assert_eq!(notes(&desk), ["100/1", "200/2", "300/3", "400/4"]);
}

#[test]
fn a_failure_hands_the_boundary_out_again_under_a_larger_fence() {
    let desk = Desk::new();
    assert_eq!(night(&desk, "99", "true").0, 3);
    let (code, text) = night(&desk, "100", "exit 3");
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("note  failed (3)  critical"), "{text}");
    assert_eq!(night(&desk, "100", "true").0, 0);
    assert_eq!(night(&desk, "100", "true").0, 3);
    assert_eq!(notes(&desk), ["100/1", "100/2"]);
}

#[test]
fn an_interrupted_boundary_is_free_at_once() {
    let desk = Desk::new();
    assert_eq!(night(&desk, "0", "true").0, 3);
    let job = "note=echo $INTERLOCK_MILESTONE >> notes; sleep 60";
    let arguments = ["--on-milestone", "nodes", "--value", "250", "--critical", job];
    let child = desk.spawn(&arguments);
    while notes(&desk).is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (code, text) = night(&desk, "250", "true");
    assert_eq!(code, 3, "both are claimed: {text}");
    let front = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    kill_process(front, Signal::INT).expect("it lives");
    let (code, stdout, stderr) = read(child.wait_with_output().expect("ours"));
    assert_eq!(code, 130, "{stdout}{stderr}");
    assert_eq!(night(&desk, "250", "true").0, 0);
    assert_eq!(notes(&desk), ["100", "100/3", "200/4"]);
}

#[test]
fn only_the_highest_if_that_is_wanted() {
    let desk = Desk::new();
    assert_eq!(night(&desk, "0", "true").0, 3);
    let job = "note=echo $INTERLOCK_MILESTONE >> notes";
    let arguments = ["--on-milestone", "nodes", "--value", "350", "--highest", "--critical", job];
    let (code, summary) = desk.json(&arguments);
    assert_eq!((code, &summary["milestones"]), (0, &serde_json::json!([300])), "{summary}");
    assert_eq!(night(&desk, "350", "true").0, 3);
    assert_eq!(notes(&desk), ["300"]);
}

#[test]
fn what_cannot_be_read_is_never_no_milestone() {
    let desk = Desk::new();
    desk.write("graph.json", r#"{"nodes": 12"#);
    let job = "a=touch ran";
    let from = |place| ["--on-milestone", "nodes", "--value-from", place, "--critical", job];
    assert_eq!(desk.run(&from("graph.json#/nodes")).0, 6);
    assert_eq!(desk.run(&from("absent.json#/nodes")).0, 6);
    desk.write("graph.json", r#"{"nodes": 120}"#);
    assert_eq!(desk.run(&from("graph.json#/total_nodes")).0, 6);
    assert_eq!(desk.run(&["--on-milestone", "nodes", "--critical", job]).0, 2);
    assert_eq!(desk.run(&["--value", "1", "--critical", job]).0, 2);
    assert!(!desk.path("ran").exists());
    let fire = [&from("graph.json#/nodes")[..], &["--first-run", "fire"]].concat();
    assert_eq!(desk.run(&fire).0, 0);
    assert!(desk.path("ran").exists());
}

#[test]
fn a_step_of_github_actions_reads_it_from_its_outputs() {
    let desk = Desk::new();
    let store = format!("file:{}", desk.path("shared.db").display());
    let step = |value: &str| {
        std::fs::write(desk.path("output"), "").expect("written");
        let arguments = [
            "--on-milestone",
            "nodes",
            "--value",
            value,
            "--store",
            &store,
            "--critical",
            "a=true",
            "--advisory",
            "b=test $INTERLOCK_MILESTONE != 200",
        ];
        let (code, _, stderr) = desk.step(&arguments);
        assert_eq!(code, 0, "{stderr}");
        desk.read("output")
    };
    let outputs = step("50");
    assert!(outputs.contains("result=no-milestone\n"), "{outputs}");
    assert!(outputs.contains("is-milestone=false\nmilestones=[]\n"), "{outputs}");
    let outputs = step("320");
    assert!(outputs.contains("is-milestone=true\nmilestones=[100, 200, 300]\n"), "{outputs}");
    assert!(outputs.contains("result=passed\n"), "{outputs}");
    // One word for three runs: the one that somebody must see.
    assert!(outputs.contains("b-result=failed\nb-exit-code=1\n"), "{outputs}");
    assert!(desk.read("summary").contains("| ⚠️ | 200: b | failed (1) | advisory |"));
    let (code, _, stderr) =
        desk.step(&["--on-milestone", "nodes", "--value", "1", "--critical", "a=true"]);
    assert_eq!(code, 2, "a private store counts nothing: {stderr}");
}
