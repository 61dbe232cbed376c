//! `parallel start` and `parallel wait`.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::desk::{Desk, read};
use crate::quarry::Quarry;

fn jobs(desk: &Desk) {
    desk.write(
        "jobs.yml",
        "
jobs:
  slow: {run: sleep 0.5; echo slow}
  bad: {run: echo bad; exit 3}
",
    );
}

#[test]
fn the_pipeline_goes_on_and_collects_later() {
    let desk = Desk::new();
    jobs(&desk);
    let began = Instant::now();
    let (code, stdout, stderr) = desk.step(&["start", "jobs.yml", "--name", "M"]);
    assert_eq!((code, stdout.as_str()), (0, "M: started\n"), "{stderr}");
    assert!(began.elapsed() < Duration::from_millis(450), "{:?}", began.elapsed());
    std::fs::write(desk.path("output"), "").expect("written");
    let (code, stdout, stderr) = desk.step(&["wait", "M"]);
    assert_eq!(code, 1, "{stderr}");
    assert!(stdout.contains("\nslow  passed      critical"), "{stdout}");
    assert!(stdout.contains("\nbad   failed (3)  critical"), "{stdout}");
    assert!(stdout.contains("slow\n") && stdout.contains("bad\n"), "{stdout}");
    assert!(stderr.contains("::error title=bad::failed (3)"), "{stderr}");
    let outputs = desk.read("output");
    assert!(
        outputs.contains("bad-exit-code=3\n") && outputs.contains("result=failed\n"),
        "{outputs}"
    );
    assert!(desk.read("summary").contains("| ❌ | bad |"));
    assert_eq!(desk.step(&["wait", "M"]).0, 2, "it is collected once");
}

#[test]
fn a_plan_that_cannot_be_run_is_refused_at_the_start() {
    let desk = Desk::new();
    desk.write("jobs.yml", "jobs: {}\n");
    assert_eq!(desk.run(&["start", "jobs.yml", "--name", "M"]).0, 2);
    assert_eq!(desk.run(&["wait", "M"]).0, 2);
    assert_eq!(desk.run(&["start", "--critical", "a=true", "--name", "../M"]).0, 2);
}

#[test]
fn a_name_is_taken_while_its_jobs_run() {
    let desk = Desk::new();
    let arguments = ["start", "--critical", "a=sleep 1", "--name", "M"];
    assert_eq!(desk.run(&arguments).0, 0);
    let (code, _, stderr) = desk.run(&arguments);
    assert_eq!(code, 2);
    assert!(stderr.contains("`M` is already running"), "{stderr}");
    assert_eq!(desk.run(&["wait", "M"]).0, 0);
    assert_eq!(desk.run(&["start", "--critical", "a=exit 5", "--name", "M"]).0, 0);
    assert_eq!(desk.run(&["wait", "M"]).0, 1);
}

#[test]
fn an_interrupted_wait_interrupts_the_jobs() {
    let (desk, quarry) = (Desk::new(), Quarry::new());
    let job = format!("a=sleep {} & setsid sleep {} & wait", quarry.0, quarry.0);
    assert_eq!(desk.run(&["start", "--critical", &job, "--name", "M"]).0, 0);
    quarry.wait_for(2);
    let child = desk.spawn(&["wait", "M"]);
    std::thread::sleep(Duration::from_millis(300));
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid")).expect("a pid");
    kill_process(pid, Signal::INT).expect("it lives");
    let (code, stdout, stderr) = read(child.wait_with_output().expect("ours"));
    assert_eq!(code, 130, "{stdout}{stderr}");
    assert!(stdout.contains("\na    cancelled  critical"), "{stdout}");
    quarry.wait_for(0);
}

#[test]
fn a_background_that_was_killed_is_no_success() {
    let (desk, quarry) = (Desk::new(), Quarry::new());
    let job = format!("a=setsid sleep {} & sleep 60", quarry.0);
    assert_eq!(desk.run(&["start", "--critical", &job, "--name", "M"]).0, 0);
    quarry.wait_for(1);
    let state = desk.path("state");
    let arguments = ["-9", "-f", state.to_str().expect("UTF-8")];
    let killed = std::process::Command::new("pkill").args(arguments).status();
    assert!(killed.expect("pkill").success());
    let (code, _, stderr) = desk.run(&["wait", "M"]);
    assert_eq!(code, 6, "{stderr}");
    assert!(stderr.contains("`M` ended without a result"), "{stderr}");
    quarry.wait_for(0);
}
