//! Work that others have done: a branch, a pull request, a file, each there, not there, or not known.

use std::path::Path;

use clap::{Args, ValueEnum};
use github::{Client, PullRequest, PullState};
use globset::{GlobBuilder, GlobMatcher};

use crate::caller::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::forge::ForgeFlags;
use crate::session::Session;

/// How many files are looked at before it is not known.
const MAX_FILES: usize = 200_000;

/// What must not be there yet.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ProbeFlags {
    /// The work is done if this branch exists; may be repeated.
    #[arg(long, value_name = "NAME")]
    unless_branch: Vec<String>,
    /// The work is done if a pull request comes from this branch; `OWNER:BRANCH` for a fork's.
    #[arg(long, value_name = "HEAD")]
    unless_pull_request: Vec<String>,
    /// How far that pull request must be.
    #[arg(long, value_enum, default_value_t = WantedState::Open, value_name = "STATE")]
    state: WantedState,
    /// The work is done if a file of this pattern is in the working directory; may be repeated.
    #[arg(long, value_name = "GLOB")]
    unless_path: Vec<String>,
    #[command(flatten)]
    pub(super) forge: ForgeFlags,
}

/// How far a pull request must be to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum WantedState {
    /// It is open.
    #[default]
    Open,
    /// It was merged.
    Merged,
    /// It was closed without being merged.
    Closed,
    /// There is one.
    Any,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Something is there.
    Yes(There),
    /// Nothing is there.
    No,
    /// It could not be found out.
    Unknown(String),
}

/// Something that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct There {
    /// What it is, as people say it.
    pub(super) what: String,
    /// Where people see it.
    pub(super) link: Option<String>,
}

impl ProbeFlags {
    /// Says whether there is anything to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.unless_branch.is_empty()
            && self.unless_pull_request.is_empty()
            && self.unless_path.is_empty()
    }

    /// Looks for everything. One that is there decides, whatever is not known about the others.
    pub(super) async fn look(
        &self,
        caller: &Caller,
        session: &Session,
    ) -> Result<Finding, Failure> {
        let mut doubt = None;
        for pattern in &self.unless_path {
            match path(&session.directory, &glob(pattern)?) {
                Finding::No => {}
                Finding::Unknown(why) => doubt = Some(why),
                there @ Finding::Yes(_) => return Ok(there),
            }
        }
        if self.unless_branch.is_empty() && self.unless_pull_request.is_empty() {
            return Ok(doubt.map_or(Finding::No, Finding::Unknown));
        }
        let client = self.forge.client(session, &caller.host, &caller.repository)?;
        let server = session.surroundings.get("GITHUB_SERVER_URL").map(ToOwned::to_owned);
        let server = server.unwrap_or_else(|| format!("https://{}", caller.host));
        // A pull request says more than its branch, so it is looked for first.
        for head in &self.unless_pull_request {
            match self.pull_request(&client, head).await {
                Finding::No => {}
                Finding::Unknown(why) => doubt = Some(why),
                there @ Finding::Yes(_) => return Ok(there),
            }
        }
        for name in &self.unless_branch {
            match client.has_branch(name).await {
                Ok(false) => {}
                Err(error) => doubt = Some(error.to_string()),
                Ok(true) => {
                    let what = format!("branch {name}");
                    let link = Some(format!("{server}/{}/tree/{name}", caller.repository));
                    return Ok(Finding::Yes(There { what, link }));
                }
            }
        }
        Ok(doubt.map_or(Finding::No, Finding::Unknown))
    }

    async fn pull_request(&self, client: &Client, head: &str) -> Finding {
        let pulls = match head.split_once(':') {
            Some((owner, branch)) => client.pulls_from_fork(owner, branch).await,
            None => client.pulls_from(head).await,
        };
        match pulls {
            Err(error) => Finding::Unknown(error.to_string()),
            Ok(pulls) => match pulls.iter().find(|pull| self.state.is_met(pull)) {
                None => Finding::No,
                Some(pull) => {
                    let word = match pull.pull_state() {
                        PullState::Open => "open",
                        PullState::Merged => "merged",
                        PullState::Closed => "closed",
                    };
                    let what = format!("pull request #{} from {head} ({word})", pull.number);
                    let link = Some(pull.html_url.clone()).filter(|link| !link.is_empty());
                    Finding::Yes(There { what, link })
                }
            },
        }
    }
}

impl WantedState {
    fn is_met(self, pull: &PullRequest) -> bool {
        match self {
            Self::Open => pull.pull_state() == PullState::Open,
            Self::Merged => pull.pull_state() == PullState::Merged,
            Self::Closed => pull.pull_state() == PullState::Closed,
            Self::Any => true,
        }
    }
}

fn glob(pattern: &str) -> Result<GlobMatcher, Failure> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    let glob = glob.map_err(|error| {
        Failure::new(Exit::Usage, format!("--unless-path {pattern}: {error}"))
            .hinted("`*` is a part of a name, `**` any directories: `out/**/*.mp3`")
    })?;
    Ok(glob.compile_matcher())
}

/// Walks the tree, without following links, until something is found.
fn path(root: &Path, glob: &GlobMatcher) -> Finding {
    let (mut waiting, mut seen, mut doubt) = (vec![root.to_owned()], 0_usize, None);
    while let Some(directory) = waiting.pop() {
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) => {
                doubt = Some(format!("{}: {error}", directory.display()));
                continue;
            }
        };
        for entry in entries.flatten() {
            seen += 1;
            if seen > MAX_FILES {
                return Finding::Unknown(format!("there are more than {MAX_FILES} files"));
            }
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap_or(&path);
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if glob.is_match(name) {
                let what = format!("file {}", name.display());
                return Finding::Yes(There { what, link: None });
            }
            if is_directory && entry.file_name() != ".git" {
                waiting.push(path);
            }
        }
    }
    doubt.map_or(Finding::No, Finding::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_found_below_the_directory_and_nowhere_else() {
        let root = tempfile::tempdir().expect("a directory");
        std::fs::create_dir_all(root.path().join("out/deep/.git")).expect("directories");
        std::fs::write(root.path().join("out/deep/a.mp3"), "").expect("a file");
        std::fs::write(root.path().join("out/deep/.git/b.wav"), "").expect("a file");
        let look = |pattern: &str| path(root.path(), &glob(pattern).expect("a pattern"));
        assert!(matches!(look("out/**/*.mp3"), Finding::Yes(_)));
        assert!(matches!(look("out/deep"), Finding::Yes(_)));
        assert_eq!(look("*.mp3"), Finding::No);
        assert_eq!(look("**/*.wav"), Finding::No);
        assert!(matches!(path(Path::new("/no/such"), &glob("*").expect("*")), Finding::Unknown(_)));
        assert!(glob("a[").is_err());
    }
}
