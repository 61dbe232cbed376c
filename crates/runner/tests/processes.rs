//! Commands as they really end, and the hunt for what they leave behind.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use runner::process::{
    Cause, Chunk, Command, CouldNotStart, Ending, Exit, Finished, Grace, Limits, Stream, Token,
    Tree, orders, sweep,
};
use tokio::sync::mpsc;

#[path = "hunt/quarry.rs"]
mod quarry;

use quarry::{Quarry, RABBLE};

fn bash(script: &str) -> Command {
    program("bash", &["-c", script])
}

fn program(program: &str, arguments: &[&str]) -> Command {
    Command {
        program: program.into(),
        arguments: arguments.iter().map(Into::into).collect(),
        environment: vec![("PATH".into(), std::env::var_os("PATH").expect("a PATH"))],
        directory: PathBuf::from("/"),
        inherited: Vec::new(),
    }
}

fn short() -> Limits {
    let grace =
        Grace { interrupt: Duration::from_millis(150), terminate: Duration::from_millis(150) };
    Limits { grace, ..Limits::default() }
}

async fn run(command: &Command, limits: &Limits) -> (Finished, String, String) {
    let tree = Tree::new(&Token::random());
    let (_stopper, orders) = orders();
    let (sink, output) = mpsc::channel(4);
    let (finished, (stdout, stderr)) =
        tokio::join!(tree.run(command, limits, &orders, sink), collect(output));
    tree.end().await;
    (finished, stdout, stderr)
}

async fn collect(mut output: mpsc::Receiver<Chunk>) -> (String, String) {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    while let Some(chunk) = output.recv().await {
        let text = String::from_utf8_lossy(&chunk.bytes).into_owned();
        match chunk.stream {
            Stream::Stdout => stdout += &text,
            Stream::Stderr => stderr += &text,
        }
    }
    (stdout, stderr)
}

