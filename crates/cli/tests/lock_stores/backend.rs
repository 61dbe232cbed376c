//! A store that the command is used over, and what can be done to it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::Value;
use tempfile::TempDir;
use testkit::sandbox::{Ended, Sandbox};
use testkit::servers::{Answer, Azure, GitHttp, Proxy, Request, S3, Variables, bare_repository};
use tokio::runtime::Runtime;

use crate::call::Call;

/// A store of one test's own, and a sandbox whose calls use it.
pub(crate) struct Backend {
    pub(crate) sandbox: Sandbox,
    url: String,
    variables: Variables,
    place: Place,
    /// How many processes may want one lock at once, so that a test does not take for ever.
    pub(crate) crowd: usize,
    // Dropped last: the servers and proxies are its tasks.
    runtime: Runtime,
}

/// Where the store is, and how to take it away.
enum Place {
    /// A directory, for which a link that leads nowhere can be put in its place.
    Directory { path: PathBuf, _root: TempDir },
    /// A server of some kind, reached only through a proxy.
    Server { faults: Arc<Faults>, _proxy: Proxy, _server: Server },
}

#[expect(dead_code, reason = "they are kept for as long as they are to run")]
enum Server {
    S3(S3),
    Azure(Azure),
    Git(GitHttp),
}

/// What the proxy does to requests.
#[derive(Debug, Default)]
struct Faults {
    is_away: AtomicBool,
    /// The answer to each write whose number is divisible by this is lost; none if it is zero.
    loses: AtomicUsize,
    writes: AtomicUsize,
}

/// Which answers are lost: one of five. Six in a row, which nobody has the patience for, are too few to meet.
const LOSES: usize = 5;

impl Faults {
    fn decide(&self, request: &Request) -> Answer {
        if self.is_away.load(Ordering::SeqCst) {
            return Answer::Dropped;
        }
        let is_push = request.method == "POST" && request.path.ends_with("git-receive-pack");
        let loses = self.loses.load(Ordering::SeqCst);
        if loses == 0 || !(is_push || request.method == "PUT") {
            return Answer::True;
        }
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if number.is_multiple_of(loses) { Answer::Lost } else { Answer::True }
    }
}

/// Every kind of store, by the name of its threads.
pub(crate) const ALL: [(&str, Open); 5] = [
    ("file", || Some(file())),
    ("git+file", || Some(git_file())),
    ("git+http", || Some(git_http())),
    ("s3", s3),
    ("az", azure),
];

/// Starts a store, unless what it needs is not installed.
pub(crate) type Open = fn() -> Option<Backend>;

/// Runs a scenario on several kinds of stores at once: most of its time it waits.
pub(crate) fn on_each(kinds: &[(&str, Open)], scenario: fn(&Backend)) {
    thread::scope(|scope| {
        for (name, open) in kinds {
            let run = move || {
                if let Some(backend) = open() {
                    scenario(&backend);
                }
            };
            let thread = thread::Builder::new().name((*name).to_owned());
            thread.spawn_scoped(scope, run).expect("a thread");
        }
    });
}

/// `file:`, in a directory.
fn file() -> Backend {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("store");
    fs::create_dir(&path).expect("a directory");
    let url = format!("file:{}", path.join("store.db").display());
    Backend::in_directory(root, path, url)
}

/// `git+file://`, a bare repository.
fn git_file() -> Backend {
    let root = bare_repository();
    let path = root.path().join(GitHttp::name());
    let url = format!("git+file://{}", path.display());
    Backend::in_directory(root, path, url)
}

/// `git+http://`, a repository behind `git http-backend`.
fn git_http() -> Backend {
    let runtime = runtime();
    let server = runtime.block_on(GitHttp::start());
    let (port, server) = (server.port(), Server::Git(server));
    let url = |port| format!("git+http://127.0.0.1:{port}/{}", GitHttp::name());
    let backend = Backend::behind_proxy(runtime, server, port, url, |_| Variables::new());
    Backend { crowd: 5, ..backend }
}

/// `s3://`, a bucket whose server keeps conditions.
fn s3() -> Option<Backend> {
    let runtime = runtime();
    let server = runtime.block_on(S3::start())?;
    let (port, server) = (server.port(), Server::S3(server));
    let url = |_| format!("s3://{}/locks", S3::BUCKET);
    Some(Backend::behind_proxy(runtime, server, port, url, S3::variables))
}

/// `az://`, a container.
fn azure() -> Option<Backend> {
    let server = Azure::start()?;
    let (port, server) = (server.port(), Server::Azure(server));
    let url = |_| format!("az://{}/locks", Azure::CONTAINER);
    Some(Backend::behind_proxy(runtime(), server, port, url, Azure::variables))
}

