//! `hashFiles`: to come.

use std::path::Path;

use crate::error::Error;

/// What `hashFiles` does with symbolic links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Links {
    /// Does not follow them into directories.
    #[default]
    Keep,
    /// Follows them.
    Follow,
}

/// Returns the digest of the files that the patterns match; empty if they match none.
pub fn hash_files(workspace: &Path, patterns: &[&str], links: Links) -> Result<String, Error> {
    let _ = (workspace, patterns, links);
    Err(Error::refused("hashFiles", "it comes within the hour"))
}
