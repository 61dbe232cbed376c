//! `interlock lock`, as people, bots and CI jobs call it.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use testkit::sandbox::{Ended, Sandbox, descendants};
use testkit::servers::{bare_repository, has_program};

const LONG: Duration = Duration::from_mins(1);

fn sandbox() -> Sandbox {
    Sandbox::new(env!("CARGO_BIN_EXE_interlock"))
}

/// Prepares a call in a process group of its own, as a shell starts it.
fn call(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let mut command = sandbox.command(arguments);
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run_lock(sandbox: &Sandbox, flags: &[&str], script: &str) -> Command {
    let arguments = [&["lock", "run", "deploy"], flags, &["--", "sh", "-c", script]].concat();
    call(sandbox, &arguments)
}

fn start(mut command: Command) -> Child {
    command.spawn().expect("the binary starts")
}

fn end(child: Child) -> Ended {
    Ended::of(&child.wait_with_output().expect("an output"))
}

fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).expect("a process id");
    kill_process(Pid::from_raw(id).expect("not zero"), signal).expect("it is there");
}

#[track_caller]
fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LONG, "waited for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn show(sandbox: &Sandbox) -> Value {
    let shown = sandbox.run(&["lock", "show", "deploy", "--format", "json"]).expect_code(0);
    shown.json().remove(0)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Checks a history of `begin FENCE` and `end FENCE` lines: one at a time, in order of the fences.
#[track_caller]
fn check_history(text: &str, count: usize) -> Vec<u64> {
    let mut fences = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2 * count, "{text}");
    for pair in lines.chunks(2) {
        let fence = pair[0].strip_prefix("begin ").expect(text);
        assert_eq!(pair[1].strip_prefix("end "), Some(fence), "two at once:\n{text}");
        fences.push(fence.parse().expect("a number"));
    }
    assert!(fences.is_sorted_by(|one, other| one < other), "{fences:?}");
    fences
}

#[test]
fn command_runs_under_a_fence_and_its_code_is_passed_on() {
    let sandbox = sandbox();
    let script = "echo $INTERLOCK_LOCK_KEY $INTERLOCK_FENCE; exit 7";
    let first = end(start(run_lock(&sandbox, &[], script))).expect_code(7);
    assert_eq!(first.stdout, "deploy 1\n");
    let second = end(start(run_lock(&sandbox, &[], script))).expect_code(7);
    assert_eq!(second.stdout, "deploy 2\n", "a fence outlives a release");
    assert_eq!(show(&sandbox)["outcome"], "free");
    end(start(call(&sandbox, &["lock", "run", "deploy", "--", "/no/such/program"])))
        .expect_code(127);
    assert_eq!(show(&sandbox)["outcome"], "free");
}

#[test]
fn command_reads_our_standard_input() {
    let sandbox = sandbox();
    let mut command = call(&sandbox, &["lock", "run", "deploy", "--", "cat"]);
    command.stdin(Stdio::piped());
    let mut child = start(command);
    child.stdin.take().expect("a pipe").write_all(b"answer\n").expect("it reads");
    assert_eq!(end(child).expect_code(0).stdout, "answer\n");
}

#[test]
fn held_is_said_by_word_code_and_annotation() {
    let sandbox = sandbox();
    let flags = ["--reason", "release 7", "--link", "https://example.com/7"];
    let holder = start(run_lock(&sandbox, &flags, "sleep 600"));
    wait_for("the holder", || show(&sandbox)["outcome"] == "held");
    let asked = sandbox.run(&["lock", "acquire", "deploy", "--no-wait", "--format", "json"]);
    let asked = asked.expect_code(3);
    let answer = asked.json().remove(0);
    assert_eq!((&answer["outcome"], &answer["why"]), (&"held".into(), &"release 7".into()));
    assert_eq!(answer["link"], "https://example.com/7");
    assert!(asked.stderr.contains("warning: lock deploy: held"), "{}", asked.stderr);
    end(start(run_lock(&sandbox, &["--no-wait"], "exit 0"))).expect_code(3);
    end(start(run_lock(&sandbox, &["--on-held", "fail"], "exit 0"))).expect_code(3);
    end(start(run_lock(&sandbox, &["--on-held", "skip"], "exit 9"))).expect_code(0);
    let began = Instant::now();
    end(start(run_lock(&sandbox, &["--wait", "300ms"], "exit 0"))).expect_code(3);
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(show(&sandbox)["queue"], Value::Array(Vec::new()), "whoever gave up stands nowhere");
    signal(&holder, Signal::TERM);
    end(holder).expect_code(143);
    assert_eq!(show(&sandbox)["outcome"], "free", "it is released after the command has ended");
}

