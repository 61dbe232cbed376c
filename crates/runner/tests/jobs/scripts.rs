//! `run` steps: shells, directories, variables, files and names.

use engine::Conclusion::{Failure, Success};
use expr::Value;
use serde_json::json;
use testkit::servers::has_program;

use crate::world::{World, text};

#[tokio::test]
async fn a_step_without_a_shell_stops_at_the_first_error() {
    let story = World::new()
        .steps("- run: |\n    false | true\n    echo one\n    false\n    echo two")
        .await;
    story.assert_prints(&["one"]);
    story.assert_ends(Failure);
    assert_eq!(story.report.steps[0].exit_code, Some(1));
    story.assert_says("##[error]Process completed with exit code 1.");
}

#[tokio::test]
async fn bash_by_name_also_looks_into_pipes() {
    let story = World::new().steps("- shell: bash\n  run: |\n    false | true\n    echo one").await;
    story.assert_prints(&[]);
    story.assert_ends(Failure);
}

#[tokio::test]
async fn other_shells_run_their_own_language() {
    if !has_program("python3") {
        return;
    }
    let story = World::new()
        .steps(
            "- shell: sh\n  run: echo sh\n- shell: python\n  run: |\n    import sys\n    print('py', sys.argv[0][-3:])\n- \
             shell: bash -c \"cat {0}\"\n  run: echo $HOME",
        )
        .await;
    story.assert_prints(&["sh", "py .py", "echo $HOME"]);
    story.assert_ends(Success);
}

#[tokio::test]
async fn a_shell_that_is_not_there_fails_its_step() {
    let story = World::new()
        .steps("- shell: nosuchshell {0}\n  run: echo\n- run: echo\n  if: always()")
        .await;
    story.assert_steps(&["failure", "success"]);
    story.assert_says("nosuchshell: command not found");
}

#[tokio::test]
async fn defaults_of_the_job_are_stronger_than_those_of_the_workflow() {
    if !has_program("python3") {
        return;
    }
    let story = World::new()
        .file("w/x", "").file("j/x", "").file("s/x", "")
        .run(
            "on: push\ndefaults: {run: {shell: python, working-directory: w}}\njobs:\n  a:\n    runs-on: x\n    defaults: \
             {run: {working-directory: j}}\n    steps:\n      - run: import os; print(os.path.basename(os.getcwd()))\n      - \
             {run: basename $PWD, shell: bash, working-directory: s}",
        )
        .await;
    story.assert_prints(&["j", "s"]);
}

#[tokio::test]
async fn a_missing_directory_is_told_as_on_github() {
    let story = World::new().steps("- run: echo\n  working-directory: nowhere").await;
    story.assert_ends(Failure);
    let path = text(&story.workspace.join("nowhere"));
    story.assert_says(&format!("with working directory '{path}'. No such file or directory"));
    story.assert_says("An error occurred trying to start process '/");
}

#[tokio::test]
async fn variables_are_strongest_where_they_are_nearest() {
    let story = World::new()
        .run(
            "on: push\nenv: {A: workflow, B: workflow, C: workflow, D: workflow}\njobs:\n  a:\n    runs-on: x\n    env: \
             {B: job, C: job, D: job}\n    steps:\n      - run: echo C=file >> $GITHUB_ENV; echo D=file >> $GITHUB_ENV\n      - \
             env: {D: step}\n        if: env.D == 'step'\n        run: echo $A $B $C $D ${{ env.A }} ${{ env.B }} ${{ env.C }} \
             ${{ env.D }}\n      - run: echo ${{ env.D }} ${{ toJSON(env.PATH) }}",
        )
        .await;
    story.assert_prints(&["workflow job file step workflow job file step", "file null"]);
}

