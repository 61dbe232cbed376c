//! Jobs that call another workflow.

use engine::Conclusion::{Cancelled, Failure, Skipped, Success};
use engine::{Run, RunSpec};

use crate::world::{World, job, jobs, spec, with_called, workflow};

const CALL: &str = "jobs:\n  up:\n    uses: ./.github/workflows/lib.yml\n";

/// Writes a called workflow; `head` is indented under `workflow_call`.
fn lib(head: &str, body: &str) -> String {
    let mut text = "on:\n  workflow_call:\n".to_owned();
    for line in head.lines().filter(|line| !line.trim().is_empty()) {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
    text + body
}

fn calling(text: &str, called: &str) -> RunSpec {
    with_called(spec(text), &[("lib", called)])
}

#[track_caller]
fn check_refused(text: &str, called: &[(&str, &str)], message: &str) {
    let error = Run::new(with_called(spec(text), called)).unwrap_err();
    assert!(error.message.contains(message), "{}", error.message);
}

#[test]
fn called_jobs_run_under_their_callers_name() {
    let called = lib("", &jobs(&[("x", ""), ("y", "needs: x\nname: Why")]));
    let text = format!("{CALL}{}", job("after", "needs: up"));
    let mut world = World::of(calling(&text, &called));
    assert_eq!(world.start(), ["start up/x"]);
    assert_eq!(world.plans["up/x"].name, "up / x");
    assert_eq!(world.plans["up/x"].job_id, "x");
    assert_eq!(world.keys(), ["up", "up/x", "up/y", "after"]);
    assert_eq!(world.names(), ["up", "up / x", "up / Why", "after"]);
    assert_eq!(world.end("up/x", Success), ["start up/y"]);
    assert_eq!(world.end("up/y", Success), ["start after"]);
    world.end("after", Success);
    world.check_end(Success);
}

#[test]
fn the_callers_result_is_that_of_what_it_calls() {
    let called = lib("", &jobs(&[("x", ""), ("y", "if: false")]));
    let text = format!("{CALL}{}", job("after", "needs: up\nif: always()"));
    for (result, expected) in [(Success, "success"), (Failure, "failure"), (Cancelled, "cancelled")]
    {
        let mut world = World::of(calling(&text, &called));
        world.start();
        world.end("up/x", result);
        let needs = world.plans["after"].needs.to_json();
        assert_eq!(needs, serde_json::json!({"up": {"result": expected, "outputs": {}}}));
        world.end("after", Success);
        world.check_end(result);
    }
}

#[test]
fn a_caller_whose_condition_is_false_calls_nothing() {
    let called = lib("", &jobs(&[("x", "")]));
    let mut world = World::of(calling(&format!("{CALL}    if: false\n"), &called));
    assert_eq!(world.start(), ["skipped up", "finished skipped"]);
    assert_eq!(world.keys(), ["up"]);
    world.check_end(Skipped);
}

#[test]
fn inputs_are_typed_checked_and_defaulted() {
    let head = "inputs:\n  s: {type: string, default: '${{ github.ref }}'}\n  n: {type: number, required: true}\n  b: {type: boolean}";
    let called = lib(head, &jobs(&[("x", "if: inputs.n > 1")]));
    let text = format!("{CALL}    with: {{n: '${{{{ fromJSON(vars.N || 2) }}}}'}}\n");
    let mut world = World::of(calling(&text, &called));
    world.start();
    let contexts = &world.plans["up/x"].contexts;
    assert_eq!(
        contexts.inputs.to_json(),
        serde_json::json!({"s": "refs/heads/main", "n": 2, "b": false})
    );
    assert_eq!(contexts.github.get("workflow").unwrap().to_text(), "main");

    let text = format!("{CALL}    with: {{n: '${{{{ github.ref }}}}'}}\n");
    let mut world = World::of(calling(&text, &called));
    assert_eq!(world.start(), ["failure up", "finished failure"]);
    assert!(world.job("up").reason.unwrap().contains("input 'n'"));
}

#[test]
fn what_a_called_workflow_does_not_take_is_refused_before_the_run() {
    let one = lib(
        "inputs: {n: {type: number, required: true}}\nsecrets: {S: {required: true}}",
        &jobs(&[("x", "")]),
    );
    let lib_of = |text: &str| vec![("lib", text.to_owned())];
    let check = |keys: &str, called: Vec<(&str, String)>, message: &str| {
        let called: Vec<_> = called.iter().map(|(name, text)| (*name, text.as_str())).collect();
        check_refused(&format!("{CALL}{keys}"), &called, message);
    };
    check("", Vec::new(), "the workflow './.github/workflows/lib.yml' is not there");
    check("", lib_of(&jobs(&[("x", "")])), "has no 'workflow_call'");
    check("", lib_of(&one), "needs the input 'n'");
    check("    with: {n: 1, m: 2}\n", lib_of(&one), "has no input 'm'");
    check("    with: {n: 1}\n", lib_of(&one), "needs the secret 'S'");
    check("    with: {n: 1}\n    secrets: {S: a, T: b}\n", lib_of(&one), "has no secret 'T'");
    check("", lib_of(&lib("", CALL)), "calls itself");
}

#[test]
fn calls_nest_up_to_ten_workflows() {
    let chain = |last: usize| -> Vec<(String, String)> {
        let mut chain: Vec<_> = (0..last)
            .map(|level| {
                let body =
                    format!("jobs:\n  up:\n    uses: ./.github/workflows/l{}.yml\n", level + 1);
                (format!("l{level}"), lib("", &body))
            })
            .collect();
        chain.push((format!("l{last}"), lib("", &jobs(&[("x", "")]))));
        chain
    };
    let top = "jobs:\n  up:\n    uses: ./.github/workflows/l0.yml\n";
    let spec_of = |last: usize| {
        let chain = chain(last);
        let called: Vec<_> =
            chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        with_called(spec(top), &called)
    };
    let mut world = World::of(spec_of(8));
    assert_eq!(world.start(), ["start up/up/up/up/up/up/up/up/up/x"]);
    let error = Run::new(spec_of(9)).unwrap_err();
    assert!(error.message.contains("more than 10 workflows deep"), "{}", error.message);
    // What stands too deep on one path is refused though a shorter one was seen first.
    let mut spec = spec_of(9);
    let short = "  first:\n    uses: ./.github/workflows/l5.yml\n";
    spec.workflow = workflow("main.yml", &top.replace("jobs:\n", &format!("jobs:\n{short}")));
    let error = Run::new(spec).unwrap_err();
    assert!(error.message.contains("more than 10 workflows deep"), "{}", error.message);
}

#[test]
fn secrets_are_inherited_or_named_and_the_token_is_always_there() {
    let called = lib("secrets: {S: {required: false}}", &jobs(&[("x", "")]));
    for (keys, expected) in [
        ("    secrets: inherit\n", serde_json::json!({"GITHUB_TOKEN": "t", "KEY": "k"})),
        (
            "    secrets: {S: '${{ secrets.KEY }}'}\n",
            serde_json::json!({"GITHUB_TOKEN": "t", "S": "k"}),
        ),
        ("", serde_json::json!({"GITHUB_TOKEN": "t"})),
    ] {
        let mut world = World::of(calling(&format!("{CALL}{keys}"), &called));
        world.start();
        assert_eq!(world.plans["up/x"].contexts.secrets.to_json(), expected);
    }
}

#[test]
fn outputs_come_from_the_called_jobs() {
    let head = "outputs:\n  url: {value: 'http://${{ jobs.x.outputs.host }}/${{ jobs.x.result }}'}";
    let called = lib(head, &jobs(&[("x", "outputs: {host: '${{ steps.s.outputs.h }}'}")]));
    let text = format!("{CALL}{}", job("after", "needs: up"));
    let mut world = World::of(calling(&text, &called));
    world.start();
    world.end_with("up/x", &[("host", "here")]);
    assert_eq!(
        world.plans["after"].needs.to_json(),
        serde_json::json!({"up": {"result": "success", "outputs": {"url": "http://here/success"}}})
    );
    assert_eq!(world.job("up").outputs["url"], "http://here/success");
}

#[test]
fn a_caller_may_have_a_matrix() {
    let called = lib("inputs: {n: {type: number}}", &jobs(&[("x", "")]));
    let text = format!(
        "{CALL}    strategy: {{max-parallel: 1, matrix: {{n: [1, 2]}}}}\n    with: {{n: '${{{{ matrix.n }}}}'}}\n"
    );
    let mut world = World::of(calling(&text, &called));
    assert_eq!(world.start(), ["start up.0/x"]);
    assert_eq!(world.end("up.0/x", Success), ["start up.1/x"]);
    assert_eq!(world.plans["up.1/x"].name, "up (2) / x");
    assert_eq!(world.plans["up.1/x"].contexts.inputs.to_json(), serde_json::json!({"n": 2}));
    world.end("up.1/x", Success);
    world.check_end(Success);
}

#[test]
fn fail_fast_cancels_what_the_other_legs_call() {
    let called = lib("inputs: {n: {type: number}}", &jobs(&[("x", ""), ("y", "needs: x")]));
    let text = format!("{CALL}    strategy: {{matrix: {{n: [1, 2]}}}}\n    with: {{n: 1}}\n");
    let mut world = World::of(calling(&text, &called));
    world.start();
    assert_eq!(
        world.end("up.0/x", Failure),
        ["skipped up.0/y", "cancel up.1/x", "cancelled up.1/y"]
    );
    assert_eq!(world.end("up.1/x", Cancelled), ["finished failure"]);
    assert_eq!(world.job("up.1").conclusion, Some(Cancelled));
    world.check_end(Failure);
}

#[test]
fn a_cancelled_run_cancels_what_it_calls_unless_the_caller_must_go_on() {
    let called = lib("", &jobs(&[("x", ""), ("y", "needs: x\nif: always()"), ("z", "needs: x")]));
    let mut world = World::of(calling(CALL, &called));
    world.start();
    assert_eq!(world.cancel(), ["cancel up/x", "cancelled up/z"]);
    assert_eq!(world.end("up/x", Cancelled), ["start up/y"]);
    world.end("up/y", Success);
    world.check_end(Cancelled);

    let mut world = World::of(calling(&format!("{CALL}    if: always()\n"), &called));
    world.start();
    assert_eq!(world.cancel(), [""; 0]);
    assert_eq!(world.end("up/x", Success), ["start up/y", "start up/z"]);
    world.end("up/y", Success);
    world.end("up/z", Success);
    world.check_end(Success);
}

#[test]
fn a_called_workflow_enters_its_own_group() {
    let called = format!(
        "concurrency: lib-${{{{ inputs.n }}}}\n{}",
        lib("inputs: {n: {type: number, default: 3}}", &jobs(&[("x", "")]))
    );
    let mut world = World::of(calling(&format!("{CALL}    concurrency: job\n"), &called));
    assert_eq!(world.start(), ["enter job:up job"]);
    assert_eq!(world.entered("job:up"), ["enter called:up lib-3"]);
    assert_eq!(world.entered("called:up"), ["start up/x"]);
    assert_eq!(world.end("up/x", Success), ["leave called:up", "leave job:up", "finished success"]);
    world.check_end(Success);
}

#[test]
fn a_called_workflow_that_is_refused_cancels_its_caller() {
    let called = format!("concurrency: lib\n{}", lib("", &jobs(&[("x", "")])));
    let mut world = World::of(calling(CALL, &called));
    world.start();
    assert_eq!(
        world.refused("called:up"),
        ["leave called:up", "cancelled up", "finished cancelled"]
    );
    world.check_end(Cancelled);
    let mut world = World::of(calling(CALL, &called));
    world.start();
    world.entered("called:up");
    assert_eq!(world.refused("called:up"), ["cancel up/x"]);
    world.end("up/x", Cancelled);
    world.check_end(Cancelled);
}

#[test]
fn a_called_workflow_in_its_callers_group_is_a_deadlock() {
    let group = "concurrency: ${{ github.workflow }}-${{ github.ref }}\n";
    let called = format!("{group}{}", lib("", &jobs(&[("x", "")])));
    let mut world = World::of(calling(&format!("{group}{CALL}{}", job("other", "")), &called));
    assert_eq!(world.start(), ["cancelled up", "enter run main-refs/heads/main"]);
    assert_eq!(
        world.job("up").reason.unwrap(),
        "Canceling since a deadlock for concurrency group 'main-refs/heads/main' was detected \
         between 'top level workflow' and 'up'"
    );
    world.entered("run");
    world.end("other", Success);
    world.check_end(Cancelled);
}

#[test]
fn a_called_job_in_the_group_of_its_workflow_is_a_deadlock() {
    let called = format!(
        "concurrency: lib\n{}",
        lib("inputs: {g: {type: string}}", &jobs(&[("x", "concurrency: ${{ inputs.g }}")]))
    );
    let text = format!("{CALL}    with: {{g: LIB}}\n");
    let mut world = World::of(calling(&text, &called));
    assert_eq!(world.start(), ["cancelled up/x", "enter called:up lib"]);
    world.entered("called:up");
    assert_eq!(
        world.job("up/x").reason.unwrap(),
        "Canceling since a deadlock for concurrency group 'LIB' was detected between 'up' and \
         'up / x'"
    );
    world.check_end(Cancelled);
}

#[test]
fn a_calling_jobs_group_is_dropped_where_the_called_workflow_has_the_same() {
    let called = format!(
        "concurrency: {{group: G, cancel-in-progress: true}}\n{}",
        lib("", &jobs(&[("x", "")]))
    );
    let mut world = World::of(calling(&format!("{CALL}    concurrency: g\n"), &called));
    assert_eq!(world.start(), ["enter called:up G!"]);
    world.entered("called:up");
    assert_eq!(world.end("up/x", Success), ["leave called:up", "finished success"]);
}

#[test]
fn a_called_job_in_the_group_of_the_run_is_a_deadlock_however_deep() {
    let called = lib("", &jobs(&[("x", "concurrency: ${{ vars.NONE || 'TOP' }}")]));
    let text = format!("concurrency: top\n{CALL}");
    let mut world = World::of(calling(&text, &called));
    world.start();
    assert_eq!(world.entered("run"), ["cancelled up/x", "leave run", "finished cancelled"]);
    assert_eq!(
        world.job("up/x").reason.unwrap(),
        "Canceling since a deadlock for concurrency group 'TOP' was detected between 'top level \
         workflow' and 'up / x'"
    );
    world.check_end(Cancelled);
}

#[test]
fn a_caller_that_cannot_call_ends_the_other_legs_before_they_start() {
    let called = lib("inputs: {n: {type: number}}", &jobs(&[("x", "")]));
    let text = format!(
        "{CALL}    strategy: {{matrix: {{n: [soon, 2]}}}}\n    with: {{n: '${{{{ matrix.n }}}}'}}\n"
    );
    let mut world = World::of(calling(&text, &called));
    assert_eq!(world.start(), ["failure up.0", "cancelled up.1", "finished failure"]);
    assert!(world.job("up.0").reason.unwrap().contains("input 'n'"));
    world.check_end(Failure);
}
