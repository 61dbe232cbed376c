//! Local actions: composite and JavaScript, found when their step runs.

use engine::Conclusion::{Failure, Success};
use runner::Level;
use testkit::servers::has_program;

use crate::world::{World, text};

const GREET: &str = "
name: Greet
inputs:
  who: {required: true}
  how: {default: 'hello ${{ github.actor }}'}
outputs:
  said: {value: '${{ steps.say.outputs.said }}'}
  status: {value: '${{ steps.say.outcome }}'}
runs:
  using: composite
  steps:
    - id: say
      shell: bash
      run: |
        echo \"${{ inputs.how }}, ${{ inputs.who }}\"
        echo said=yes >> $GITHUB_OUTPUT
        echo FROM_ACTION=1 >> $GITHUB_ENV
        basename $GITHUB_ACTION_PATH; basename ${{ github.action_path }}
";

#[tokio::test]
async fn a_composite_action_has_inputs_outputs_and_contexts_of_its_own() {
    let story = World::new()
        .file("actions/greet/action.yml", GREET)
        .steps(
            "- id: say\n  run: echo said=outer >> $GITHUB_OUTPUT\n- id: g\n  uses: ./actions/greet\n  with: {WHO: you}\n- run: echo \
             ${{ steps.g.outputs.said }} ${{ steps.g.outputs.status }} ${{ steps.say.outputs.said }} $FROM_ACTION",
        )
        .await;
    story.assert_prints(&["hello mona, you", "greet", "greet", "yes success outer 1"]);
    story.assert_ends(Success);
    assert_eq!(story.report.steps[1].name, "Run ./actions/greet");
    assert_eq!(story.report.steps.len(), 3);
}

#[tokio::test]
async fn inputs_that_are_missing_or_unknown_are_warned_of() {
    let story =
        World::new().file("a/action.yml", GREET).steps("- uses: ./a\n  with: {whom: x}").await;
    let warnings: Vec<_> =
        story.annotations(Level::Warning).iter().map(|a| a.message.clone()).collect();
    assert!(
        warnings[0].starts_with("Unexpected input(s) 'whom', valid inputs are ['who', 'how']"),
        "{warnings:?}"
    );
    assert!(warnings[1].contains("'who'"), "{warnings:?}");
    story.assert_ends(Success);
}

#[tokio::test]
async fn an_action_is_found_when_its_step_runs() {
    let story = World::new()
        .steps(
            "- run: |\n    mkdir -p made\n    printf 'name: x\\nruns: {using: composite, steps: [{run: echo made, shell: bash}]}' > made/action.yaml\n- uses: ./made",
        )
        .await;
    story.assert_prints(&["made"]);
}

#[tokio::test]
async fn an_action_that_is_not_there_is_told_as_on_github() {
    let story = World::new().steps("- uses: ./nowhere").await;
    story.assert_ends(Failure);
    story.assert_says(&format!(
        "Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '{}'. Did you forget to run actions/checkout",
        text(&story.workspace.join("nowhere"))
    ));
}

#[tokio::test]
async fn steps_within_an_action_fail_and_clean_up_by_themselves() {
    let action = "
name: a
runs:
  using: composite
  steps:
    - {run: exit 4, shell: bash}
    - {run: echo no, shell: bash}
    - {run: echo cleaned, shell: bash, if: failure()}
    - {run: echo always, shell: bash, if: always()}
";
    let story = World::new()
        .file("a/action.yml", action)
        .steps(
            "- id: a\n  uses: ./a\n  continue-on-error: true\n- run: echo ${{ steps.a.outcome }}",
        )
        .await;
    story.assert_prints(&["cleaned", "always", "failure"]);
    story.assert_steps(&["failure -> success", "success"]);
    story.assert_ends(Success);
}

#[tokio::test]
async fn an_action_under_failure_does_its_work() {
    let action = "name: a\nruns: {using: composite, steps: [{run: 'echo report ${{ job.status }}', shell: bash}]}";
    let story = World::new()
        .file("a/action.yml", action)
        .steps("- run: exit 1\n- if: failure()\n  uses: ./a")
        .await;
    story.assert_prints(&["report failure"]);
}

#[tokio::test]
async fn variables_of_the_step_reach_into_the_action() {
    let action = "
name: a
runs:
  using: composite
  steps:
    - run: echo $A $B ${{ env.A }}; echo A=file >> $GITHUB_ENV; echo C=file >> $GITHUB_ENV
      shell: bash
    - {run: echo $A $B $C, shell: bash, env: {B: inner}}
";
    let story = World::new()
        .file("a/action.yml", action)
        .steps("- uses: ./a\n  env: {A: step, B: step}\n- run: echo $A $B $C")
        .await;
    story.assert_prints(&["step step step", "step inner file", "file file"]);
}

#[tokio::test]
async fn actions_stand_within_actions_but_not_for_ever() {
    let nested = "
name: outer
inputs: {n: {default: '0'}}
outputs: {x: {value: '${{ steps.i.outputs.x }}'}}
runs:
  using: composite
  steps:
    - id: i
      uses: ./inner
      with: {v: 'from ${{ inputs.n }}'}
";
    let inner = "
name: inner
inputs: {v: {}}
outputs: {x: {value: '${{ steps.s.outputs.x }}'}}
runs: {using: composite, steps: [{id: s, run: 'echo x=${{ inputs.v }} >> $GITHUB_OUTPUT', shell: bash}]}
";
    let endless = "name: e\nruns: {using: composite, steps: [{uses: ./endless}]}";
    let story = World::new()
        .file("outer/action.yml", nested)
        .file("inner/action.yml", inner)
        .file("endless/action.yml", endless)
        .steps("- id: o\n  uses: ./outer\n  with: {n: 5}\n- run: echo ${{ steps.o.outputs.x }}\n- uses: ./endless")
        .await;
    story.assert_prints(&["from 5"]);
    story.assert_steps(&["success", "success", "failure"]);
    story.assert_says("stands within 10 other actions");
}

