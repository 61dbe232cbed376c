//! The user's repository, which is only ever read.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::git::{Git, WORK, is_sha};
use crate::origin::Origin;

/// A project: the work tree of a repository, a part of one, or a plain directory.
#[derive(Clone, Debug)]
pub struct Repository {
    pub(crate) root: PathBuf,
    pub(crate) work: Option<Work>,
    head: Option<String>,
    reference: Option<String>,
    origin: Origin,
    default_branch: String,
}

/// Where Git keeps what belongs to a project.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    /// The Git directory of this work tree.
    pub(crate) git_directory: PathBuf,
    /// The Git directory that all work trees of the repository share.
    pub(crate) common_directory: PathBuf,
    /// The project below the top of the work tree: empty, or `examples/music/`.
    pub(crate) prefix: String,
}

impl Repository {
    /// Finds the project that a directory belongs to.
    ///
    /// The nearest directory upwards that has `.github/workflows` is the project, also in the middle of
    /// a work tree or outside of any; else it is the top of the work tree.
    pub async fn discover(directory: &Path) -> Result<Self, Error> {
        let directory = directory.canonicalize().map_err(Error::io("open", directory))?;
        let top = line_of(&directory, &["rev-parse", "--show-toplevel"]).await;
        let top = match top {
            Ok(top) => Some(PathBuf::from(top)),
            Err(Error::Git { message, .. }) if message.contains("not a git repository") => None,
            Err(Error::Git { message, .. }) if message.contains("must be run in a work tree") => {
                return Err(Error::refused(
                    format!("{} is a repository without a work tree", directory.display()),
                    "run from a clone of it, or name one with -C",
                ));
            }
            Err(error) => return Err(error),
        };
        let has_workflows = |at: &&Path| at.join(".github/workflows").is_dir();
        let within = |at: &&Path| top.as_ref().is_none_or(|top| at.starts_with(top));
        let project =
            directory.ancestors().take_while(within).find(has_workflows).map(Path::to_owned);
        let root = project.or_else(|| top.clone()).unwrap_or(directory);
        match top {
            Some(_) => Self::in_git(root).await,
            None => Ok(Self::plain(root)),
        }
    }

    fn plain(root: PathBuf) -> Self {
        let origin = Origin::local(&name_of(&root));
        Self {
            root,
            work: None,
            head: None,
            reference: None,
            origin,
            default_branch: "main".to_owned(),
        }
    }

    async fn in_git(root: PathBuf) -> Result<Self, Error> {
        let questions = ["rev-parse", "--absolute-git-dir", "--git-common-dir", "--show-prefix"];
        let places = Git::of_user(&root).args(questions).line();
        let head = Git::of_user(&root)
            .args(["rev-parse", "--verify", "-q", "HEAD^{commit}"])
            .line_if_any();
        let branch = Git::of_user(&root).args(["symbolic-ref", "-q", "HEAD"]).line_if_any();
        let url = Git::of_user(&root).args(["config", "--get", "remote.origin.url"]).line_if_any();
        let (places, head, branch, url) = tokio::try_join!(places, head, branch, url)?;
        let work = Work::parse(&root, &places)?;
        let origin = match &url {
            // A part of a repository is a repository of its own; nobody's URL names it.
            Some(url) if work.prefix.is_empty() => Origin::parse(url),
            _ => None,
        };
        let origin = origin.unwrap_or_else(|| Origin::local(&name_of(&root)));
        let reference = match (branch, &head) {
            (Some(branch), _) => Some(branch),
            (None, Some(_)) => tag_at_head(&root).await?,
            (None, None) => None,
        };
        let default_branch = default_branch(&root, reference.as_deref()).await?;
        Ok(Self { root, work: Some(work), head, reference, origin, default_branch })
    }

    /// Returns the directory whose content jobs check out.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the checked-out commit, if there is one.
    pub fn head(&self) -> Option<&str> {
        self.head.as_deref()
    }

    /// Returns the checked-out branch in full, or the tag where a detached commit has one.
    pub fn reference(&self) -> Option<&str> {
        self.reference.as_deref()
    }

    /// Returns whose repository it is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns the name of the branch that pull requests go to.
    pub fn default_branch(&self) -> &str {
        &self.default_branch
    }

    /// Says whether Git knows about the project.
    pub fn is_in_git(&self) -> bool {
        self.work.is_some()
    }

    /// Says whether files differ from the checked-out commit, new ones that are not ignored included.
    pub async fn is_dirty(&self) -> Result<bool, Error> {
        if self.work.is_none() {
            return Ok(true);
        }
        let arguments = ["status", "--porcelain", "-z", "--untracked-files=normal", "--", "."];
        Ok(!self.git().args(arguments).timeout(WORK).run().await?.is_empty())
    }

    /// Says whether the repository has the commit.
    pub async fn has(&self, sha: &str) -> Result<bool, Error> {
        if self.work.is_none() || !is_sha(sha) {
            return Ok(false);
        }
        let commit = format!("{sha}^{{commit}}");
        Ok(self.git().args(["cat-file", "-e", &commit]).ask().await?.success)
    }