#[track_caller]
fn check_exit(finished: &Finished, expected: Exit, stopped: Option<Cause>) {
    match &finished.ending {
        Ending::Exited(exit) => assert_eq!((*exit, finished.stopped), (expected, stopped)),
        Ending::CouldNotStart(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn the_exit_is_the_commands_own() {
    for code in [0, 1, 3, 77, 127, 255] {
        let (finished, ..) = run(&bash(&format!("exit {code}")), &short()).await;
        check_exit(&finished, Exit::Code(code), None);
    }
    for signal in [1, 6, 9, 11, 15] {
        let (finished, ..) = run(&bash(&format!("kill -{signal} $$")), &short()).await;
        check_exit(&finished, Exit::Signal(signal), None);
    }
    let (finished, stdout, _) = run(&bash("echo out | cat; exit 9"), &short()).await;
    check_exit(&finished, Exit::Code(9), None);
    assert_eq!(stdout, "out\n");
}

#[tokio::test]
async fn what_could_not_start_says_why() {
    async fn why(command: Command) -> CouldNotStart {
        match run(&command, &short()).await.0.ending {
            Ending::CouldNotStart(error) => error,
            Ending::Exited(exit) => panic!("it ran: {exit:?}"),
        }
    }
    let error = why(program("no-such-program-at-all", &[])).await;
    assert_eq!(error.to_string(), "`no-such-program-at-all` was not found in PATH");
    assert!(matches!(why(program("/no/such", &[])).await, CouldNotStart::NotFound { .. }));
    assert!(matches!(why(program("", &[])).await, CouldNotStart::NotFound { .. }));
    let plain = tempfile::NamedTempFile::new().expect("file");
    let plain = plain.path().to_str().expect("UTF-8");
    assert!(matches!(why(program(plain, &[])).await, CouldNotStart::NotExecutable { .. }));
    let nowhere = Command { directory: "/no/such/directory".into(), ..bash("true") };
    assert!(matches!(why(nowhere).await, CouldNotStart::NoDirectory { .. }));
    assert!(matches!(why(program("a\0b", &[])).await, CouldNotStart::NotFound { .. }));
    assert!(matches!(why(bash("a\0b")).await, CouldNotStart::Refused { .. }));
}

#[tokio::test]
async fn the_environment_is_made() {
    let mut command = program("env", &[]);
    command.environment.extend([("A".into(), "1".into()), ("A".into(), "2".into())]);
    let (_, stdout, _) = run(&command, &short()).await;
    let names: Vec<_> = stdout.lines().filter_map(|line| line.split('=').next()).collect();
    let mut names: Vec<_> = names.into_iter().filter(|name| *name != "PATH").collect();
    names.sort_unstable();
    assert_eq!(names, ["A", "INTERLOCK_JOB", "INTERLOCK_RUN"]);
    assert!(stdout.contains("A=2\n"));
}

#[tokio::test]
async fn there_is_nothing_to_read() {
    let (finished, stdout, _) = run(&bash("cat; echo end"), &short()).await;
    check_exit(&finished, Exit::Code(0), None);
    assert_eq!(stdout, "end\n");
}

#[tokio::test]
async fn streams_are_told_apart_and_tails_are_kept() {
    let script = "printf 'a\\nb'; printf 'x\\ny' >&2; printf 'c'";
    let (_, stdout, stderr) = run(&bash(script), &short()).await;
    assert_eq!((stdout.as_str(), stderr.as_str()), ("a\nbc", "x\ny"));
}

#[tokio::test]
async fn a_daemon_that_holds_the_pipe_does_not_hold_us() {
    let quarry = Quarry::new();
    let script = format!("setsid sleep {} & echo before; exit 4", quarry.0);
    let began = Instant::now();
    let (finished, stdout, _) = run(&bash(&script), &short()).await;
    check_exit(&finished, Exit::Code(4), None);
    assert_eq!(stdout, "before\n");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(quarry.alive(), 0);
}

#[tokio::test]
async fn a_slow_reader_loses_nothing_of_a_command_that_has_ended() {
    let quarry = Quarry::new();
    let tree = Tree::new(&Token::random());
    let (stopper, orders) = orders();
    let (sink, mut output) = mpsc::channel::<Chunk>(1);
    let script =
        format!("setsid sleep {} & trap 'seq 20000; exit' INT; echo ready; wait", quarry.0);
    // What counts here is the end of the output, not how fast a busy machine prints it.
    let grace = Grace { interrupt: Duration::from_secs(30), ..short().grace };
    let (command, limits) = (bash(&script), Limits { grace, ..Limits::default() });
    let read = async {
        let mut text = String::new();
        while let Some(chunk) = output.recv().await {
            text += &String::from_utf8_lossy(&chunk.bytes);
            if text == "ready\n" {
                stopper.cancel();
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        text
    };
    let slow = async { tokio::join!(tree.run(&command, &limits, &orders, sink), read) };
    let (_, text) = slow.await;
    assert!(text.ends_with("\n20000\n"), "{}", &text[text.len().saturating_sub(60)..]);
    tree.end().await;
}

#[tokio::test]
async fn a_daemon_that_never_stops_printing_does_not_hold_us() {
    let quarry = Quarry::new();
    let script = format!(
        "setsid bash -c 'while sleep 0.01; do echo noise; done' & sleep {} & echo end; exit 0",
        quarry.0
    );
    let began = Instant::now();
    let (finished, stdout, _) = run(&bash(&script), &short()).await;
    check_exit(&finished, Exit::Code(0), None);
    assert!(stdout.contains("end\n"));
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_a_step_left_lives_until_the_job_ends() {
    let quarry = Quarry::new();
    let tree = Tree::new(&Token::random());
    let (_stopper, orders) = orders();
    let (sink, output) = mpsc::channel(4);
    let script = "(while sleep 0.01; do echo noise; done) & echo $!";
    let (server, limits) = (bash(&format!("sleep {} & {script}", quarry.0)), short());
    let (finished, (stdout, _)) =
        tokio::join!(tree.run(&server, &limits, &orders, sink), collect(output));
    check_exit(&finished, Exit::Code(0), None);
    assert_eq!(quarry.alive(), 1);
    let noisy = stdout.lines().find(|line| *line != "noise").expect("its number");
    // It prints into a pipe that nobody wants to read any more, and that must not kill it.
    let (sink, output) = mpsc::channel(4);
    let next = bash(&format!("sleep 0.2; kill -0 {noisy} && echo alive"));
    let (_, (stdout, _)) = tokio::join!(tree.run(&next, &limits, &orders, sink), collect(output));
    assert_eq!(stdout, "alive\n");
    let strays = tree.end().await;
    assert!(strays.iter().any(|stray| stray.name == "sleep" && !stray.survived), "{strays:?}");
    assert_eq!(quarry.alive(), 0);
    assert_eq!(tree.end().await, []);
}

#[tokio::test]
async fn nothing_survives_a_normal_end() {
    let quarry = Quarry::new();
    let (finished, ..) = run(&bash(&quarry.rabble("exit 0")), &short()).await;
    check_exit(&finished, Exit::Code(0), None);
    assert_eq!(quarry.alive(), 0);
}

#[tokio::test]
async fn nothing_survives_a_timeout() {
    let quarry = Quarry::new();
    let limits = Limits { timeout: Some(Duration::from_secs(2)), ..short() };
    let script = quarry.rabble("trap '' INT TERM; while true; do sleep 1; done");
    let (finished, ..) = run(&bash(&script), &limits).await;
    check_exit(&finished, Exit::Signal(9), Some(Cause::TimedOut));
    assert_eq!(quarry.alive(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_survives_a_cancel() {
    let quarry = Quarry::new();
    let tree = Tree::new(&Token::random());
    let (stopper, orders) = orders();
    let (sink, output) = mpsc::channel(4);
    let command = bash(&quarry.rabble("wait"));
    let limits = short();
    let cancel = async {
        tokio::task::block_in_place(|| quarry.wait_for(RABBLE));
        stopper.cancel();
    };
    let (finished, _, ()) =
        tokio::join!(tree.run(&command, &limits, &orders, sink), collect(output), cancel);
    assert_eq!(finished.stopped, Some(Cause::Cancelled));
    tree.end().await;
    assert_eq!(quarry.alive(), 0);
}

/// Cancels once it has printed `ready`; tells how it ended and how long that took.
async fn cancel(script: &str, grace: Grace, again: bool) -> (Finished, String, Duration) {
    let tree = Tree::new(&Token::random());
    let (stopper, orders) = orders();
    let (sink, mut output) = mpsc::channel::<Chunk>(4);
    let listen = async {
        let mut text = String::new();
        let mut asked = None;
        while let Some(chunk) = output.recv().await {
            text += &String::from_utf8_lossy(&chunk.bytes);
            if asked.is_none() && text.contains("ready\n") {
                asked = Some(Instant::now());
                stopper.cancel();
            }
            if again && text.contains("deaf\n") {
                stopper.cancel();
            }
        }
        (text, asked.expect("it was ready").elapsed())
    };
    let limits = Limits { grace, ..Limits::default() };
    let command = bash(script);
    let (finished, (text, took)) = tokio::join!(tree.run(&command, &limits, &orders, sink), listen);
    tree.end().await;
    (finished, text, took)
}

#[tokio::test]
async fn first_comes_the_interrupt_then_terminate_then_kill() {
    let script = "trap 'echo INT' INT; trap 'echo TERM' TERM; echo ready; \
                  while true; do sleep 0.02; done";
    let (finished, text, _) = cancel(script, short().grace, false).await;
    check_exit(&finished, Exit::Signal(9), Some(Cause::Cancelled));
    // The shell tells what became of its child.
    assert_eq!(text.replace("Terminated\n", ""), "ready\nINT\nTERM\n");
}

#[tokio::test]
async fn a_command_may_clean_up_and_choose_its_exit() {
    let script = "trap 'echo bye; exit 0' INT; echo ready; while true; do sleep 0.02; done";
    let (finished, text, took) = cancel(script, Grace::default(), false).await;
    check_exit(&finished, Exit::Code(0), Some(Cause::Cancelled));
    assert_eq!(text, "ready\nbye\n");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn the_group_may_clean_up_after_its_leader() {
    let script = "bash -c 'trap \"sleep 0.3; echo cleaned; exit\" TERM; echo ready; \
                  while true; do sleep 0.02; done' & trap 'exit 5' INT; wait";
    let grace = Grace { terminate: Duration::from_secs(5), ..short().grace };
    let (finished, text, _) = cancel(script, grace, false).await;
    check_exit(&finished, Exit::Code(5), Some(Cause::Cancelled));
    assert_eq!(text.replace("Terminated\n", ""), "ready\ncleaned\n");
}

#[tokio::test]
async fn the_second_cancel_does_not_wait() {
    let script = "trap 'echo deaf' INT; trap '' TERM; echo ready; while true; do sleep 0.02; done";
    let (finished, _, took) = cancel(script, Grace::default(), true).await;
    check_exit(&finished, Exit::Signal(9), Some(Cause::Cancelled));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_cancel_leaves_other_commands_of_the_job_alone() {
    let tree = Tree::new(&Token::random());
    let (stopper, first_orders) = orders();
    let (_other, second_orders) = orders();
    let (sink, _unread) = mpsc::channel(4);
    let (first, second) = (bash("sleep 60"), bash("sleep 0.4; exit 3"));
    let limits = short();
    stopper.cancel();
    let (first, second) = tokio::join!(
        tree.run(&first, &limits, &first_orders, sink.clone()),
        tree.run(&second, &limits, &second_orders, sink)
    );
    assert_eq!(first.stopped, Some(Cause::Cancelled));
    check_exit(&second, Exit::Code(3), None);
    tree.end().await;
}

/// Hides in a session of its own, without the pipes of its job.
const HIDDEN: &str = "setsid -f env -u X >/dev/null 2>&1";

#[tokio::test]
async fn the_end_of_one_job_is_not_the_end_of_another() {
    let (quarry, other) = (Quarry::new(), Quarry::new());
    let (first, second) = (Tree::new(&Token::random()), Tree::new(&Token::random()));
    let (_stopper, orders) = orders();
    let (sink, _unread) = mpsc::channel(4);
    let leave = |quarry: &Quarry| {
        bash(&format!("setsid sleep {0} & sleep {0} & env -i {HIDDEN} sleep {0} &", quarry.0))
    };
    first.run(&leave(&quarry), &short(), &orders, sink.clone()).await;
    second.run(&leave(&other), &short(), &orders, sink).await;
    first.end().await;
    assert_eq!((quarry.alive(), other.alive()), (0, 3));
    second.end().await;
    assert_eq!(other.alive(), 0);
}

#[tokio::test]
async fn a_dropped_tree_ends_too() {
    let quarry = Quarry::new();
    let tree = Tree::new(&Token::random());
    let (_stopper, orders) = orders();
    let (sink, _unread) = mpsc::channel(4);
    tree.run(&bash(&format!("setsid sleep {} &", quarry.0)), &short(), &orders, sink).await;
    assert_eq!(quarry.alive(), 1);
    drop(tree);
    assert_eq!(quarry.alive(), 0);
}

#[tokio::test]
async fn a_run_without_a_keeper_is_swept() {
    let quarry = Quarry::new();
    let run = Token::random();
    let child = std::process::Command::new("bash")
        .args(["-c", &format!("setsid sleep {0} & env -i sleep {0}", quarry.0)])
        .env("INTERLOCK_RUN", format!("outer/{run}"))
        .spawn();
    let mut child = child.expect("bash");
    quarry.wait_for(2);
    assert_eq!(sweep(&Token::random()), []);
    assert_eq!(quarry.alive(), 2);
    let strays = sweep(&run);
    assert!(strays.len() >= 2, "{strays:?}");
    assert_eq!(quarry.alive(), 0);
    child.wait().expect("it is ours");
}

#[tokio::test]
async fn an_inherited_file_is_open_in_the_command_and_in_no_other() {
    use std::os::fd::{AsRawFd as _, OwnedFd};
    let file: OwnedFd = tempfile::tempfile().expect("file").into();
    let number = file.as_raw_fd();
    let with = Command {
        inherited: vec![std::sync::Arc::new(file)],
        ..bash(&format!("ls /proc/self/fd/{number}"))
    };
    let (finished, ..) = run(&with, &short()).await;
    check_exit(&finished, Exit::Code(0), None);
    let without = Command { inherited: Vec::new(), ..with.clone() };
    let (finished, ..) = run(&without, &short()).await;
    check_exit(&finished, Exit::Code(2), None);
}

#[tokio::test]
async fn a_flood_takes_little_memory_and_loses_nothing() {
    let tree = Tree::new(&Token::random());
    let (_stopper, orders) = orders();
    let (sink, mut output) = mpsc::channel::<Chunk>(4);
    let command = bash("yes 0123456789 | head -c 20971520; yes abcdefghij | head -c 20971520 >&2");
    let count = async {
        let mut bytes = [0, 0];
        while let Some(chunk) = output.recv().await {
            assert!(chunk.bytes.len() < 3 * 64 * 1024, "{}", chunk.bytes.len());
            bytes[usize::from(chunk.stream == Stream::Stderr)] += chunk.bytes.len();
        }
        bytes
    };
    let limits = short();
    let (finished, bytes) = tokio::join!(tree.run(&command, &limits, &orders, sink), count);
    check_exit(&finished, Exit::Code(0), None);
    assert_eq!(bytes, [20_971_520, 20_971_520]);
    tree.end().await;
}
