//! Run numbers: each workflow counts its runs, over calls and for ever.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

/// Longest name of a counter's file.
const MAX_NAME: usize = 200;

/// Counts one more run of a workflow and returns its number. Several processes may count at once.
///
/// Names that differ only in signs may share a counter: numbers then have gaps, and never repeat.
pub(crate) fn next(root: &Path, repository: &str, workflow: &str) -> io::Result<u64> {
    let folder = root.join("numbers");
    fs::create_dir_all(&folder)?;
    let name: String = format!("{repository}-{workflow}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .take(MAX_NAME)
        .collect();
    let path = folder.join(name.trim_start_matches('.'));
    let mut file =
        OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
    file.lock()?;
    let mut text = String::new();
    io::Read::take(&mut file, 32).read_to_string(&mut text)?;
    // A torn number starts over: better a repeated number than no run.
    let number = text.trim().parse::<u64>().unwrap_or(0).saturating_add(1);
    file.rewind()?;
    file.write_all(format!("{number:<20}").as_bytes())?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_workflow_counts_for_itself_and_goes_on() {
        let root = tempfile::tempdir().unwrap();
        let count = |workflow: &str| next(root.path(), "o/r", workflow).unwrap();
        assert_eq!([count("a.yml"), count("a.yml"), count("b.yml"), count("a.yml")], [1, 2, 1, 3]);
    }

    #[test]
    fn hostile_name_stays_in_its_folder() {
        let root = tempfile::tempdir().unwrap();
        next(root.path(), "../..", "../../../etc/passwd").unwrap();
        assert_eq!(fs::read_dir(root.path().join("numbers")).unwrap().count(), 1);
    }
}
