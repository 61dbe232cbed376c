//! What is printed, and what is written for CI systems.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};
use testkit::servers::has_program;

use crate::desk::Desk;

#[test]
fn groups_are_whole_and_failures_come_last() {
    let desk = Desk::new();
    let (_, stdout, _) = desk.run(&[
        "--advisory",
        "bad=echo 1; sleep 0.2; echo 2 >&2; exit 1",
        "--critical",
        "good=echo 3; sleep 0.3; echo 4",
    ]);
    let lines: Vec<_> = stdout.lines().take(6).collect();
    let without_times: Vec<_> =
        lines.iter().map(|line| line.split(" in ").next().unwrap_or_default()).collect();
    assert_eq!(without_times, ["── good: passed", "3", "4", "── bad: failed (1)", "1", "2"]);
}

#[test]
fn interleaved_lines_have_names_and_never_mix() {
    if !has_program("python3") {
        return;
    }
    let desk = Desk::new();
    let line = |letter: &str| letter.repeat(3000);
    // Pieces of lines, in both streams, from three jobs at once.
    let command = |letter: &str| {
        format!(
            "python3 -c \"import os\nfor i in range(200):\n  for fd in (1, 2):\n    os.write(fd, b'{letter}' * 1500); \
             os.write(fd, b'{letter}' * 1500 + b'\\n')\""
        )
    };
    let jobs: Vec<_> = ["a", "b", "c"].map(|name| format!("{name}={}", command(name))).into();
    let (code, stdout, _) = desk.run(&[
        "--order",
        "interleaved",
        "--critical",
        &jobs[0],
        "--critical",
        &jobs[1],
        "--critical",
        &jobs[2],
    ]);
    assert_eq!(code, 0);
    for name in ["a", "b", "c"] {
        let whole = format!("{name} | {}", line(name));
        let ours = stdout.lines().filter(|line| line.starts_with(&format!("{name} | ")));
        assert_eq!(ours.clone().filter(|line| **line == whole).count(), 400);
        assert_eq!(ours.count(), 400);
    }
}

#[test]
fn a_job_of_github_actions_gets_everything() {
    let desk = Desk::new();
    let (code, stdout, stderr) = desk.step(&[
        "--critical",
        "good=echo fine",
        "--advisory",
        "soft=exit 4",
        "--critical",
        "hard=echo '| `x` <b>'; exit 3",
        "--json",
        "all.json",
        "--junit",
        "all.xml",
    ]);
    assert_eq!(code, 1);
    assert!(stdout.contains("::group::good: passed in "), "{stdout}");
    assert!(stdout.contains("fine\n::endgroup::\n"), "{stdout}");
    assert!(!stdout.contains("::group::hard"), "a failed one is open: {stdout}");
    assert!(stderr.contains("::warning title=soft::failed (4) (advisory), log: "), "{stderr}");
    assert!(stderr.contains("::error title=hard::failed (3) (critical), log: "), "{stderr}");
    let outputs: BTreeMap<_, _> = desk
        .read("output")
        .lines()
        .map(|line| {
            let (name, value) = line.split_once('=').expect("a pair");
            (name.to_owned(), value.to_owned())
        })
        .collect();
    assert_eq!(outputs["good-result"], "passed");
    assert_eq!(outputs["soft-result"], "failed");
    assert_eq!(outputs["hard-exit-code"], "3");
    assert_eq!(outputs["result"], "failed");
    assert_eq!(outputs["warnings"], "[\"soft\"]");
    let log = std::fs::read_to_string(format!("{}/good.log", outputs["log-dir"]));
    assert_eq!(log.expect("the log"), "fine\n");
    let summary = desk.read("summary");
    assert!(summary.contains("| ⚠️ | soft | failed (4) | advisory |"), "{summary}");
    assert!(summary.contains("| ❌ | hard | failed (3) | critical |"), "{summary}");
    assert!(summary.contains("| ✅ | good | passed | critical |"), "{summary}");
    assert!(summary.contains("```text\n| `x` <b>\n```"), "{summary}");
    let json: serde_json::Value = serde_json::from_str(&desk.read("all.json")).expect("JSON");
    assert_eq!(json["jobs"][2]["exit_code"], 3);
    let junit = desk.read("all.xml");
    assert!(junit.contains("tests=\"3\" failures=\"2\" errors=\"0\" skipped=\"0\""), "{junit}");
    assert!(junit.contains("<failure type=\"critical\" message=\"failed (3)\"/>"), "{junit}");
    assert!(junit.contains("<system-out>| `x` &lt;b&gt;\n</system-out>"), "{junit}");
}

#[test]
fn json_has_standard_output_for_itself() {
    let desk = Desk::new();
    let (code, summary) = desk.json(&["--critical", "a=echo to the log"]);
    assert_eq!((code, &summary["result"]), (0, &"passed".into()));
    let log = summary["jobs"][0]["log"].as_str().expect("a path");
    assert_eq!(std::fs::read_to_string(log).expect("the log"), "to the log\n");
}

#[test]
fn a_reader_that_went_away_changes_no_result() {
    let desk = Desk::new();
    let mut command = desk.command(&["--critical", "a=seq 100000", "--advisory", "b=exit 1"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_flood_takes_little_memory_and_every_line_arrives() {
    let desk = Desk::new();
    let flood = |name: &str| format!("{name}=head -c 20971520 <(yes {name}123456789)");
    let mut command =
        desk.command(&["--critical", &flood("a"), "--critical", &flood("b"), "--log-dir", "logs"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let front = child.id();
    let mut stdout = child.stdout.take().expect("a pipe");
    let reader = std::thread::spawn(move || {
        let (mut bytes, mut count) = (vec![0; 1 << 16], 0);
        loop {
            match stdout.read(&mut bytes).expect("it can be read") {
                0 => return count,
                more => count += more,
            }
        }
    });
    let mut most = 0;
    let began = Instant::now();
    while child.try_wait().expect("ours").is_none() {
        most = most.max(peak(front));
        std::thread::sleep(Duration::from_millis(5));
        assert!(began.elapsed() < Duration::from_mins(1), "it takes too long");
    }
    assert!(reader.join().expect("no panic") > 2 * 20_971_520);
    assert!((1..32 * 1024).contains(&most), "{most} KiB");
    for name in ["a", "b"] {
        let log = std::fs::metadata(desk.path("logs").join(format!("{name}.log")));
        assert_eq!(log.expect("a log").len(), 20_971_520);
    }
}

/// Returns the most memory that the front or its worker had so far, in KiB.
fn peak(front: u32) -> u64 {
    let task = format!("/proc/{front}/task/{front}/children");
    let children = std::fs::read_to_string(task).unwrap_or_default();
    let processes = children.split_whitespace().map(ToOwned::to_owned).chain([front.to_string()]);
    let peak = |process: String| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    processes.filter_map(peak).max().unwrap_or_default()
}
