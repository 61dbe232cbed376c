//! The grammar: keys, shapes and YAML itself.

use crate::{codes, job, said, workflow};

#[test]
fn unknown_keys_have_suggestions() {
    insta::assert_snapshot!(said("on: push\njobs:\n  é:\n    runs_on: x\n    steps: []\n"), @r"
        error[invalid-id]: 'é' cannot be an id
         --> ci.yml:3:3
          |
        3 |   é:
          |   ^
          |
          = hint: an id starts with a letter or '_'

        error[unknown-key]: a job has no key 'runs_on'
         --> ci.yml:4:5
          |
        4 |     runs_on: x
          |     ^^^^^^^
          |
          = hint: did you mean 'runs-on'?
        ");
    insta::assert_snapshot!(said(&job("steps:\n  - rnu: x\n  - run: x\n    with: {a: b}\n  - name: x")), @r"
        error[unknown-key]: a step with 'run' has no key 'rnu'
         --> ci.yml:6:9
          |
        6 |       - rnu: x
          |         ^^^
          |
          = hint: did you mean 'run'?

        error[unknown-key]: a step with 'run' has no key 'with'
         --> ci.yml:8:9
          |
        8 |         with: {a: b}
          |         ^^^^
          |
          = hint: 'with' belongs to a step with 'uses'

        error[missing-key]: a step needs one of the keys 'run', 'uses', 'wait', 'wait-all', 'cancel' or 'parallel'
         --> ci.yml:9:9
          |
        9 |       - name: x
          |         ^^^^
        ");
    insta::assert_snapshot!(said("on: pussh\njobs: {a: {runs-on: x, steps: [run: x]}}"), @r"
        error[unknown-value]: 'pussh' is not known here
         --> ci.yml:1:5
          |
        1 | on: pussh
          |     ^^^^^
          |
          = hint: did you mean 'push'?
        ");
}

#[test]
fn values_have_their_types() {
    let text = job("timeout-minutes: '5'\ncontinue-on-error: yes\nneeds: {}\nenv: [a]\nsteps: x");
    insta::assert_snapshot!(said(&text), @r"
        error[wrong-type]: a number was expected, and this is a string
         --> ci.yml:5:22
          |
        5 |     timeout-minutes: '5'
          |                      ^^^
          |
          = hint: remove the quotes

        error[wrong-type]: true or false was expected, and this is a string
         --> ci.yml:6:24
          |
        6 |     continue-on-error: yes
          |                        ^^^

        error[wrong-type]: a string that is not empty or a sequence was expected, and this is a mapping
         --> ci.yml:7:12
          |
        7 |     needs: {}
          |            ^^

        error[wrong-type]: a mapping was expected, and this is a sequence
         --> ci.yml:8:10
          |
        8 |     env: [a]
          |          ^^^

        error[wrong-type]: a sequence was expected, and this is a string
         --> ci.yml:9:12
          |
        9 |     steps: x
          |            ^
        ");
}

#[test]
fn keys_that_differ_in_case_are_the_same() {
    let text = job("env: {A: 1, a: 2}\nsteps: [run: x]");
    insta::assert_snapshot!(said(&text), @r"
        error[duplicate-key]: 'a' is already defined
         --> ci.yml:5:17
          |
        5 |     env: {A: 1, a: 2}
          |                 ^
          |
         ::: ci.yml:5:11
          |
        5 |     env: {A: 1, a: 2}
          |           - defined here
          |
          = hint: keys that differ only in case count as the same; keep one
        ");
    assert_eq!(codes("on: push\non: push\njobs: {}\n"), ["duplicate-key on", "no-jobs {}"]);
}

#[test]
fn yaml_is_that_of_github() {
    for (text, expected) in [
        ("on: push\n---\non: push\n", "yaml-documents ---"),
        ("", "yaml-empty "),
        ("# nothing\n", "yaml-empty "),
        ("on: push\njobs:\n\ta: x\n", "yaml-syntax \t"),
        ("on: &a [*a]\n", "yaml-alias *a"),
        ("on: *a\n", "yaml-syntax *"),
        ("x: &a {b: c}\non:\n  <<: *a\n", "yaml-merge-key <<"),
        ("on: !!binary x\n", "yaml-tag x"),
        ("[a]: b\n", "yaml-key [a]"),
        ("- a\n", "wrong-type - a"),
    ] {
        let found = codes(text);
        assert!(
            found.iter().any(|code| code.starts_with(expected.split(' ').next().unwrap())),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn words_are_not_guessed() {
    let text = job(
        "env:\n  A: yes\n  B: 1.10\n  C: 0x10\n  D: ~\n  E: '01'\n  F: 2024-01-01\n  G: no\nsteps: [run: x]",
    );
    let workflow = workflow(&text);
    let env = workflow.jobs["a"].env.as_ref().unwrap();
    let texts: Vec<_> =
        env.entries().iter().map(|(_, value)| value.as_literal().unwrap()).collect();
    assert_eq!(texts, ["yes", "1.1", "16", "", "01", "2024-01-01", "no"]);
}

#[test]
fn anchors_stand_for_what_they_name() {
    let text = "on: push\nenv: &env {A: '${{ github.ref }}'}\njobs:\n  a: &job\n    runs-on: x\n    env: *env\n    \
        steps: &steps\n      - run: x\n  b: *job\n  c: {runs-on: x, steps: *steps}\n";
    let workflow = workflow(text);
    assert_eq!(workflow.jobs.len(), 3);
    let env = workflow.jobs["b"].env.as_ref().unwrap();
    assert_eq!(env.entries().len(), 1);
}

#[test]
fn faults_behind_an_alias_are_shown_where_the_text_stands() {
    let text = "on: push\njobs:\n  a:\n    runs-on: x\n    env: &env {A: '${{ matrix.x }}'}\n    steps: [run: x]\n\
        \x20 b:\n    runs-on: x\n    strategy: *env\n    steps: [run: x]\n";
    assert_eq!(codes(text), ["unknown-key A"]);
}

#[test]
fn byte_order_marks_and_carriage_returns_move_nothing() {
    let text = "\u{feff}on: push\r\njobs:\r\n  é:\r\n    runs-on: x\r\n    steps:\r\n      - rnu: |\r\n          a\r\n          b ${{ git }}\r\n";
    assert_eq!(codes(text), ["invalid-id é", "unknown-key rnu", "expression git"]);
}

#[test]
fn calls_have_their_own_keys() {
    let text = "on: push\njobs:\n  a:\n    uses: ./.github/workflows/b.yml\n    runs-on: x\n    with: {a: 1}\n";
    insta::assert_snapshot!(said(text), @r"
        error[unknown-key]: a job that calls a workflow has no key 'runs-on'
         --> ci.yml:5:5
          |
        5 |     runs-on: x
          |     ^^^^^^^
          |
          = hint: a job is told by one of these keys; keep one of them
        ");
}

#[test]
fn filters_that_github_ignores_are_only_noticed() {
    let text = "on: {merge_group: {paths: [a]}}\njobs: {a: {runs-on: x, steps: [run: x]}}\n";
    assert_eq!(codes(text), ["ignored-key paths"]);
    assert_eq!(workflow(text).on.events["merge_group"].paths, None);
}