#[test]
fn person_at_a_terminal_sees_for_whom_one_waits() {
    if !has_program("script") {
        return;
    }
    let sandbox = sandbox();
    let flags = ["--holder", "bot-7", "--reason", "release 7"];
    let holder = start(run_lock(&sandbox, &flags, "sleep 600"));
    wait_for("the holder", || show(&sandbox)["outcome"] == "held");
    let program = env!("CARGO_BIN_EXE_interlock");
    let state = sandbox.state();
    let wait = format!(
        "stty cols 200; exec env -i PATH=\"$PATH\" TERM=xterm HOME=/ INTERLOCK_STATE_DIR={} \
         {program} lock run deploy --wait 1500ms -- true",
        state.display()
    );
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &wait, "/dev/null"]).current_dir(&state).stdin(Stdio::null());
    let ended = Ended::of(&terminal.output().expect("it starts"));
    signal(&holder, Signal::TERM);
    end(holder);
    let shown = &ended.stdout;
    let line = "waiting for deploy, next in the queue: held by bot-7 for";
    assert!(shown.contains(line) && shown.contains("(release 7)"), "{shown:?}");
    let (_, after) = shown.rsplit_once(line).expect("it was shown");
    assert!(after.contains("\r\u{1b}[2K"), "the line is taken away: {after:?}");
    assert!(after.contains("waited 1 s for deploy"), "{after:?}");
    ended.expect_code(3);
}

#[test]
fn job_in_actions_takes_its_store_its_outputs_and_its_own_lock_again() {
    let sandbox = sandbox();
    let (temp, outputs) = (sandbox.path("temp"), sandbox.path("outputs"));
    let summary = sandbox.path("summary");
    fs::create_dir_all(&temp).expect("a directory");
    let job = |attempt: &str, arguments: &[&str]| {
        let mut command = call(&sandbox, arguments);
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_REPOSITORY", "octo/repo");
        command.env("GITHUB_RUN_ID", "7").env("GITHUB_RUN_ATTEMPT", attempt);
        command.env("GITHUB_JOB", "build").env("RUNNER_TEMP", temp.join(attempt));
        command.env("GITHUB_OUTPUT", &outputs).env("GITHUB_STEP_SUMMARY", &summary);
        end(start(command))
    };
    let refused = job("1", &["lock", "acquire", "deploy"]).expect_code(2);
    assert!(refused.stderr.contains("no store was chosen"), "{}", refused.stderr);
    let open = job("1", &["lock", "acquire", "deploy", "--on-no-store", "proceed"]).expect_code(0);
    assert!(open.stdout.starts_with("disabled"), "{}", open.stdout);
    let store = format!("file:{}", sandbox.path("shared.db").display());
    let acquire = |attempt: &str, flags: &[&str]| {
        let arguments =
            [&["lock", "acquire", "deploy", "--store", &store, "--format", "json"], flags].concat();
        job(attempt, &arguments)
    };
    let first = acquire("1", &[]).expect_code(0).json().remove(0);
    assert_eq!(first["outcome"], "acquired");
    let again = acquire("1", &[]).expect_code(0).json().remove(0);
    assert_eq!((&again["outcome"], &again["fence"]), (&"already-mine".into(), &first["fence"]));
    let other = sandbox.run(&["lock", "acquire", "deploy", "--no-wait", "--store", &store]);
    let held = other.expect_code(3);
    assert!(held.stdout.contains("actions:octo/repo:7:1:build"), "{}", held.stdout);
    assert!(held.stdout.contains("octo/repo/actions/runs/7/attempts/1"), "{}", held.stdout);
    let second = acquire("2", &["--no-wait"]).expect_code(0).json().remove(0);
    assert_eq!(second["outcome"], "taken-over");
    let ghost = acquire("1", &["--no-wait"]).expect_code(0).json().remove(0);
    assert_eq!(ghost["outcome"], "held", "a no is no red step where outputs carry it");
    acquire("1", &["--no-wait", "--exit-code"]).expect_code(3);
    let text = read(&outputs);
    assert!(text.contains("outcome<<") && text.contains("should-run<<"), "{text}");
    assert!(read(&summary).contains("**lock `deploy`: taken-over.**"), "{}", read(&summary));
    job("2", &["lock", "release", "deploy", "--store", &store]).expect_code(0);
    job("2", &["lock", "release", "deploy", "--store", &store]).expect_code(0);
}

