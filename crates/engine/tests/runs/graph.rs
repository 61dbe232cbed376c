//! Jobs, what they need and what they are told of it.

use engine::Conclusion::{self, Cancelled, Failure, Skipped, Success};
use engine::{JobReport, Run, State};

use crate::world::{World, jobs, spec};

/// Runs `a`, then `b` that needs it, then `c` that needs `b`; says what became of `c`.
#[track_caller]
fn check(a: (&str, Conclusion), b: (&str, Conclusion), c: &str, expected: Conclusion) {
    let text =
        jobs(&[("a", a.0), ("b", &format!("needs: a\n{}", b.0)), ("c", &format!("needs: b\n{c}"))]);
    let mut world = World::new(&text);
    world.start();
    for (job, conclusion) in [("a", a.1), ("b", b.1), ("c", Success)] {
        world.end(job, conclusion);
    }
    assert_eq!(world.job("c").conclusion, Some(expected));
    world.replay();
}

#[test]
fn independent_jobs_start_at_once_and_others_when_all_they_need_has_ended() {
    let text = jobs(&[("a", ""), ("b", ""), ("c", "needs: a"), ("d", "needs: [b, c]")]);
    let mut world = World::new(&text);
    assert_eq!(world.start(), ["start a", "start b"]);
    assert_eq!(world.end("a", Success), ["start c"]);
    assert_eq!(world.end("c", Success), [""; 0]);
    assert_eq!(world.end("b", Success), ["start d"]);
    assert_eq!(world.end("d", Success), ["finished success"]);
    world.check_end(Success);
}

#[test]
fn a_failure_skips_what_needs_it_and_fails_the_run() {
    let text = jobs(&[("a", ""), ("b", "needs: a"), ("c", "needs: b"), ("d", "")]);
    let mut world = World::new(&text);
    world.start();
    assert_eq!(world.end("a", Failure), ["skipped b", "skipped c"]);
    assert_eq!(world.job("b").reason.unwrap(), "Job 'a', which it needs, was a failure.");
    assert_eq!(world.end("d", Success), ["finished failure"]);
    world.check_end(Failure);
}

#[test]
fn conditions_look_at_all_ancestors() {
    // Success far up and near.
    check(("", Success), ("", Success), "", Success);
    // `b` went well after a failure of `a`: the failure is still an ancestor.
    check(("", Failure), ("if: always()", Success), "", Skipped);
    check(("", Failure), ("if: always()", Success), "if: failure()", Success);
    check(("", Success), ("", Success), "if: failure()", Skipped);
    // A skipped ancestor is no success and no failure.
    check(("if: false", Success), ("if: always()", Success), "", Skipped);
    check(("if: false", Success), ("if: always()", Success), "if: failure()", Skipped);
    check(("if: false", Success), ("if: always()", Success), "if: ${{ !failure() }}", Success);
    // Skips go on unless a status function is called.
    check(("if: false", Success), ("", Success), "", Skipped);
    check(("if: false", Success), ("", Success), "if: always()", Success);
    check(("if: false", Success), ("", Success), "if: needs.b.result == 'skipped'", Skipped);
    check(
        ("if: false", Success),
        ("", Success),
        "if: always() && needs.b.result == 'skipped'",
        Success,
    );
    // A run that is not cancelled has no `cancelled()`, even when a job was.
    check(("", Cancelled), ("if: always()", Success), "if: cancelled()", Skipped);
    check(("", Cancelled), ("if: always()", Success), "if: '!cancelled()'", Success);
    check(("", Cancelled), ("if: always()", Success), "", Skipped);
}

#[test]
fn only_direct_needs_are_in_the_needs_context() {
    let text = jobs(&[
        ("a", ""),
        ("b", "needs: a"),
        ("c", "needs: b\nif: needs.a.result == '' && needs.b.outputs.x == '1'"),
    ]);
    let mut world = World::new(&text);
    world.start();
    world.end_with("a", &[("x", "0")]);
    assert_eq!(world.end_with("b", &[("x", "1")]), ["start c"]);
    assert_eq!(
        world.plans["c"].needs.to_json(),
        serde_json::json!({"b": {"result": "success", "outputs": {"x": "1"}}})
    );
}

#[test]
fn a_job_that_may_fail_counts_as_a_success_and_is_seen_as_a_warning() {
    let text = jobs(&[("a", "continue-on-error: true"), ("b", "needs: a")]);
    let mut world = World::new(&text);
    world.start();
    assert_eq!(world.end("a", Failure), ["start b"]);
    assert_eq!(
        world.plans["b"].needs.get("a").unwrap().get("result").unwrap().to_text(),
        "success"
    );
    world.end("b", Success);
    let job = world.job("a");
    assert_eq!((job.conclusion, job.warning), (Some(Failure), true));
    assert_eq!(world.notices, ["'a' failed and was allowed to"]);
    world.check_end(Success);
}

#[test]
fn a_false_condition_skips_and_a_run_of_skips_is_skipped() {
    let text = jobs(&[("a", "if: github.ref == 'refs/heads/other'"), ("b", "needs: a")]);
    let mut world = World::new(&text);
    assert_eq!(world.start(), ["skipped a", "skipped b", "finished skipped"]);
    assert_eq!(world.job("a").reason.unwrap(), "Its condition is false.");
    assert_eq!(world.run.reason(), Some("Every job was skipped."));
    world.check_end(Skipped);
}

