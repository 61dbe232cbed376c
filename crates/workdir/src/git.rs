//! Git, called as a program, in an environment that is made and not inherited.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::error::Error;

/// How long a question may take.
const QUESTION: Duration = Duration::from_mins(1);
/// How long work on all files may take.
pub(crate) const WORK: Duration = Duration::from_mins(30);
/// How no part of a reference name may end.
const FORBIDDEN_END: &str = ".lock";
/// The most bytes of standard error that a message shows.
const MESSAGE: usize = 2000;

/// One call of Git. Dropping the future that runs it kills it.
#[derive(Debug)]
pub(crate) struct Git {
    command: Command,
    name: String,
    input: Vec<u8>,
    timeout: Duration,
}

/// What a call that ended by itself has said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) success: bool,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Git {
    /// Prepares a call in a repository of the user, where the user's own configuration counts.
    pub(crate) fn of_user(directory: &Path) -> Self {
        let mut git = Self::new();
        for name in ["HOME", "XDG_CONFIG_HOME"] {
            if let Some(value) = std::env::var_os(name) {
                git.command.env(name, value);
            }
        }
        // No program of the repository runs because somebody looks at it.
        git.config(&[
            "core.fsmonitor=false",
            "core.hooksPath=/dev/null",
            "core.untrackedCache=false",
        ]);
        git.command.arg("-C").arg(directory);
        git
    }

    /// Prepares a call in a repository of ours, where nobody's configuration counts.
    pub(crate) fn of_ours(git_directory: &Path) -> Self {
        let mut git = Self::new();
        git.command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        git.config(&[
            "safe.directory=*",
            "core.hooksPath=/dev/null",
            "gc.auto=0",
            "maintenance.auto=false",
        ]);
        git.command.arg("--git-dir").arg(git_directory);
        git
    }

    fn new() -> Self {
        let mut command = Command::new("git");
        command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
        for name in ["PATH", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0");
        Self { command, name: String::new(), input: Vec::new(), timeout: QUESTION }
    }

    fn config(&mut self, settings: &[&str]) {
        for setting in settings {
            self.command.arg("-c").arg(setting);
        }
    }

    /// Adds the subcommand and its arguments.
    pub(crate) fn args<I>(mut self, arguments: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        for argument in arguments {
            let argument = argument.as_ref();
            if self.name.is_empty() {
                self.name = argument.to_string_lossy().into_owned();
            }
            self.command.arg(argument);
        }
        self
    }

    /// Adds a setting for this call alone.
    pub(crate) fn setting(mut self, setting: &str) -> Self {
        self.config(&[setting]);
        self
    }

    /// Adds the directory of files that goes with a Git directory of ours.
    pub(crate) fn work_tree(mut self, directory: &Path) -> Self {
        self.command.arg("--work-tree").arg(directory).current_dir(directory);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    pub(crate) fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Runs the call; that Git says no is an answer.
    pub(crate) async fn ask(mut self) -> Result<Answer, Error> {
        let input = std::mem::take(&mut self.input);
        if !input.is_empty() {
            self.command.stdin(Stdio::piped());
        }
        let mut child = self.start(Stdio::piped())?;
        let stdin = child.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // Git that stops reading says why on standard error.
                drop(stdin.write_all(&input).await);
            }
        };
        let ended = async { tokio::join!(feed, child.wait_with_output()).1 };
        let output = self.in_time(ended).await?;
        let output = output.map_err(|source| Error::NoGit { source })?;
        Ok(Answer {
            success: output.status.success(),
            code: output.status.code(),
            stdout: output.stdout,
            stderr: shortened(&output.stderr),
        })
    }

    /// Runs the call, which must succeed, and returns what it printed.
    pub(crate) async fn run(self) -> Result<Vec<u8>, Error> {
        let name = self.name.clone();
        let answer = self.ask().await?;
        answer.demand(&name)
    }

    /// Runs the call, which must succeed, and returns its one line.
    pub(crate) async fn line(self) -> Result<String, Error> {
        let text = self.run().await?;
        Ok(String::from_utf8_lossy(&text).trim_end_matches('\n').to_owned())
    }

    /// Runs the call and returns its one line; `None` if Git says no.
    pub(crate) async fn line_if_any(self) -> Result<Option<String>, Error> {
        let answer = self.ask().await?;
        let text = String::from_utf8_lossy(&answer.stdout).trim_end_matches('\n').to_owned();
        Ok((answer.success && !text.is_empty()).then_some(text))
    }

    /// Runs two calls, the first one's output being the second one's input; both must succeed.
    pub(crate) async fn pipe_into(mut self, mut next: Self) -> Result<(), Error> {
        let input = std::mem::take(&mut self.input);
        self.command.stdin(Stdio::piped());
        let mut first = self.start(Stdio::piped())?;
        let through: Stdio = match first.stdout.take().map(TryInto::try_into) {
            Some(Ok(through)) => through,
            Some(Err(source)) => return Err(Error::NoGit { source }),
            None => Stdio::null(),
        };
        next.command.stdin(through);
        let second = next.start(Stdio::null())?;
        let stdin = first.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                drop(stdin.write_all(&input).await);
            }
        };
        let ended =
            async { tokio::join!(feed, first.wait_with_output(), second.wait_with_output()) };
        let ((), first, second) = self.in_time(ended).await?;
        for (name, output) in [(&self.name, first), (&next.name, second)] {
            let output = output.map_err(|source| Error::NoGit { source })?;
            if !output.status.success() {
                return Err(Error::Git {
                    command: name.clone(),
                    message: shortened(&output.stderr),
                });
            }
        }
        Ok(())
    }

    fn start(&mut self, stdout: Stdio) -> Result<Child, Error> {
        self.command.stdout(stdout).stderr(Stdio::piped());
        self.command.spawn().map_err(|source| Error::NoGit { source })
    }

    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        tokio::time::timeout(self.timeout, work).await.map_err(|_| Error::Timeout {
            command: self.name.clone(),
            seconds: self.timeout.as_secs(),
        })
    }
}

