//! Running `git` as a program: a private repository, a clean environment, a bounded time.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

use super::commit::EMPTY_TREE;
use super::remote::Remote;

/// How long one command may take, over any network.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many commands run at once for one store.
const AT_ONCE: usize = 4;
/// How much of an error message to keep.
const MESSAGE: u64 = 4096;
/// How old the scratch repository's objects may grow, and how often that is looked after.
const PRUNE_AFTER: Duration = Duration::from_hours(24);

/// What the user's Git may need to reach a server. Nothing else of the environment reaches it.
const KEPT: [&str; 31] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
    "GIT_ASKPASS",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
    "GIT_SSL_CAINFO",
    "GIT_SSL_CAPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GH_CONFIG_DIR",
    "GH_HOST",
    "http_proxy",
    "https_proxy",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "no_proxy",
];

/// Settings that a user's or a machine's configuration must not change.
const SETTINGS: [(&str, &str); 13] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("push.followTags", "false"),
    ("push.gpgSign", "false"),
    ("push.pushOption", ""),
    ("push.recurseSubmodules", "no"),
    ("fetch.recurseSubmodules", "no"),
    ("fetch.writeCommitGraph", "false"),
    ("protocol.version", "2"),
    // A server that falls silent is given up.
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "20"),
];

/// Git, with one remote and a scratch repository of our own.
#[derive(Debug)]
pub(super) struct Program {
    remote: Remote,
    scratch: PathBuf,
    kept: Vec<(&'static str, String)>,
    at_once: Semaphore,
    // Set when the scratch repository is there: whether the user has an SSH command of their own.
    ready: OnceCell<bool>,
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) success: bool,
    pub(super) output: Vec<u8>,
    /// What it said to people, without secrets.
    pub(super) message: String,
}

/// Why a command did not end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("cannot run git: {0}")]
    Start(std::io::Error),
    #[error("git did not end within {} s", PATIENCE.as_secs())]
    Slow,
    #[error("cannot make a scratch repository: {0}")]
    Scratch(String),
    #[error("the repository sent more than any record has")]
    Flooded,
}

impl Program {
    pub(super) fn new(
        remote: Remote,
        scratch: PathBuf,
        variables: &BTreeMap<String, String>,
    ) -> Self {
        let kept = KEPT.iter().filter_map(|name| Some((*name, variables.get(*name)?.clone())));
        let kept = kept.collect();
        let at_once = Semaphore::new(AT_ONCE);
        Self { remote, scratch, kept, at_once, ready: OnceCell::new() }
    }

    pub(super) fn url(&self) -> &str {
        &self.remote.url
    }

    /// Runs a command in the scratch repository, with at most `limit` bytes of output.
    pub(super) async fn run(
        &self,
        arguments: &[&str],
        input: &[u8],
        limit: usize,
    ) -> Result<Ended, Trouble> {
        self.ready.get_or_try_init(|| self.prepare()).await?;
        self.run_in(&self.scratch, arguments, input, limit).await
    }