#[test]
fn grant_is_released_and_renewed_by_its_proof_alone() {
    let sandbox = sandbox();
    // All calls of one script have one caller; this test is the script.
    let call = |arguments: &[&str]| sandbox.run(arguments);
    call(&["lock", "renew", "deploy"]).expect_code(2);
    call(&["lock", "acquire", "deploy", "--ttl", "60s"]).expect_code(0);
    call(&["lock", "check", "deploy", "--fence", "1"]).expect_code(0);
    call(&["lock", "check", "deploy", "--fence", "2"]).expect_code(3);
    call(&["lock", "renew", "deploy", "--ttl", "2h"]).expect_code(0);
    assert!(show(&sandbox)["left_seconds"].as_f64().expect("a number") > 7000.0);
    // Another script of the same user neither has it nor can release it.
    end(start(self::call(&sandbox, &["lock", "release", "deploy"]))).expect_code(3);
    assert_eq!(show(&sandbox)["outcome"], "held");
    let kept = fs::read_dir(sandbox.state().join("kept")).expect("a directory");
    for file in kept {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.and_then(|file| file.metadata()).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    call(&["lock", "break", "deploy", "--holder", "nobody", "--reason", "x"]).expect_code(3);
    let holder = show(&sandbox)["holder"].as_str().expect("a name").to_owned();
    call(&["lock", "break", "deploy", "--holder", &holder, "--reason", "it hangs"]).expect_code(0);
    assert_eq!(show(&sandbox)["history"][0]["how"]["reason"], "it hangs");
    let lost = call(&["lock", "release", "deploy"]).expect_code(4);
    assert!(lost.stdout.starts_with("lost:"), "{}", lost.stdout);
    call(&["lock", "release", "deploy"]).expect_code(3);
}

#[test]
fn processes_have_it_one_at_a_time() {
    let sandbox = sandbox();
    let history = sandbox.path("history");
    let script = format!(
        "echo begin $INTERLOCK_FENCE >> {0}; sleep 0.0$(($$ % 10)); echo end $INTERLOCK_FENCE >> {0}",
        history.display()
    );
    let start_all = || (0..8).map(|_| start(run_lock(&sandbox, &["--wait", "60s"], &script)));
    let mut children: Vec<Child> = start_all().collect();
    children.extend(start_all());
    for child in children {
        end(child).expect_code(0);
    }
    check_history(&read(&history), 16);
}

#[test]
fn twelve_contenders_get_their_turn_in_order_of_arrival() {
    let sandbox = sandbox();
    let order = sandbox.path("order");
    let holder = start(run_lock(&sandbox, &[], "sleep 600"));
    wait_for("the holder", || show(&sandbox)["outcome"] == "held");
    let mut children = Vec::new();
    for number in 0..12 {
        let script = format!("echo {number} >> {}", order.display());
        children.push(start(run_lock(&sandbox, &["--wait", "60s"], &script)));
        wait_for("its ticket", || {
            show(&sandbox)["queue"].as_array().expect("a queue").len() == number + 1
        });
    }
    signal(&holder, Signal::INT);
    end(holder);
    for child in children {
        end(child).expect_code(0);
    }
    let expected: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    assert_eq!(read(&order).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn killed_holder_and_killed_waiter_delay_nobody_on_this_machine() {
    let sandbox = sandbox();
    let alive = sandbox.path("alive");
    let script = format!("while :; do date +%s%N > {}; sleep 0.05; done", alive.display());
    let holder = start(run_lock(&sandbox, &["--ttl", "1h"], &script));
    wait_for("the command", || alive.exists());
    let waiter = start(run_lock(&sandbox, &["--wait", "60s"], "echo never"));
    wait_for("its ticket", || show(&sandbox)["queue"].as_array().expect("a queue").len() == 1);
    // Only its front is killed; the rest follows in a moment, in which it may still take the lock.
    let family = descendants(i32::try_from(waiter.id()).expect("a process id"));
    signal(&waiter, Signal::KILL);
    let is_gone = |id: &i32| !Path::new(&format!("/proc/{id}")).exists();
    wait_for("the waiter's end", || family.iter().skip(1).all(is_gone));
    signal(&holder, Signal::KILL);
    let began = Instant::now();
    let next = end(start(run_lock(&sandbox, &["--wait", "60s"], "echo $INTERLOCK_FENCE")));
    assert_eq!(next.expect_code(0).stdout, "2\n");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let last = read(&alive);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(read(&alive), last, "the command of the killed holder is alive");
    assert_eq!(show(&sandbox)["history"][1]["how"]["kind"], "died");
    for child in [holder, waiter] {
        drop(child.wait_with_output());
    }
}

#[test]
fn command_that_slept_past_its_time_is_stopped_and_its_guarded_writes_are_refused() {
    let sandbox = sandbox();
    let (ready, late) = (sandbox.path("ready"), sandbox.path("late"));
    let interlock = env!("CARGO_BIN_EXE_interlock");
    let file = sandbox.path("file");
    fs::write(&file, "late").expect("a file");
    let put = format!("{interlock} lock put page {} 2>&1", file.display());
    let script = format!(
        "trap '' INT TERM; {put}; touch {}; while :; do sleep 0.1; {put} > {late}.new && mv {late}.new {late}; done",
        ready.display(),
        late = late.display(),
    );
    let holder = start(run_lock(&sandbox, &["--ttl", "3s"], &script));
    wait_for("the command", || ready.exists());
    // The whole tree is stopped, as by a suspended machine: the command is in a group of its own.
    let tree = descendants(i32::try_from(holder.id()).expect("a process id"));
    for id in &tree {
        kill_process(Pid::from_raw(*id).expect("not zero"), Signal::STOP).expect("it is there");
    }
    let next = end(start(run_lock(&sandbox, &["--wait", "60s"], "echo $INTERLOCK_FENCE")));
    assert_eq!(next.expect_code(0).stdout, "2\n");
    // What the command would write now is refused, also if nobody stopped it.
    let refused =
        sandbox.run(&["lock", "put", "page", "../file", "--fence", "1", "--lock", "deploy"]);
    assert!(refused.expect_code(3).stdout.starts_with("stale"));
    for id in tree.iter().rev() {
        let _gone = kill_process(Pid::from_raw(*id).expect("not zero"), Signal::CONT);
    }
    let ended = end(holder).expect_code(4);
    assert!(ended.stderr.contains("lock deploy: lost"), "{}", ended.stderr);
    let last = read(&late);
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(read(&late), last, "the command goes on");
}

#[test]
fn store_that_goes_away_stops_the_command_in_time_and_one_that_returns_does_not() {
    let sandbox = sandbox();
    let repository = bare_repository();
    let url = format!("git+file://{}/repository.git", repository.path().display());
    let path = repository.path().join("repository.git");
    let away = repository.path().join("away.git");
    let flags = ["--store", &url, "--ttl", "6s"];
    let child = start(run_lock(&sandbox, &flags, "sleep 8; echo done"));
    std::thread::sleep(Duration::from_secs(3));
    fs::rename(&path, &away).expect("it goes");
    std::thread::sleep(Duration::from_millis(700));
    fs::rename(&away, &path).expect("it returns");
    assert_eq!(end(child).expect_code(0).stdout, "done\n");
    let began = Instant::now();
    let child = start(run_lock(&sandbox, &flags, "sleep 600"));
    std::thread::sleep(Duration::from_secs(2));
    fs::rename(&path, &away).expect("it goes");
    let ended = end(child).expect_code(4);
    assert!(began.elapsed() < Duration::from_secs(11), "{:?}", began.elapsed());
    assert!(ended.stderr.contains("could not be renewed in time"), "{}", ended.stderr);
    end(start(run_lock(&sandbox, &flags, "exit 0"))).expect_code(5);
    let open = [&flags[..], &["--on-error", "proceed"]].concat();
    let open = end(start(run_lock(&sandbox, &open, "exit 9"))).expect_code(9);
    assert!(open.stderr.contains("unavailable"), "{}", open.stderr);
}

#[test]
fn broken_lock_stops_its_command() {
    let sandbox = sandbox();
    let holder = start(run_lock(&sandbox, &["--ttl", "3s", "--holder", "me"], "sleep 600"));
    wait_for("the holder", || show(&sandbox)["outcome"] == "held");
    sandbox
        .run(&["lock", "break", "deploy", "--holder", "me", "--reason", "wrong version"])
        .expect_code(0);
    let ended = end(holder).expect_code(4);
    assert!(ended.stderr.contains("wrong version"), "{}", ended.stderr);
}

#[tokio::test]
async fn damaged_record_is_corrupt_until_it_is_repaired() {
    let sandbox = sandbox();
    sandbox.run(&["lock", "acquire", "deploy"]).expect_code(0);
    let url = format!("file:{}", sandbox.state().join("store.db").display());
    let store = store::open(&url, &store::Surroundings::default()).await.expect("a store");
    let key = store::Key::new(["lock", "deploy"]);
    let record = store.read(&key).await.expect("it can be read").expect("there is one");
    let half = record.value.slice(..record.value.len() / 2);
    let written = store.write(&key, half, store::Expect::At(record.version)).await;
    assert!(matches!(written, Ok(store::Written::Stored(_))));
    for flags in [&[][..], &["--on-error", "proceed"]] {
        let asked = sandbox.run(&[&["lock", "acquire", "deploy", "--no-wait"], flags].concat());
        assert!(asked.expect_code(6).stdout.starts_with("corrupt"));
    }
    let listed = sandbox.run(&["lock", "list"]).expect_code(0);
    assert!(listed.stdout.contains("corrupt"), "{}", listed.stdout);
    assert!(sandbox.run(&["lock", "repair", "deploy"]).expect_code(0).stdout.contains("repaired"));
    assert!(sandbox.run(&["lock", "repair", "deploy"]).expect_code(0).stdout.contains("sound"));
    let fence =
        sandbox.run(&["lock", "acquire", "deploy", "--format", "json"]).expect_code(0).json();
    assert!(fence[0]["fence"].as_u64().expect("a fence") > 1_000_000);
}

#[test]
fn ref_that_is_no_record_is_corrupt_and_never_free() {
    let sandbox = sandbox();
    let repository = bare_repository();
    let path = repository.path().join("repository.git");
    let url = format!("git+file://{}", path.display());
    let with = |arguments: &[&str]| sandbox.run(&[arguments, &["--store", &url]].concat());
    with(&["lock", "acquire", "deploy"]).expect_code(0);
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.arg("--git-dir").arg(&path).args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        let output = git.args(arguments).stdin(Stdio::null()).output().expect("git");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let references = git(&["for-each-ref", "--format=%(refname)", "refs/interlock"]);
    let reference = references.lines().next().expect("one record");
    let tree = git(&["mktree"]);
    let commit = git(&["commit-tree", &tree, "-m", "somebody was careless"]);
    git(&["update-ref", reference, &commit]);
    let asked = with(&["lock", "acquire", "deploy", "--no-wait", "--on-error", "proceed"]);
    assert!(asked.expect_code(6).stdout.starts_with("corrupt"));
}

#[test]
fn late_push_is_refused_by_the_remote_as_a_whole() {
    let sandbox = sandbox();
    sandbox.file("a", "1").commit();
    let repository = bare_repository();
    let path = repository.path().join("repository.git").display().to_string();
    sandbox.git(&["remote", "add", "origin", &path]);
    let push = |fence: &str, flags: &[&str]| {
        let lock =
            ["lock", "push", "HEAD:main", "HEAD:other", "--lock", "deploy", "--fence", fence];
        sandbox.run(&[&lock, flags].concat())
    };
    let blind = ["--without-store"];
    push("3", &blind).expect_code(0);
    push("3", &blind).expect_code(0);
    sandbox.file("a", "2").commit();
    push("4", &blind).expect_code(0);
    let newest = sandbox.git(&["ls-remote", "origin", "refs/heads/main"]);
    sandbox.file("a", "3").commit();
    let late = push("3", &blind).expect_code(3);
    assert!(late.stdout.contains("fence 4 has pushed there"), "{}", late.stdout);
    assert_eq!(sandbox.git(&["ls-remote", "origin", "refs/heads/main"]), newest);
    // Whoever has no grant at all is refused before Git is asked.
    push("9", &[]).expect_code(3);
    let word = ["lock", "push", "--without-store", "--lock", "l", "--fence", "9", "--", "--mirror"];
    sandbox.run(&word).expect_code(2);
    // Another lock has a fence of its own; what Git refuses is a failure of the push.
    sandbox.git(&["reset", "-q", "--hard", "HEAD~2"]);
    let rewound = sandbox.run(&[
        "lock",
        "push",
        "HEAD:main",
        "--without-store",
        "--lock",
        "x",
        "--fence",
        "1",
    ]);
    assert!(rewound.expect_code(1).stderr.contains("git push failed"));
}

#[test]
fn work_that_is_claimed_is_done_once() {
    let sandbox = sandbox();
    let count = sandbox.path("count");
    let script = format!("echo x >> {}", count.display());
    end(start(run_lock(&sandbox, &["--claim", "v1"], "exit 5"))).expect_code(5);
    end(start(run_lock(&sandbox, &["--claim", "v1"], &script))).expect_code(0);
    end(start(run_lock(&sandbox, &["--claim", "v1"], &script))).expect_code(3);
    end(start(run_lock(&sandbox, &["--claim", "v2"], &script))).expect_code(0);
    assert_eq!(read(&count), "x\nx\n");
    assert_eq!(show(&sandbox)["outcome"], "free");
}

#[test]
fn several_locks_are_taken_all_or_none() {
    let sandbox = sandbox();
    let holder = start(call(&sandbox, &["lock", "run", "b", "--", "sleep", "600"]));
    wait_for("the holder", || {
        sandbox.run(&["lock", "show", "b", "--format", "json"]).json()[0]["outcome"] == "held"
    });
    sandbox.run(&["lock", "acquire", "c", "a", "b", "--no-wait"]).expect_code(3);
    end(start(call(&sandbox, &["lock", "run", "a", "c", "--no-wait", "--", "true"])))
        .expect_code(0);
    signal(&holder, Signal::TERM);
    end(holder);
    let script =
        "echo \"$INTERLOCK_LOCK_KEY\" | tr '\\n' ,; echo \"$INTERLOCK_FENCE\" | tr '\\n' ,";
    let all = end(start(call(&sandbox, &["lock", "run", "c", "a", "--", "sh", "-c", script])));
    assert_eq!(all.expect_code(0).stdout, "c,a,2,3,");
}

#[test]
fn outcome_file_and_json_tell_ours_from_the_commands() {
    let sandbox = sandbox();
    let file = sandbox.path("outcome");
    let flags = ["--format", "json", "--outcome-file", file.to_str().expect("UTF-8")];
    let ended = end(start(run_lock(&sandbox, &flags, "echo hello; exit 3"))).expect_code(3);
    let answer = ended.json().remove(0);
    assert_eq!((&answer["outcome"], &answer["exit_code"]), (&"acquired".into(), &3.into()));
    assert!(ended.stderr.contains("hello"), "standard output is for JSON alone");
    assert_eq!(serde_json::from_str::<Value>(&read(&file)).expect("JSON"), answer);
}

#[test]
fn interrupted_group_ends_with_its_command() {
    let sandbox = sandbox();
    let child = start(run_lock(&sandbox, &[], "trap 'echo cleaned; exit 9' INT; sleep 600 & wait"));
    wait_for("the holder", || show(&sandbox)["outcome"] == "held");
    std::thread::sleep(Duration::from_millis(200));
    let group = Pid::from_raw(i32::try_from(child.id()).expect("a process id")).expect("not zero");
    kill_process_group(group, Signal::INT).expect("it is there");
    let ended = end(child).expect_code(9);
    assert_eq!(ended.stdout, "cleaned\n");
    assert_eq!(show(&sandbox)["outcome"], "free");
}
