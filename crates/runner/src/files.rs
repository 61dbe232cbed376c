//! Environment files: what a step says to its runner by writing to `GITHUB_OUTPUT` and its like.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use thiserror::Error;

/// How much a step may say in one of its files.
const MAX_FILE: u64 = 16 << 20;

/// How much a step may write into its summary.
const MAX_SUMMARY: u64 = 1 << 20;

/// A file that does not say what it should.
#[derive(Debug, Error)]
pub enum FileError {
    /// A line that is neither `NAME=value` nor `NAME<<DELIMITER`.
    #[error("Invalid format '{0}'")]
    Format(String),
    /// A line without a name, or without a delimiter.
    #[error("Invalid format '{0}'. Name must not be empty and delimiter must not be empty")]
    Empty(String),
    /// A value whose end never comes.
    #[error("Invalid value. Matching delimiter not found '{0}'")]
    NoDelimiter(String),
    /// A value that ends in the middle of a line.
    #[error("Invalid value. EOF marker missing new line.")]
    NoNewLine,
    /// A file that is too large to be meant.
    #[error("The file has {size} bytes; more than {limit} are not read")]
    TooLarge {
        /// How many bytes it has.
        size: u64,
        /// How many it may have.
        limit: u64,
    },
    /// Something else than a file, which could keep its reader waiting, or lead to what is not the step's.
    #[error("It is no longer a regular file")]
    Irregular,
    /// A file that cannot be read.
    #[error("The file could not be read: {0}")]
    Io(#[from] std::io::Error),
}

/// Reads `NAME=value` lines and `NAME<<DELIMITER` blocks, in order.
pub fn parse_pairs(text: &str) -> Result<Vec<(String, String)>, FileError> {
    let mut pairs = Vec::new();
    let mut lines = Lines { rest: text.strip_prefix('\u{feff}').unwrap_or(text) };
    while let Some(line) = lines.next() {
        if line.text.is_empty() {
            continue;
        }
        let equals = line.text.find('=');
        match (line.text.find("<<"), equals) {
            (Some(at), equals) if equals.is_none_or(|equals| at < equals) => {
                let (name, delimiter) = (&line.text[..at], &line.text[at + 2..]);
                if name.is_empty() || delimiter.is_empty() {
                    return Err(FileError::Empty(line.text.to_owned()));
                }
                pairs.push((name.to_owned(), block(&mut lines, delimiter)?));
            }
            (_, Some(0)) => return Err(FileError::Empty(line.text.to_owned())),
            (_, Some(at)) => {
                pairs.push((line.text[..at].to_owned(), line.text[at + 1..].to_owned()));
            }
            (_, None) => return Err(FileError::Format(line.text.to_owned())),
        }
    }
    Ok(pairs)
}

/// Reads the entries of `GITHUB_PATH`, one a line.
pub fn parse_paths(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Reads lines up to the delimiter; the new line before it does not belong to the value.
fn block(lines: &mut Lines<'_>, delimiter: &str) -> Result<String, FileError> {
    let start = lines.rest;
    let mut length = 0;
    loop {
        let Some(line) = lines.next() else {
            return Err(FileError::NoDelimiter(delimiter.to_owned()));
        };
        if line.text == delimiter {
            return Ok(start[..length].to_owned());
        }
        if !line.ended {
            return Err(FileError::NoNewLine);
        }
        // Up to and without this line's end.
        length = start.len() - lines.rest.len() - 1;
    }
}

struct Lines<'a> {
    rest: &'a str,
}

struct Line<'a> {
    text: &'a str,
    ended: bool,
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let (text, rest, ended) = match self.rest.split_once('\n') {
            Some((text, rest)) => (text, rest, true),
            None => (self.rest, "", false),
        };
        self.rest = rest;
        Some(Line { text, ended })
    }
}

/// The files of one step.
#[derive(Clone, Debug)]
pub struct StepFiles {
    /// `GITHUB_OUTPUT`.
    pub output: PathBuf,
    /// `GITHUB_ENV`.
    pub env: PathBuf,
    /// `GITHUB_PATH`.
    pub path: PathBuf,
    /// `GITHUB_STATE`.
    pub state: PathBuf,
    /// `GITHUB_STEP_SUMMARY`.
    pub summary: PathBuf,
}

impl StepFiles {
    /// Creates the empty files of one step in a directory that is made where it is missing.
    pub fn create(directory: &Path, name: &str) -> std::io::Result<Self> {
        let file = |kind: &str| directory.join(format!("{kind}_{name}"));
        let files = Self {
            output: file("set_output"),
            env: file("set_env"),
            path: file("add_path"),
            state: file("save_state"),
            summary: file("step_summary"),
        };
        std::fs::create_dir_all(directory)?;
        for (_, _, path) in files.all() {
            std::fs::write(path, "")?;
        }
        Ok(files)
    }

    /// Returns variable, name in the `github` context and path of each file.
    pub fn all(&self) -> [(&'static str, &'static str, &Path); 5] {
        [
            ("GITHUB_OUTPUT", "output", &self.output),
            ("GITHUB_ENV", "env", &self.env),
            ("GITHUB_PATH", "path", &self.path),
            ("GITHUB_STATE", "state", &self.state),
            ("GITHUB_STEP_SUMMARY", "step_summary", &self.summary),
        ]
    }

    /// Removes the files; a step that removed them itself has done no harm.
    pub fn remove(&self) {
        for (_, _, path) in self.all() {
            drop(std::fs::remove_file(path));
        }
    }
}

/// Reads one file of a step; a file that is not there says nothing.
pub fn read(path: &Path) -> Result<String, FileError> {
    read_own(path, MAX_FILE)
}

