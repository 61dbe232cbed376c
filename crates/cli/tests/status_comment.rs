//! `examples/status-comment`: two workflows and a matrix at once, and one comment at the end.

use std::path::Path;
use std::process::Command;

use testkit::forge::{Faults, Forge, Pull, State};
use testkit::sandbox::{Ended, Sandbox};

#[test]
fn two_workflows_and_a_matrix_keep_one_comment() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut state = State::new("octo/tones");
    let (branch, sha) = ("topic".to_owned(), "a".repeat(40));
    state.pulls.push(Pull { number: 7, branch, sha, state: "open", merged: false });
    let lag = std::time::Duration::from_millis(200);
    let forge = runtime.block_on(Forge::start(state, Faults::new(3, Vec::new()).lagging(lag)));
    let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_interlock"));
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/status-comment");
    let copied =
        Command::new("cp").arg("-r").arg(example.join(".")).arg(sandbox.repository()).status();
    assert!(copied.expect("cp").success());
    sandbox.commit();
    let store = format!("INTERLOCK_STORE=file:{}", sandbox.path("shared.db").display());
    let api = format!("API_URL={}", forge.url());
    let mut command = sandbox.command(&[
        "run",
        "--event",
        "pull_request",
        "--payload",
        "pull-request.json",
        "--secret",
        "GITHUB_TOKEN=token",
        "--var",
        &store,
        "--var",
        &api,
        "--var",
        "SETTLING=500ms",
        "--max-parallel",
        "8",
    ]);
    let binary = Path::new(env!("CARGO_BIN_EXE_interlock")).parent().expect("a directory");
    let path = std::env::var("PATH").expect("a path");
    command.env("PATH", format!("{}:{path}", binary.display()));
    let ended = Ended::of(&command.output().expect("the binary")).expect_code(1);
    let bodies = forge.with(|state| {
        state.comments.iter().map(|comment| comment.body.clone()).collect::<Vec<_>>()
    });
    let said = format!("{}\n{}\n{bodies:#?}", ended.stdout, ended.stderr);
    assert_eq!(bodies.len(), 1, "{said}");
    let visible: Vec<&str> = bodies[0].lines().filter(|line| !line.starts_with("<!--")).collect();
    // The summary is what people see first; the whole is shown with `--nocapture`.
    println!("{}", visible.join("\n"));
    assert!(bodies[0].contains("**❌ 1 failed, 1 warning, 4 passed**"), "{said}");
    for row in ["| ❌ failed | [Test rhythm]", "| ✅ passed | [Build]", "| ⚠️ warning | [links]"]
    {
        assert!(bodies[0].contains(row), "{row}: {said}");
    }
    assert!(bodies[0].contains("expected 4 beats, found 5"), "{said}");
    assert!(bodies[0].contains("scripts/test.sh rhythm"), "{said}");
    let writes =
        forge.with(|state| state.count("PATCH", "/comments") + state.count("POST", "/comments"));
    assert!(writes <= 15, "{writes} writes");
}
