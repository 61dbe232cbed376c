//! A store that goes away: for a moment, or for longer than a lock lasts.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use crate::backend::{ALL, on_each};
use crate::call::{until, wait_for};
use crate::history::History;

#[test]
fn command_outlives_a_short_outage() {
    on_each(&ALL, |backend| {
        let history = History::new(backend);
        let on = backend.sandbox.path("on");
        let script = format!("{}; {}; {}", history.note("begin"), until(&on), history.note("end"));
        let holder = backend.hold(&["--ttl", "12s"], &script);
        wait_for("the holder", || !history.fences("begin").is_empty());
        // A renewal is due after four seconds, and the command is stopped after eight.
        backend.toggle();
        sleep(Duration::from_secs(6));
        backend.toggle();
        // Without a renewal that came through, its time would be over at the end of this.
        sleep(Duration::from_millis(6500));
        fs::write(on, "").expect("a file");
        holder.end().expect_code(0);
        history.check_sections(1);
        assert_eq!(backend.show()["outcome"], "free");
    });
}

#[test]
fn command_is_stopped_in_time_in_a_long_outage() {
    on_each(&ALL, |backend| {
        let history = History::new(backend);
        let alive = backend.sandbox.path("alive");
        let script = format!(
            "{}; while touch {}; do sleep 0.05; done",
            history.note("begin"),
            alive.display()
        );
        let holder = backend.hold(&["--ttl", "6s"], &script);
        wait_for("the holder", || alive.exists());
        let away = SystemTime::now();
        backend.toggle();
        let refused = backend.hold(&[], &history.note("never"));
        let open = backend.hold(&["--on-error", "proceed"], "exit 9");
        let ended = holder.end().expect_code(4);
        assert!(ended.stderr.contains("could not be renewed in time"), "{}", ended.stderr);
        let last = fs::metadata(&alive).and_then(|it| it.modified()).expect("a file");
        assert!(
            last < away + Duration::from_secs(6),
            "it went on for {:?}",
            last.duration_since(away)
        );
        refused.end().expect_code(5);
        let open = open.end().expect_code(9);
        assert!(open.stderr.contains("unavailable"), "{}", open.stderr);
        backend.toggle();
        backend.hold(&["--wait", "2m"], &history.section()).end().expect_code(0);
        assert_eq!(history.fences("begin"), [1, 2]);
        assert!(history.fences("never").is_empty());
    });
}
