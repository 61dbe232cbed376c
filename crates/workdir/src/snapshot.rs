//! What all jobs of a run check out, fixed once when the run starts.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::git::{Git, is_sha};
use crate::mirror::{self, Mirrors};
use crate::repository::{Repository, names};
use crate::working_tree;

/// What a run wants its jobs to check out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// The commit that an event names, if the repository has it; else the working tree.
    Event {
        /// The commit.
        sha: Option<String>,
        /// The branch, tag or pull request that the event is about, in full.
        reference: Option<String>,
    },
    /// The working tree as it stands.
    WorkingTree,
    /// The checked-out commit, without what was changed since.
    Committed,
    /// The commit that a person named, in any way that Git understands.
    Revision(String),
}

/// What all jobs of a run check out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The bare repository that has it.
    pub(crate) mirror: PathBuf,
    /// The commit that jobs find checked out, `GITHUB_SHA`.
    pub sha: String,
    /// Its branch, tag or pull request in full, `GITHUB_REF`.
    pub reference: Option<String>,
    /// The same commit in the user's repository; absent where there is none.
    pub commit: Option<String>,
    /// Which of both it is.
    pub content: Content,
    /// The files.
    pub(crate) tree: String,
    /// The files of the commit.
    pub(crate) base_tree: String,
    /// Whether the commit has parents.
    pub(crate) has_parents: bool,
    /// The commit that the event named and that the repository does not have.
    pub(crate) stands_for: Option<String>,
    /// Where the repository comes from.
    pub(crate) url: Option<String>,
    /// Whether commits of the mirror are those of the project.
    pub(crate) has_history: bool,
}

/// Whether jobs see a commit, or files nobody has committed yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// A commit as it is.
    Commit,
    /// The working tree.
    WorkingTree {
        /// How many files differ from the commit.
        changed: usize,
    },
}

impl fmt::Display for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commit | Self::WorkingTree { changed: 0 } => formatter.write_str("commit"),
            Self::WorkingTree { changed: 1 } => formatter.write_str("working tree, 1 file changed"),
            Self::WorkingTree { changed } => {
                write!(formatter, "working tree, {changed} files changed")
            }
        }
    }
}

impl Repository {
    /// Fixes what the jobs of a run are going to see. The user's repository gets no object and no reference.
    pub async fn snapshot(&self, mirrors: &Mirrors, want: &Want) -> Result<Snapshot, Error> {
        let mirror = mirrors.refresh(self).await?;
        let (commit, reference, is_exact) = self.chosen(want).await?;
        if let (Some(work), Some(commit)) = (&self.work, &commit) {
            mirror::fetch_commit(&work.common_directory, &mirror, commit).await?;
        }
        let base = match &commit {
            Some(commit) => self.base(&mirror, commit).await?,
            None => None,
        };
        let reference = reference.or_else(|| self.reference().map(str::to_owned));
        let stands_for = match want {
            Want::Event { sha: Some(sha), .. } if !is_exact => Some(sha.clone()),
            _ => None,
        };
        let url = self.origin().url.clone();
        let has_history =
            self.work.as_ref().is_some_and(|work| work.prefix.is_empty()) && base.is_some();
        if is_exact && base.is_none() {
            return Err(self.without_content(commit.as_deref()));
        }
        let recorded =
            if is_exact { None } else { Some(working_tree::record(self, &mirror).await?) };
        let sha = match (base, &recorded) {
            (Some(base), _) => base,
            (None, Some(tree)) => {
                working_tree::commit(&mirror, tree, &working_tree::Author::nobody()).await?
            }
            (None, None) => return Err(self.without_content(None)),
        };
        let (base_tree, has_parents) = about(&mirror, &sha).await?;
        let (tree, content) = match recorded {
            None => (base_tree.clone(), Content::Commit),
            Some(tree) if tree == base_tree => (tree, Content::WorkingTree { changed: 0 }),
            Some(tree) => {
                let changed = changed(&mirror, &base_tree, &tree).await?;
                (tree, Content::WorkingTree { changed })
            }
        };
        Ok(Snapshot {
            mirror,
            sha,
            reference,
            commit,
            content,
            tree,
            base_tree,
            has_parents,
            stands_for,
            url,
            has_history,
        })
    }

    /// Returns the commit in the user's repository, its reference, and whether its files are wanted as they are.
    async fn chosen(&self, want: &Want) -> Result<(Option<String>, Option<String>, bool), Error> {
        let head = self.head().map(str::to_owned);
        match want {
            Want::WorkingTree => Ok((head, None, false)),
            Want::Event { sha, reference } => match sha {
                Some(sha) if self.has(sha).await? => {
                    Ok((Some(sha.to_lowercase()), reference.clone(), true))
                }
                _ => Ok((head, reference.clone(), false)),
            },
            Want::Committed => match head {
                Some(head) => Ok((Some(head), None, true)),
                None => Err(self.without_content(None)),
            },
            Want::Revision(name) => {
                let (sha, reference) = self.revision(name).await?;
                Ok((Some(sha), reference, true))
            }
        }
    }

