//! The tables of the official runner, where somebody has put them beside the workspace.

use std::path::Path;

use serde_json::Value;

/// Returns the cases of a table; none if it is not there, and then says so.
pub(crate) fn cases(file: &str) -> Vec<Value> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance/runner").join(file);
    let Ok(bytes) = std::fs::read(&path) else {
        absent(&path);
        return Vec::new();
    };
    let cases: Vec<Value> = serde_json::from_slice(&bytes).unwrap();
    assert!(cases.len() > 10, "{file} has lost its cases");
    cases
}

fn absent(path: &Path) {
    eprintln!("skipped: {} is not there", path.display());
}
