//! Steps in the background, and those that wait for them.

use std::time::{Duration, Instant};

use engine::Conclusion::{Cancelled, Failure, Success};
use runner::{Notice, Order};
use tokio::sync::mpsc;

use crate::world::{World, workflow};

#[tokio::test]
async fn nothing_of_a_background_step_is_seen_before_the_wait() {
    let story = World::new()
        .steps(
            "- id: bg\n  background: true\n  run: |\n    echo x=1 >> $GITHUB_OUTPUT\n    echo E=1 >> $GITHUB_ENV\n    touch done\n- run: |\n    \
             while [ ! -e done ]; do sleep 0.01; done\n    sleep 0.1\n    echo \"[${{ steps.bg.outputs.x }}${{ steps.bg.outcome }}$E]\"\n- run: \
             echo \"[${{ steps.bg.outcome }}$E]\"\n- wait: bg\n- run: echo \"[${{ steps.bg.outputs.x }} ${{ steps.bg.outcome }} $E]\"",
        )
        .await;
    story.assert_prints(&["[]", "[]", "[1 success 1]"]);
    story.assert_ends(Success);
    let names: Vec<_> = story.report.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names[3], "Wait for bg");
}

#[tokio::test]
async fn background_steps_run_beside_the_others() {
    let story = World::new()
        .steps("- id: bg\n  background: true\n  run: while [ ! -e go ]; do sleep 0.01; done; echo went\n- run: touch go\n- wait-all:")
        .await;
    story.assert_prints(&["went"]);
    story.assert_steps(&["success", "success", "success"]);
}

#[tokio::test]
async fn a_background_step_that_failed_fails_the_one_that_waits() {
    let story = World::new()
        .steps("- id: bg\n  background: true\n  run: exit 1\n- wait: [bg]\n- run: echo no\n- if: failure()\n  run: echo ${{ steps.bg.conclusion }}")
        .await;
    story.assert_prints(&["failure"]);
    story.assert_steps(&["failure", "failure", "skipped", "success"]);
    story.assert_ends(Failure);
}

#[tokio::test]
async fn a_wait_may_forgive() {
    let story = World::new()
        .steps("- id: bg\n  background: true\n  run: exit 1\n- wait: bg\n  continue-on-error: true\n- run: echo on")
        .await;
    story.assert_prints(&["on"]);
    story.assert_ends(Success);
}

#[tokio::test]
async fn nobody_needs_to_wait_for_the_job_to_know() {
    let story = World::new()
        .run(
            "on: push\njobs:\n  a:\n    runs-on: x\n    outputs: {x: '${{ steps.bg.outputs.x }}'}\n    steps:\n      - id: bg\n        background: \
             true\n        run: sleep 0.1; echo x=1 >> $GITHUB_OUTPUT\n      - background: true\n        run: exit 1\n      - run: echo on\n",
        )
        .await;
    story.assert_prints(&["on"]);
    story.assert_ends(Failure);
    assert_eq!(story.report.outputs.get("x").map(String::as_str), Some("1"));
}

#[tokio::test]
async fn a_background_step_that_is_cancelled_fails_nothing() {
    let began = Instant::now();
    let story = World::new()
        .steps(
            "- id: bg\n  background: true\n  run: touch up; exec sleep 60\n- run: while [ ! -e up ]; do sleep 0.01; done\n- cancel: bg\n- run: echo \
             ${{ steps.bg.outcome }} ${{ job.status }}",
        )
        .await;
    assert!(began.elapsed() < Duration::from_secs(9));
    story.assert_prints(&["cancelled success"]);
    story.assert_steps(&["cancelled", "success", "success", "success"]);
    story.assert_ends(Success);
}

#[tokio::test]
async fn parallel_steps_run_at_once_and_all_of_them_end() {
    let meet =
        |me: &str, other: &str| format!("touch {me}; while [ ! -e {other} ]; do sleep 0.01; done");
    let story = World::new()
        .steps(&format!(
            "- parallel:\n    - id: p\n      run: {}\n    - id: q\n      run: {}; exit 1\n- if: always()\n  run: echo ${{{{ steps.p.outcome }}}} \
             ${{{{ steps.q.outcome }}}}",
            meet("a", "b"),
            meet("b", "a")
        ))
        .await;
    story.assert_prints(&["success failure"]);
    story.assert_steps(&["success", "failure", "success"]);
    story.assert_ends(Failure);
}

#[tokio::test]
async fn at_most_ten_run_at_once() {
    let step = "- background: true\n  run: mkdir -p r; touch r/$$; ls r | wc -l >> seen; sleep 0.15; rm r/$$\n";
    let story = World::new().steps(&step.repeat(13)).await;
    story.assert_ends(Success);
    let seen = std::fs::read_to_string(story.workspace.join("seen")).unwrap();
    let most = seen.lines().map(|line| line.trim().parse::<u32>().unwrap()).max();
    assert!(most > Some(1) && most <= Some(10), "{most:?}");
    assert_eq!(seen.lines().count(), 13);
}

#[tokio::test]
async fn a_cancel_of_the_job_ends_background_steps_whatever_their_condition() {
    let act = |notice: &Notice, orders: &mpsc::Sender<Order>| {
        if matches!(notice, Notice::Line { text, .. } if text == "up") {
            orders.try_send(Order::Cancel { reason: "no more".into() }).unwrap();
        }
    };
    let steps = "- id: bg\n  if: always()\n  background: true\n  run: echo up; exec sleep 60\n- run: exec sleep 60\n- wait: bg\n- if: always()\n  \
                 run: echo end";
    let began = Instant::now();
    let story = World::new().run_while(&workflow(steps), act).await;
    assert!(began.elapsed() < Duration::from_secs(9));
    story.assert_ends(Cancelled);
    story.assert_steps(&["cancelled", "cancelled", "skipped", "success"]);
}

#[tokio::test]
async fn a_step_that_is_cancelled_before_there_is_room_never_runs() {
    let busy = "- background: true\n  run: while [ ! -e go ]; do sleep 0.01; done\n".repeat(10);
    let steps = format!(
        "{busy}- id: late\n  background: true\n  run: touch ran\n- cancel: late\n- run: touch go; echo ${{{{ steps.late.outcome }}}}\n"
    );
    let story = World::new().steps(&steps).await;
    story.assert_prints(&["cancelled"]);
    story.assert_ends(Success);
    assert!(!story.workspace.join("ran").exists());
    assert_eq!(story.report.steps[10].outcome, Cancelled);
}
