//! Hostile files: nothing that is written can stop or exhaust the reader.

use std::{fmt::Write as _, time::Instant};

use proptest::prelude::*;
use workflow::{Paint, Source, read, read_action, unsupported};

/// Reads a file in every way and draws what is said.
fn endure(text: &str) {
    let source = Source::new("ci.yml", text);
    let reading = read(source.clone());
    for diagnostic in reading.diagnostics.iter().take(5) {
        assert!(diagnostic.span.start <= diagnostic.span.end, "{diagnostic:?}");
        assert!(text.get(diagnostic.span.start..diagnostic.span.end).is_some(), "{diagnostic:?}");
        diagnostic.render(&source, Paint::Plain);
        diagnostic.to_json(&source);
    }
    assert_eq!(
        reading.value.is_none(),
        reading.diagnostics.iter().any(workflow::Diagnostic::is_error)
    );
    if let Some(workflow) = reading.value {
        unsupported(&workflow);
        workflow::faults(&workflow);
    }
    read_action(source);
}

/// Words of workflows and YAML, which hit more than letters do.
fn fragment() -> impl Strategy<Value = String> {
    let words = [
        "on:",
        "push",
        "jobs:",
        "a:",
        "runs-on: x",
        "steps:",
        "- run: x",
        "- uses: ./x",
        "needs: a",
        "if: always()",
        "${{",
        "}}",
        "${{ github.ref }}",
        "'",
        "\"",
        "\n",
        "\n  ",
        "\n    ",
        "\n      ",
        "|",
        ">-",
        "&a",
        "*a",
        "<<:",
        "{",
        "}",
        "[",
        "]",
        ",",
        ": ",
        "- ",
        "!!str",
        "? ",
        "#",
        "\t",
        "\\",
        "é",
        "\u{feff}",
        "\r\n",
        "---",
        "...",
        "strategy:",
        "matrix:",
        "concurrency:",
        "group: x",
        "with:",
        "env:",
        "types: [opened]",
        "parallel:",
        "wait: a",
        "workflow_call:",
        "inputs:",
        "runs:",
        "using: composite",
        "%YAML 1.2",
        "~",
        "0x1",
        "\u{85}",
        "\u{2028}",
    ];
    prop_oneof![
        8 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,8}".prop_map(|text| text),
        1 => any::<char>().prop_map(String::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_endured(fragments in prop::collection::vec(fragment(), 0..40)) {
        endure(&fragments.concat());
    }

    #[test]
    fn any_spoilt_workflow_is_endured(at in 0..WHOLE.len(), length in 0..6_usize, put in fragment()) {
        let start = WHOLE.floor_char_boundary(at);
        let end = WHOLE.floor_char_boundary((at + length).min(WHOLE.len())).max(start);
        endure(&format!("{}{put}{}", &WHOLE[..start], &WHOLE[end..]));
    }
}

const WHOLE: &str = r#"name: é
on:
  push: {branches: [main, '!x']}
  workflow_dispatch:
    inputs:
      a: {type: choice, options: [x, y], default: x}
concurrency: {group: "ci-${{ github.ref }}", cancel-in-progress: true}
jobs:
  a: &a
    runs-on: [self-hosted, linux]
    strategy: {matrix: {x: [1, 2], include: [{y: ü}]}}
    env: {A: 'it''s ${{ secrets.X }}'}
    steps:
      - uses: actions/checkout@v4
      - run: |
          echo "${{ matrix.x }}"
          echo é ${{ hashFiles('**') }}
        if: success() && github.ref == 'x'
      - run: >-
          folded
          ${{ env.A }}
  b:
    needs: [a]
    uses: ./.github/workflows/b.yml
    secrets: inherit
"#;

#[test]
fn large_hostile_files_end_soon() {
    let mut laughs = "x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..9 {
        let before = format!("*x{}, ", level - 1).repeat(10);
        writeln!(laughs, "x{level}: &x{level} [{before}]").unwrap();
    }
    let mut needs = "on: push\njobs:\n".to_owned();
    for job in 0..12_000 {
        writeln!(needs, "  j{job}: {{runs-on: x, needs: [j{}, q{job}], steps: [run: x]}}", job / 2)
            .unwrap();
    }
    let mut long = "on: push\nname: &n ".to_owned();
    long.push_str(&"${{ x ".repeat(50_000));
    long.push_str(&"\nx: *n".repeat(1000));
    let head = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n";
    let files = [
        ("laughs", laughs),
        ("needs", needs),
        ("long", long),
        ("brackets", "[".repeat(900_000)),
        ("braces", "{a: ".repeat(200_000)),
        ("dashes", "- ".repeat(400_000)),
        ("questions", "? ".repeat(400_000)),
        ("anchors", "&a ".repeat(300_000)),
        ("keys", (0..60_000).fold(String::new(), |text, key| text + &format!("k{key}: x\n"))),
        ("quotes", format!("on: \"{}", "\\".repeat(900_000))),
        ("quoted", format!("on: '{}'", "''".repeat(400_000))),
        ("spaces", format!("on: |\n{}", "  \n".repeat(300_000))),
        ("steps", format!("{head}{}", "      - {rnu: x}\n".repeat(50_000))),
        ("ids", format!("{head}{}", "      - {id: a, run: x}\n".repeat(40_000))),
        ("expressions", format!("{head}      - run: {}", "${{ a.b }}".repeat(90_000))),
        ("parentheses", format!("{head}      - run: ${{{{ {} }}}}", "(".repeat(900_000))),
        ("too large", "a".repeat(2_000_000)),
    ];
    for (name, text) in files {
        let start = Instant::now();
        endure(&text);
        let elapsed = start.elapsed();
        // Generous, since the machine that tests may be busy; what is not bounded takes minutes.
        assert!(elapsed.as_secs() < 20, "{name} took {elapsed:?}");
    }
}

#[test]
fn aliases_count_as_often_as_they_are_used() {
    let file = |levels: usize, item: &str| {
        let mut text = format!("on: push\nenv:\n  a0: &a0 [{item}]\n");
        for level in 1..levels {
            let before = format!("*a{}, ", level - 1).repeat(10);
            writeln!(text, "  a{level}: &a{level} [{before}]").unwrap();
        }
        text
    };
    let limit = |text: String| {
        read(Source::new("ci.yml", text)).diagnostics.iter().any(|found| found.code == "yaml-limit")
    };
    assert!(!limit(file(5, "a")));
    assert!(limit(file(6, "a")));
    assert!(limit(file(4, &"a".repeat(20_000))), "long texts count for more");
    let deep = (1..80).fold("  a0: &a0 [x]\n".to_owned(), |text, level| {
        text + &format!("  a{level}: &a{level} [*a{}]\n", level - 1)
    });
    assert!(!limit(format!("on: push\nenv:\n{deep}")));
    let deeper = format!("on: push\nenv:\n{deep}  b: {}*a79{}\n", "[".repeat(40), "]".repeat(40));
    assert!(limit(deeper), "depth counts through aliases");
}

#[test]
fn the_number_of_findings_is_bounded() {
    let text = format!(
        "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n{}",
        "      - {rnu: x}\n".repeat(5000)
    );
    let reading = read(Source::new("ci.yml", text));
    assert!(reading.value.is_none());
    assert_eq!(reading.diagnostics.len(), 100);
}
