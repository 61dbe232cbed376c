//! Policies of `interlock.toml`, as `interlock run` and `interlock plan` follow them.

use serde_json::Value;
use testkit::sandbox::Sandbox;

const WORKFLOW: &str = "
name: work
on: {issues: {}, issue_comment: {}, push: {}}
concurrency: {group: 'issue-${{ github.event.issue.number }}', cancel-in-progress: true}
jobs:
  work:
    runs-on: ubuntu-latest
    steps: [{run: 'echo ${{ github.event.issue.title }}; sleep 0.3'}]
";

fn sandbox(settings: &str, deliveries: &[(&str, &str, u64)]) -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_interlock"));
    let line = |(action, title, delay): &(&str, &str, u64)| {
        format!(
            "{{\"event\":\"issues\",\"payload\":{{\"action\":\"{action}\",\"issue\":{{\"number\":1,\"title\":\"{title}\"}}}},\"delay_ms\":{delay}}}\n"
        )
    };
    let deliveries: String = deliveries.iter().map(line).collect();
    sandbox
        .workflow("work.yml", WORKFLOW)
        .file("interlock.toml", settings)
        .file("deliveries.jsonl", &deliveries)
        .commit();
    sandbox
}

/// Runs the deliveries and returns conclusion and reason of each run, in their order.
#[track_caller]
fn run(sandbox: &Sandbox) -> Vec<(String, String)> {
    let ended = sandbox
        .run(&["run", "--deliveries", "deliveries.jsonl", "--format", "json"])
        .expect_code(0);
    let mut runs = ended.runs();
    runs.sort_by_key(|run| run["delivery"].as_u64());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    runs.iter().map(|run| (text(&run["conclusion"]), text(&run["reason"]))).collect()
}

#[track_caller]
fn check(settings: &str, deliveries: &[(&str, &str, u64)], expected: &[(&str, &str)]) {
    let runs = run(&sandbox(settings, deliveries));
    let fits = |((conclusion, reason), (wanted, part)): (&(String, String), &(&str, &str))| {
        conclusion == wanted && reason.contains(part)
    };
    assert!(runs.len() == expected.len() && runs.iter().zip(expected).all(fits), "{runs:#?}");
}

const STORM: [(&str, &str, u64); 3] =
    [("opened", "a", 0), ("labeled", "a", 50), ("labeled", "a", 50)];

#[test]
fn debounce_makes_one_run_of_a_storm_and_cancels_nothing() {
    let settings = "[[groups.rules]]\ngroup = 'issue-*'\ndebounce = '600ms'\n";
    let newest = [("skipped", "collapsed"), ("skipped", "collapsed"), ("success", "")];
    check(settings, &STORM, &newest);
}

#[test]
fn equal_requests_coalesce_and_a_changed_one_supersedes() {
    let settings = "[[groups.rules]]\ngroup = 'issue-*'\npolicy = 'coalesce'\ndigest = ['event.issue.title']\n";
    let same = [("success", ""), ("skipped", "the same work"), ("skipped", "the same work")];
    check(settings, &STORM, &same);
    let edited = [("opened", "a", 0), ("edited", "b", 100)];
    check(settings, &edited, &[("cancelled", "superseded"), ("success", "")]);
}

#[test]
fn first_wins_where_the_repository_says_so() {
    let settings = "[[groups.rules]]\ngroup = '*'\npolicy = 'first'\n";
    check(settings, &STORM, &[("success", ""), ("skipped", ""), ("skipped", "")]);
}

#[test]
fn queue_gives_everybody_a_turn() {
    let settings = "[[groups.rules]]\ngroup = '*'\npolicy = 'queue'\n";
    check(settings, &STORM, &[("success", ""), ("success", ""), ("success", "")]);
}

#[test]
fn what_is_not_admitted_never_enters_the_group() {
    let settings = "[[groups.rules]]\ngroup = '*'\nadmit = \"github.event.action == 'opened'\"\n";
    check(settings, &STORM, &[("success", "")]);
}

#[test]
fn older_commit_never_follows_a_newer_one() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_interlock"));
    let workflow = "on: push\nconcurrency: deploy\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps: [{run: 'true'}]\n";
    let settings = "[[groups.rules]]\ngroup = 'deploy'\norder = 'commit'\n";
    let older = sandbox.workflow("deploy.yml", workflow).file("interlock.toml", settings).commit();
    let newer = sandbox.file("more.txt", "more").commit();
    let push = |sha: &str, delay: u64| {
        format!(
            "{{\"event\":\"push\",\"payload\":{{\"ref\":\"refs/heads/main\",\"after\":\"{sha}\"}},\"delay_ms\":{delay}}}\n"
        )
    };
    sandbox.file("deliveries.jsonl", &format!("{}{}", push(&newer, 0), push(&older, 700)));
    let runs = run(&sandbox);
    assert_eq!(runs[0].0, "success", "{runs:?}");
    assert!(runs[1].0 == "skipped" && runs[1].1.contains(&newer[..10]), "{runs:?}");
    // A later call knows it too.
    sandbox.file("deliveries.jsonl", &push(&older, 0));
    assert_eq!(run(&sandbox)[0].0, "skipped");
}

#[test]
fn plan_shows_the_timeline_and_the_rule() {
    let settings = "[[groups.rules]]\ngroup = 'issue-*'\ndebounce = '5s'\n";
    let sandbox = sandbox(settings, &STORM);
    let ended =
        sandbox.run(&["plan", "--deliveries", "deliveries.jsonl", "--each", "10s"]).expect_code(0);
    assert!(
        ended.stdout.contains("5.000  delivery 2 (issues)          starts"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("15.000  delivery 2 (issues)          succeeds"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("debounce 5000 ms"), "{}", ended.stdout);
    assert!(!sandbox.state().join("runs").exists());
}

#[test]
fn rule_that_makes_no_sense_is_refused() {
    let sandbox = sandbox("[[groups.rules]]\ngroup = '*'\npolicy = 'fastest'\n", &STORM);
    let ended = sandbox.run(&["run"]).expect_code(2);
    assert!(
        ended.stderr.contains("interlock.toml") && ended.stderr.contains("fastest"),
        "{}",
        ended.stderr
    );
}
