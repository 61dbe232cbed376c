//! What is left when the front, the worker or both are killed.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use runner::guardian::{self, Role};
use runner::interrupt::Interrupts;
use runner::process::{self, Ending, Exit, Grace, Limits, Token, Tree, orders};
use rustix::process::{Pid, Signal, kill_process};

#[path = "hunt/quarry.rs"]
mod quarry;

use quarry::{Quarry, RABBLE};

/// The guarded program of the other tests: runs `SCRIPT`, is marked with `RUN`.
#[test]
#[ignore = "the other tests start it"]
#[expect(clippy::exit, reason = "its exit code is what the others look at")]
fn program() {
    let code = match guardian::enter().expect("two processes") {
        Role::Front(departure) => i32::from(departure.code),
        Role::Worker => tokio::runtime::Runtime::new().expect("a runtime").block_on(work()),
    };
    std::process::exit(code);
}

async fn work() -> i32 {
    let mut interrupts = Interrupts::listen().expect("signals");
    let run = Token::parse(&std::env::var("RUN").expect("RUN")).expect("a token");
    let command = process::Command {
        program: "bash".into(),
        arguments: vec!["-c".into(), std::env::var_os("SCRIPT").expect("SCRIPT")],
        environment: vec![("PATH".into(), std::env::var_os("PATH").expect("PATH"))],
        directory: PathBuf::from("/"),
        inherited: Vec::new(),
    };
    let grace =
        Grace { interrupt: Duration::from_millis(300), terminate: Duration::from_millis(300) };
    let limits = Limits { grace, ..Limits::default() };
    let tree = Tree::new(&run);
    let (stopper, orders) = orders();
    let (sink, mut output) = tokio::sync::mpsc::channel(4);
    let cancel = async {
        loop {
            interrupts.next().await;
            stopper.cancel();
        }
    };
    let listen = async { while output.recv().await.is_some() {} };
    let work = async { tokio::join!(tree.run(&command, &limits, &orders, sink), listen).0 };
    let finished = tokio::select! {
        finished = work => finished,
        () = cancel => unreachable!("it never ends"),
    };
    tree.end().await;
    if let Some(path) = std::env::var_os("ENDED") {
        std::fs::write(path, "").expect("it can be written");
    }
    match finished.ending {
        // A second signal would have killed it at once.
        Ending::Exited(Exit::Signal(9)) if finished.stopped.is_some() => 137,
        _ if finished.stopped.is_some() => 130,
        Ending::Exited(Exit::Code(code)) => code,
        _ => 99,
    }
}

struct Guarded {
    front: Child,
    run: Token,
    quarry: Quarry,
}

impl Guarded {
    fn start(script: impl FnOnce(&Quarry) -> String) -> Self {
        let (quarry, run) = (Quarry::new(), Token::random());
        let front = Command::new(std::env::current_exe().expect("ourselves"))
            .args(["--ignored", "--exact", "program", "--nocapture", "--quiet"])
            .env("SCRIPT", script(&quarry))
            .env("RUN", run.to_string())
            .env("ENDED", ended(&quarry))
            .spawn();
        Self { front: front.expect("the program"), run, quarry }
    }

    fn with_rabble(then: &str) -> Self {
        let guarded = Self::start(|quarry| quarry.rabble(then));
        guarded.quarry.wait_for(RABBLE);
        guarded
    }

    fn front(&self) -> i32 {
        i32::try_from(self.front.id()).expect("a pid")
    }

    fn worker(&self) -> i32 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.front())).expect("tasks");
        let lists = tasks.map(|task| {
            std::fs::read_to_string(task.expect("task").path().join("children")).expect("children")
        });
        let children: String = lists.collect();
        children.trim().parse().expect("one child")
    }

    fn end(mut self) -> Option<i32> {
        let began = Instant::now();
        let status = self.front.wait().expect("it is ours");
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        self.quarry.wait_for(0);
        let _absent = std::fs::remove_file(ended(&self.quarry));
        status.code()
    }
}

/// Where the program says that its command has come to an end.
fn ended(quarry: &Quarry) -> PathBuf {
    std::env::temp_dir().join(format!("interlock-ended-{}", quarry.0))
}

fn send(process: i32, signal: Signal) {
    kill_process(Pid::from_raw(process).expect("a pid"), signal).expect("it lives");
}

#[test]
fn exit_codes_are_passed_on() {
    for code in [0, 1, 7, 130] {
        assert_eq!(Guarded::start(|_| format!("exit {code}")).end(), Some(code));
    }
}

#[test]
fn nothing_survives_a_normal_end() {
    assert_eq!(Guarded::start(|quarry| quarry.rabble("exit 3")).end(), Some(3));
}

#[test]
fn nothing_survives_polite_signals() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let guarded = Guarded::with_rabble("wait");
        send(guarded.front(), signal);
        assert_eq!(guarded.end(), Some(130), "{signal:?}");
    }
}

#[test]
fn nothing_survives_githubs_three_words() {
    let guarded = Guarded::with_rabble("trap '' INT TERM; while true; do sleep 0.1; done");
    send(guarded.front(), Signal::INT);
    std::thread::sleep(Duration::from_millis(100));
    send(guarded.front(), Signal::TERM);
    send(guarded.front(), Signal::KILL);
    assert_eq!(guarded.end(), None);
}

#[test]
fn nothing_survives_the_death_of_the_front() {
    let guarded = Guarded::with_rabble("wait");
    let (worker, ended) = (guarded.worker(), ended(&guarded.quarry));
    send(guarded.front(), Signal::KILL);
    while std::path::Path::new(&format!("/proc/{worker}")).exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!ended.exists(), "what was killed for our sake is nobody's result");
    assert_eq!(guarded.end(), None);
}

#[test]
fn nothing_survives_the_death_of_the_worker() {
    let guarded = Guarded::with_rabble("wait");
    send(guarded.worker(), Signal::KILL);
    assert_eq!(guarded.end(), Some(128 + 9));
}

#[test]
fn what_survives_the_death_of_both_is_swept() {
    let guarded = Guarded::with_rabble("wait");
    let worker = guarded.worker();
    // The front is stopped first, so that it cannot do its work between the two.
    send(guarded.front(), Signal::STOP);
    send(worker, Signal::KILL);
    send(guarded.front(), Signal::KILL);
    assert_eq!(guarded.quarry.alive(), RABBLE);
    let strays = process::sweep(&guarded.run);
    assert!(strays.len() >= RABBLE, "{strays:?}");
    assert_eq!(guarded.end(), None);
}

#[test]
fn a_signal_arrives_once() {
    let guarded = Guarded::start(|quarry| {
        format!("trap 'sleep 0.2; exit 1' INT; sleep {} & wait; wait", quarry.0)
    });
    guarded.quarry.wait_for(1);
    send(guarded.front(), Signal::INT);
    assert_eq!(guarded.end(), Some(130));
}

#[test]
fn children_of_the_shell_before_us_are_spared() {
    let quarry = Quarry::new();
    let program = std::env::current_exe().expect("ourselves");
    let script = format!(
        "sleep {} & exec {} --ignored --exact program --nocapture --quiet",
        quarry.0,
        program.display()
    );
    let status = Command::new("bash")
        .args(["-c", &script])
        .env("SCRIPT", "exit 6")
        .env("RUN", Token::random().to_string())
        .status();
    assert_eq!(status.expect("bash").code(), Some(6));
    assert_eq!(quarry.alive(), 1);
    Command::new("pkill").args(["-f", &quarry.0]).status().expect("pkill");
}
