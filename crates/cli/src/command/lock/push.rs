//! `lock push`: a Git push that carries a fence, and is refused by the remote if a newer one was there.
//!
//! Beside what is pushed, a ref of the remote names the largest fence that ever pushed. Both move in one
//! `--atomic` push, the fence ref with a lease on what it was: so a late holder's push is refused as a
//! whole, by the server, whatever the late holder believes.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use clap::Args;
use coord::Fence;
use serde_json::json;
use store::Key;

use super::show::is_current;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Level, Session};
use crate::terminal::{clean, lines};

/// How often to look again because another push came in between.
const ATTEMPTS: usize = 8;
/// The commit that every fence commit begins its text with.
const TITLE: &str = "interlock fence ";

/// The arguments of `interlock lock push`.
#[derive(Debug, Args)]
pub(super) struct Push {
    /// What is pushed, as `git push` takes it: `main`, `HEAD:main`, `v1.2`.
    #[arg(required = true, value_name = "REF")]
    refs: Vec<String>,
    /// The fence under which it is pushed.
    #[arg(long, env = "INTERLOCK_FENCE", value_name = "N")]
    fence: u64,
    /// The lock that the fence belongs to.
    #[arg(long, env = "INTERLOCK_LOCK_KEY", value_name = "LOCK")]
    lock: String,
    /// Where it is pushed.
    #[arg(long, default_value = "origin", value_name = "REMOTE")]
    remote: String,
    /// The store that the lock is in.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Rely on the remote's fence alone, where the store cannot be asked.
    #[arg(long)]
    without_store: bool,
}

/// How one attempt went.
enum Pushed {
    Done,
    Raced,
    Stale(Fence),
    Failed(String),
}

impl Push {
    pub(super) async fn run(self, session: &Session) -> Result<Exit, Failure> {
        for word in self.refs.iter().chain([&self.remote]) {
            if word.starts_with('-') || word.is_empty() {
                let what = format!("`{}` is neither a ref nor a remote", clean(word));
                return Err(Failure::new(Exit::Usage, what));
            }
        }
        if !self.without_store {
            let store = session.open_store(self.store.as_deref()).await?;
            if let Err(why) = is_current(store, &self.lock, Fence(self.fence)).await? {
                return self.tell(
                    session,
                    "stale",
                    &format!("fence {} is stale: {why}", self.fence),
                );
            }
        }
        let repository = Repository { directory: &session.directory };
        for _ in 0..ATTEMPTS {
            match self.attempt(&repository)? {
                Pushed::Raced => {}
                Pushed::Done => {
                    let refs = clean(&self.refs.join(" "));
                    let text = format!(
                        "{refs} pushed to {}, under fence {}",
                        clean(&self.remote),
                        self.fence
                    );
                    return self.tell(session, "pushed", &text);
                }
                Pushed::Stale(newer) => {
                    let text = format!(
                        "fence {newer} has pushed there, which is newer than {}",
                        self.fence
                    );
                    return self.tell(session, "stale", &text);
                }
                Pushed::Failed(why) => {
                    return Err(Failure::new(Exit::Failed, format!("git push failed:\n{why}"))
                        .hinted("nothing was moved: the push is atomic"));
                }
            }
        }
        Err(Failure::new(Exit::Unavailable, "other pushes came in between, every time"))
    }

