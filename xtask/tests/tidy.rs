//! The rules of the house that no compiler knows.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Longest file we accept, tests aside.
const MAX_LINES: usize = 500;

/// File names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["util", "utils", "helpers", "common", "misc", "types"];

/// `ARCHITECTURE.md` has the last word on who may import whom.
#[test]
fn imports_point_backward() {
    let row = row();
    let place = |name: &str| row.iter().position(|other| other == name);
    for (name, manifest) in manifests() {
        let ours = place(&name).unwrap_or_else(|| panic!("`{name}` is not in ARCHITECTURE.md"));
        for import in dependencies(&manifest) {
            let theirs = place(&import);
            assert!(
                theirs.is_none_or(|theirs| theirs < ours),
                "`{name}` may not import `{import}`"
            );
        }
    }
}

#[test]
fn files_are_tidy() {
    for path in rust_files(&root().join("crates")) {
        let text = fs::read_to_string(&path).expect("source file");
        let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("UTF-8 name");
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().expect("first part");
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        let problem = if code.lines().count() > MAX_LINES && !is_test {
            "is too long: split it by concept"
        } else if EMPTY_NAMES.contains(&stem) {
            "needs a name that says what is inside"
        } else if !text.starts_with("//!") {
            "needs a module comment that says why it exists"
        } else if text.contains("FIXME") {
            "has a FIXME: fix it before merging"
        } else {
            continue;
        };
        panic!("{} {problem}", path.display());
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("workspace root").to_owned()
}

/// Our crates in order, from the block in `ARCHITECTURE.md`.
fn row() -> Vec<String> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let block = text.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    let lines = block.expect("a block with the row").lines();
    lines.flat_map(|line| line.split_whitespace().skip(1)).map(ToOwned::to_owned).collect()
}

fn manifests() -> impl Iterator<Item = (String, toml::Table)> {
    fs::read_dir(root().join("crates")).expect("crates").map(|entry| {
        let path = entry.expect("crate").path().join("Cargo.toml");
        let manifest: toml::Table =
            fs::read_to_string(path).expect("manifest").parse().expect("valid TOML");
        let name = manifest["package"]["name"].as_str().expect("name");
        (name.trim_start_matches("interlock-").to_owned(), manifest.clone())
    })
}

fn dependencies(manifest: &toml::Table) -> impl Iterator<Item = String> {
    let table = manifest.get("dependencies").and_then(toml::Value::as_table);
    table.into_iter().flat_map(|table| table.keys().cloned())
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("directory").map(|entry| entry.expect("entry").path());
    entries
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => rust_files(&path),
            Some(extension) if extension == "rs" => vec![path],
            _ => Vec::new(),
        })
        .collect()
}
