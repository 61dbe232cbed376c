//! Real servers for tests: started on free ports of this machine, stopped when dropped.
//!
//! A server whose program is not installed is skipped, visibly; with `INTERLOCK_TEST_SERVERS=required`,
//! as in continuous integration, that fails the test. `tests/servers` says what to install.

mod azure;
mod git;
mod http;
mod proxy;
mod s3;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

pub use azure::Azure;
pub use git::{GitHttp, bare_repository};
pub use proxy::{Answer, Proxy, Request};
pub use s3::S3;

/// A process that ends with its handle, in a directory that goes with it.
#[derive(Debug)]
struct Server {
    child: Child,
    port: u16,
    // Dropped after the child is dead.
    _directory: TempDir,
}

/// Variables for `store::Surroundings`.
pub type Variables = BTreeMap<String, String>;

impl Server {
    /// Starts a program and waits until it names its port in a line that contains `mark`.
    fn start(program: &Path, arguments: &[&OsStr], mark: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        let mut lines = lines.map_while(Result::ok);
        let Some(line) = lines.find(|line| line.contains(mark)) else {
            child.kill().ok();
            panic!("{} ended before it listened", program.display());
        };
        // Read to the end, or the server would stop when its pipe is full.
        std::thread::spawn(move || lines.for_each(drop));
        let digits = line.rsplit(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty());
        let port = digits.and_then(|digits| digits.parse().ok()).expect("a port in that line");
        Self { child, port, _directory: directory }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Says whether a program is on the `PATH`; where it is not, a test is skipped, or fails if it is required.
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|place| place.join(name)).find(|at| at.is_file());
    installed(found.unwrap_or_else(|| PathBuf::from(name)), name).is_some()
}

/// Returns the program if it is installed; otherwise says that a test is skipped, or fails it.
#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn installed(path: PathBuf, what: &str) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var("INTERLOCK_TEST_SERVERS").is_ok_and(|it| it == "required");
    assert!(!required, "{what} is required and missing: {}", path.display());
    eprintln!("skipped: {what} is not installed ({})", path.display());
    None
}

fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().and_then(Path::parent).expect("the workspace is two levels up")
}

fn variables<const N: usize>(pairs: [(&str, &str); N]) -> Variables {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}
