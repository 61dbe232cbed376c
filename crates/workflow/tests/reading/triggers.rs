//! Which events start a workflow.

use serde_json::{Value, json};
use workflow::{Match, Occurrence, matches};

use crate::workflow;

#[track_caller]
fn decide(on: &str, event: &str, payload: &Value, changed: Option<&[&str]>) -> Match {
    let workflow = workflow(&format!("on: {on}\njobs: {{a: {{runs-on: x, steps: [run: x]}}}}\n"));
    let changed: Option<Vec<String>> =
        changed.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
    let changed = changed.as_deref();
    matches(&workflow.on, &Occurrence { event, payload, reference: None, base: None, changed })
}

#[track_caller]
fn starts(on: &str, event: &str, payload: &Value) {
    assert_eq!(decide(on, event, payload, None), Match::Yes, "{on}");
}

#[track_caller]
fn passes(on: &str, event: &str, payload: &Value, why: &str) {
    assert_eq!(decide(on, event, payload, None), Match::No { why: why.to_owned() }, "{on}");
}

#[test]
fn pushes_are_filtered_by_branch_and_tag() {
    let branch = json!({"ref": "refs/heads/feature/a"});
    let tag = json!({"ref": "refs/tags/v1.0"});
    starts("push", "push", &branch);
    starts("[push]", "push", &tag);
    starts("{push: {branches: ['feature/*']}}", "push", &branch);
    starts("{push: {branches: [x], tags: ['v*']}}", "push", &tag);
    starts("{push: {branches-ignore: [x]}}", "push", &branch);
    starts("{push: {branches: ['**', '!x', 'feature/a']}}", "push", &branch);
    passes("push", "issues", &branch, "'on' does not name the event 'issues'");
    passes(
        "{push: {branches: [main]}}",
        "push",
        &branch,
        "the branch 'feature/a' is not among 'branches'",
    );
    passes(
        "{push: {branches: ['**', '!feature/**']}}",
        "push",
        &branch,
        "the branch 'feature/a' is not among 'branches'",
    );
    passes(
        "{push: {branches-ignore: ['feature/**']}}",
        "push",
        &branch,
        "the branch 'feature/a' is among 'branches-ignore'",
    );
    passes(
        "{push: {branches: ['**']}}",
        "push",
        &tag,
        "only branches start it, and 'v1.0' is a tag",
    );
    passes(
        "{push: {tags: ['v*']}}",
        "push",
        &branch,
        "only tags start it, and 'feature/a' is a branch",
    );
    passes("{push: {tags-ignore: ['v*']}}", "push", &tag, "the tag 'v1.0' is among 'tags-ignore'");
}

#[test]
fn pushes_that_delete_or_say_so_start_nothing() {
    passes(
        "push",
        "push",
        &json!({"ref": "refs/heads/a", "deleted": true}),
        "what was pushed was deleted",
    );
    let skip = json!({"ref": "refs/heads/a", "head_commit": {"message": "docs [skip ci]"}});
    passes("push", "push", &skip, "the commit message says '[skip ci]'");
}

#[test]
fn paths_are_filtered_where_they_are_known() {
    let branch = json!({"ref": "refs/heads/a"});
    let paths = |on: &str, changed: Option<&[&str]>| decide(on, "push", &branch, changed).is_yes();
    assert!(paths("{push: {paths: ['docs/**']}}", None), "unknown");
    assert!(paths("{push: {paths: ['docs/**']}}", Some(&["a", "docs/b/c"])));
    assert!(!paths("{push: {paths: ['docs/**']}}", Some(&["a"])));
    assert!(!paths("{push: {paths: ['docs/**', '!docs/b/**']}}", Some(&["docs/b/c"])));
    assert!(paths("{push: {paths-ignore: ['docs/**']}}", Some(&["a", "docs/b"])));
    assert!(!paths("{push: {paths-ignore: ['docs/**']}}", Some(&["docs/b"])));
    let tag = json!({"ref": "refs/tags/a"});
    let on = "{push: {tags: [a], paths: [x]}}";
    assert!(decide(on, "push", &tag, Some(&["y"])).is_yes(), "tags have no paths");
}

