//! Runs that are told to end.

use engine::Conclusion::{Cancelled, Failure, Skipped, Success};

use crate::world::{World, jobs};

const NOTHING: [&str; 0] = [];

#[test]
fn jobs_whose_condition_still_holds_go_on_and_the_others_end() {
    let text = jobs(&[
        ("plain", ""),
        ("steady", "if: always()"),
        ("later", "needs: plain"),
        ("failure", "needs: plain\nif: failure()"),
        ("not", "needs: plain\nif: '!cancelled()'"),
        ("cleanup", "needs: plain\nif: always()"),
        ("report", "needs: plain\nif: cancelled()"),
        ("either", "needs: plain\nif: failure() || cancelled()"),
        ("both", "needs: plain\nif: always() && needs.plain.result == 'success'"),
    ]);
    let mut world = World::new(&text);
    world.start();
    assert_eq!(
        world.cancel(),
        ["cancel plain", "cancelled later", "cancelled failure", "cancelled not"]
    );
    assert_eq!(world.cancel(), NOTHING);
    assert_eq!(
        world.end("plain", Cancelled),
        ["skipped both", "start cleanup", "start report", "start either"]
    );
    for job in ["steady", "cleanup", "report", "either"] {
        world.end(job, Success);
    }
    assert_eq!(world.job("later").reason.unwrap(), "By hand.");
    assert_eq!(world.run.reason(), Some("By hand."));
    world.check_end(Cancelled);
}

#[test]
fn a_job_that_would_have_been_skipped_anyway_is_skipped() {
    let text = jobs(&[("a", ""), ("b", "needs: a\nif: cancelled() && vars.MODE == 'slow'")]);
    let mut world = World::new(&text);
    world.start();
    world.cancel();
    world.end("a", Success);
    assert_eq!(world.job("b").conclusion, Some(Cancelled));
    let text = jobs(&[("a", ""), ("b", "needs: a\nif: always() && needs.a.result == 'failure'")]);
    let mut world = World::new(&text);
    world.start();
    world.cancel();
    world.end("a", Cancelled);
    assert_eq!(world.job("b").conclusion, Some(Skipped));
}

#[test]
fn a_failure_outweighs_a_cancellation() {
    let mut world = World::new(&jobs(&[("a", ""), ("b", "")]));
    world.start();
    world.end("a", Failure);
    assert_eq!(world.cancel(), ["cancel b"]);
    world.end("b", Cancelled);
    world.check_end(Failure);
}

#[test]
fn a_cancellation_that_came_too_late_leaves_a_success() {
    let mut world = World::new(&jobs(&[("a", "")]));
    world.start();
    assert_eq!(world.cancel(), ["cancel a"]);
    world.end("a", Success);
    assert_eq!(world.run.reason(), None);
    world.check_end(Success);
}

#[test]
fn a_run_that_waits_for_its_group_ends_at_once() {
    let text = format!("concurrency: g\n{}", jobs(&[("a", "if: always()")]));
    let mut world = World::new(&text);
    world.start();
    assert_eq!(world.cancel(), ["cancelled a", "leave run", "finished cancelled"]);
    world.check_end(Cancelled);
}

#[test]
fn a_run_may_be_cancelled_before_it_starts() {
    let mut world = World::new(&jobs(&[("a", "")]));
    assert_eq!(world.cancel(), ["cancelled a", "finished cancelled"]);
    assert_eq!(world.start(), NOTHING);
    world.check_end(Cancelled);
}

#[test]
fn jobs_that_wait_for_a_group_or_a_window_leave() {
    let keys =
        "concurrency: g-${{ matrix.x }}\nstrategy: {max-parallel: 2, matrix: {x: [1, 2, 3]}}";
    let mut world = World::new(&jobs(&[("a", keys)]));
    world.start();
    world.entered("job:a.0");
    assert_eq!(world.cancel(), ["cancel a.0", "cancelled a.1", "leave job:a.1", "cancelled a.2"]);
    assert_eq!(world.entered("job:a.1"), NOTHING);
    assert_eq!(world.end("a.0", Cancelled), ["leave job:a.0", "finished cancelled"]);
    world.check_end(Cancelled);
}

#[test]
fn a_job_that_must_run_enters_its_group_after_a_cancellation_too() {
    let text = jobs(&[("a", ""), ("b", "needs: a\nif: always()\nconcurrency: g")]);
    let mut world = World::new(&text);
    world.start();
    world.cancel();
    assert_eq!(world.end("a", Cancelled), ["enter job:b g"]);
    assert_eq!(world.entered("job:b"), ["start b"]);
    world.end("b", Success);
    world.check_end(Cancelled);
}
