//! Expressions: where they may stand, what they may use, and where they are wrong.

use crate::{codes, job, said};

#[test]
fn faults_are_found_inside_every_style_of_scalar() {
    let text = job(r#"steps:
  - run: plain é ${{ git.ref }}
  - run: 'it''s ${{ git.ref }}'
  - run: "a\té\u00e9 \
      b ${{ git.ref }}"
  - run: |
      first é

        second ${{ git.ref }}
  - run: >-
      folded
      é and ${{ git.ref }}

      more
  - name: plain words
      go on ${{ git.ref }}
    run: x"#);
    let source = workflow::Source::new("ci.yml", text.as_str());
    let places: Vec<_> = workflow::read(source.clone())
        .diagnostics
        .iter()
        .map(|diagnostic| {
            assert_eq!(&text[diagnostic.span.start..diagnostic.span.end], "git");
            source.line_column(diagnostic.span.start)
        })
        .collect();
    assert_eq!(places, [(6, 26), (7, 25), (9, 17), (13, 24), (16, 21), (20, 21)]);
}

#[test]
fn contexts_are_those_of_the_key() {
    let text = "on: push\nname: x\nrun-name: ${{ env.X }}\nenv: {A: '${{ secrets.X }}', B: '${{ env.X }}'}\n\
        concurrency: ${{ secrets.X }}\njobs:\n  a:\n    runs-on: ${{ secrets.X }}\n    if: secrets.X\n    \
        env: {A: '${{ secrets.X }}', B: '${{ steps.x }}'}\n    steps:\n      - run: ${{ secrets.X }}\n        \
        if: secrets.X == ''\n      - uses: ${{ github.x }}\n      - {run: x, shell: '${{ matrix.x }}'}\n";
    assert_eq!(
        codes(text),
        [
            "context-not-allowed env",
            "context-not-allowed env",
            "context-not-allowed secrets",
            "context-not-allowed secrets",
            "context-not-allowed secrets",
            "context-not-allowed steps",
            "context-not-allowed secrets",
            "expression-not-allowed ${{ github.x }}",
            "not-on-github ${{ matrix.x }}",
        ]
    );
}

#[test]
fn functions_are_those_of_the_key() {
    let text = job("env: {A: \"${{ hashFiles('x') }}\", B: '${{ always() }}'}\n\
        steps:\n  - run: ${{ hashFiles('x') }}\n    if: failure()\n  - run: ${{ failure() }}");
    assert_eq!(
        codes(&text),
        [
            "function-not-allowed hashFiles",
            "function-not-allowed always",
            "function-not-allowed failure",
        ]
    );
}

#[test]
fn people_are_told_what_may_be_used() {
    let text = "on: push\nconcurrency:\n  group: ci-${{ secrets.TOKEN }}\njobs: {a: {runs-on: x, steps: [run: x]}}\n";
    insta::assert_snapshot!(said(text), @r"
        error[context-not-allowed]: the context 'secrets' may not be used here
         --> ci.yml:3:17
          |
        3 |   group: ci-${{ secrets.TOKEN }}
          |                 ^^^^^^^
          |
          = hint: this key may use 'github', 'inputs' and 'vars'
        ");
    insta::assert_snapshot!(said(&job("if: github.ref == \"main\"\nsteps: [run: x]")), @r#"
        error[expression]: Unexpected symbol: '"main"'
         --> ci.yml:5:23
          |
        5 |     if: github.ref == "main"
          |                       ^
          |
          = hint: strings have single quotes
        "#);
    insta::assert_snapshot!(said(&job("steps: [run: '${{ contians(github.ref, 1) }}']")), @r"
        error[expression]: Unrecognized function: 'contians'
         --> ci.yml:5:23
          |
        5 |     steps: [run: '${{ contians(github.ref, 1) }}']
          |                       ^^^^^^^^
          |
          = hint: did you mean 'contains'?
        ");
}

#[test]
fn what_cannot_be_a_mapping_or_a_number_is_told() {
    let text = job("env: A=${{ github.x }}\ntimeout-minutes: ${{ 1 }}0\nsteps: []");
    assert_eq!(codes(&text), ["wrong-type A=${{ github.x }}", "wrong-type ${{ 1 }}0"]);
}

#[test]
fn conditions_that_are_always_true_are_noticed() {
    let text = job("if: ${{ github.a }} && github.b\nsteps: [run: x]");
    assert_eq!(codes(&text), ["always-true ${{ github.a }} && github.b"]);
}

#[test]
fn insert_takes_in_a_mapping() {
    let text = job(
        "env:\n  ${{ insert }}: '${{ fromJSON(''{\"A\": \"1\"}'') }}'\n  B: 2\nsteps: [run: x]",
    );
    assert!(codes(&text).is_empty(), "{:?}", codes(&text));
    let workflow = crate::workflow(&text);
    let env = workflow.jobs["a"].env.as_ref().unwrap();
    let value = env.evaluate(&Nothing).unwrap();
    assert_eq!(value.to_json(), serde_json::json!({"A": "1", "B": "2"}));
}

struct Nothing;

impl expr::Scope for Nothing {
    fn context(&self, _: &str) -> Option<expr::Value> {
        None
    }
}

#[test]
fn what_only_github_refuses_is_a_warning() {
    let workflow =
        "on: push\njobs: {a: {runs-on: x, steps: [{run: x, shell: '${{ matrix.x }}'}]}}\n";
    let reading = workflow::read(workflow::Source::new("ci.yml", workflow));
    assert!(reading.value.is_some());
    assert_eq!(reading.diagnostics[0].code, workflow::NOT_ON_GITHUB);

    let action = "runs: {using: composite, steps: [{run: x}]}";
    let reading = workflow::read_action(workflow::Source::new("action.yml", action));
    assert!(reading.value.is_some());
    let [diagnostic] = &reading.diagnostics[..] else { panic!("{:?}", reading.diagnostics) };
    assert_eq!(diagnostic.code, workflow::NOT_ON_GITHUB);
    assert_eq!(diagnostic.severity, workflow::Severity::Warning);
}

#[test]
fn the_items_of_an_expression_take_its_place_in_a_sequence() {
    struct Nothing;
    impl expr::Scope for Nothing {
        fn context(&self, _: &str) -> Option<expr::Value> {
            None
        }
    }
    let check = |sequence: &str, expected: &str| {
        let text = format!(
            "on: push\njobs:\n  a:\n    runs-on: x\n    strategy: {{matrix: {{v: {sequence}}}}}\n    steps: [run: x]\n"
        );
        let workflow = workflow::read(workflow::Source::new("ci.yml", text)).value.unwrap();
        let matrix = workflow.jobs["a"].strategy.as_ref().unwrap().matrix.as_ref().unwrap();
        let value = matrix.get("v").unwrap().evaluate(&Nothing).unwrap();
        assert_eq!(value.to_json().to_string(), expected, "{sequence}");
    };
    check("[a, \"${{ fromJSON('[1, [2]]') }}\", b]", r#"["a",1,[2],"b"]"#);
    check("[\"${{ fromJSON('[]') }}\"]", "[]");
    check("[[1], \"${{ fromJSON('{}') }}\"]", "[[1],{}]");
}
