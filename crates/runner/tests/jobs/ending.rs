//! How jobs end: time, cancels, kills and what is left behind.

use std::time::{Duration, Instant};

use engine::Conclusion::{Cancelled, Failure, Success};
use runner::{Notice, Order};
use tokio::sync::mpsc;

use crate::world::{Story, World, workflow};

/// Runs steps and gives an order when a line is printed.
async fn order_at(line: &str, order: Order, steps: &str) -> Story {
    let act = |notice: &Notice, orders: &mpsc::Sender<Order>| {
        if matches!(notice, Notice::Line { text, .. } if text == line) {
            orders.try_send(order.clone()).unwrap();
        }
    };
    World::new().run_while(&workflow(steps), act).await
}

fn cancel() -> Order {
    Order::Cancel { reason: "a newer run took its place".into() }
}

#[tokio::test]
async fn a_step_that_takes_too_long_fails() {
    let began = Instant::now();
    let story = World::new()
        .steps("- run: exec sleep 60\n  timeout-minutes: 0.005\n- if: failure()\n  run: echo clean")
        .await;
    assert!(began.elapsed() < Duration::from_secs(9));
    story.assert_steps(&["failure", "success"]);
    story.assert_ends(Failure);
    assert!(story.report.steps[0].timed_out && !story.report.timed_out);
    story.assert_says("has timed out after 0.005 minutes.");
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_cancelled() {
    let mut world = World::new();
    world.timeout = Duration::from_millis(300);
    let story = world
        .steps("- run: exec sleep 60\n- run: echo no\n- if: always()\n  run: echo clean")
        .await;
    story.assert_steps(&["cancelled", "skipped", "success"]);
    story.assert_ends(Cancelled);
    assert!(story.report.timed_out);
    assert!(
        story
            .report
            .error
            .unwrap()
            .contains("exceeded the maximum execution time of 0.005 minutes")
    );
}

#[tokio::test]
async fn a_cancel_ends_the_step_and_lets_clean_up_run() {
    let story = order_at(
        "up",
        cancel(),
        "- id: s\n  run: |\n    trap 'echo got INT; exit 0' INT\n    echo up\n    sleep 60 & wait\n- run: echo no\n- if: failure()\n  run: echo \
         no\n- if: cancelled()\n  run: echo ${{ job.status }} ${{ steps.s.outcome }}\n- if: always()\n  run: echo always",
    )
    .await;
    story.assert_prints(&["up", "got INT", "cancelled cancelled", "always"]);
    story.assert_steps(&["cancelled", "skipped", "skipped", "success", "success"]);
    story.assert_ends(Cancelled);
    assert_eq!(story.report.error.as_deref(), Some("a newer run took its place"));
}

#[tokio::test]
async fn a_step_that_always_runs_is_not_cancelled() {
    let story = order_at(
        "up",
        cancel(),
        "- if: always()\n  run: |\n    echo up\n    sleep 0.3\n    echo done\n- run: echo no",
    )
    .await;
    story.assert_prints(&["up", "done"]);
    story.assert_steps(&["success", "skipped"]);
    story.assert_ends(Cancelled);
}

#[tokio::test]
async fn a_kill_ends_everything_at_once() {
    let began = Instant::now();
    let story = order_at(
        "up",
        Order::Kill,
        "- if: always()\n  run: |\n    trap '' INT TERM\n    echo up\n    sleep 60\n- if: always()\n  run: echo no",
    )
    .await;
    assert!(began.elapsed() < Duration::from_secs(5));
    story.assert_prints(&["up"]);
    story.assert_ends(Cancelled);
    assert_eq!(story.report.steps.len(), 1);
}

#[tokio::test]
async fn a_job_that_goes_on_after_its_cancel_is_killed_when_its_time_is_up() {
    let act = |notice: &Notice, orders: &mpsc::Sender<Order>| {
        if matches!(notice, Notice::Line { text, .. } if text == "up") {
            orders.try_send(cancel()).unwrap();
        }
    };
    let text = "on: push\njobs:\n  a:\n    runs-on: x\n    cancel-timeout-minutes: 0.005\n    steps:\n      - if: always()\n        run: \
                echo up; sleep 60\n";
    let story = World::new().run_while(text, act).await;
    story.assert_steps(&["cancelled"]);
    story.assert_ends(Cancelled);
}

#[tokio::test]
async fn what_a_step_leaves_running_ends_with_the_job() {
    let story = World::new()
        .steps("- run: |\n    setsid sleep 98765 > /dev/null 2>&1 &\n    echo $! > pid\n- run: kill -0 $(cat pid); echo alive")
        .await;
    story.assert_prints(&["alive"]);
    story.assert_ends(Success);
    let pid = std::fs::read_to_string(story.workspace.join("pid")).unwrap();
    let command =
        std::fs::read_to_string(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    assert!(!command.contains("98765"), "{command}");
    story.assert_says("Terminate orphan process: pid");
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_told_before_anything_runs() {
    let mut world = World::new();
    world.place.log = "/proc/nowhere/a.log".into();
    let story = world.steps("- run: touch ran").await;
    story.assert_ends(Failure);
    assert!(story.report.error.unwrap().contains("/proc/nowhere/a.log could not be created"));
    assert!(!story.workspace.join("ran").exists());
}

#[tokio::test]
async fn a_full_disk_under_the_log_fails_the_job_with_the_reason() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let mut world = World::new();
    world.place.log = "/dev/full".into();
    let story = world.steps("- run: echo x").await;
    story.assert_ends(Failure);
    assert!(story.report.error.unwrap().contains("The log could not be written"));
}

#[tokio::test]
async fn a_step_that_a_signal_ended_says_so_in_its_code() {
    let story = World::new().steps("- run: kill -KILL $$").await;
    assert_eq!(story.report.steps[0].exit_code, Some(137));
    story.assert_ends(Failure);
}