impl Backend {
    fn in_directory(root: TempDir, path: PathBuf, url: String) -> Self {
        symlink(&path, beside(&path)).expect("a link");
        let place = Place::Directory { path, _root: root };
        Self::new(runtime(), place, url, Variables::new())
    }

    fn behind_proxy(
        runtime: Runtime,
        server: Server,
        port: u16,
        url: impl Fn(u16) -> String,
        variables: impl Fn(u16) -> Variables,
    ) -> Self {
        let faults = Arc::new(Faults::default());
        let weather = Arc::clone(&faults);
        let decide = move |request: &Request| weather.decide(request);
        let proxy = runtime.block_on(Proxy::start(port, decide));
        let port = proxy.port();
        let place = Place::Server { faults, _proxy: proxy, _server: server };
        Self::new(runtime, place, url(port), variables(port))
    }

    fn new(runtime: Runtime, place: Place, url: String, variables: Variables) -> Self {
        let sandbox = Sandbox::new(env!("CARGO_BIN_EXE_interlock"));
        Self { sandbox, url, variables, place, crowd: 8, runtime }
    }

    /// Prepares a call that uses this store.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.command(arguments);
        command.envs(&self.variables).env("INTERLOCK_STORE", &self.url);
        command
    }

    /// Makes a call and waits for its end. All such calls of one test have one caller.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().expect("the binary"))
    }

    /// Starts `lock run deploy` with a script, in a process group of its own.
    pub(crate) fn hold(&self, flags: &[&str], script: &str) -> Call {
        Call::start(self.lock_run(flags, script))
    }

    /// Prepares `lock run deploy` with a script.
    pub(crate) fn lock_run(&self, flags: &[&str], script: &str) -> Command {
        self.command(&[&["lock", "run", "deploy"], flags, &["--", "sh", "-c", script]].concat())
    }

    /// Returns what is said of the lock.
    #[track_caller]
    pub(crate) fn show(&self) -> Value {
        self.run(&["lock", "show", "deploy", "--format", "json"]).expect_code(0).json().remove(0)
    }

    /// Returns how many stand in the queue.
    #[track_caller]
    pub(crate) fn queue(&self) -> usize {
        self.show()["queue"].as_array().expect("a queue").len()
    }

    /// Takes the store away, or brings it back if it is away.
    pub(crate) fn toggle(&self) {
        match &self.place {
            Place::Directory { path, .. } => {
                // In its place the link leads to itself. All in one step: a store that finds nothing would
                // begin anew.
                let flags = RenameFlags::EXCHANGE;
                renameat_with(CWD, path, CWD, beside(path), flags).expect("it goes or returns");
            }
            Place::Server { faults, .. } => {
                faults.is_away.fetch_xor(true, Ordering::SeqCst);
            }
        }
    }

    /// From now on, one write of five takes effect and is not answered.
    ///
    /// Not for `file:`, where nothing is between a writer and its answer.
    pub(crate) fn lose_answers(&self) {
        match &self.place {
            Place::Directory { path, .. } => lose_answers_of(path),
            Place::Server { faults, .. } => faults.loses.store(LOSES, Ordering::SeqCst),
        }
    }

    /// Returns how many answers were lost.
    pub(crate) fn lost_answers(&self) -> usize {
        let writes = match &self.place {
            Place::Directory { path, .. } => {
                fs::read_to_string(path.join("pushes")).unwrap_or_default().lines().count()
            }
            Place::Server { faults, .. } => faults.writes.load(Ordering::SeqCst),
        };
        writes / LOSES
    }

    /// Opens the store as the command does, in this process.
    pub(crate) fn with_store<F: Future>(&self, doing: impl FnOnce(Arc<dyn store::Store>) -> F) {
        let mut variables = self.variables.clone();
        variables.insert("PATH".to_owned(), std::env::var("PATH").expect("a path"));
        let surroundings = store::Surroundings { variables, state: self.sandbox.state() };
        self.runtime.block_on(async {
            doing(store::open(&self.url, &surroundings).await.expect("a store")).await;
        });
    }
}

/// Makes a repository die of one push of five, after it has moved the ref.
fn lose_answers_of(repository: &Path) {
    let hook = repository.join("hooks/reference-transaction");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = committed ] || exit 0\necho x >> pushes\n\
         [ $(($(wc -l < pushes) % {LOSES})) -ne 0 ] || kill -9 $PPID\n"
    );
    fs::create_dir_all(hook.parent().expect("a directory")).expect("a directory");
    fs::write(&hook, script).expect("a hook");
    fs::set_permissions(&hook, Permissions::from_mode(0o755)).expect("an executable");
}

fn beside(path: &Path) -> PathBuf {
    path.with_extension("away")
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
}