    /// Returns how many commits there are up to and including this one; none if it is not there.
    ///
    /// A descendant always has more than its ancestors.
    pub async fn depth(&self, sha: &str) -> Result<Option<u64>, Error> {
        if !self.has(sha).await? {
            return Ok(None);
        }
        let count = self.git().args(["rev-list", "--count", sha]).line().await?;
        Ok(count.parse().ok())
    }

    /// Returns the files that differ between two commits, as a push has them; `None` if it cannot be known.
    ///
    /// A branch that is new has no commit before: it is compared with where it left the default branch,
    /// or if it never did, with nothing.
    pub async fn changed(&self, before: &str, after: &str) -> Result<Option<Vec<String>>, Error> {
        if !self.has(after).await? {
            return Ok(None);
        }
        if !before.bytes().all(|byte| byte == b'0') {
            return self.difference(before, after).await;
        }
        let default = self.default_tip().await?;
        let base = match &default {
            Some(tip) => self.merge_base(tip, after).await?,
            None => None,
        };
        match base {
            Some(base) if base != after => self.difference(&base, after).await,
            _ => {
                let all =
                    self.git().args(["ls-tree", "-r", "-z", "--name-only", after]).run().await?;
                Ok(Some(names(&all)))
            }
        }
    }

    /// Returns the files that a branch changed since it left its base, as a pull request has them.
    pub async fn changed_since_fork(
        &self,
        base: &str,
        head: &str,
    ) -> Result<Option<Vec<String>>, Error> {
        if !self.has(base).await? || !self.has(head).await? {
            return Ok(None);
        }
        match self.merge_base(base, head).await? {
            Some(fork) => self.difference(&fork, head).await,
            None => Ok(None),
        }
    }

    async fn difference(&self, from: &str, to: &str) -> Result<Option<Vec<String>>, Error> {
        if !self.has(from).await? {
            return Ok(None);
        }
        let arguments =
            ["diff-tree", "-r", "-z", "--name-only", "--no-renames", "--relative", from, to];
        Ok(Some(names(&self.git().args(arguments).run().await?)))
    }

    async fn merge_base(&self, one: &str, other: &str) -> Result<Option<String>, Error> {
        self.git().args(["merge-base", one, other]).line_if_any().await
    }

    async fn default_tip(&self) -> Result<Option<String>, Error> {
        for place in ["refs/remotes/origin/", "refs/heads/"] {
            let name = format!("{place}{}^{{commit}}", self.default_branch);
            let tip = self.git().args(["rev-parse", "--verify", "-q", "--end-of-options", &name]);
            if let Some(tip) = tip.line_if_any().await? {
                return Ok(Some(tip));
            }
        }
        Ok(None)
    }

    pub(crate) fn git(&self) -> Git {
        Git::of_user(&self.root)
    }
}

impl Work {
    fn parse(root: &Path, places: &str) -> Result<Self, Error> {
        let mut lines = places.split('\n');
        let (Some(own), Some(common), prefix, None) =
            (lines.next(), lines.next(), lines.next().unwrap_or_default(), lines.next())
        else {
            return Err(Error::refused(
                format!("{} has a line break in its path", root.display()),
                "move the repository to a directory with a plain name",
            ));
        };
        Ok(Self {
            git_directory: PathBuf::from(own),
            // Git answers relative to where it was asked.
            common_directory: root.join(common),
            prefix: prefix.to_owned(),
        })
    }
}

async fn line_of(directory: &Path, arguments: &[&str]) -> Result<String, Error> {
    Git::of_user(directory).args(arguments).line().await
}

async fn tag_at_head(root: &Path) -> Result<Option<String>, Error> {
    let arguments = [
        "for-each-ref",
        "--points-at=HEAD",
        "--count=1",
        "--sort=-creatordate",
        "--format=%(refname)",
        "refs/tags",
    ];
    Git::of_user(root).args(arguments).line_if_any().await
}

async fn default_branch(root: &Path, current: Option<&str>) -> Result<String, Error> {
    let arguments = ["symbolic-ref", "-q", "refs/remotes/origin/HEAD"];
    if let Some(head) = Git::of_user(root).args(arguments).line_if_any().await?
        && let Some(name) = head.strip_prefix("refs/remotes/origin/")
    {
        return Ok(name.to_owned());
    }
    let arguments =
        ["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads/main", "refs/heads/master"];
    let usual = Git::of_user(root).args(arguments).line_if_any().await?;
    let usual = usual.and_then(|names| names.lines().next().map(str::to_owned));
    let current = || current.and_then(|name| name.strip_prefix("refs/heads/")).map(str::to_owned);
    Ok(usual.or_else(current).unwrap_or_else(|| "main".to_owned()))
}

fn name_of(root: &Path) -> String {
    root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Splits names that end with NUL.
pub(crate) fn names(bytes: &[u8]) -> Vec<String> {
    let names = bytes.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}
