//! Processes that a test leaves behind on purpose, and the search for them.

use std::fs;
use std::time::{Duration, Instant};

/// Long enough for every process that could keep a test waiting to be noticed.
const FOREVER: &str = "6000";

/// A mark in the argument of a `sleep`, by which a test finds its own processes.
#[derive(Debug)]
pub(crate) struct Quarry(pub(crate) String);

impl Quarry {
    pub(crate) fn new() -> Self {
        Self(format!("{FOREVER}.{}", uuid::Uuid::new_v4().as_u128() % 1_000_000_000_000))
    }

    pub(crate) fn alive(&self) -> usize {
        let entries = fs::read_dir("/proc").expect("proc").filter_map(Result::ok);
        let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        let sleeping = |line: &Vec<u8>| {
            line.starts_with(b"sleep\0") && String::from_utf8_lossy(line).contains(&self.0)
        };
        lines.filter(sleeping).count()
    }

    pub(crate) fn wait_for(&self, count: usize) {
        let began = Instant::now();
        while self.alive() != count {
            assert!(began.elapsed() < Duration::from_secs(20), "{} alive", self.alive());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A script that leaves five kinds of processes behind and then goes on.
    pub(crate) fn rabble(&self, then: &str) -> String {
        let mark = &self.0;
        format!(
            "sleep {mark} & \
             setsid sleep {mark} & \
             (setsid bash -c 'trap \"\" INT TERM HUP; sleep {mark}; sleep {mark}' &) & \
             env -i setsid sleep {mark} >/dev/null 2>&1 & \
             (trap '' TERM INT HUP; exec sleep {mark}) & \
             until [ $(pgrep -fxc 'sleep {mark}') -ge {RABBLE} ]; do sleep 0.01; done; {then}"
        )
    }
}

/// How many there are.
pub(crate) const RABBLE: usize = 5;
