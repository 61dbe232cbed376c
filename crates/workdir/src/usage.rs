//! How many bytes a directory tree has on disk.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Returns the bytes of everything below, without following links or entering other file systems.
///
/// What cannot be read counts as nothing: the number is for people and for limits.
pub(crate) fn bytes(path: &Path) -> u64 {
    let Ok(top) = fs::symlink_metadata(path) else { return 0 };
    let mut total = top.blocks() * 512;
    let mut waiting: Vec<PathBuf> = if top.is_dir() { vec![path.to_owned()] } else { Vec::new() };
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.dev() != top.dev() {
                continue;
            }
            total += metadata.blocks() * 512;
            if metadata.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    total
}