#[test]
fn what_cannot_be_evaluated_fails_its_job_at_its_place() {
    for (key, place, message) in [
        ("if: fromJSON('{') == 1", "6:", "'if' cannot be evaluated"),
        ("name: ${{ fromJSON('{') }}", "6:", "'name' cannot be evaluated"),
        ("timeout-minutes: ${{ 'soon' }}", "6:", "'timeout-minutes' is 'soon'"),
        ("timeout-minutes: -1", "6:", "'timeout-minutes' cannot be -1"),
        ("continue-on-error: ${{ 'x' }}", "6:", "'continue-on-error' is 'x'"),
        ("concurrency: ${{ github.nothing }}", "6:", "group name cannot be empty"),
        ("strategy: {matrix: {x: '${{ fromJSON(''[]'') }}'}}", "6:", "does not contain any values"),
    ] {
        let mut world = World::new(&jobs(&[("a", key), ("b", "if: always()\nneeds: a")]));
        assert_eq!(world.start(), ["failure a", "start b"], "{key}");
        let reason = world.job("a").reason.unwrap();
        assert!(reason.contains(message), "{reason}");
        assert!(reason.starts_with(&format!(".github/workflows/main.yml:{place}")), "{reason}");
        assert_eq!(world.notices, [reason]);
        world.end("b", Success);
        world.check_end(Failure);
    }
}

#[test]
fn job_keys_come_evaluated() {
    let text = jobs(&[(
        "a",
        "name: Build ${{ github.ref }}\ntimeout-minutes: 0.5\ncontinue-on-error: ${{ vars.MODE == 'fast' }}",
    )])
    .replace("ubuntu-latest", "[self-hosted, '${{ vars.MODE }}']");
    let mut world = World::new(&text);
    world.start();
    let plan = &world.plans["a"];
    assert_eq!(plan.name, "Build refs/heads/main");
    assert_eq!(plan.timeout.as_secs(), 30);
    assert!(plan.continue_on_error);
    assert_eq!(plan.runs_on, ["self-hosted", "fast"]);
    assert!(plan.matrix.is_null());
    assert_eq!(plan.job().id.value, "a");
    assert_eq!(
        plan.strategy.to_json(),
        serde_json::json!({"fail-fast": true, "job-index": 0, "job-total": 1, "max-parallel": 1})
    );
}

#[test]
fn a_job_has_six_hours_unless_it_says_otherwise() {
    let mut world = World::new(&jobs(&[("a", ""), ("b", "timeout-minutes: 5")]));
    world.start();
    assert_eq!(world.plans["a"].timeout.as_secs(), 6 * 60 * 60);
    assert_eq!(world.plans["b"].timeout.as_secs(), 300);
}

#[test]
fn a_selection_is_the_jobs_and_what_they_need() {
    let text = jobs(&[("a", ""), ("b", "needs: a"), ("c", "needs: b"), ("d", "")]);
    let mut spec = spec(&text);
    spec.only = vec!["B".to_owned()];
    let mut world = World::of(spec.clone());
    assert_eq!(world.keys(), ["a", "b"]);
    assert_eq!(world.start(), ["start a"]);
    world.end("a", Success);
    world.end("b", Success);
    world.check_end(Success);
    spec.only = vec!["e".to_owned()];
    let message = Run::new(spec).unwrap_err().message;
    assert_eq!(message, "there is no job 'e', only a, b, c, d");
}

#[test]
fn a_job_is_seen_waiting_queued_running_and_completed() {
    let mut world = World::new(&jobs(&[("a", ""), ("b", "needs: a")]));
    world.start();
    assert_eq!(world.job("a").state, State::Queued);
    assert_eq!(world.job("b").state, State::Waiting);
    world.apply(engine::Event::JobStarted { job: "a".parse().unwrap() });
    assert_eq!(world.job("a").state, State::InProgress);
    let report = JobReport { timed_out: true, ..JobReport::broken("It took too long.") };
    world.report("a", report);
    let job = world.job("a");
    assert_eq!((job.state, job.timed_out), (State::Completed, true));
    assert_eq!(job.reason.unwrap(), "It took too long.");
    assert!(job.started < job.ended);
}

#[test]
fn what_no_longer_matters_changes_nothing() {
    let mut world = World::new(&jobs(&[("a", ""), ("b", "needs: a")]));
    world.start();
    assert_eq!(world.start(), [""; 0]);
    assert_eq!(world.entered("run"), [""; 0]);
    assert_eq!(world.entered("job:a"), [""; 0]);
    assert_eq!(world.refused("job:a"), [""; 0]);
    assert_eq!(world.end("b", Failure), [""; 0]);
    assert_eq!(world.end("a.3", Failure), [""; 0]);
    assert_eq!(world.end("x/y", Failure), [""; 0]);
    world.end("a", Success);
    assert_eq!(world.end("a", Failure), [""; 0]);
    assert_eq!(world.job("a").conclusion, Some(Success));
    world.end("b", Success);
    assert_eq!(world.cancel(), [""; 0]);
    world.check_end(Success);
}
