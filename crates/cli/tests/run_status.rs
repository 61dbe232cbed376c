//! `interlock run` for a pull request reports its jobs to the status document, and to the comment if asked.

use testkit::forge::{Faults, Forge, Pull, State};
use testkit::sandbox::{Ended, Sandbox};

const HEAD: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_interlock"));
    let workflow = "
name: ci
on: pull_request
jobs:
  build: {runs-on: x, steps: [{run: 'true'}]}
  test:
    needs: build
    strategy: {fail-fast: false, matrix: {v: [1, 2]}}
    runs-on: x
    steps: [{run: 'exit ${{ matrix.v == 2 && 1 || 0 }}'}]
";
    let payload = format!(
        "{{\"action\":\"opened\",\"number\":7,\"repository\":{{\"full_name\":\"octo/tones\",\"html_url\":\"https://github.com/octo/tones\"}},\
         \"pull_request\":{{\"number\":7,\"head\":{{\"ref\":\"topic\",\"sha\":\"{HEAD}\"}},\"base\":{{\"ref\":\"main\"}}}}}}"
    );
    sandbox.workflow("ci.yml", workflow).file("event.json", &payload).commit();
    sandbox
}

const RUN: [&str; 5] = ["run", "--event", "pull_request", "--payload", "event.json"];

#[test]
fn jobs_are_rows_of_the_document_without_any_token() {
    let sandbox = sandbox();
    sandbox.run(&RUN).expect_code(1);
    let show =
        ["status", "show", "--pull", "7", "--repository", "octo/tones", "--format", "markdown"];
    let mut command = sandbox.command(&show);
    command.env("GITHUB_REPOSITORY", "octo/tones").env("GITHUB_SERVER_URL", "https://github.com");
    let ended = Ended::of(&command.output().unwrap());
    let text = format!("{}{}", ended.stdout, ended.stderr);
    assert!(text.contains("test \\(2\\)") && text.contains("failed"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn comment_has_the_last_word_of_every_job() {
    let mut state = State::new("octo/tones");
    state.pulls.push(Pull {
        number: 7,
        branch: "topic".into(),
        sha: HEAD.into(),
        state: "open",
        merged: false,
    });
    let forge = Forge::start(state, Faults::default()).await;
    let sandbox = sandbox();
    let url = forge.url();
    let ended = tokio::task::spawn_blocking(move || {
        let mut command = sandbox.command(&RUN);
        command.arg("--status-comment").env("GITHUB_TOKEN", "token").env("INTERLOCK_API_URL", url);
        Ended::of(&command.output().unwrap())
    });
    let ended = ended.await.unwrap().expect_code(1);
    let comments = forge.with(|state| state.comments.clone());
    assert_eq!(comments.len(), 1, "{}", ended.stderr);
    let body = &comments[0].body;
    assert!(body.contains("test \\(2\\)") && body.contains("build"), "{body}");
    assert!(body.contains("failed") && !body.contains("running"), "{body}");
    assert!(!ended.stderr.contains("token"), "{}", ended.stderr);
}
