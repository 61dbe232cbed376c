//! Waking those who wait: a few files that are touched for others to notice.
//!
//! Every name that somebody may wait for, a key or a bell of his own, falls on one of the files. Two
//! names may fall on the same one, so whoever is woken looks. Only who waits makes files; whoever
//! finds none has nobody to wake.

use std::collections::HashMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, inotify, utimensat};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// How many files there are.
const FILES: usize = 64;
/// How long to trust that a touch would have been noticed: its writer may have died before it.
const RECHECK: Duration = Duration::from_secs(1);
/// How often to look where the machine has no notification left to give.
const POLL: Duration = Duration::from_millis(50);
/// How many bells one process remembers. Whoever is forgotten looks once more than needed.
const REMEMBERED: usize = 1024;

/// The files of one store, and what this process has heard of them.
#[derive(Debug)]
pub(super) struct Bells {
    directory: PathBuf,
    // Begun by the first wait: most processes never wait.
    events: OnceLock<Option<Events>>,
    /// How often each was heard.
    counts: [AtomicU64; FILES],
    wake: Notify,
    // Never held across an `.await`.
    heard: Mutex<HashMap<String, u64>>,
}

/// The kernel's notifications.
#[derive(Debug)]
struct Events {
    pipe: Receiver,
    /// Which file each of the kernel's numbers stands for.
    files: Mutex<HashMap<i32, usize>>,
}

/// One name that somebody waits for, and how often its file was heard when he began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ear {
    file: usize,
    count: u64,
    is_deaf: bool,
}

impl Bells {
    pub(super) fn new(directory: PathBuf) -> Self {
        let counts = std::array::from_fn(|_| AtomicU64::new(0));
        let (events, wake, heard) = (OnceLock::new(), Notify::new(), Mutex::default());
        Self { directory, events, counts, wake, heard }
    }

    /// Wakes those who wait for a name.
    pub(super) fn ring(&self, name: &str) {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        let path = self.path(file_of(name));
        // Where nobody ever waited there is no file. Should it fail for another reason, they look by
        // themselves a little later.
        if let Err(error) = utimensat(CWD, &path, &times, AtFlags::empty())
            && error != rustix::io::Errno::NOENT
        {
            tracing::debug!(%error, "waiters were not woken");
        }
    }

    /// Begins to listen. What is rung from now on is heard, also if nobody waits at that moment.
    pub(super) fn listen(&self, name: &str) -> Ear {
        let file = file_of(name);
        let is_deaf = !self.hears(file);
        Ear { file, count: self.count(file), is_deaf }
    }

    /// Goes on listening to a bell from when it was heard last; false if it is new to this process.
    pub(super) fn go_on(&self, bell: &str) -> (Ear, bool) {
        let ear = self.listen(bell);
        let mut heard = self.heard();
        if let Some(count) = heard.get(bell) {
            return (Ear { count: *count, ..ear }, true);
        }
        if heard.len() >= REMEMBERED {
            heard.clear();
        }
        heard.insert(bell.to_owned(), ear.count);
        (ear, false)
    }

    /// Notes that everything that was rung so far has been answered.
    pub(super) fn answer(&self, bell: &str) {
        let count = self.count(file_of(bell));
        self.heard().insert(bell.to_owned(), count);
    }

    /// Waits until it rings, and returns false when it is time to look in any case.
    pub(super) async fn rings(&self, ear: Ear) -> bool {
        let Some(Some(events)) = self.events.get().filter(|_| !ear.is_deaf) else {
            sleep(POLL).await;
            return false;
        };
        let rung = async {
            loop {
                let mut woken = std::pin::pin!(self.wake.notified());
                woken.as_mut().enable();
                if self.count(ear.file) != ear.count {
                    return;
                }
                tokio::select! {
                    () = woken => {}
                    () = self.drain(events) => {}
                }
            }
        };
        timeout(RECHECK, rung).await.is_ok()
    }

    /// Makes the file and asks the kernel about it.
    fn hears(&self, file: usize) -> bool {
        let Some(events) = self.events.get_or_init(Events::begin) else { return false };
        let mut files = locked(&events.files);
        if files.values().any(|known| *known == file) {
            return true;
        }
        let watch = self.make(file).and_then(|path| {
            inotify::add_watch(&events.pipe, path, inotify::WatchFlags::ATTRIB)
                .map_err(io::Error::from)
        });
        match watch {
            Ok(number) => files.insert(number, file).is_none(),
            Err(error) => {
                tracing::debug!(%error, "waiting by looking often");
                false
            }
        }
    }

