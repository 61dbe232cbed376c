//! What steps say in their lines: commands, masks and problems.

use engine::Conclusion::{Failure, Success};
use runner::Level;

use crate::world::World;

#[tokio::test]
async fn annotations_carry_their_place() {
    let story = World::new()
        .steps("- run: |\n    echo '::error file=a.rs,line=3,endLine=4,col=5,endColumn=6,title=T::no%0Await'\n    echo '::warning::w'\n    echo '::notice::n'\n    echo '::debug::d'")
        .await;
    story.assert_ends(Success);
    let error = story.annotations(Level::Error)[0];
    assert_eq!(
        (error.file.as_deref(), error.line, error.end_line),
        (Some("a.rs"), Some(3), Some(4))
    );
    assert_eq!(
        (error.column, error.end_column, error.title.as_deref()),
        (Some(5), Some(6), Some("T"))
    );
    assert_eq!(error.message, "no\nwait");
    assert_eq!(story.lines(), ["##[error]no", "wait", "##[warning]w", "##[notice]n"]);
}

#[tokio::test]
async fn a_step_makes_ten_annotations_of_a_kind_and_the_log_has_all() {
    let story = World::new().steps("- run: for i in $(seq 12); do echo ::warning::w$i; done").await;
    assert_eq!(story.annotations(Level::Warning).len(), 10);
    story.assert_says("w12");
}

#[tokio::test]
async fn secrets_are_masked_wherever_they_are_said() {
    let story = World::new()
        .secret("TOKEN", "hunter2-long")
        .secret("KEY", "first line\nsecond line")
        .steps(
            "- name: With ${{ secrets.TOKEN }}\n  env: {T: '${{ secrets.TOKEN }}'}\n  run: |\n    echo token $T\n    echo -n $T | \
             base64\n    echo ::error::$T\n    echo \"sum $T\" >> $GITHUB_STEP_SUMMARY\n    echo 'a second line b'\n    echo $T >&2; exit 1",
        )
        .await;
    let all = format!("{:?} {:?} {}", story.notices, story.report, story.log);
    assert!(!all.contains("hunter2"), "{all}");
    assert!(!all.contains("aHVudGVyMi1sb25n"), "{all}");
    assert!(!all.contains("second line"), "{all}");
    assert!(all.contains("token ***"));
}

#[tokio::test]
async fn a_mask_that_a_step_adds_holds_from_then_on() {
    let story = World::new()
        .steps("- run: |\n    echo run-time-secret\n    echo ::add-mask::run-time-secret\n    echo a run-time-secret b\n- run: |\n    echo run-time-secret\n    echo ::add-mask::")
        .await;
    story.assert_prints(&["run-time-secret", "a *** b", "***"]);
    story.assert_says("##[warning]Can't add secret mask for empty string");
}

#[tokio::test]
async fn a_secret_across_the_cut_of_an_endless_line_is_masked() {
    let story = World::new()
        .secret("TOKEN", "hunter2-long")
        .steps("- run: for i in $(seq 30000); do printf '%s' \"........................................................................................................hunter2-long\"; done")
        .await;
    story.assert_ends(Success);
    // The script itself stands in the log twice.
    assert_eq!(story.log.matches("***").count(), 30000 + 2);
    assert!(story.lines().iter().all(|line| line.len() < 20_000));
    assert!(!story.log.contains("hunter") && !story.log.contains("long"));
}

#[tokio::test]
async fn commands_stop_until_their_token() {
    let story = World::new()
        .steps("- run: |\n    echo ::stop-commands::tok\n    echo ::error::shown\n    echo ::tok::\n    echo ::warning::w")
        .await;
    assert_eq!(
        story.lines(),
        ["::stop-commands::tok", "::error::shown", "::tok::", "##[warning]w"]
    );
}

#[tokio::test]
async fn a_token_that_is_a_command_is_refused() {
    let story = World::new().steps("- run: echo ::stop-commands::error").await;
    story.assert_ends(Failure);
    story.assert_says("Unable to process command '::stop-commands::error' successfully.");
}

