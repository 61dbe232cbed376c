//! Concurrency groups of runs and jobs.

use engine::Conclusion::{Cancelled, Failure, Success};
use engine::Effect;

use crate::world::{World, jobs, spec};

const NOTHING: [&str; 0] = [];

#[test]
fn no_job_starts_before_the_run_has_entered_its_group() {
    let text = format!("concurrency: ci-${{{{ github.ref }}}}\n{}", jobs(&[("a", "")]));
    let mut world = World::new(&text);
    assert_eq!(world.start(), ["enter run ci-refs/heads/main"]);
    assert_eq!(world.run.state(), engine::State::Pending);
    assert_eq!(world.entered("run"), ["start a"]);
    assert_eq!(world.entered("run"), NOTHING);
    assert_eq!(world.end("a", Success), ["leave run", "finished success"]);
    assert_eq!(world.run.group().unwrap().name, "ci-refs/heads/main");
    world.check_end(Success);
}

#[test]
fn the_newcomers_cancel_in_progress_may_be_an_expression() {
    let group =
        "concurrency:\n  group: g\n  cancel-in-progress: ${{ github.event_name == 'push' }}\n";
    let mut world = World::new(&format!("{group}{}", jobs(&[("a", "")])));
    assert_eq!(world.start(), ["enter run g!"]);
}

#[test]
fn queue_max_is_asked_for_as_written() {
    let group = "concurrency: {group: g, queue: max}\n";
    let mut run = World::new(&format!("{group}{}", jobs(&[("a", "")]))).run;
    let effects = engine::apply(&mut run, engine::Event::Start, jiff::Timestamp::UNIX_EPOCH);
    assert!(
        matches!(&effects[..], [Effect::Enter { group, .. }] if group.queue == engine::Queue::Max)
    );
}

#[test]
fn a_run_that_is_refused_while_it_waits_never_begins() {
    let text = format!("concurrency: g\n{}", jobs(&[("a", ""), ("b", "if: always()")]));
    let mut world = World::new(&text);
    world.start();
    assert_eq!(
        world.refused("run"),
        ["cancelled a", "cancelled b", "leave run", "finished cancelled"]
    );
    assert_eq!(world.run.reason(), Some("A newer one."));
    world.check_end(Cancelled);
}

#[test]
fn a_run_that_is_told_to_end_by_its_group_is_cancelled() {
    let text = format!("concurrency: g\n{}", jobs(&[("a", ""), ("b", "needs: a\nif: always()")]));
    let mut world = World::new(&text);
    world.start();
    world.entered("run");
    assert_eq!(world.refused("run"), ["cancel a"]);
    assert_eq!(world.end("a", Cancelled), ["start b"]);
    assert_eq!(world.end("b", Success), ["leave run", "finished cancelled"]);
    assert_eq!(world.run.reason(), Some("A newer one."));
    world.check_end(Cancelled);
}

#[test]
fn a_group_that_cannot_be_evaluated_fails_the_run() {
    let text = format!("concurrency: ${{{{ github.nothing }}}}\n{}", jobs(&[("a", "")]));
    let mut world = World::new(&text);
    assert_eq!(world.start(), ["cancelled a", "finished failure"]);
    assert!(world.run.reason().unwrap().ends_with("concurrency group name cannot be empty"));
    world.check_end(Failure);
}

#[test]
fn a_job_enters_its_group_when_it_would_start_and_leaves_it_when_it_ends() {
    let text = jobs(&[
        ("a", ""),
        ("b", "needs: a\nconcurrency: deploy-${{ needs.a.outputs.to }}"),
        ("c", "needs: b"),
    ]);
    let mut world = World::new(&text);
    world.start();
    assert_eq!(world.end_with("a", &[("to", "live")]), ["enter job:b deploy-live"]);
    assert_eq!(world.job("b").state, engine::State::Pending);
    assert_eq!(world.entered("job:b"), ["start b"]);
    assert_eq!(world.plans["b"].group.as_deref(), Some("deploy-live"));
    assert_eq!(world.end("b", Success), ["leave job:b", "start c"]);
    world.end("c", Success);
    world.check_end(Success);
}

