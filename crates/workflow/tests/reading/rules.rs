//! The rules between the parts of a file.

use crate::{codes, job, said};

fn jobs(jobs: &str) -> String {
    format!("on: push\njobs:\n{jobs}")
}

#[test]
fn needs_are_there_and_do_not_turn_in_circles() {
    let one = |id: &str, needs: &str| {
        format!("  {id}: {{runs-on: x, needs: {needs}, steps: [run: x]}}\n")
    };
    let circle = jobs(&[one("a", "[]"), one("b", "[a, d]"), one("c", "b"), one("d", "C")].concat());
    insta::assert_snapshot!(said(&circle), @r"
        error[needs-cycle]: these jobs wait for each other: 'b' needs 'd' needs 'c' needs 'b'
         --> ci.yml:4:30
          |
        4 |   b: {runs-on: x, needs: [a, d], steps: [run: x]}
          |                              ^
          |
          = hint: remove one of these needs, so that one job can start
        ");
    insta::assert_snapshot!(said(&jobs(&[one("build", "[]"), one("test", "[biuld]")].concat())), @r"
        error[unknown-job]: job 'test' needs job 'biuld', which is not there
         --> ci.yml:4:30
          |
        4 |   test: {runs-on: x, needs: [biuld], steps: [run: x]}
          |                              ^^^^^
          |
          = hint: did you mean 'build'?
        ");
    let itself = jobs(&one("a", "a"));
    assert_eq!(codes(&itself), ["needs-cycle a"]);
}

#[test]
fn ids_are_words_and_there_once() {
    let text = job(
        "steps:\n  - {id: a, run: x}\n  - {id: A, run: x}\n  - {id: 1a, run: x}\n  - {id: 'a b', run: x}\n  - {id: __x, run: x}",
    );
    assert_eq!(
        codes(&text),
        ["duplicate-id A", "invalid-id 1a", "invalid-id 'a b'", "invalid-id __x"]
    );
}

#[test]
fn a_job_does_not_wait_for_its_own_workflow() {
    let group = |outer: &str, inner: &str| {
        codes(&format!(
            "on: push\nconcurrency: {outer}\njobs: {{a: {{runs-on: x, concurrency: {{group: \"{inner}\"}}, steps: [run: x]}}}}\n"
        ))
    };
    assert_eq!(group("ci", "CI"), ["same-group \"CI\""]);
    assert_eq!(
        group("ci-${{ github.ref }}", "ci-${{github.REF}}"),
        ["same-group \"ci-${{github.REF}}\""]
    );
    assert!(group("ci", "ci2").is_empty());
    assert!(group("${{ format('a b') }}", "${{ format('ab') }}").is_empty());
}

#[test]
fn a_queue_that_keeps_everything_cancels_nothing() {
    let with = |cancel: &str| {
        codes(&job(&format!(
            "concurrency: {{group: a, queue: max, cancel-in-progress: {cancel}}}\nsteps: [run: x]"
        )))
    };
    assert_eq!(with("true"), ["queue-and-cancel max"]);
    assert!(with("false").is_empty());
    assert!(with("'${{ github.x }}'").is_empty());
}

#[test]
fn steps_wait_for_steps_that_are_there() {
    let text = job(
        "steps:\n  - {id: a, run: x, background: true}\n  - wait: [a, b]\n  - {id: c, cancel: c}\n  - wait-all:\n  - cancel: A",
    );
    assert_eq!(codes(&text), ["unknown-step b", "unknown-step c"]);
    assert_eq!(codes(&job("steps: [wait-all: false]")), ["wrong-type false"]);
}

#[test]
fn parallel_holds_only_work() {
    let text = job(
        "steps:\n  - parallel:\n      - {id: a, run: x}\n      - run: x\n        background: true\n      - wait-all:\n      - parallel: [run: x]\n  - {id: a, run: x}",
    );
    insta::assert_snapshot!(codes(&text).join("\n"), @r"
        inside-parallel run: x
                    background: true
        inside-parallel wait-all
        inside-parallel parallel: [run: x]
        ");
}

#[test]
fn inputs_fit_their_types() {
    let inputs = |input: &str| {
        codes(&format!(
            "on: {{workflow_dispatch: {{inputs: {{a: {input}}}}}}}\njobs: {{a: {{runs-on: x, steps: [run: x]}}}}\n"
        ))
    };
    assert_eq!(inputs("{type: boolean, default: 'true'}"), ["wrong-default 'true'"]);
    assert_eq!(inputs("{type: number, default: x}"), ["wrong-default x"]);
    assert_eq!(inputs("{type: choice, options: [a, b], default: c}"), ["wrong-default c"]);
    assert_eq!(inputs("{type: choice}"), ["missing-options a"]);
    assert_eq!(inputs("{options: [a]}"), ["unused-options a"]);
    assert_eq!(inputs("{type: int}"), ["unknown-value int"]);
    for fine in [
        "~",
        "{default: true}",
        "{type: number, default: 1}",
        "{type: choice, options: [a], default: a}",
    ] {
        assert!(inputs(fine).is_empty(), "{fine}");
    }
}

#[test]
fn filters_do_not_exclude_each_other() {
    let on = |filters: &str| {
        codes(&format!(
            "on: {{push: {{{filters}}}}}\njobs: {{a: {{runs-on: x, steps: [run: x]}}}}\n"
        ))
    };
    assert_eq!(on("branches: [a], branches-ignore: [b]"), ["both-filters b"]);
    assert_eq!(on("branches: ['!a']"), ["only-negative-patterns '!a'"]);
    assert_eq!(on("tags: ['v[1']"), ["invalid-pattern 'v[1'"]);
    assert!(on("branches: [a], tags-ignore: [b], paths: ['**', '!a']").is_empty());
}

#[test]
fn schedules_have_five_fields() {
    let text = "on: {schedule: [{cron: '0 0 * *'}, {cron: '*/5 * * * *'}]}\njobs: {a: {runs-on: x, steps: [run: x]}}\n";
    insta::assert_snapshot!(said(text), @r"
        error[invalid-cron]: '0 0 * *' is not a schedule: it has 4 fields instead of 5
         --> ci.yml:1:24
          |
        1 | on: {schedule: [{cron: '0 0 * *'}, {cron: '*/5 * * * *'}]}
          |                        ^^^^^^^^^
          |
          = hint: the fields are minute, hour, day of the month, month and day of the week
        ");
}

#[test]
fn expressions_name_what_is_there() {
    let text = "on: {workflow_dispatch: {inputs: {a: {}}}}\njobs:\n  a: {runs-on: x, steps: [run: x]}\n  b:\n    \
        needs: a\n    runs-on: x\n    if: needs.A.result == needs.c.result\n    \
        outputs: {o: '${{ steps.two.outputs.x }}', p: '${{ steps.three.outputs.x }}'}\n    steps:\n      \
        - id: one\n        run: 'é ${{ inputs.A }} ${{ inputs.b }}'\n      - id: two\n        \
        if: ${{ steps.one.outcome == steps.two.outcome }}\n        run: x\n";
    insta::assert_snapshot!(said(text), @r"
        warning[unknown-reference]: there is no job 'c' here, so that this is empty
         --> ci.yml:7:27
          |
        7 |     if: needs.A.result == needs.c.result
          |                           ^^^^^^^^^^^^^^
          |
          = hint: add it to 'needs' of this job; known here: 'a'

        warning[unknown-reference]: there is no step 'three' here, so that this is empty
         --> ci.yml:8:56
          |
        8 |     outputs: {o: '${{ steps.two.outputs.x }}', p: '${{ steps.three.outputs.x }}'}
          |                                                        ^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: a step before this one needs the 'id'; known here: 'one' and 'two'

        warning[unknown-reference]: there is no input 'b' here, so that this is empty
          --> ci.yml:11:37
           |
        11 |         run: 'é ${{ inputs.A }} ${{ inputs.b }}'
           |                                     ^^^^^^^^
           |
           = hint: add it to 'inputs'; known here: 'a'

        warning[unknown-reference]: there is no step 'two' here, so that this is empty
          --> ci.yml:13:38
           |
        13 |         if: ${{ steps.one.outcome == steps.two.outcome }}
           |                                      ^^^^^^^^^^^^^^^^^
           |
           = hint: a step before this one needs the 'id'; known here: 'one'
        ");
}
