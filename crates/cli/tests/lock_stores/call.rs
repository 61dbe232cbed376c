//! A call that goes on while a test does something else, and that no test leaves behind.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use testkit::sandbox::{Ended, descendants};

/// Longer than anything takes unless it hangs.
const LONG: Duration = Duration::from_mins(2);

/// A process in a group of its own, as a shell starts it, with everything that stems from it.
pub(crate) struct Call {
    child: Child,
    // Files, because a pipe could be kept open by what the process leaves behind.
    output: [File; 2],
}

impl Call {
    pub(crate) fn start(mut command: Command) -> Self {
        let output = [(), ()].map(|()| tempfile::tempfile().expect("a file"));
        let [stdout, stderr] = output.each_ref().map(|file| file.try_clone().expect("a file"));
        let child = command.process_group(0).stdout(stdout).stderr(stderr).spawn();
        Self { child: child.expect("the binary starts"), output }
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let mut status = None;
        wait_for("its end", || {
            status = self.child.try_wait().expect("a child of ours");
            status.is_some()
        });
        let [stdout, stderr] = self.output.each_mut().map(|file| {
            let mut bytes = Vec::new();
            file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("an output");
            bytes
        });
        Ended::of(&Output { status: status.expect("it has ended"), stdout, stderr })
    }

    /// Kills the process that was started, and nothing else.
    pub(crate) fn kill(&self) {
        send(self.id(), Signal::KILL);
    }

    /// Stops the whole family, as a machine does that is suspended, and returns it.
    pub(crate) fn suspend(&self) -> Vec<i32> {
        let family = descendants(self.id());
        for id in &family {
            send(*id, Signal::STOP);
        }
        family
    }

    fn id(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            for id in descendants(self.id()) {
                send(id, Signal::KILL);
            }
            drop(self.child.wait());
        }
    }
}

/// Lets a family go on, the youngest first, so that whoever ends the others finds them running.
pub(crate) fn resume(family: &[i32]) {
    for id in family.iter().rev() {
        send(*id, Signal::CONT);
    }
}

/// Returns a script that goes on when there is a file.
pub(crate) fn until(file: &Path) -> String {
    format!("until [ -e {} ]; do sleep 0.05; done", file.display())
}

#[track_caller]
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "waited for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn send(id: i32, signal: Signal) {
    // One that has ended meanwhile needs no signal.
    kill_process(Pid::from_raw(id).expect("not zero"), signal).ok();
}
