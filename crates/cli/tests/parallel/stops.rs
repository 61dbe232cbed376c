//! The grandchild hunt: nothing survives, however it is stopped, and the table is there all the same.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::desk::{Desk, read};
use crate::quarry::{Quarry, RABBLE};

struct Hunt {
    desk: Desk,
    child: Child,
    quarry: Quarry,
}

impl Hunt {
    /// Starts a job that leaves everything behind and then does `then`, next to a quiet one.
    fn start(then: &str) -> Self {
        let (desk, quarry) = (Desk::new(), Quarry::new());
        let job = format!("rabble={}", quarry.rabble(then));
        let child = desk.spawn(&[
            "--critical",
            &job,
            "--advisory",
            "quiet=sleep 60",
            "--json",
            "all.json",
            "--log-dir",
            "logs",
        ]);
        let hunt = Self { desk, child, quarry };
        hunt.quarry.wait_for(RABBLE);
        hunt
    }

    fn front(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    fn worker(&self) -> i32 {
        let (front, path) = (self.front(), "children");
        let children = std::fs::read_to_string(format!("/proc/{front}/task/{front}/{path}"));
        children.expect("children").trim().parse().expect("one child")
    }

    fn send(&self, signal: Signal) {
        send(self.front(), signal);
    }

    /// Waits for the end; returns exit code, standard output and standard error.
    fn end(self) -> (Desk, i32, String, String) {
        let began = Instant::now();
        let (code, stdout, stderr) = read(self.child.wait_with_output().expect("ours"));
        assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
        self.quarry.wait_for(0);
        (self.desk, code, stdout, stderr)
    }
}

fn send(process: i32, signal: Signal) {
    kill_process(Pid::from_raw(process).expect("a pid"), signal).expect("it lives");
}

#[test]
fn after_a_normal_end() {
    let (desk, quarry) = (Desk::new(), Quarry::new());
    let job = format!("rabble={}", quarry.rabble("exit 0"));
    let (code, summary) = desk.json(&["--critical", &job]);
    assert_eq!((code, quarry.alive()), (0, 0));
    assert!(summary["jobs"][0]["left_behind"].as_u64() >= Some(RABBLE as u64), "{summary}");
}

#[test]
fn after_a_timeout() {
    let (desk, quarry) = (Desk::new(), Quarry::new());
    let job = format!("rabble={}", quarry.rabble("wait"));
    let (code, summary) = desk.json(&["--critical", &job, "--timeout", "3s"]);
    assert_eq!((code, &summary["jobs"][0]["result"]), (1, &"timed-out".into()));
    assert_eq!(quarry.alive(), 0);
}

#[test]
fn after_an_interrupt() {
    let hunt = Hunt::start("wait");
    hunt.send(Signal::INT);
    let (desk, code, stdout, stderr) = hunt.end();
    assert_eq!(code, 130, "{stdout}{stderr}");
    assert!(stdout.contains("\nrabble  cancelled  critical"), "{stdout}");
    assert!(stdout.contains("\nquiet   cancelled  advisory"), "{stdout}");
    let json: serde_json::Value = serde_json::from_str(&desk.read("all.json")).expect("JSON");
    assert_eq!(json["result"], "cancelled");
}

#[test]
fn after_other_polite_signals() {
    for signal in [Signal::TERM, Signal::HUP] {
        let (desk, quarry) = (Desk::new(), Quarry::new());
        let job = format!("a=sleep {0} & setsid sleep {0} & sleep {0}", quarry.0);
        let child = desk.spawn(&["--critical", &job]);
        quarry.wait_for(3);
        let hunt = Hunt { desk, child, quarry };
        hunt.send(signal);
        let (_, code, stdout, stderr) = hunt.end();
        assert_eq!(code, 130, "{signal:?} {stdout}{stderr}");
        assert!(stdout.contains("\na    cancelled  critical"), "{stdout}");
    }
}

#[test]
fn after_githubs_interrupt_and_terminate() {
    let hunt = Hunt::start("trap '' INT TERM; while true; do sleep 0.1; done");
    hunt.send(Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    let began = Instant::now();
    hunt.send(Signal::TERM);
    let (_, code, stdout, _) = hunt.end();
    assert_eq!(code, 130);
    assert!(stdout.contains("\nrabble  cancelled  critical"), "{stdout}");
    // The second word must be enough: 2.5 s later comes the third.
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
}

#[test]
fn after_githubs_three_words() {
    let hunt = Hunt::start("trap '' INT TERM; while true; do sleep 0.1; done");
    hunt.send(Signal::INT);
    hunt.send(Signal::KILL);
    hunt.end();
}

#[test]
fn after_the_death_of_the_front() {
    let hunt = Hunt::start("wait");
    hunt.send(Signal::KILL);
    hunt.end();
}

#[test]
fn after_the_death_of_the_worker() {
    let hunt = Hunt::start("wait");
    send(hunt.worker(), Signal::KILL);
    let (_, code, _, stderr) = hunt.end();
    assert_eq!(code, 137);
    assert!(stderr.contains("error: a signal (9) killed interlock"), "{stderr}");
}

#[test]
fn after_the_death_of_both_the_next_call_ends_them() {
    let hunt = Hunt::start("wait");
    let worker = hunt.worker();
    hunt.send(Signal::STOP);
    send(worker, Signal::KILL);
    hunt.send(Signal::KILL);
    assert_eq!(hunt.quarry.alive(), RABBLE);
    let (code, _, stderr) = hunt.desk.run(&["--critical", "next=true"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("processes that a killed call left"), "{stderr}");
    hunt.end();
}

#[test]
fn after_an_interrupt_of_a_call_within_a_call() {
    let (desk, quarry) = (Desk::new(), Quarry::new());
    desk.write("inner.sh", &quarry.rabble("wait"));
    let program = env!("CARGO_BIN_EXE_interlock");
    let job = format!("outer={program} parallel --critical 'inner=bash inner.sh'");
    let child = desk.spawn(&["--critical", &job]);
    quarry.wait_for(RABBLE);
    let hunt = Hunt { desk, child, quarry };
    hunt.send(Signal::INT);
    hunt.send(Signal::TERM);
    let (_, code, stdout, _) = hunt.end();
    assert_eq!(code, 130, "{stdout}");
}

#[test]
fn a_killed_call_within_a_call_leaves_nothing() {
    let (desk, quarry) = (Desk::new(), Quarry::new());
    desk.write("inner.sh", &quarry.rabble("wait"));
    let program = env!("CARGO_BIN_EXE_interlock");
    // Front and worker of the inner call die at once; its rabble comes to us.
    let job = format!(
        "outer=setsid {program} parallel --critical 'inner=bash inner.sh' & \
         until [ $(pgrep -fxc 'sleep {}') -ge {RABBLE} ]; do sleep 0.05; done; \
         pkill -9 -f 'paralle[l] --critical inner=bash'; sleep 0.1; exit 7",
        quarry.0
    );
    let (code, summary) = desk.json(&["--critical", &job]);
    assert_eq!((code, &summary["jobs"][0]["exit_code"]), (1, &7.into()), "{summary}");
    assert_eq!(quarry.alive(), 0);
}
