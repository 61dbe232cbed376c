//! Waking those who wait, when the lock file is touched.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::fs::inotify;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Notify;

/// How long to trust that a touch would have been noticed: its writer may have died before it.
const RECHECK: Duration = Duration::from_secs(1);
/// How often to look where the machine has no notification left to give.
const POLL: Duration = Duration::from_millis(50);

/// Notification about one file, shared by all who wait in this process.
#[derive(Debug)]
pub(super) struct Watch {
    path: PathBuf,
    // Begun by the first wait: most processes never wait.
    events: OnceLock<Option<Receiver>>,
    wake: Notify,
}

impl Watch {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, events: OnceLock::new(), wake: Notify::new() }
    }

    /// Resolves at the next touch from now on, or after a while: the caller reads in any case.
    pub(super) fn next(&self) -> impl Future<Output = ()> {
        let events = self.events.get_or_init(|| watch(&self.path));
        // Enabled before the caller reads, so that a touch in between is not missed.
        let mut woken = Box::pin(self.wake.notified());
        woken.as_mut().enable();
        async move {
            let Some(events) = events else {
                tokio::time::sleep(POLL).await;
                return;
            };
            tokio::select! {
                () = woken => {}
                () = drained(events) => self.wake.notify_waiters(),
                () = tokio::time::sleep(RECHECK) => {}
            }
        }
    }
}

fn watch(path: &Path) -> Option<Receiver> {
    let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
    let events = inotify::init(flags).ok()?;
    inotify::add_watch(&events, path, inotify::WatchFlags::MODIFY).ok()?;
    // Not a pipe, but read like one; tokio's other way to wait for a descriptor is unsafe.
    Receiver::from_owned_fd_unchecked(events).ok()
}

/// Waits for events and throws them away: that there were any is all they say.
async fn drained(events: &Receiver) {
    let mut buffer = [0; 4096];
    loop {
        if events.readable().await.is_err() {
            // Nothing will come any more: those who wait look by themselves.
            return std::future::pending().await;
        }
        match events.try_read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}