    async fn run_in(
        &self,
        directory: &Path,
        arguments: &[&str],
        input: &[u8],
        limit: usize,
    ) -> Result<Ended, Trouble> {
        let _permit = self.at_once.acquire().await;
        let mut child = self
            .command(directory)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Trouble::Start)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(Trouble::Start(std::io::ErrorKind::BrokenPipe.into()));
        };
        let feed = async move {
            // It may end without reading everything.
            stdin.write_all(input).await.ok();
        };
        let most = limit as u64 + 1;
        let work =
            async { tokio::join!(feed, all(stdout, most), all(stderr, MESSAGE), child.wait()) };
        let Ok(((), output, message, status)) = timeout(PATIENCE, work).await else {
            return Err(Trouble::Slow);
        };
        if output.len() > limit {
            return Err(Trouble::Flooded);
        }
        let success = status.map_err(Trouble::Start)?.success();
        let message = self.remote.scrub(String::from_utf8_lossy(&message).trim());
        Ok(Ended { success, output, message })
    }

    fn command(&self, directory: &Path) -> Command {
        let mut command = Command::new("git");
        command.current_dir(directory).env_clear();
        command.envs(self.kept.iter().map(|(name, value)| (name, value)));
        let fixed = [
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_ALLOW_PROTOCOL", "file:http:https:ssh"),
            ("GIT_DIR", "."),
            ("GCM_INTERACTIVE", "never"),
        ];
        command.envs(fixed);
        let settings = SETTINGS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let settings: Vec<_> = settings.chain(self.remote.secrets()).collect();
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (number, (key, value)) in settings.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{number}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        let own_ssh = self.ready.get().copied().unwrap_or(true)
            || self.kept.iter().any(|(name, _)| matches!(*name, "GIT_SSH" | "GIT_SSH_COMMAND"));
        if self.remote.ssh && !own_ssh {
            // A question that nobody can answer is a refusal.
            command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=15");
        }
        command
    }

    /// Waits until nobody else makes or sweeps the scratch repository.
    async fn alone(&self) -> std::io::Result<std::fs::File> {
        let path = self.scratch.join("making.lock");
        let locked = tokio::task::spawn_blocking(move || {
            let mut options = std::fs::OpenOptions::new();
            let file = options.create(true).truncate(false).write(true).mode(0o600).open(path)?;
            file.lock()?;
            Ok(file)
        });
        locked.await.map_err(std::io::Error::other)?
    }

    /// Makes the scratch repository, or sweeps it once a day, and looks for an SSH command.
    async fn prepare(&self) -> Result<bool, Trouble> {
        let scratch = |why: &dyn std::fmt::Display| {
            Trouble::Scratch(format!("`{}`: {why}", self.scratch.display()))
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.scratch);
        made.map_err(|error| scratch(&error))?;
        // Many processes may be the first at once; Git does not wait for its own locks.
        let _alone = self.alone().await.map_err(|error| scratch(&error))?;
        let swept = self.scratch.join("swept");
        if !swept.exists() {
            let steps: [&[&str]; 2] = [
                &["init", "--quiet", "--bare", "--template=", "--object-format=sha1", "."],
                &["hash-object", "-w", "-t", "tree", "--stdin"],
            ];
            for arguments in steps {
                let ended = self.run_in(&self.scratch, arguments, b"", 4096).await?;
                let hash = String::from_utf8_lossy(&ended.output);
                if !ended.success || !(hash.is_empty() || hash.trim() == EMPTY_TREE) {
                    return Err(scratch(&ended.message));
                }
            }
            std::fs::write(&swept, "").map_err(|error| scratch(&error))?;
        } else if is_older(&swept, PRUNE_AFTER) {
            std::fs::write(&swept, " ").map_err(|error| scratch(&error))?;
            // Nothing here has a name, so whatever is old enough not to be in use can go.
            let sweep = ["prune", "--expire=3.hours.ago"];
            let ended = self.run_in(&self.scratch, &sweep, b"", 4096).await?;
            // The empty tree went with it.
            let keep = ["hash-object", "-w", "-t", "tree", "--stdin"];
            self.run_in(&self.scratch, &keep, b"", 4096).await?;
            if !ended.success {
                tracing::debug!(message = ended.message, "the scratch repository was not swept");
            }
        }
        self.has_ssh_command().await
    }

    async fn has_ssh_command(&self) -> Result<bool, Trouble> {
        let ssh = ["config", "--get", "core.sshCommand"];
        Ok(self.remote.ssh && self.run_in(&self.scratch, &ssh, b"", 4096).await?.success)
    }
}

/// Reads at most so many bytes, and the rest to nowhere, so that the writer does not hang.
async fn all(mut pipe: impl AsyncRead + Unpin, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    (&mut pipe).take(most).read_to_end(&mut bytes).await.ok();
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await.ok();
    bytes
}

fn is_older(path: &Path, age: Duration) -> bool {
    let modified = path.metadata().and_then(|facts| facts.modified());
    let now = SystemTime::now();
    modified.is_ok_and(|time| now.duration_since(time).is_ok_and(|passed| passed > age))
}