    fn make(&self, file: usize) -> io::Result<PathBuf> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let path = self.path(file);
        OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        Ok(path)
    }

    /// Waits for events, and counts them.
    async fn drain(&self, events: &Events) {
        let mut buffer = [0; 4096];
        loop {
            if events.pipe.readable().await.is_err() {
                // Nothing will come any more: those who wait look by themselves.
                return std::future::pending().await;
            }
            match events.pipe.try_read(&mut buffer) {
                Ok(length) => {
                    let files = locked(&events.files);
                    for number in numbers(&buffer[..length]) {
                        self.hear(files.get(&number).copied());
                    }
                    drop(files);
                    return self.wake.notify_waiters();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return std::future::pending().await,
            }
        }
    }

    /// Counts one file, or all of them if the kernel has lost count.
    fn hear(&self, file: Option<usize>) {
        let files = file.map_or(0..FILES, |file| file..file + 1);
        for count in &self.counts[files] {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(&self, file: usize) -> u64 {
        self.counts[file].load(Ordering::Relaxed)
    }

    fn path(&self, file: usize) -> PathBuf {
        self.directory.join(file.to_string())
    }

    fn heard(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        locked(&self.heard)
    }
}

impl Events {
    fn begin() -> Option<Self> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let events = inotify::init(flags).ok()?;
        // Not a pipe, but read like one.
        let pipe = Receiver::from_owned_fd_unchecked(events).ok()?;
        Some(Self { pipe, files: Mutex::default() })
    }
}

/// Returns the watch numbers of the kernel's events: each has a head of 16 bytes, which begins with the
/// number and ends with the length of what follows.
fn numbers(mut events: &[u8]) -> Vec<i32> {
    let mut numbers = Vec::new();
    while let Some((head, rest)) = events.split_at_checked(16) {
        let word = |at: usize| [head[at], head[at + 1], head[at + 2], head[at + 3]];
        numbers.push(i32::from_ne_bytes(word(0)));
        let length = usize::try_from(u32::from_ne_bytes(word(12))).unwrap_or(usize::MAX);
        events = rest.get(length..).unwrap_or_default();
    }
    numbers
}

/// Spreads names over the files (FNV-1a), for all processes alike.
fn file_of(name: &str) -> usize {
    let spread = |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = name.bytes().fold(0x811c_9dc5, spread);
    usize::from((hash ^ (hash >> 16)).to_le_bytes()[0]) % FILES
}

/// Returns where the files of a store are.
pub(super) fn directory(store: &Path) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push("-bells");
    path.into()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bells() -> (tempfile::TempDir, Bells, Bells) {
        let directory = tempfile::tempdir().expect("a directory");
        let [one, other] = [(), ()].map(|()| Bells::new(directory.path().join("bells")));
        (directory, one, other)
    }

    #[tokio::test]
    async fn bell_that_rings_between_two_waits_is_heard_by_the_second() {
        let (_directory, one, other) = bells();
        let (_, known) = one.go_on("me");
        assert!(!known, "the first time one has to look");
        other.ring("me");
        let (ear, known) = one.go_on("me");
        assert!(known && one.rings(ear).await);
        one.answer("me");
        let (ear, _) = one.go_on("me");
        assert!(!one.rings(ear).await, "it rings once");
    }

    #[tokio::test]
    async fn bells_of_others_wake_nobody_and_nobody_to_wake_is_no_error() {
        let (directory, one, other) = bells();
        other.ring("me");
        assert!(!directory.path().join("bells").exists(), "who rings makes no files");
        let you = (0..1000).map(|n| format!("you {n}")).find(|it| file_of(it) != file_of("me"));
        let ear = one.listen("me");
        other.ring(&you.expect("there are 64 files"));
        assert!(!one.rings(ear).await);
    }

    #[test]
    fn events_are_taken_apart_whatever_they_say() {
        let event = |number: i32, name: &[u8]| {
            let length = u32::try_from(name.len()).expect("short");
            let head = [number.to_ne_bytes(), [0; 4], [0; 4], length.to_ne_bytes()].concat();
            [&head, name].concat()
        };
        let events = [event(3, b""), event(-1, b"name\0\0\0\0"), event(5, b"")].concat();
        assert_eq!(numbers(&events), [3, -1, 5]);
        assert_eq!(numbers(&events[..20]), [3]);
        let mut lying = event(7, b"");
        lying[12..16].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(numbers(&lying), [7]);
    }
}
