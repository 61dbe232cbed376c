//! `actions/checkout`, and actions of a repository that was not checked out.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use engine::Conclusion::{Failure, Success};
use runner::process::Token;
use runner::{Level, Place};
use workdir::{Identity, Mirrors, Repository, Want, Workdirs};

use crate::world::{Story, World};

fn git(directory: &Path, arguments: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{arguments:?}");
}

/// Runs steps in the directory of a real job, with a repository of one commit and one changed file.
async fn run(steps: &str) -> Story {
    let root = tempfile::tempdir().unwrap();
    let repository = root.path().join("hello");
    std::fs::create_dir_all(repository.join("act")).unwrap();
    std::fs::write(repository.join("a.txt"), "committed\n").unwrap();
    std::fs::write(
        repository.join("act/action.yml"),
        "name: x\nruns: {using: composite, steps: [{run: 'echo from $(basename $GITHUB_ACTION_PATH)', shell: bash}]}",
    )
    .unwrap();
    git(&repository, &["init", "-q"]);
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "-q", "-m", "one"]);
    git(&repository, &["branch", "other"]);
    std::fs::write(repository.join("a.txt"), "changed\n").unwrap();
    let found = Repository::discover(&repository).await.unwrap();
    let mirrors = Mirrors::open(root.path().join("mirrors")).unwrap();
    let snapshot = found.snapshot(&mirrors, &Want::WorkingTree).await.unwrap();
    let identity = Identity {
        host: "local".into(),
        owner: "octo".into(),
        repository: "hello".into(),
        workflow: ".github/workflows/a.yml".into(),
        run: 1,
        attempt: 1,
        job: "a".into(),
        leg: None,
        event: "push".into(),
    };
    let workdirs = Workdirs::open(root.path().join("work")).unwrap();
    let job = Arc::new(workdirs.allocate(&identity, jiff::Timestamp::now()).unwrap());
    let log = root.path().join("job.log");
    let mut place = Place::new(job, Arc::new(snapshot), Token::random(), log);
    place.environment.extend(runner::environment::lent(std::env::vars()));
    let mut world = World::new();
    world.place = place;
    let story = world.steps(steps).await;
    // The directories must outlive the job, and the story looks into them.
    story.keep(root)
}

#[tokio::test]
async fn a_workspace_is_empty_until_its_checkout() {
    let story = run("- run: ls -A | wc -l\n- id: c\n  uses: actions/checkout@v4\n- run: |\n    cat a.txt\n    git rev-parse HEAD | grep -c \
                     ${{ steps.c.outputs.commit }}\n    git status --short\n    echo ${{ steps.c.outputs.ref }}").await;
    story.assert_ends(Success);
    let lines = story.lines();
    assert_eq!(lines[0].trim(), "0");
    assert!(lines[1].starts_with("Checked out refs/heads/main ("), "{lines:?}");
    assert_eq!(lines[2..], ["changed", "1", " M a.txt", "refs/heads/main"]);
}

#[tokio::test]
async fn inputs_of_a_checkout_are_followed_or_refused() {
    let story = run("- uses: actions/checkout@v4\n  with: {path: sub, ref: other, repository: octo/hello}\n- run: cat sub/a.txt; ls\n- uses: \
                     actions/checkout@v4\n  with: {submodules: recursive}").await;
    story.assert_ends(Failure);
    assert_eq!(story.lines()[1..3], ["committed", "sub"]);
    story.assert_says("actions/checkout with submodules: recursive");
    story.assert_steps(&["success", "success", "failure"]);
}

#[tokio::test]
async fn an_action_without_a_checkout_comes_from_the_commit_with_a_notice() {
    let story = run("- run: touch x\n- uses: ./act\n- run: ls -A").await;
    story.assert_ends(Success);
    story.assert_prints(&["from act", "x"]);
    let notice = story.annotations(Level::Notice)[0];
    assert!(
        notice
            .message
            .starts_with("Nothing was checked out, so './act' is taken from the run's commit.")
    );
}

#[tokio::test]
async fn after_a_checkout_an_action_is_where_it_was_put_or_nowhere() {
    let story = run("- uses: actions/checkout@v4\n- run: rm -r act\n- uses: ./act").await;
    story.assert_steps(&["success", "success", "failure"]);
    story.assert_says("Can't find 'action.yml'");
}

#[tokio::test]
async fn a_job_has_a_home_of_its_own() {
    let story = run("- run: |\n    echo $HOME $TMPDIR $GIT_CONFIG_GLOBAL | tr ' ' '\\n' | grep -c \"$(dirname $GITHUB_WORKSPACE)/\"\n    git \
                     config --global user.name me; touch $TMPDIR/x $HOME/y").await;
    story.assert_ends(Success);
    story.assert_prints(&["3"]);
}