    fn attempt(&self, repository: &Repository<'_>) -> Result<Pushed, Failure> {
        let fence_ref = fence_ref(&self.lock);
        let listed = repository.git(&["ls-remote", "--", &self.remote, &fence_ref])?;
        let before = listed.split_whitespace().next().unwrap_or_default().to_owned();
        if !before.is_empty() {
            let Some(title) = repository.title(&self.remote, &fence_ref, &before)? else {
                return Ok(Pushed::Raced);
            };
            let newest = title.strip_prefix(TITLE).and_then(|rest| rest.parse().ok());
            let Some(newest) = newest.map(Fence) else {
                let what = format!("{fence_ref} of {} is not a fence", clean(&self.remote));
                return Err(Failure::new(Exit::Unknown, what)
                    .hinted("look at it with `git ls-remote`; somebody else has written it"));
            };
            if newest > Fence(self.fence) {
                return Ok(Pushed::Stale(newest));
            }
        }
        let commit = repository.fence_commit(&self.lock, self.fence)?;
        let lease = format!("--force-with-lease={fence_ref}:{before}");
        let mut arguments = vec!["push", "--atomic", "--porcelain", &lease, "--", &self.remote];
        arguments.extend(self.refs.iter().map(String::as_str));
        let fence = format!("{commit}:{fence_ref}");
        arguments.push(&fence);
        let output = repository.output(&arguments, None)?;
        if output.status.success() {
            return Ok(Pushed::Done);
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        let about_fence = printed.lines().find(|line| line.contains(&fence_ref));
        // Somebody has moved the fence since we looked; what else was refused is the caller's to know.
        if about_fence
            .is_some_and(|line| line.contains("stale info") || line.contains("fetch first"))
        {
            return Ok(Pushed::Raced);
        }
        let now = repository.git(&["ls-remote", "--", &self.remote, &fence_ref])?;
        if now.split_whitespace().next().unwrap_or_default() != before {
            return Ok(Pushed::Raced);
        }
        let why = format!("{printed}{}", String::from_utf8_lossy(&output.stderr));
        Ok(Pushed::Failed(lines(why.trim())))
    }

    fn tell(&self, session: &Session, word: &str, text: &str) -> Result<Exit, Failure> {
        let answer = json!({
            "outcome": word, "key": self.lock, "fence": self.fence, "reason": text,
        });
        session.answer(&answer, &format!("{word}: {text}"))?;
        if word == "stale" {
            session.annotate(
                Level::Error,
                &format!("lock push {}: stale", clean(&self.lock)),
                text,
            );
            return Ok(Exit::NotOurs);
        }
        Ok(Exit::Done)
    }
}

/// Returns the ref that carries the fence of a lock: hexadecimal, because a ref may not be any text.
fn fence_ref(lock: &str) -> String {
    let key = Key::new(["fence", lock]);
    format!(
        "refs/interlock/fence/{}",
        crate::kept::hex(key.as_str().as_bytes()).get(12..).unwrap_or_default()
    )
}

/// The repository that is pushed from.
struct Repository<'a> {
    directory: &'a Path,
}

impl Repository<'_> {
    /// Runs Git and returns what it printed.
    fn git(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = self.output(arguments, None)?;
        if !output.status.success() {
            let why = lines(String::from_utf8_lossy(&output.stderr).trim());
            let action = arguments.first().copied().unwrap_or_default();
            return Err(Failure::new(Exit::Unavailable, format!("git {action} failed: {why}")));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn output(&self, arguments: &[&str], input: Option<&str>) -> Result<Output, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new(Exit::Unavailable, format!("git could not be run: {error}"))
        };
        let mut command = Command::new("git");
        command.current_dir(self.directory).args(arguments.iter().map(OsString::from));
        // Fence commits need an author, and it is not the user.
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "interlock");
            command.env(format!("GIT_{role}_EMAIL"), "interlock@localhost");
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A Git that does not want it says so by its exit status.
            drop(std::io::Write::write_all(&mut stdin, input.unwrap_or_default().as_bytes()));
        }
        child.wait_with_output().map_err(failed)
    }

    /// Reads the first line of what the remote's ref names, unless that has changed meanwhile.
    fn title(&self, remote: &str, fence_ref: &str, id: &str) -> Result<Option<String>, Failure> {
        self.git(&[
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--",
            remote,
            fence_ref,
        ])?;
        let shown = self.output(&["show", "--no-patch", "--format=%s", id], None)?;
        let title = String::from_utf8_lossy(&shown.stdout).trim().to_owned();
        Ok(shown.status.success().then_some(title))
    }

    /// Makes a commit that names the fence. It is unlike every other one, so that the ref always moves.
    fn fence_commit(&self, lock: &str, fence: u64) -> Result<String, Failure> {
        let tree = self.output(&["mktree"], Some(""))?;
        let tree = String::from_utf8_lossy(&tree.stdout).trim().to_owned();
        let nonce = uuid::Uuid::new_v4();
        let message = format!("{TITLE}{fence}\n\nlock {}\n{nonce}\n", clean(lock));
        let commit = self.output(&["commit-tree", &tree], Some(&message))?;
        let id = String::from_utf8_lossy(&commit.stdout).trim().to_owned();
        if !commit.status.success() || id.is_empty() {
            let why = lines(String::from_utf8_lossy(&commit.stderr).trim());
            return Err(Failure::new(Exit::Failed, format!("git commit-tree failed: {why}"))
                .hinted("`lock push` is called in the repository that is pushed from"));
        }
        Ok(id)
    }
}
