//! `interlock runs`, after runs that ended in different ways.

use testkit::sandbox::Sandbox;

#[test]
fn runs_are_listed_with_their_ends_and_shown_with_their_steps() {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_interlock"));
    assert!(sandbox.run(&["runs"]).expect_code(0).stdout.is_empty());
    let good = "on: push\njobs: {a: {runs-on: x, steps: [{name: First, run: 'true'}]}}\n";
    let bad = "on: push\njobs: {a: {runs-on: x, steps: [{name: Second, run: exit 1}]}}\n";
    sandbox.workflow("good.yml", good).workflow("bad.yml", bad).commit();
    sandbox.run(&["run"]).expect_code(1);
    let listed = sandbox.run(&["runs", "--format", "json"]).expect_code(0).json();
    let mut ends: Vec<_> = listed.iter().filter_map(|run| run["conclusion"].as_str()).collect();
    ends.sort_unstable();
    assert_eq!(ends, ["failure", "success"]);
    let failed = listed.iter().find(|run| run["conclusion"] == "failure").expect("a failed run");
    let id = failed["id"].as_str().expect("an id");
    let shown = sandbox.run(&["runs", id]).expect_code(0);
    assert!(shown.stdout.contains("Second") && shown.stdout.contains("a.log"), "{}", shown.stdout);
    assert_eq!(sandbox.run(&["runs", "--last", "1"]).expect_code(0).stdout.lines().count(), 1);
    let missing = sandbox.run(&["runs", "17"]).expect_code(2);
    assert!(missing.stderr.contains("there is no run 17"), "{}", missing.stderr);
}
