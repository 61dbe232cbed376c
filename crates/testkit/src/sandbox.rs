//! A repository and a state directory of one test's own, and the binary that works in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A place for one test. It disappears with it.
#[derive(Debug)]
pub struct Sandbox {
    root: TempDir,
    binary: PathBuf,
}

/// How a command ended, and what it said.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; 128 and the signal if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Sandbox {
    /// Makes a repository without commits. `binary` is `env!("CARGO_BIN_EXE_interlock")`.
    ///
    /// # Panics
    ///
    /// If there is no room or no Git.
    pub fn new(binary: impl Into<PathBuf>) -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let sandbox = Self { root, binary: binary.into() };
        fs::create_dir_all(sandbox.repository()).expect("a directory");
        sandbox.git(&["init", "-q", "-b", "main"]);
        sandbox
    }

    /// Returns the top of the repository.
    pub fn repository(&self) -> PathBuf {
        self.root.path().join("project")
    }

    /// Returns the state directory.
    pub fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// Returns a directory beside the repository.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file of the repository.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.repository().join(path);
        fs::create_dir_all(path.parent().expect("a file in a directory")).expect("a directory");
        fs::write(&path, text).expect("a file");
        self
    }

    /// Writes a workflow.
    pub fn workflow(&self, name: &str, text: &str) -> &Self {
        self.file(&format!(".github/workflows/{name}"), text)
    }

    /// Commits everything. Returns the commit.
    pub fn commit(&self) -> String {
        self.git(&["add", "-A"]);
        self.git(&[
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@b",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "a commit",
        ]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Runs Git in the repository.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub fn git(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command
            .current_dir(self.repository())
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        let output = command.output().expect("git");
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Prepares a call of the binary, in an environment that holds nothing of the user's.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        let path =
            std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
        command
            .current_dir(self.repository())
            .args(arguments)
            .env_clear()
            .env("PATH", path)
            .env("LANG", "C.UTF-8")
            .env("HOME", self.root.path())
            .env("INTERLOCK_STATE_DIR", self.state())
            .stdin(Stdio::null());
        command
    }

    /// Calls the binary and waits for its end.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().expect("the binary"))
    }

    /// Returns the paths below the state directory's job directories.
    pub fn job_directories(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        collect(&self.state().join("work"), 4, &mut found);
        found.sort();
        found
    }
}

fn collect(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        match depth {
            _ if hidden || !entry.path().is_dir() => {}
            1 => found.push(entry.path()),
            _ => collect(&entry.path(), depth - 1, found),
        }
    }
}

impl Ended {
    /// Reads the output of a process.
    pub fn of(output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let code =
            output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
        Self {
            code: code.unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Checks the exit code.
    ///
    /// # Panics
    ///
    /// If it is another one; the message has all output.
    #[track_caller]
    #[expect(clippy::return_self_not_must_use, reason = "most tests care for the code alone")]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Returns the JSON objects of standard output, a line each.
    ///
    /// # Panics
    ///
    /// If a line is not JSON.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// Returns the runs of the summary line that `interlock run --format json` ends with.
    ///
    /// # Panics
    ///
    /// If there is no such line.
    #[track_caller]
    pub fn runs(&self) -> Vec<Value> {
        let last =
            self.json().pop().unwrap_or_else(|| panic!("no output; stderr:\n{}", self.stderr));
        assert_eq!(last["type"], "summary", "{last}");
        last["runs"].as_array().expect("a list of runs").clone()
    }
}

/// Returns a process and everything that stems from it, parents first.
pub fn descendants(root: i32) -> Vec<i32> {
    let mut family = vec![root];
    let mut index = 0;
    while let Some(id) = family.get(index).copied() {
        let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|id| id.parse::<i32>().ok()));
        }
        index += 1;
    }
    family
}
