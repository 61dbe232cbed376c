//! A place with a state directory of its own, and calls of `interlock parallel` in it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A directory in which nobody else is.
pub(crate) struct Desk(TempDir);

impl Desk {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("it can be written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("it is there")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
        command.arg("parallel").args(arguments).current_dir(self.0.path());
        command.env("INTERLOCK_STATE_DIR", self.path("state"));
        for name in [
            "GITHUB_ACTIONS",
            "GITHUB_OUTPUT",
            "GITHUB_STEP_SUMMARY",
            "RUNNER_TEMP",
            "INTERLOCK_STORE",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Runs it and returns its exit code, standard output and standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        read(self.command(arguments).output().expect("it starts"))
    }

    /// Runs it as a step of GitHub Actions.
    pub(crate) fn step(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = self.command(arguments);
        command.env("GITHUB_ACTIONS", "true").env("RUNNER_TEMP", self.path("temp"));
        command.env("GITHUB_OUTPUT", self.path("output"));
        command.env("GITHUB_STEP_SUMMARY", self.path("summary"));
        read(command.output().expect("it starts"))
    }

    /// Runs it and returns its exit code and the one object that it prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let arguments = [&["--format", "json"], arguments].concat();
        let (code, stdout, stderr) = self.run(&arguments);
        let value = serde_json::from_str(&stdout);
        (code, value.unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}")))
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("it starts")
    }
}

pub(crate) fn read(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}
