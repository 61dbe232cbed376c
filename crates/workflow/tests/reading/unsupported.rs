//! What GitHub runs and Interlock does not.

use workflow::{Source, unsupported};

use crate::{brief, drawn, job, workflow};

fn found(lines: &str) -> Vec<String> {
    let workflow = workflow(&job(lines));
    brief(&workflow.source, &unsupported(&workflow))
}

#[test]
fn what_is_not_supported_has_its_place() {
    assert_eq!(
        found("container: node\nservices: {db: {image: x}}\nsteps: [uses: 'docker://x']"),
        [
            "unsupported-container node",
            "unsupported-container {db: {image: x}}",
            "unsupported-docker 'docker://x'"
        ]
    );
    assert_eq!(
        found(
            "steps:\n  - parallel: [uses: actions/cache@v4]\n  - {uses: Actions/Checkout@main, with: {token: x, path: y, fetch_depth: 1}}"
        ),
        [
            "unsupported-action actions/cache@v4",
            "unsupported-input token",
            "unsupported-input fetch_depth"
        ]
    );
}

#[test]
fn paths_of_the_own_repository_are_written_with_a_dot() {
    assert_eq!(found("steps: [uses: $/x]"), ["unsupported-self $/x"]);
    let text = "on: push\njobs: {a: {uses: $/.github/workflows/b.yml}}\n";
    let found = unsupported(&workflow(text));
    assert_eq!(found[0].hint.as_deref(), Some("write './.github/workflows/b.yml'"));
}

#[test]
fn what_is_supported_is_not_mentioned() {
    assert!(
        found("steps:\n  - uses: actions/checkout@v4\n    with: {ref: x, Fetch-Depth: 0}\n  - uses: ./x\n  - run: x")
            .is_empty()
    );
}

#[test]
fn other_systems_are_refused() {
    for (runs_on, expected) in [
        ("windows-latest", true),
        ("macOS-14", true),
        ("[self-hosted, Windows]", true),
        ("{labels: [macos]}", true),
        ("{labels: macos}", true),
        ("[self-hosted, linux]", false),
        ("windowsill", false),
        ("'${{ matrix.os }}'", false),
    ] {
        let text = format!("on: push\njobs: {{a: {{runs-on: {runs_on}, steps: [run: x]}}}}\n");
        assert_eq!(!unsupported(&workflow(&text)).is_empty(), expected, "{runs_on}");
    }
}

#[test]
fn people_are_told_what_to_do() {
    let text = "on: push\njobs: {a: {uses: o/r/.github/workflows/a.yml@v1}, b: {runs-on: macos-14, steps: [run: x]}}\n";
    let workflow = workflow(text);
    let source = Source::new("ci.yml", text);
    insta::assert_snapshot!(drawn(&source, &unsupported(&workflow)), @r"
        error[unsupported-call]: 'o/r/.github/workflows/a.yml@v1' is a workflow of another repository
         --> ci.yml:2:18
          |
        2 | jobs: {a: {uses: o/r/.github/workflows/a.yml@v1}, b: {runs-on: macos-14, steps: [run: x]}}
          |                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          |
          = hint: copy it into '.github/workflows' and call it by './.github/workflows/…'

        error[unsupported-system]: job 'b' runs on 'macos-14', and this machine runs Linux jobs
         --> ci.yml:2:64
          |
        2 | jobs: {a: {uses: o/r/.github/workflows/a.yml@v1}, b: {runs-on: macos-14, steps: [run: x]}}
          |                                                                ^^^^^^^^
          |
          = hint: run the other jobs with '--job ID', or leave 'b' to GitHub
        ");
}