#[test]
fn pull_requests_are_filtered_by_activity_and_base() {
    let request =
        |action: &str| json!({"action": action, "pull_request": {"base": {"ref": "main"}}});
    starts("pull_request", "pull_request", &request("opened"));
    starts("pull_request_target", "pull_request_target", &request("synchronize"));
    starts(
        "{pull_request: {types: [labeled], branches: [main]}}",
        "pull_request",
        &request("labeled"),
    );
    passes(
        "pull_request",
        "pull_request",
        &request("labeled"),
        "'labeled' starts nothing unless 'types' names it",
    );
    passes(
        "{pull_request: {types: [labeled]}}",
        "pull_request",
        &request("opened"),
        "'types' does not name 'opened'",
    );
    passes(
        "{pull_request: {branches: [x]}}",
        "pull_request",
        &request("opened"),
        "the base branch 'main' is not among 'branches'",
    );
}

#[test]
fn other_events_start_on_all_their_activities() {
    starts("issues", "issues", &json!({"action": "labeled"}));
    starts("issue_comment", "issue_comment", &json!({"action": "created"}));
    starts("check_suite", "check_suite", &json!({"action": "completed"}));
    passes(
        "check_suite",
        "check_suite",
        &json!({"action": "requested"}),
        "'requested' starts nothing unless 'types' names it",
    );
    starts("{repository_dispatch: {types: [go]}}", "repository_dispatch", &json!({"action": "go"}));
    passes(
        "{repository_dispatch: {types: [go]}}",
        "repository_dispatch",
        &json!({"action": "no"}),
        "'types' does not name 'no'",
    );
    starts("workflow_dispatch", "workflow_dispatch", &json!({}));
}

#[test]
fn runs_are_filtered_by_workflow_and_branch() {
    let run = json!({"action": "completed", "workflow_run": {"name": "CI", "head_branch": "main"}});
    starts("{workflow_run: {workflows: [CI], branches: [main]}}", "workflow_run", &run);
    passes(
        "{workflow_run: {workflows: [ci]}}",
        "workflow_run",
        &run,
        "the workflow 'CI' is not among 'workflows'",
    );
    passes(
        "{workflow_run: {workflows: [CI], branches: [x]}}",
        "workflow_run",
        &run,
        "the branch 'main' is not among 'branches'",
    );
}

#[test]
fn schedules_start_their_own_line() {
    let on = "{schedule: [{cron: '0 0 * * *'}]}";
    starts(on, "schedule", &json!({"schedule": "0 0 * * *"}));
    passes(
        on,
        "schedule",
        &json!({"schedule": "1 0 * * *"}),
        "'schedule' does not have '1 0 * * *'",
    );
}

#[test]
fn inputs_get_their_values() {
    let workflow = workflow(
        "on:\n  workflow_dispatch:\n    inputs:\n      a: {required: true}\n      b: {type: boolean}\n      \
         c: {type: number, default: 5}\n      d: {type: choice, options: [x, y]}\n      e: {default: true}\n\
         jobs: {a: {runs-on: x, steps: [run: x]}}\n",
    );
    let given = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        workflow.on.resolve_inputs(&pairs.collect())
    };
    let values = given(&[("A", "1"), ("c", "0x10")]).unwrap();
    let values: Vec<_> = values.into_iter().map(|(name, value)| (name, value.to_json())).collect();
    assert_eq!(
        serde_json::to_value(values).unwrap(),
        json!([["a", "1"], ["b", false], ["c", 16], ["d", "x"], ["e", true]])
    );
    let empty = given(&[("a", "")]).unwrap_err();
    assert_eq!(empty[0].to_string(), "input 'a': it is required, and what is given is empty");
    let faults = given(&[("b", "yes"), ("c", "x"), ("d", "z"), ("f", "1")]).unwrap_err();
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "input 'a': it is required",
            "input 'b': 'yes' is neither true nor false",
            "input 'c': 'x' is not a number",
            "input 'd': 'z' is not one of its options",
            "input 'f': the workflow has no such input"
        ]
    );
}

#[test]
fn hostile_payloads_are_only_payloads() {
    for payload in [json!(null), json!([]), json!({"action": 1, "ref": {}}), json!("x")] {
        for event in ["push", "pull_request", "workflow_run", "schedule", "merge_group"] {
            let on = "{push: {branches: [a]}, pull_request: {branches: [a]}, workflow_run: {workflows: [a]}, merge_group: , schedule: [{cron: '0 0 * * *'}]}";
            assert!(matches!(
                decide(on, event, &payload, Some(&[])),
                Match::Yes | Match::No { .. }
            ));
        }
    }
}