#[tokio::test]
async fn what_cannot_run_here_is_refused_with_its_place() {
    let remote = "name: r\nruns:\n  using: composite\n  steps:\n    - uses: octo/other@v1\n";
    let docker = "name: d\nruns: {using: docker, image: Dockerfile}";
    let story = World::new()
        .file("r/action.yml", remote)
        .file("d/action.yml", docker)
        .file("f/Dockerfile", "FROM x")
        .steps("- uses: ./r\n  continue-on-error: true\n- uses: ./d\n  continue-on-error: true\n- uses: ./f\n  continue-on-error: true")
        .await;
    story.assert_says(
        "./r/action.yml:5:13: `uses: octo/other@v1` is an action of another repository",
    );
    story.assert_says("this action runs in a container");
    story.assert_says("./f/Dockerfile");
    story.assert_steps(&["failure -> success"; 3]);
}

#[tokio::test]
async fn an_action_that_cannot_be_read_says_where() {
    let story = World::new()
        .file("a/action.yml", "name: x\nruns:\n  using: composite\n  steps: 5\n")
        .steps("- uses: ./a")
        .await;
    story.assert_ends(Failure);
    story.assert_says("./a/action.yml:4:");
}

#[cfg(unix)]
#[tokio::test]
async fn an_action_does_not_lead_out_of_the_workspace() {
    let world = World::new();
    let outside = world.place.directories.temp.join("outside");
    std::fs::create_dir_all(&outside).unwrap();
    std::fs::write(outside.join("action.yml"), GREET).unwrap();
    std::os::unix::fs::symlink(&outside, world.place.directories.workspace.join("link")).unwrap();
    let story =
        world.steps("- uses: ./link\n  continue-on-error: true\n- uses: ./../temp/outside").await;
    story.assert_prints(&[]);
    story.assert_says("'./link' leads out of the workspace");
    story.assert_says("an action outside of the workspace");
}

#[tokio::test]
async fn javascript_actions_run_and_clean_up_in_reverse() {
    if !has_program("node") {
        return;
    }
    let action = |name: &str| {
        format!(
            "name: {name}\ninputs: {{my value: {{default: d}}}}\noutputs: {{out: {{}}}}\nruns: {{using: node20, main: main.js, post: \
             post.js}}"
        )
    };
    let main = "const fs = require('fs');
console.log('main', process.env['INPUT_MY_VALUE'], process.env.GITHUB_ACTION);
fs.appendFileSync(process.env.GITHUB_OUTPUT, 'out=o\\n');
fs.appendFileSync(process.env.GITHUB_STATE, 'kept=' + process.env.INPUT_MY_VALUE + '\\n');";
    let post = "console.log('post', process.env.STATE_kept, process.env.INPUT_MY_VALUE, process.env.AFTER);";
    let story = World::new()
        .file("a/action.yml", &action("a"))
        .file("a/main.js", main)
        .file("a/post.js", post)
        .file("b/action.yml", &format!("{}\n", action("b").replace("post.js", "post.js, post-if: success()")))
        .file("b/main.js", main)
        .file("b/post.js", post)
        .steps(
            "- id: one\n  uses: ./a\n  with: {my value: 1}\n- uses: ./b\n  with: {my value: 2}\n- run: echo ${{ steps.one.outputs.out }}; echo \
             AFTER=x >> $GITHUB_ENV",
        )
        .await;
    story.assert_prints(&["main 1 one", "main 2 __self", "o", "post 2 2 x", "post 1 1 x"]);
    let names: Vec<_> = story.report.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names[3..], ["Post Run ./b", "Post Run ./a"]);
    story.assert_ends(Success);
}

#[tokio::test]
async fn a_post_step_runs_after_a_failure_unless_its_condition_says_no() {
    if !has_program("node") {
        return;
    }
    let story = World::new()
        .file("a/action.yml", "name: a\nruns: {using: node20, main: m.js, post: p.js}")
        .file("a/m.js", "")
        .file("a/p.js", "console.log('post a')")
        .file(
            "b/action.yml",
            "name: b\nruns: {using: node20, main: m.js, post: p.js, post-if: success()}",
        )
        .file("b/m.js", "")
        .file("b/p.js", "console.log('post b')")
        .steps("- uses: ./a\n- uses: ./b\n- run: exit 1")
        .await;
    story.assert_prints(&["post a"]);
    story.assert_steps(&["success", "success", "failure", "skipped", "success"]);
}

#[tokio::test]
async fn a_checkout_without_a_repository_fails() {
    let story = World::new().steps("- uses: actions/checkout@v4").await;
    story.assert_ends(Failure);
    story.assert_says("There is nothing to check out");
}

#[tokio::test]
async fn an_action_that_takes_too_long_fails_as_a_whole() {
    let action = "name: a\nruns: {using: composite, steps: [{run: exec sleep 60, shell: bash}, {run: echo no, shell: bash, if: always()}]}";
    let story = World::new()
        .file("a/action.yml", action)
        .steps("- uses: ./a\n  timeout-minutes: 0.005\n- if: failure()\n  run: echo after")
        .await;
    story.assert_prints(&["after"]);
    assert!(story.report.steps[0].timed_out);
}
