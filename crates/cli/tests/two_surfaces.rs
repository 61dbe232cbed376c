//! The example `one-repository-two-surfaces`: a CI job and a bot, and one of them is killed.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::sandbox::Ended;

fn example() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("a root").join("examples/one-repository-two-surfaces")
}

/// Prepares a program in a copy of the example, with `interlock` in its `PATH`.
fn program(place: &Path, words: &[&str]) -> Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_interlock"));
    let binaries = binary.parent().expect("a directory").display();
    let path = std::env::var("PATH").expect("a PATH");
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(place.join("repository")).env_clear();
    command.env("PATH", format!("{binaries}:{path}")).env("HOME", place);
    command.env("INTERLOCK_STATE_DIR", place.join("state"));
    command.env("INTERLOCK_STORE", format!("file:{}", place.join("shared.db").display()));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    command
}

fn run(place: &Path, words: &[&str]) -> Ended {
    Ended::of(&program(place, words).output().expect("it starts"))
}

fn prepare() -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a directory");
    let from = format!("{}/.", example().display());
    let repository = place.path().join("repository");
    let copied = Command::new("cp").args(["-r", &from]).arg(&repository).status();
    assert!(copied.expect("cp").success());
    for words in [
        &["git", "init", "-q", "-b", "main"][..],
        &["git", "add", "-A"],
        &["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"],
    ] {
        run(place.path(), words).expect_code(0);
    }
    place
}

#[test]
fn ci_and_bot_lose_no_line_and_the_death_of_one_does_not_stop_the_other() {
    let place = prepare();
    let place = place.path();
    let store = format!("INTERLOCK_STORE=file:{}", place.join("shared.db").display());
    let ci = ["interlock", "run", ".github/workflows/ci.yml", "--event", "push", "--var", &store];
    let bots = ["one", "two", "three"].map(|name| program(place, &["scripts/bot", name]).spawn());
    run(place, &ci).expect_code(0);
    for bot in bots {
        let output = bot.expect("it starts").wait_with_output().expect("an output");
        Ended::of(&output).expect_code(0);
    }
    let journal = run(place, &["interlock", "lock", "get", "journal"]).expect_code(0).stdout;
    assert_eq!(journal.lines().count(), 4, "a line was lost:\n{journal}");
    // The bot dies at work.
    let sign = place.join("begun");
    let mut bot = program(place, &["scripts/bot", "four"]);
    let mut bot = bot.env("BEGUN", &sign).env("BOT_WORKS", "600").spawn().expect("it starts");
    let began = Instant::now();
    while !sign.exists() {
        assert!(began.elapsed() < Duration::from_secs(30), "the bot never worked");
        std::thread::sleep(Duration::from_millis(10));
    }
    bot.kill().expect("it is there");
    drop(bot.wait());
    run(place, &ci).expect_code(0);
    let shown = run(place, &["interlock", "lock", "show", "octo/repo"]).expect_code(0).stdout;
    assert!(shown.contains("bot:four:") && shown.contains("is dead"), "{shown}");
    let journal = run(place, &["interlock", "lock", "get", "journal"]).expect_code(0).stdout;
    assert_eq!(journal.lines().count(), 5, "{journal}");
    assert!(!journal.contains("four"), "{journal}");
    // What the dead bot would still write is refused.
    fs::write(place.join("late"), "late").expect("a file");
    let late = place.join("late").display().to_string();
    let put = ["interlock", "lock", "put", "journal", &late, "--lock", "octo/repo", "--fence", "5"];
    assert!(run(place, &put).expect_code(3).stdout.starts_with("stale"));
}
