//! The clock of this boot: it counts while the machine sleeps, and nobody can set it.

use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::StoreTime;

/// The machine's boot-time clock, with the name of the boot.
#[derive(Debug)]
pub(super) struct Clock {
    epoch: String,
}

impl Clock {
    /// Names this boot, and this time namespace, whose boot-time clock may be shifted.
    pub(super) fn of_this_boot() -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = std::fs::read_link(Path::new("/proc/self/ns/time")).unwrap_or_default();
        Self { epoch: format!("{} {}", boot.trim(), namespace.display()) }
    }

    pub(super) fn now(&self) -> StoreTime {
        let time = clock_gettime(ClockId::Boottime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
        StoreTime { epoch: self.epoch.clone(), since: Duration::new(seconds, nanos) }
    }
}