#[tokio::test]
async fn what_the_user_asks_for_is_the_weakest_variable() {
    let mut world = World::new();
    world.place.env =
        [("A", "user"), ("B", "user")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let text = "on: push\nenv: {B: workflow}\njobs:\n  a:\n    runs-on: x\n    steps:\n      - if: env.A == 'user'\n        run: echo $A $B ${{ env.B }}\n";
    world.run(text).await.assert_prints(&["user workflow workflow"]);
}

#[tokio::test]
async fn a_variable_of_a_step_reaches_an_action_that_overrides_it() {
    let action = "
runs:
  using: composite
  steps:
    - {run: exit 1, shell: bash, if: env.MINE != 'step'}
    - {run: echo MINE=returned > $GITHUB_ENV, shell: bash}
    - {run: exit 2, shell: bash, if: env.MINE != 'step'}
";
    let story = World::new()
        .file("action.yml", action)
        .steps("- uses: ./\n  env: {MINE: step}\n- run: echo $MINE\n- run: echo \"[$GITHUB_ACTION_REF$GITHUB_ACTION_REPOSITORY]\" ${GITHUB_ACTION_REF-unset}")
        .await;
    story.assert_prints(&["returned", "[]"]);
    story.assert_ends(Success);
}

#[tokio::test]
async fn what_github_defines_is_there_and_nothing_of_the_user() {
    // The user's own variables are those of this test.
    let story = World::new()
        .steps("- id: me\n  run: env | sed 's/=.*//' | sort | tr '\\n' ' '\n- run: |\n    echo $GITHUB_ACTION $GITHUB_JOB $CI\n    \
                cat $GITHUB_EVENT_PATH\n- run: echo $GITHUB_ACTION ${{ github.action }} $RUNNER_OS $GITHUB_REPOSITORY")
        .await;
    story.assert_ends(Success);
    let names = story.lines()[0];
    for name in [
        "GITHUB_SHA",
        "GITHUB_WORKSPACE",
        "GITHUB_OUTPUT",
        "RUNNER_TEMP",
        "GITHUB_RUN_ID",
        "PATH",
        "HOME",
    ] {
        assert!(names.split(' ').any(|known| known == name), "{name}: {names}");
    }
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "GITHUB_TOKEN", "GITHUB_EVENT"] {
        assert!(!names.split(' ').any(|known| known == name), "{name}: {names}");
    }
    assert_eq!(
        story.lines()[1..],
        ["__run true", "{\"number\":7}", "__run_2 __run_2 Linux octo/hello"]
            .map(|s: &str| s.replace("__run true", "__run a true"))
    );
}

#[tokio::test]
async fn files_speak_to_the_steps_after() {
    let story = World::new()
        .steps(
            "- id: one\n  run: |\n    echo \"a=1\" >> $GITHUB_OUTPUT\n    printf 'b<<E\\nx\\ny\\nE\\n' >> $GITHUB_OUTPUT\n    echo \
             \"E1=v\" >> $GITHUB_ENV\n    mkdir bin; printf '#!/bin/sh\\necho mine' > bin/mine; chmod +x bin/mine\n    echo \
             $PWD/bin >> $GITHUB_PATH\n    echo '# Done' >> $GITHUB_STEP_SUMMARY\n    echo ${E1:-none}\n- run: |\n    echo \
             '${{ steps.one.outputs.a }} ${{ toJSON(steps.one.outputs.b) }}' $E1\n    mine",
        )
        .await;
    story.assert_prints(&["none", "1 \"x\\ny\" v", "mine"]);
    let summary = |notice: &runner::Notice| matches!(notice, runner::Notice::Summary { step: 0, markdown } if markdown == "# Done\n");
    assert!(story.notices.iter().any(summary));
}

#[tokio::test]
async fn a_file_that_says_nonsense_fails_its_step() {
    let story = World::new().steps("- run: echo nonsense >> $GITHUB_OUTPUT").await;
    story.assert_ends(Failure);
    story.assert_says("Unable to process file command 'output' successfully.");
    story.assert_says("Invalid format 'nonsense'");
}

#[tokio::test]
async fn node_options_are_refused_and_fail_nothing() {
    let story = World::new()
        .steps("- run: echo NODE_OPTIONS=x >> $GITHUB_ENV\n- run: echo ${NODE_OPTIONS:-none}")
        .await;
    story.assert_prints(&["none"]);
    story.assert_says("Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.");
    story.assert_ends(Success);
}

#[tokio::test]
async fn a_summary_that_is_too_large_fails_nothing() {
    let story = World::new()
        .steps("- run: head -c 1048577 /dev/zero | tr '\\0' x > $GITHUB_STEP_SUMMARY")
        .await;
    story.assert_ends(Success);
    story.assert_says("supports content up to a size of 1024k, got 1025k.");
}

