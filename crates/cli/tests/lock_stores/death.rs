//! Holders and waiters that are killed, or that sleep through the end of their time.

use std::fs;
use std::time::{Duration, Instant};

use crate::backend::{ALL, Backend, on_each};
use crate::call::{Call, resume, until, wait_for};
use crate::history::History;

/// More than a successor needs on a busy machine, and less than anything else would take.
const SOON: Duration = Duration::from_secs(40);

#[test]
fn killed_holder_and_killed_waiter_delay_nobody() {
    on_each(&ALL, |backend| {
        let history = History::new(backend);
        let holder = backend.hold(&["--ttl", "1h"], &history.endless());
        wait_for("the holder", || !history.fences("tick").is_empty());
        let waiter = backend.hold(&["--wait", "2m"], &history.note("never"));
        wait_for("the waiter's place", || backend.queue() == 1);
        let next = backend.hold(&["--wait", "2m"], &history.section());
        wait_for("the next one's place", || backend.queue() == 2);
        waiter.kill();
        holder.kill();
        let began = Instant::now();
        next.end().expect_code(0);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        history.check_order();
        assert_eq!(history.fences("begin"), [2], "the dead waiter was given nothing");
        assert_eq!(history.fences("end"), [2]);
        assert_eq!(backend.show()["history"][1]["how"]["kind"], "died");
    });
}

/// The file that would prove its death is not to be seen from here, as in another container.
#[test]
fn holder_whose_death_nobody_can_prove_is_waited_for() {
    on_each(&ALL, |backend| {
        let history = History::new(backend);
        let elsewhere = backend.sandbox.path("elsewhere");
        let mut holder = backend.lock_run(&["--ttl", "3s"], &history.endless());
        holder.env("INTERLOCK_STATE_DIR", &elsewhere);
        let holder = Call::start(holder);
        wait_for("the holder", || !history.fences("tick").is_empty());
        fs::remove_dir_all(elsewhere.join("locks")).expect("the directory of its lock");
        holder.kill();
        let began = Instant::now();
        let next = backend.hold(&["--wait", "2m", "--ttl", "1h"], &history.section());
        next.end().expect_code(0);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        history.check_order();
        assert_eq!(history.fences("end"), [2]);
        assert_eq!(backend.show()["history"][1]["how"]["kind"], "expired");
    });
}

#[test]
fn holder_that_slept_past_its_time_is_stopped_and_its_writes_are_refused() {
    on_each(&ALL, |backend| {
        let history = History::new(backend);
        let [woken, over] = ["woken", "over"].map(|name| backend.sandbox.path(name));
        let write = |text: &str| {
            let put = format!("{} lock put page -", env!("CARGO_BIN_EXE_interlock"));
            format!("echo {text} | {put} && {}", history.note("written"))
        };
        let script = format!(
            "trap '' INT TERM; {}; {}; {}; {}",
            history.note("begin"),
            until(&woken),
            write("late"),
            history.endless()
        );
        let sleeper = backend.hold(&["--ttl", "3s"], &script);
        wait_for("the holder", || !history.fences("begin").is_empty());
        let family = sleeper.suspend();
        let script = format!("{}; {}", write("new"), until(&over));
        let successor = backend.hold(&["--wait", "2m"], &script);
        wait_for("the successor", || history.fences("written") == [2]);
        refuses_what_the_sleeper_would_do(backend);
        fs::write(woken, "").expect("a file");
        resume(&family);
        let lost = sleeper.end().expect_code(4);
        assert!(lost.stderr.contains("lock deploy: lost"), "{}", lost.stderr);
        fs::write(over, "").expect("a file");
        successor.end().expect_code(0);
        assert_eq!(history.fences("written"), [2], "the sleeper wrote when it woke");
        assert_eq!(backend.run(&["lock", "get", "page"]).expect_code(0).stdout, "new\n");
    });
}

#[track_caller]
fn refuses_what_the_sleeper_would_do(backend: &Backend) {
    backend.sandbox.file("page", "late");
    for old in [&["check", "deploy"][..], &["put", "page", "page", "--lock", "deploy"]] {
        let refused = backend.run(&[&["lock"], old, &["--fence", "1"]].concat()).expect_code(3);
        assert!(refused.stdout.starts_with("stale"), "{}", refused.stdout);
    }
    backend.run(&["lock", "check", "deploy", "--fence", "2"]).expect_code(0);
}