    async fn revision(&self, name: &str) -> Result<(String, Option<String>), Error> {
        let missing = || Error::NoSuchRevision { name: name.to_owned() };
        if self.work.is_none() || name.contains('\0') {
            return Err(missing());
        }
        let commit = format!("{name}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "-q", "--end-of-options", &commit];
        let sha = self.git().args(arguments).line_if_any().await?.ok_or_else(missing)?;
        let arguments =
            ["rev-parse", "--verify", "-q", "--symbolic-full-name", "--end-of-options", name];
        let full = self.git().args(arguments).line_if_any().await?;
        let full = full.and_then(|name| name.lines().last().map(str::to_owned));
        let reference = full.and_then(|name| match name.strip_prefix("refs/remotes/origin/") {
            Some(branch) => Some(format!("refs/heads/{branch}")),
            None => name.starts_with("refs/").then_some(name),
        });
        Ok((sha, reference))
    }

    /// Returns the commit that jobs see: the same one, or one with a part of its files.
    async fn base(&self, mirror: &Path, commit: &str) -> Result<Option<String>, Error> {
        let prefix = self.work.as_ref().map_or("", |work| work.prefix.as_str());
        if prefix.is_empty() {
            return Ok(Some(commit.to_owned()));
        }
        let part = format!("{commit}:{}", prefix.trim_end_matches('/'));
        let arguments = ["rev-parse", "--verify", "-q", "--end-of-options", &part];
        let Some(tree) = Git::of_ours(mirror).args(arguments).line_if_any().await? else {
            return Ok(None);
        };
        let author = working_tree::Author::of(mirror, commit).await?;
        Ok(Some(working_tree::commit(mirror, &tree, &author).await?))
    }

    fn without_content(&self, commit: Option<&str>) -> Error {
        let root = self.root.display();
        let message = match commit {
            Some(commit) => format!("commit {commit} has no files in {root}"),
            None => format!("there is no commit in {root}"),
        };
        Error::refused(message, "commit the files, or run without --committed and --ref")
    }
}

impl Snapshot {
    /// Returns the same files for an event that names a commit the repository does not have.
    #[must_use]
    pub fn standing_for(&self, sha: &str) -> Self {
        Self { stands_for: Some(sha.to_owned()), ..self.clone() }
    }

    /// Reads one file; `None` if there is none of that name.
    pub async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let name = format!("{}:{}", self.tree, path.trim_start_matches("./"));
        let answer = Git::of_ours(&self.mirror).args(["cat-file", "blob", &name]).ask().await?;
        Ok(answer.success.then_some(answer.stdout))
    }

    /// Lists the files of a directory, not those of directories below it; none if it does not exist.
    pub async fn files(&self, directory: &str) -> Result<Vec<String>, Error> {
        let directory = format!("{}/", directory.trim_start_matches("./").trim_end_matches('/'));
        let arguments =
            ["ls-tree", "-z", "--name-only", "--full-tree", &self.tree, "--", &directory];
        Ok(names(&Git::of_ours(&self.mirror).args(arguments).run().await?))
    }

    /// Writes the files of a directory and of those below it into `target`, which must be empty.
    pub async fn export(&self, directory: &str, target: &Path) -> Result<(), Error> {
        let directory = directory.trim_start_matches("./").trim_matches('/');
        let part = if directory.is_empty() {
            self.tree.clone()
        } else {
            format!("{}:{directory}", self.tree)
        };
        let arguments = ["rev-parse", "--verify", "-q", "--end-of-options", &part];
        let Some(tree) = Git::of_ours(&self.mirror).args(arguments).line_if_any().await? else {
            return Err(Error::NoSuchRevision { name: directory.to_owned() });
        };
        let index = tempfile::tempdir().map_err(Error::io("create", &std::env::temp_dir()))?;
        let git = Git::of_ours(&self.mirror).work_tree(target);
        let git = git.env("GIT_INDEX_FILE", index.path().join("index"));
        git.args(["read-tree", "--reset", "-u", &tree])
            .timeout(crate::git::WORK)
            .run()
            .await
            .map(drop)
    }

    /// Says whether a name of a branch, tag or commit means this snapshot.
    pub(crate) fn answers_to(&self, name: &str) -> bool {
        if is_sha(name) {
            let same = |sha: &str| sha.eq_ignore_ascii_case(name);
            return same(&self.sha) || self.stands_for.as_deref().is_some_and(same);
        }
        let Some(reference) = &self.reference else { return false };
        let short =
            ["refs/heads/", "refs/tags/"].iter().find_map(|place| reference.strip_prefix(place));
        reference == name || short == Some(name)
    }
}

/// Returns the tree of a commit, and whether it has parents.
pub(crate) async fn about(mirror: &Path, sha: &str) -> Result<(String, bool), Error> {
    let arguments = ["show", "-s", "--format=%T %P", "--no-show-signature", sha, "--"];
    let line = Git::of_ours(mirror).args(arguments).line().await?;
    let (tree, parents) = line.split_once(' ').unwrap_or((&line, ""));
    Ok((tree.to_owned(), !parents.is_empty()))
}

async fn changed(mirror: &Path, base: &str, tree: &str) -> Result<usize, Error> {
    let arguments = ["diff-tree", "-r", "-z", "--name-only", "--no-renames", base, tree];
    Ok(names(&Git::of_ours(mirror).args(arguments).run().await?).len())
}