#[tokio::test]
async fn conditions_look_at_the_steps_before() {
    let story = World::new()
        .steps(
            "- id: bad\n  run: exit 3\n- run: echo skipped\n- if: failure()\n  run: echo failed\n- if: always()\n  run: echo \
             ${{ steps.bad.outcome }} ${{ steps.bad.conclusion }} ${{ job.status }}\n- if: cancelled()\n  run: echo no\n- if: \
             ${{ !cancelled() && steps.bad.outcome == 'failure' }}\n  run: echo yes",
        )
        .await;
    story.assert_prints(&["failed", "failure failure failure", "yes"]);
    story.assert_steps(&["failure", "skipped", "success", "success", "skipped", "success"]);
    story.assert_ends(Failure);
}

#[tokio::test]
async fn a_step_that_may_fail_fails_nothing() {
    let mut world = World::new();
    world.matrix = Value::from_json(&json!({"may": true}));
    let story = world
        .steps(
            "- id: a\n  run: exit 1\n  continue-on-error: ${{ matrix.may }}\n- run: echo ${{ steps.a.outcome }} \
             ${{ steps.a.conclusion }}",
        )
        .await;
    story.assert_prints(&["failure success"]);
    story.assert_steps(&["failure -> success", "success"]);
    story.assert_ends(Success);
}

#[tokio::test]
async fn steps_are_named_as_on_github() {
    let story = World::new()
        .steps("- run: |\n    echo one\n    echo two\n- run: echo ${{ github.actor }}\n- name: By ${{ github.actor }}\n  run: echo\n- \
                if: false\n  name: Never ${{ github.actor }}\n  run: echo")
        .await;
    let names: Vec<_> = story.report.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["Run echo one", "Run echo mona", "By mona", "Never mona"]);
}

#[tokio::test]
async fn outputs_of_the_job_are_made_of_its_steps() {
    let story = World::new()
        .secret("TOKEN", "hunter2-long")
        .run(
            "on: push\njobs:\n  a:\n    runs-on: x\n    outputs:\n      one: ${{ steps.s.outputs.one }}\n      none: \
             ${{ steps.s.outputs.none }}\n      leak: ${{ steps.s.outputs.leak }}\n    steps:\n      - id: s\n        run: |\n          \
             echo one=1 >> $GITHUB_OUTPUT\n          echo leak=x${{ secrets.TOKEN }}x >> $GITHUB_OUTPUT",
        )
        .await;
    assert_eq!(
        story.report.outputs.into_iter().collect::<Vec<_>>(),
        [("one".to_owned(), "1".to_owned())]
    );
    assert!(story.log.contains("Skip output 'leak' since it may contain secret."));
    assert!(!story.log.contains("hunter2"), "{}", story.log);
}

#[tokio::test]
async fn an_expression_that_cannot_be_evaluated_fails_its_step() {
    let story = World::new()
        .steps("- run: echo ${{ fromJSON('{') }}\n- if: fromJSON('{')\n  run: echo\n- env: {A: \"${{ fromJSON('{') }}\"}\n  run: echo")
        .await;
    story.assert_ends(Failure);
    assert_eq!(story.report.steps[0].outcome, Failure);
    story.assert_prints(&[]);
}

#[tokio::test]
async fn a_failed_step_shows_its_last_lines() {
    let story = World::new().steps("- run: seq 1 30; exit 9").await;
    let last = story.notices.iter().find_map(|notice| match notice {
        runner::Notice::StepEnded { last_lines, .. } => Some(last_lines),
        _ => None,
    });
    let last = last.unwrap();
    assert_eq!(last.last().unwrap(), "##[error]Process completed with exit code 9.");
    assert_eq!((last.len(), last[0].as_str()), (20, "12"));
}

#[tokio::test]
async fn files_of_the_workspace_are_hashed_when_the_step_runs() {
    let story = World::new()
        .steps("- run: echo '[${{ hashFiles('*.lock') }}]'\n- run: echo a > a.lock\n- run: echo ${{ hashFiles('*.lock') }}")
        .await;
    // The digest of the digests of the files.
    story
        .assert_prints(&["[]", "225f1bbbc4b1a3d97c622a492d91ea8d6858d7e1164bbbb5953f74311d6d222e"]);
}
