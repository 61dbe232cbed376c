//! Jobs with a matrix.

use engine::Conclusion::{Cancelled, Failure, Success};

use crate::world::{World, jobs};

const THREE: &str = "strategy: {matrix: {x: [1, 2, 3]}}";

#[test]
fn legs_start_together_and_their_job_ends_with_the_last() {
    let mut world = World::new(&jobs(&[("a", THREE), ("b", "needs: a")]));
    assert_eq!(world.start(), ["start a.0", "start a.1", "start a.2"]);
    assert_eq!(world.names(), ["a (1)", "a (2)", "a (3)", "b"]);
    assert_eq!(
        world.plans["a.1"].strategy.to_json(),
        serde_json::json!({"fail-fast": true, "job-index": 1, "job-total": 3, "max-parallel": 3})
    );
    assert_eq!(world.plans["a.1"].matrix.to_json(), serde_json::json!({"x": 2}));
    world.end("a.2", Success);
    world.end("a.0", Success);
    assert_eq!(world.end("a.1", Success), ["start b"]);
    world.end("b", Success);
    world.check_end(Success);
}

#[test]
fn a_failed_leg_cancels_the_others() {
    let mut world = World::new(&jobs(&[("a", THREE), ("b", "needs: a\nif: failure()")]));
    world.start();
    world.end("a.0", Success);
    assert_eq!(world.end("a.1", Failure), ["cancel a.2"]);
    assert_eq!(world.end("a.2", Cancelled), ["start b"]);
    let reason = world.job("a.2").reason.unwrap();
    assert_eq!(reason, "The strategy configuration was canceled because \"a (2)\" failed");
    assert_eq!(
        world.plans["b"].needs.get("a").unwrap().get("result").unwrap().to_text(),
        "failure"
    );
    world.end("b", Success);
    world.check_end(Failure);
}

#[test]
fn legs_outlive_a_failure_without_fail_fast_or_where_it_is_allowed() {
    for keys in [
        "strategy: {fail-fast: false, matrix: {x: [1, 2]}}",
        "strategy: {fail-fast: '${{ false }}', matrix: {x: [1, 2]}}",
        "strategy: {matrix: {x: [1, 2]}}\ncontinue-on-error: ${{ matrix.x == 1 }}",
    ] {
        let mut world = World::new(&jobs(&[("a", keys)]));
        world.start();
        assert_eq!(world.end("a.0", Failure), [""; 0], "{keys}");
        world.end("a.1", Success);
        world.check_end(if keys.contains("continue") { Success } else { Failure });
    }
}

#[test]
fn a_cancelled_leg_does_not_cancel_the_others() {
    let mut world = World::new(&jobs(&[("a", THREE)]));
    world.start();
    assert_eq!(world.end("a.0", Cancelled), [""; 0]);
    world.end("a.1", Success);
    world.end("a.2", Success);
    world.check_end(Cancelled);
}

#[test]
fn max_parallel_is_a_sliding_window() {
    let keys = "strategy: {max-parallel: 2, matrix: {x: [1, 2, 3, 4]}}";
    let mut world = World::new(&jobs(&[("a", keys)]));
    assert_eq!(world.start(), ["start a.0", "start a.1"]);
    assert_eq!(world.end("a.1", Success), ["start a.2"]);
    assert_eq!(world.end("a.2", Success), ["start a.3"]);
    assert_eq!(world.end("a.3", Success), [""; 0]);
    assert_eq!(world.end("a.0", Success), ["finished success"]);
    world.check_end(Success);
}

#[test]
fn a_failure_ends_legs_that_wait_for_the_window() {
    let keys = "strategy: {max-parallel: 1, matrix: {x: [1, 2, 3]}}";
    let mut world = World::new(&jobs(&[("a", keys)]));
    world.start();
    assert_eq!(world.end("a.0", Failure), ["cancelled a.1", "cancelled a.2", "finished failure"]);
    world.check_end(Failure);
}

#[test]
fn the_last_output_that_is_not_empty_wins() {
    let mut world = World::new(&jobs(&[("a", THREE), ("b", "needs: a")]));
    world.start();
    world.end_with("a.2", &[("x", "three"), ("y", "")]);
    world.end_with("a.0", &[("x", "one"), ("z", "deep")]);
    world.end_with("a.1", &[("x", ""), ("z", "")]);
    assert_eq!(
        world.plans["b"].needs.get("a").unwrap().get("outputs").unwrap().to_json(),
        serde_json::json!({"x": "one", "y": "", "z": "deep"})
    );
}

#[test]
fn a_matrix_may_come_from_what_the_job_needs() {
    for strategy in [
        "{matrix: {x: '${{ fromJSON(needs.a.outputs.list) }}'}}",
        "{matrix: '${{ fromJSON(needs.a.outputs.whole) }}'}",
    ] {
        let keys = format!("needs: a\nstrategy: {strategy}");
        let mut world = World::new(&jobs(&[("a", ""), ("b", &keys)]));
        world.start();
        let outputs = [("list", "[7, 8]"), ("whole", r#"{"x": [7, 8]}"#)];
        assert_eq!(world.end_with("a", &outputs), ["start b.0", "start b.1"], "{strategy}");
        assert_eq!(world.names(), ["a", "b (7)", "b (8)"]);
    }
}

#[test]
fn an_empty_matrix_from_a_need_fails_its_job() {
    let keys = "needs: a\nstrategy: {matrix: {x: '${{ fromJSON(needs.a.outputs.list) }}'}}";
    let mut world = World::new(&jobs(&[("a", ""), ("b", keys)]));
    world.start();
    assert_eq!(world.end_with("a", &[("list", "[]")]), ["failure b", "finished failure"]);
    assert!(
        world.job("b").reason.unwrap().ends_with("matrix vector 'x' does not contain any values")
    );
}

#[test]
fn the_condition_is_decided_before_the_matrix() {
    let keys = "if: false\nstrategy: {matrix: {x: '${{ fromJSON(''['') }}'}}";
    let mut world = World::new(&jobs(&[("a", keys)]));
    assert_eq!(world.start(), ["skipped a", "finished skipped"]);
}

#[test]
fn a_matrix_of_which_nothing_is_left_runs_once() {
    let keys = "strategy: {matrix: {x: [1], exclude: [{x: 1}]}}";
    let mut world = World::new(&jobs(&[("a", keys)]));
    assert_eq!(world.start(), ["start a"]);
    assert!(world.plans["a"].matrix.is_null());
}

#[test]
fn a_written_name_is_followed_by_the_values_unless_it_has_expressions() {
    for (name, expected) in [
        ("Build", ["Build (1)", "Build (2)"]),
        ("Build on ${{ matrix.x }}", ["Build on 1", "Build on 2"]),
    ] {
        let keys = format!("name: {name}\nstrategy: {{matrix: {{x: [1, 2]}}}}");
        let mut world = World::new(&jobs(&[("a", &keys)]));
        world.start();
        assert_eq!(world.names(), expected);
    }
}

#[test]
fn a_leg_that_cannot_be_evaluated_fails_and_ends_the_others() {
    let keys = "strategy: {matrix: {x: [1, soon]}}\ntimeout-minutes: ${{ matrix.x }}";
    let mut world = World::new(&jobs(&[("a", keys)]));
    assert_eq!(world.start(), ["failure a.1", "cancelled a.0", "finished failure"]);
    world.check_end(Failure);
}