#[tokio::test]
async fn lines_change_the_environment_only_where_that_is_allowed() {
    let story = World::new()
        .steps(
            "- id: no\n  continue-on-error: true\n  run: echo '::set-env name=A::1'; echo '::add-path::/x'\n- env: \
             {ACTIONS_ALLOW_UNSECURE_COMMANDS: true}\n  run: echo '::set-env name=B::2'; echo '::add-path::/x/y'\n- run: echo \
             ${{ steps.no.outcome }} ${A:-none} $B ${PATH%%:*}",
        )
        .await;
    story.assert_says("The `set-env` command is disabled.");
    assert_eq!(story.lines().last().unwrap(), &"failure none 2 /x/y");
}

#[tokio::test]
async fn outputs_may_be_said_in_lines() {
    let story = World::new()
        .steps("- id: a\n  run: |\n    echo '::set-output name=x::1%0A2'\n    echo '##[set-output name=y;]3'\n- run: echo ${{ toJSON(steps.a.outputs.x) }} ${{ steps.a.outputs.y }}")
        .await;
    assert_eq!(story.lines().last().unwrap(), &"1\\n2 3");
    story.assert_says("The `set-output` command is deprecated");
}

#[tokio::test]
async fn echo_shows_commands() {
    let story = World::new()
        .steps("- run: |\n    echo ::echo::on\n    echo '::set-output name=x::1'\n    echo ::echo::off\n    echo '::set-output name=x::2'")
        .await;
    story.assert_prints(&["::set-output name=x::1"]);
}

#[tokio::test]
async fn groups_and_plain_lines_are_shown() {
    let story = World::new().steps("- run: |\n    echo ::group::G\n    echo x ::error::no\n    echo ::endgroup::\n    echo ::unknown::u\n    echo '##[command]git'").await;
    assert_eq!(
        story.lines(),
        ["##[group]G", "x ::error::no", "##[endgroup]", "::unknown::u", "##[command]git"]
    );
}

#[tokio::test]
async fn matchers_find_problems_until_they_are_removed() {
    let matcher = r#"{"problemMatcher": [{"owner": "m", "pattern": [
        {"regexp": "^(\\S+):(\\d+): (error|warning): (.*)$", "file": 1, "line": 2, "severity": 3, "message": 4}]}]}"#;
    let story = World::new()
        .file("m.json", matcher)
        .file("src/a.c", "")
        .steps("- run: |\n    echo ::add-matcher::m.json\n    echo 'src/a.c:3: warning: hm'\n- run: |\n    printf '\\033[1mgone.c:4: error: bad\\033[0m\\n'\n    echo '::remove-matcher owner=m::'\n    echo 'src/a.c:3: error: not seen'")
        .await;
    story.assert_ends(Success);
    let warning = story.annotations(Level::Warning)[0];
    assert_eq!(
        (warning.file.as_deref(), warning.line, warning.message.as_str()),
        (Some("src/a.c"), Some(3), "hm")
    );
    let errors = story.annotations(Level::Error);
    assert_eq!(
        (errors.len(), errors[0].file.as_deref(), errors[0].message.as_str()),
        (1, None, "bad")
    );
    story.assert_says("##[warning]src/a.c:3: warning: hm");
}

#[tokio::test]
async fn a_flood_that_nobody_reads_goes_to_the_log() {
    let world = World::new();
    let (outlet, mut inlet) = tokio::sync::mpsc::channel(4);
    let (_orders, wishes) = tokio::sync::mpsc::channel(1);
    let plan = world.plan(&crate::world::workflow("- run: seq 1 5000"));
    let job = tokio::spawn(runner::run_job(plan, world.place.clone(), outlet, wishes));
    // Nobody reads until the log has the last line: a job that waited for us would never write it.
    let ends = |log: &str| log.contains(" 5000\n");
    while !ends(&std::fs::read_to_string(&world.place.log).unwrap_or_default()) {
        tokio::task::yield_now().await;
    }
    let mut dropped = 0;
    let mut shown = 0;
    while let Some(notice) = inlet.recv().await {
        match notice {
            runner::Notice::Dropped { lines } => dropped += lines,
            runner::Notice::Line { .. } => shown += 1,
            _ => {}
        }
    }
    job.await.unwrap();
    assert_eq!(dropped + shown, 5000);
    assert!(dropped > 4000);
}