impl Answer {
    /// Turns a no into an error.
    pub(crate) fn demand(self, command: &str) -> Result<Vec<u8>, Error> {
        if self.success {
            return Ok(self.stdout);
        }
        let message = match (self.stderr.is_empty(), self.code) {
            (false, _) => self.stderr,
            (true, Some(code)) => format!("exit code {code}"),
            (true, None) => "it was killed".to_owned(),
        };
        Err(Error::Git { command: command.to_owned(), message })
    }
}

fn shortened(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let text = text.trim();
    match text.char_indices().rev().nth(MESSAGE) {
        Some((start, _)) => format!("…{}", &text[start..]),
        None => text.to_owned(),
    }
}

/// Says whether the text is a whole object id and nothing else.
pub(crate) fn is_sha(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Says whether the text may stand in a full reference name, by Git's own rules.
pub(crate) fn is_reference_name(text: &str) -> bool {
    let bad = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    !text.is_empty()
        && text.len() <= 1024
        && !text.contains(bad)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.starts_with('-')
        && !text.ends_with(['/', '.'])
        && text != "@"
        && text.split('/').all(|part| {
            !part.is_empty() && !part.starts_with('.') && !part.ends_with(FORBIDDEN_END)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_names_cannot_be_options_or_revisions() {
        for good in ["main", "refs/heads/a-b", "v1.0", "dependabot/npm/x", "ä"] {
            assert!(is_reference_name(good), "{good}");
        }
        for bad in [
            "",
            "-x",
            "--upload-pack=x",
            "a..b",
            "a:b",
            "HEAD~1",
            "a^",
            "@{u}",
            "@",
            "a b",
            "a/",
            "/a",
            "a//b",
            ".a",
            "x.lock",
            "a\nb",
        ] {
            assert!(!is_reference_name(bad), "{bad}");
        }
    }

    #[test]
    fn object_ids_are_whole() {
        assert!(is_sha(&"a".repeat(40)) && is_sha(&"0".repeat(64)));
        assert!(
            !is_sha("abc") && !is_sha(&"g".repeat(40)) && !is_sha(&format!("-{}", "a".repeat(39)))
        );
    }
}
