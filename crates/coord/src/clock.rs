//! The clock of this machine that counts while it sleeps, and that nobody can set.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Tells the time since the machine was started.
///
/// Two moments can be compared only if they belong to the same boot.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Returns the time since the boot began.
    fn now(&self) -> Duration;

    /// Returns the name of the boot.
    fn boot(&self) -> &str;
}

/// The real clock.
#[derive(Debug)]
pub struct BootClock {
    boot: String,
}

impl BootClock {
    /// Finds out which boot this is.
    ///
    /// A time namespace may shift the clock, so it is part of the name. Where the system does not
    /// name its boots, this process is a boot of its own, and leaves no observations for others.
    pub fn of_this_machine() -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let namespace = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
        let boot = match boot {
            Ok(id) if !id.trim().is_empty() => format!("{} {}", id.trim(), namespace.display()),
            _ => format!("process {}", uuid::Uuid::new_v4()),
        };
        Self { boot }
    }
}

impl Clock for BootClock {
    fn now(&self) -> Duration {
        #[cfg(target_os = "linux")]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(CLOCK);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
        Duration::new(seconds, nanos)
    }

    fn boot(&self) -> &str {
        &self.boot
    }
}

/// A clock for tests: it stands still until it is moved.
#[derive(Debug)]
pub struct FakeClock {
    boot: String,
    // Never held across an `.await`.
    now: Mutex<Duration>,
}

impl FakeClock {
    /// Makes a clock that shows zero.
    pub fn new(boot: &str) -> Self {
        Self { boot: boot.to_owned(), now: Mutex::default() }
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now += by;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn boot(&self) -> &str {
        &self.boot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boots_have_a_name_and_time_moves_forward() {
        let clock = BootClock::of_this_machine();
        assert!(!clock.boot().is_empty());
        assert_eq!(clock.boot(), BootClock::of_this_machine().boot());
        let earlier = clock.now();
        assert!(earlier > Duration::ZERO && clock.now() >= earlier);
    }
}