#[test]
fn a_job_that_is_refused_is_cancelled_with_the_reason() {
    let text = jobs(&[("a", "concurrency: g"), ("b", "needs: a"), ("c", "")]);
    let mut world = World::new(&text);
    assert_eq!(world.start(), ["enter job:a g", "start c"]);
    assert_eq!(world.refused("job:a"), ["cancelled a", "leave job:a", "skipped b"]);
    assert_eq!(world.job("a").reason.unwrap(), "A newer one.");
    world.end("c", Success);
    assert_eq!(world.run.reason(), Some("A newer one."));
    world.check_end(Cancelled);
}

#[test]
fn a_job_in_progress_that_its_group_tells_to_end_is_cancelled_once() {
    let mut world = World::new(&jobs(&[("a", "concurrency: g\nif: always()")]));
    world.start();
    world.entered("job:a");
    assert_eq!(world.refused("job:a"), ["cancel a"]);
    assert_eq!(world.refused("job:a"), NOTHING);
    assert_eq!(world.end("a", Cancelled), ["leave job:a", "finished cancelled"]);
    world.check_end(Cancelled);
}

#[test]
fn legs_ask_for_groups_of_their_own_inside_their_window() {
    let keys =
        "concurrency: g-${{ matrix.x }}\nstrategy: {max-parallel: 2, matrix: {x: [1, 2, 3]}}";
    let mut world = World::new(&jobs(&[("a", keys)]));
    assert_eq!(world.start(), ["enter job:a.0 g-1", "enter job:a.1 g-2"]);
    assert_eq!(world.entered("job:a.1"), ["start a.1"]);
    assert_eq!(world.end("a.1", Success), ["leave job:a.1", "enter job:a.2 g-3"]);
}

#[test]
fn the_same_group_at_run_and_job_level_is_a_deadlock_found_before_anything_starts() {
    let text = format!(
        "concurrency: CI-${{{{ github.ref }}}}\n{}",
        jobs(&[
            ("a", ""),
            ("b", "needs: a\nconcurrency: ci-refs/heads/main"),
            ("c", "if: github.ref == 'x'\nconcurrency: ci-refs/heads/main"),
        ])
    );
    let mut world = World::new(&text);
    assert_eq!(world.start(), ["cancelled b", "enter run CI-refs/heads/main"]);
    assert_eq!(
        world.job("b").reason.unwrap(),
        "Canceling since a deadlock for concurrency group 'ci-refs/heads/main' was detected \
         between 'top level workflow' and 'b'"
    );
    assert_eq!(world.entered("run"), ["skipped c", "start a"]);
    assert_eq!(world.end("a", Success), ["leave run", "finished cancelled"]);
    world.check_end(Cancelled);
}

#[test]
fn a_run_of_deadlocks_enters_nothing() {
    let text = format!(
        "concurrency: ci-${{{{ github.ref }}}}\n{}",
        jobs(&[("a", "concurrency: ci-refs/heads/main"), ("b", "needs: a")])
    );
    let mut spec = spec(&text);
    spec.only = vec!["a".to_owned()];
    let mut world = World::of(spec);
    assert_eq!(world.start(), ["cancelled a", "finished cancelled"]);
    assert!(world.run.reason().unwrap().contains("deadlock"));
    world.check_end(Cancelled);
}

#[test]
fn a_deadlock_that_only_a_need_makes_is_found_when_it_is_reached() {
    let text = format!(
        "concurrency: live\n{}",
        jobs(&[("a", ""), ("b", "needs: a\nconcurrency: ${{ needs.a.outputs.to }}")])
    );
    let mut world = World::new(&text);
    world.start();
    world.entered("run");
    assert_eq!(
        world.end_with("a", &[("to", "LIVE")]),
        ["cancelled b", "leave run", "finished cancelled"]
    );
    assert!(world.job("b").reason.unwrap().contains("deadlock for concurrency group 'LIVE'"));
    world.check_end(Cancelled);
}
