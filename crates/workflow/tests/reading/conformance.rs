//! Files and tables of other projects, where they are present beside the repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use workflow::{Diagnostic, Source, read, read_action};

/// Returns a folder of data that is not part of the repository.
#[expect(clippy::print_stderr, reason = "a test that could not run must say so")]
fn folder(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance").join(name);
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("not run: there is no {name} in ../shared/conformance");
    None
}

fn files(folder: &Path) -> Vec<Source> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            Source::new(name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn errors(diagnostics: &[Diagnostic], source: &Source) -> Vec<String> {
    diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .map(|diagnostic| {
            let (line, column) = source.line_column(diagnostic.span.start);
            let hint = diagnostic.hint.as_deref().unwrap_or_default();
            format!("{}:{line}:{column}: {} ({hint})", source.path, diagnostic.message)
        })
        .collect()
}

#[test]
fn valid_workflows_are_read() {
    let Some(folder) = folder("schemastore/valid/github-workflow") else { return };
    let mut faults = Vec::new();
    for source in files(&folder) {
        faults.extend(errors(&read(source.clone()).diagnostics, &source));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn invalid_workflows_are_refused() {
    let Some(folder) = folder("schemastore/invalid/github-workflow") else { return };
    for source in files(&folder) {
        let name = source.path.clone();
        assert!(read(source).value.is_none(), "{name} is read without an error");
    }
}

#[test]
fn valid_actions_are_read() {
    let Some(folder) = folder("schemastore/valid/github-action") else { return };
    for source in files(&folder) {
        let mut faults = errors(&read_action(source.clone()).diagnostics, &source);
        // A bare word in a condition, which no evaluator knows; that schema does not look into them.
        faults.retain(|fault| !fault.contains("Unrecognized named-value: 'linux'"));
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    }
}

#[test]
fn invalid_actions_are_refused() {
    let Some(folder) = folder("schemastore/invalid/github-action") else { return };
    for source in files(&folder) {
        let name = source.path.clone();
        assert!(read_action(source).value.is_none(), "{name} is read without an error");
    }
}

/// The table says whether a workflow with `paths` (skip) or `paths-ignore` (filter) is passed over.
#[test]
fn patterns_agree_with_the_table() {
    let Some(folder) = folder("globs") else { return };
    let text = fs::read_to_string(folder.join("workflow-pattern.json")).unwrap();
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 60);
    for case in cases {
        let strings = |key: &str| -> Vec<String> {
            let items = case[key].as_array().into_iter().flatten();
            items.map(|item| item.as_str().unwrap().to_owned()).collect()
        };
        let (patterns, changed) = (strings("patterns"), strings("inputs"));
        if patterns.is_empty() {
            continue;
        }
        for (key, expected) in [("paths", &case["skip"]), ("paths-ignore", &case["filter"])] {
            let list = serde_json::to_string(&patterns).unwrap();
            let file = format!(
                "on: {{push: {{{key}: {list}}}}}\njobs: {{a: {{runs-on: x, steps: [run: x]}}}}\n"
            );
            let reading = read(Source::new("a.yml", file));
            // The table has lists of `!` patterns that only `paths-ignore` may have.
            let workflow = reading.value.unwrap_or_else(|| panic!("{:?}", reading.diagnostics));
            let payload = serde_json::json!({"ref": "refs/heads/main"});
            let occurrence = workflow::Occurrence {
                event: "push",
                payload: &payload,
                reference: None,
                base: None,
                changed: Some(&changed),
            };
            let passed_over = !workflow::matches(&workflow.on, &occurrence).is_yes();
            assert_eq!(Some(passed_over), expected.as_bool(), "{key} {patterns:?} {changed:?}");
        }
    }
}
