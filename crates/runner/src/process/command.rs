//! What is to be run, and how it is started.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::CouldNotStart;

/// A program with everything it is given; it inherits nothing else.
#[derive(Clone, Debug)]
pub struct Command {
    /// A path, or a name that is looked up in the `PATH` of `environment`.
    pub program: OsString,
    /// What follows the program's name.
    pub arguments: Vec<OsString>,
    /// The whole environment; the last of several equal names counts.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it runs.
    pub directory: PathBuf,
    /// Files that stay open in it and in its children, such as the lock of its job.
    pub inherited: Vec<Arc<OwnedFd>>,
}

/// Where a command reads and writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Streams {
    /// It has nothing to read, and what it prints comes to us through pipes.
    Piped,
    /// It has what we have.
    Ours(Attachment),
}

/// How a command shares our terminal, or whatever our standard streams are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attachment {
    /// Whether it stays in our process group, which is the one that may read from a terminal.
    pub shares_group: bool,
    /// Whether what it prints goes to standard error, because standard output is for something else.
    pub prints_to_stderr: bool,
}

/// How often a program that another process is just writing is tried again.
const BUSY_TRIES: u32 = 20;
/// How long to wait before that.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

impl Command {
    /// Starts it, in a process group of its own unless it shares ours.
    ///
    /// Must be called under the registry's lock, so that no other child inherits the files or the limit, which
    /// is a mark of the tree (see [`super::table::Process::limit`]).
    pub(super) fn spawn(
        &self,
        marks: &[(&str, &str)],
        limit: u64,
        streams: Streams,
    ) -> Result<tokio::process::Child, CouldNotStart> {
        let program = self.resolve()?;
        let mut command = tokio::process::Command::new(program);
        command.arg0(&self.program).args(&self.arguments).current_dir(&self.directory);
        command.env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.envs(marks.iter().copied());
        streams.connect(&mut command);
        self.inherit(FdFlags::empty())?;
        let own = getrlimit(Resource::Locks);
        // Where a container forbids it, the marks in the environment must do.
        let _forbidden = setrlimit(Resource::Locks, Rlimit { current: Some(limit), ..own });
        let mut tries = 0;
        let started = loop {
            match command.spawn() {
                // Some other thread forked while the file was open for writing.
                Err(error)
                    if error.kind() == ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES =>
                {
                    tries += 1;
                    std::thread::sleep(BUSY_PAUSE);
                }
                result => break result,
            }
        };
        let _forbidden = setrlimit(Resource::Locks, own);
        self.inherit(FdFlags::CLOEXEC)?;
        started.map_err(|source| self.explain(source))
    }

    fn inherit(&self, flags: FdFlags) -> Result<(), CouldNotStart> {
        let mut files = self.inherited.iter();
        files
            .try_for_each(|file| fcntl_setfd(file, flags))
            .map_err(|error| self.refused(error.into()))
    }

    /// Finds the program as a shell would; the system could not say what it was that it did not find.
    fn resolve(&self) -> Result<PathBuf, CouldNotStart> {
        if self.program.as_encoded_bytes().contains(&b'/') {
            return Ok(PathBuf::from(&self.program));
        }
        let path = self.environment.iter().rev().find(|(name, _)| name == "PATH");
        let path =
            path.map_or_else(|| OsStr::new("/usr/local/bin:/usr/bin:/bin"), |(_, path)| path);
        let mut denied = false;
        for directory in std::env::split_paths(path).filter(|_| !self.program.is_empty()) {
            // An empty or relative entry counts from where the program runs.
            let candidate = self.directory.join(directory).join(&self.program);
            match executable(&candidate) {
                Some(true) => return Ok(candidate),
                Some(false) => denied = true,
                None => {}
            }
        }
        let program = self.name();
        Err(if denied {
            CouldNotStart::NotExecutable { program }
        } else {
            CouldNotStart::NotFound { program, path: Some(path.to_string_lossy().into_owned()) }
        })
    }

    fn explain(&self, source: std::io::Error) -> CouldNotStart {
        let program = self.name();
        match source.kind() {
            _ if !self.directory.is_dir() => {
                CouldNotStart::NoDirectory { directory: self.directory.display().to_string() }
            }
            ErrorKind::NotFound => CouldNotStart::NotFound { program, path: None },
            ErrorKind::PermissionDenied => CouldNotStart::NotExecutable { program },
            _ => self.refused(source),
        }
    }

    pub(super) fn refused(&self, source: std::io::Error) -> CouldNotStart {
        CouldNotStart::Refused { program: self.name(), source }
    }

    fn name(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }
}

impl Streams {
    fn connect(self, command: &mut tokio::process::Command) {
        let attachment = match self {
            Self::Piped => {
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
                command.process_group(0);
                return;
            }
            Self::Ours(attachment) => attachment,
        };
        command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
        if attachment.prints_to_stderr {
            command.stdout(std::io::stderr());
        }
        if !attachment.shares_group {
            command.process_group(0);
        }
    }
}

/// Tells whether a file may be executed; `None` where there is no file.
fn executable(path: &Path) -> Option<bool> {
    let file = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(file.permissions().mode() & 0o111 != 0)
}
