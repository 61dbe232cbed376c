//! What can be said of a workflow before it runs.

use engine::certain_skip;

use crate::world::{contexts, jobs, spec, with_called, workflow};

#[track_caller]
fn check_skip(text: &str, expected: bool) {
    let contexts = contexts(serde_json::json!({"event": {"label": {"name": "bug"}}}));
    assert_eq!(certain_skip(&workflow("w.yml", text), &contexts), expected, "{text}");
}

#[test]
fn a_skip_is_certain_only_where_every_job_is_certain_to_be_skipped() {
    let no = "if: github.event.label.name == 'music'";
    check_skip(&jobs(&[("a", "")]), false);
    check_skip(&jobs(&[("a", no)]), true);
    check_skip(&jobs(&[("a", "if: github.event.label.name == 'bug'")]), false);
    check_skip(&jobs(&[("a", no), ("b", "")]), false);
    check_skip(&jobs(&[("a", no), ("b", "needs: a")]), true);
    check_skip(&jobs(&[("a", no), ("b", "needs: a\nif: always()")]), false);
    check_skip(&jobs(&[("a", no), ("b", "needs: a\nif: '!cancelled()'")]), false);
    check_skip(&jobs(&[("a", no), ("b", "needs: a\nif: failure()")]), true);
    check_skip(&jobs(&[("a", no), ("b", "needs: a\nif: success() || false")]), true);
    check_skip(&jobs(&[("a", no), ("b", "needs: a\nif: needs.a.result == 'skipped'")]), true);
    check_skip(
        &jobs(&[("a", no), ("b", "needs: a\nif: always() && needs.a.result == 'success'")]),
        true,
    );
    check_skip(&jobs(&[("a", "if: always() && false")]), true);
    check_skip(&jobs(&[("a", "if: cancelled()")]), false);
    check_skip(&jobs(&[("a", "if: failure()")]), true);
    check_skip(&jobs(&[("a", "if: vars.MODE == 'slow'")]), true);
}

#[test]
fn an_unknown_need_makes_nothing_certain() {
    check_skip(&jobs(&[("a", ""), ("b", "needs: a\nif: needs.a.outputs.x == '1'")]), false);
}

#[test]
fn a_plan_shows_jobs_in_order_with_their_legs_and_groups() {
    let text = format!(
        "concurrency: ci-${{{{ github.ref }}}}\n{}  d:\n    uses: ./.github/workflows/lib.yml\n    with: {{g: x}}\n",
        jobs(&[
            ("c", "needs: [a, b]\nconcurrency: c-${{ needs.a.outputs.x }}"),
            ("a", "strategy: {matrix: {x: [1, 2]}}\nconcurrency: a-${{ matrix.x }}"),
            ("b", "needs: a\nstrategy: {matrix: '${{ fromJSON(needs.a.outputs.m) }}'}"),
            ("e", "if: false"),
        ])
    );
    let called = format!(
        "on:\n  workflow_call:\n    inputs: {{g: {{type: string}}}}\n{}",
        jobs(&[("x", "name: X ${{ inputs.g }}")])
    );
    let plan = engine::plan(&with_called(spec(&text), &[("lib", &called)])).unwrap();
    let leg = |name: &str, matrix: serde_json::Value, group: serde_json::Value| serde_json::json!({"name": name, "matrix": matrix, "group": group});
    let known = |name: &str| serde_json::json!({"known": {"name": name, "cancel_in_progress": false, "queue": "single"}});
    let null = serde_json::Value::Null;
    let job = |key: &str, name: &str, needs: &[&str], legs: serde_json::Value| {
        serde_json::json!({
            "key": key, "name": name, "needs": needs, "skipped": key == "e",
            "calls": (key == "d").then_some("./.github/workflows/lib.yml"), "legs": legs,
        })
    };
    let one = |name: &str, group: serde_json::Value| serde_json::json!({"one": leg(name, serde_json::Value::Null, group)});
    assert_eq!(
        serde_json::to_value(&plan).unwrap(),
        serde_json::json!({
            "group": known("ci-refs/heads/main"),
            "jobs": [
                job("a", "a", &[], serde_json::json!({"known": [
                    leg("a (1)", serde_json::json!({"x": 1}), known("a-1")),
                    leg("a (2)", serde_json::json!({"x": 2}), known("a-2")),
                ]})),
                job("b", "b", &["a"], serde_json::json!("later")),
                job("e", "e", &[], one("e", null.clone())),
                job("d", "d", &[], one("d", null.clone())),
                job("d/x", "d / X x", &[], one("d / X x", null.clone())),
                job("c", "c", &["a", "b"], one("c", serde_json::json!("later"))),
            ],
        })
    );
}