/// Reads what a step wrote into its summary.
pub fn read_summary(path: &Path) -> Result<String, FileError> {
    read_own(path, MAX_SUMMARY)
}

/// Reads a file that was made for a step. The step may have put anything into its place: a link is not
/// followed, because some files, such as those of `/proc/self`, are others for us than for the step.
fn read_own(path: &Path, limit: u64) -> Result<String, FileError> {
    match open(path, OFlags::NOFOLLOW) {
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            Err(FileError::Irregular)
        }
        opened => take(opened, limit),
    }
}

/// Reads a file of the workspace, unless it is larger than a limit; one that is not there is empty.
pub fn read_within(path: &Path, limit: u64) -> Result<String, FileError> {
    take(open(path, OFlags::empty()), limit)
}

/// Opens without waiting for a writer, which a pipe may never get.
fn open(path: &Path, flags: OFlags) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY | flags;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

fn take(opened: std::io::Result<File>, limit: u64) -> Result<String, FileError> {
    let file = match opened {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        result => result?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(FileError::Irregular);
    }
    let size = metadata.len();
    if size > limit {
        return Err(FileError::TooLarge { size, limit });
    }
    let mut bytes = Vec::new();
    // A step may have left a process that still writes; what comes later is not waited for.
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Tells whether `GITHUB_ENV` may set a variable; this one would run code in every JavaScript action.
pub fn may_set(name: &str) -> bool {
    !name.eq_ignore_ascii_case("NODE_OPTIONS")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::vectors;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        assert_eq!(parse_pairs(text).unwrap(), expected, "{text:?}");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_name() {
        check("\u{feff}A=1\n", &[("A", "1")]);
        assert_eq!(parse_paths("\u{feff}/bin\n\n/opt/x y\r\n"), ["/bin", "/opt/x y"]);
    }

    #[test]
    fn a_carriage_return_belongs_to_the_value() {
        check("A=1\r\n", &[("A", "1\r")]);
        check("A<<E\r\none\r\nE\r\n", &[("A", "one\r")]);
    }

    #[test]
    fn what_comes_first_decides_between_line_and_block() {
        check("A=1<<2\n", &[("A", "1<<2")]);
        check("A<<E=F\nx\nE=F\n", &[("A", "x")]);
    }

    #[test]
    fn what_is_neither_is_an_error_with_the_line_in_it() {
        for text in ["nothing", "=x", "<<EOF\nEOF", "A<<\nx"] {
            let error = parse_pairs(text).unwrap_err().to_string();
            assert!(error.contains(text.lines().next().unwrap()), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let files = StepFiles::create(directory.path(), "1").unwrap();
        std::fs::write(&files.summary, "12345").unwrap();
        assert!(matches!(
            read_within(&files.summary, 4),
            Err(FileError::TooLarge { size: 5, limit: 4 })
        ));
        assert_eq!(read_within(&files.summary, 5).unwrap(), "12345");
        files.remove();
        assert_eq!(read(&files.summary).unwrap(), "");
    }

    #[test]
    fn what_a_step_put_in_the_place_of_its_file_is_neither_waited_for_nor_followed() {
        let directory = tempfile::tempdir().unwrap();
        let files = StepFiles::create(directory.path(), "1").unwrap();
        files.remove();
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &files.output, rustix::fs::FileType::Fifo, mode, 0)
            .unwrap();
        std::os::unix::fs::symlink("/proc/self/environ", &files.env).unwrap();
        std::fs::create_dir(&files.path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &files.summary).unwrap();
        for path in [&files.output, &files.env, &files.path] {
            assert!(matches!(read(path), Err(FileError::Irregular)), "{path:?}");
        }
        assert!(matches!(read_summary(&files.summary), Err(FileError::Irregular)));
        // A file of the workspace may be a link, if it is one to a file.
        for path in [&files.output, &files.summary] {
            assert!(matches!(read_within(path, 4), Err(FileError::Irregular)), "{path:?}");
        }
    }

    #[test]
    fn files_hold_as_on_github() {
        for table in ["set-env-file.json", "set-output-file.json", "save-state-file.json"] {
            for case in vectors::cases(table) {
                let name = &case["name"];
                let content = case["content"].as_str().unwrap();
                let pairs = match parse_pairs(content) {
                    Ok(pairs) => pairs,
                    Err(error) => {
                        assert_eq!(case["expect_error"], true, "{name}: {error}");
                        for part in case["error_contains"].as_array().unwrap() {
                            assert!(error.to_string().contains(part.as_str().unwrap()), "{error}");
                        }
                        continue;
                    }
                };
                assert_eq!(case["expect_error"], false, "{name}");
                let is_env = case["kind"] == "set-env-file";
                let (set, refused): (BTreeMap<_, _>, BTreeMap<_, _>) =
                    pairs.into_iter().partition(|(name, _)| !is_env || may_set(name));
                assert_eq!(serde_json::to_value(set).unwrap(), case["expect"], "{name}");
                assert_eq!(refused.len() as u64, case["issues"].as_u64().unwrap(), "{name}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(text in r"(<<|=|EOF|\n|\r|NAME|[^x])*") {
            drop(parse_pairs(&text));
        }

        #[test]
        fn a_block_comes_back_as_it_was(value in any::<String>()) {
            prop_assume!(!value.split('\n').any(|line| line == "DELIMITER"));
            let pairs = parse_pairs(&format!("A<<DELIMITER\n{value}\nDELIMITER\n")).unwrap();
            prop_assert_eq!(pairs, vec![("A".to_owned(), value)]);
        }
    }
}
