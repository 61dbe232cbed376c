//! The faults of groups.

use workflow::faults;

use crate::workflow;

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let workflow = workflow(text);
    let found: Vec<_> = faults(&workflow).iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(found, expected, "{text}");
}

/// A workflow with a group of its own.
fn outer(on: &str, concurrency: &str) -> String {
    format!("on: {on}\nconcurrency: {concurrency}\njobs: {{a: {{runs-on: x, steps: [run: x]}}}}\n")
}

/// A workflow in which a job has a group.
fn inner(on: &str, job: &str) -> String {
    format!("on: {on}\njobs: {{a: {{runs-on: x, {job}, steps: [run: x]}}}}\n")
}

#[test]
fn legs_of_a_matrix_share_no_group() {
    let legs = |rest: &str| inner("push", rest);
    check(&legs("strategy: {matrix: {x: [1, 2]}}, concurrency: ci"), &["group-shared-by-legs"]);
    check(
        &legs("strategy: {matrix: '${{ fromJSON(vars.x) }}'}, concurrency: ci"),
        &["group-shared-by-legs"],
    );
    check(
        &legs("strategy: {matrix: {include: [{x: 1}, {x: 2}]}}, concurrency: ci"),
        &["group-shared-by-legs"],
    );
    check(&legs("strategy: {matrix: {x: [1]}}, concurrency: ci"), &[]);
    check(&legs("strategy: {matrix: {x: [1, 2]}}, concurrency: 'ci-${{ matrix.x }}'"), &[]);
    check(&legs("strategy: {matrix: {x: [1, 2]}}, concurrency: {group: ci, queue: max}"), &[]);
}

#[test]
fn groups_are_met_again() {
    let new = &["group-never-matches"];
    check(&outer("push", "'${{ github.run_id }}'"), new);
    check(&outer("push", "'ci-${{ github.ref }}-${{ github.run_number }}'"), new);
    check(&outer("push", "'ci-${{ github.sha }}'"), new);
    check(&outer("[push, pull_request]", "'${{ github.head_ref || github.run_id }}'"), new);
    check(&outer("pull_request", "'${{ github.head_ref || github.run_id }}'"), &[]);
    check(&outer("push", "'ci-${{ github.ref }}'"), &[]);
    check(&outer("workflow_call", "'x-${{ github.run_id }}'"), &[]);
    check(&outer("push", "'${{ toJSON(github) }}'"), &[]);
}

#[test]
fn groups_are_made_of_what_the_event_has() {
    let missing = &["group-field-missing"];
    check(&outer("push", "'ci-${{ github.event.issue.number }}'"), missing);
    check(&outer("push", "'ci-${{ github.head_ref }}'"), missing);
    check(&outer("[issues, push]", "'ci-${{ github.event.issue.number }}'"), missing);
    check(&outer("issues", "'ci-${{ github.event.pull_request.number }}'"), missing);
    check(&outer("[push, pull_request]", "'ci-${{ github.head_ref || github.ref }}'"), &[]);
    check(&outer("issues", "'ci-${{ github.event.issue.number }}'"), &[]);
    check(&outer("repository_dispatch", "'ci-${{ github.event.client_payload.x }}'"), &[]);
    check(&outer("push", "ci"), &[]);
}

#[test]
fn the_ref_of_some_events_is_not_theirs() {
    let shared = &["group-shared-by-subjects"];
    check(&outer("pull_request_target", "'ci-${{ github.ref }}'"), shared);
    check(&outer("issue_comment", "'ci-${{ github.ref_name }}'"), shared);
    check(
        &outer("schedule: [{cron: '0 0 * * *'}]", "'ci-${{ github.ref }}'")
            .replace("on: schedule", "on:\n  schedule"),
        &[],
    );
    check(&outer("pull_request", "'ci-${{ github.ref }}'"), &[]);
}

#[test]
fn comments_and_labels_cancel_nothing() {
    let cancel = |on: &str, group: &str, cancel: &str| {
        outer(on, &format!("{{group: '{group}', cancel-in-progress: {cancel}}}"))
    };
    let issue = "x-${{ github.event.issue.number }}";
    check(&cancel("issue_comment", issue, "true"), &["cancelled-by-comment"]);
    check(&cancel("{issues: {types: [opened, labeled]}}", issue, "true"), &["cancelled-by-label"]);
    check(&cancel("issues", issue, "true"), &["cancelled-by-label"]);
    check(&cancel("{issues: {types: [opened]}}", issue, "true"), &[]);
    check(&cancel("issue_comment", issue, "false"), &[]);
    let only = "\"${{ github.event_name != 'issue_comment' }}\"";
    check(&cancel("issue_comment", issue, only), &[]);
    let request = "x-${{ github.ref }}";
    check(&cancel("pull_request", request, "true"), &[]);
    check(
        &cancel("{pull_request: {types: [opened, labeled]}}", request, "true"),
        &["cancelled-by-label"],
    );
    let review = cancel("pull_request_review", request, "'${{ github.actor == vars.x }}'");
    check(&review, &["cancelled-by-comment"]);
    let job = |condition: &str| {
        inner(
            "issue_comment",
            &format!("{condition}concurrency: {{group: '{issue}', cancel-in-progress: true}}"),
        )
    };
    check(&job(""), &["cancelled-by-comment"]);
    check(&job("if: github.x, "), &[]);
}

#[test]
fn called_workflows_have_groups_of_their_own() {
    let called = |group: &str| outer("[push, workflow_call]", group);
    check(&called("'${{ github.workflow }}-${{ github.ref }}'"), &["group-of-caller"]);
    check(&called("'build-${{ github.workflow }}-${{ github.ref }}'"), &[]);
    check(&outer("push", "'${{ github.workflow }}-${{ github.ref }}'"), &[]);
}

#[test]
fn approvals_hold_no_group() {
    check(&inner("push", "environment: production, concurrency: deploy"), &["approval-in-group"]);
    check(&inner("push", "environment: {name: github-pages}, concurrency: pages"), &[]);
    check(&inner("push", "environment: production"), &[]);
    let text =
        inner("push", "environment: production").replace("jobs:", "concurrency: deploy\njobs:");
    check(&text, &["approval-in-group"]);
}
