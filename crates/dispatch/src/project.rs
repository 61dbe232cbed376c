//! The workflows of a repository, read once for a call.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use workflow::{Diagnostic, Severity, Source, Span, Workflow};

/// Largest workflow file read; GitHub's own limit is smaller.
const MAX_FILE: u64 = 1024 * 1024;

/// Most workflow files read from one repository.
const MAX_FILES: usize = 5_000;

/// Where workflows are, from the top of a repository.
pub const FOLDER: &str = ".github/workflows";

/// A file that was read, and what came of it.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path in the repository, with slashes.
    pub path: String,
    /// Its text, for diagnostics.
    pub source: Source,
    /// The workflow, if it has no error.
    pub workflow: Option<Arc<Workflow>>,
    /// Errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// All workflows of a repository.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The files, in order of their paths.
    pub files: Vec<File>,
    /// The workflows by what `uses` calls them, for example `./.github/workflows/build.yml`.
    pub callable: BTreeMap<String, Arc<Workflow>>,
}

/// A project that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not one that can be a workflow.
    #[error("{}: {why}", path.display())]
    Unfit {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

impl Project {
    /// Reads every workflow under `root`.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let folder = root.join(FOLDER);
        let failed = |source| Error::Io { path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(failed(error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if matches!(extension, Some("yml" | "yaml")) && path.is_file() {
                paths.push(path);
            }
        }
        if paths.len() > MAX_FILES {
            return Err(Error::Unfit {
                path: folder,
                why: format!("has more than {MAX_FILES} workflows"),
            });
        }
        paths.sort();
        Self::read_files(root, &paths)
    }

    fn read_files(root: &Path, paths: &[PathBuf]) -> Result<Self, Error> {
        let mut project = Self::default();
        for path in paths {
            let file = match File::read(root, path) {
                // One file that cannot be a workflow must not keep the others from running.
                Err(Error::Unfit { path, why }) => File::unfit(root, &path, &why),
                file => file?,
            };
            if let Some(workflow) = &file.workflow {
                project.callable.insert(format!("./{}", file.path), Arc::clone(workflow));
            }
            project.files.push(file);
        }
        Ok(project)
    }

    /// Adds a file that is not in the usual folder, unless it is there already. Returns its path in
    /// the project.
    pub fn add(&mut self, root: &Path, path: &Path) -> Result<String, Error> {
        let file = File::read(root, path)?;
        let name = file.path.clone();
        if !self.files.iter().any(|known| known.path == name) {
            self.files.push(file);
        }
        Ok(name)
    }
}

impl File {
    /// Reads one workflow.
    pub fn read(root: &Path, path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Io { path: path.to_owned(), source };
        let unfit = |why: &str| Error::Unfit { path: path.to_owned(), why: why.to_owned() };
        if fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
            return Err(unfit("is larger than 1 MiB"));
        }
        let text = String::from_utf8(fs::read(path).map_err(failed)?)
            .map_err(|_| unfit("is not UTF-8"))?;
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        let source = Source::new(name.clone(), text);
        let reading = workflow::read(source.clone());
        let workflow = reading.value.map(Arc::new);
        Ok(Self { path: name, source, workflow, diagnostics: reading.diagnostics })
    }

    /// Stands for a file that cannot be a workflow.
    fn unfit(root: &Path, path: &Path, why: &str) -> Self {
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        let diagnostics =
            vec![Diagnostic::error("unfit-file", Span::default(), format!("the file {why}"))];
        Self { source: Source::new(name.clone(), ""), path: name, workflow: None, diagnostics }
    }

    /// Returns the errors among the diagnostics.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_cannot_be_a_workflow_does_not_hide_the_others() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        let size = usize::try_from(MAX_FILE).unwrap() + 1;
        fs::write(folder.join("huge.yml"), " ".repeat(size)).unwrap();
        fs::write(folder.join("latin.yml"), b"name: caf\xe9\n").unwrap();
        fs::write(folder.join("ok.yml"), "on: push\njobs: {a: {runs-on: x, steps: [{run: a}]}}\n")
            .unwrap();
        let project = Project::read(root.path()).unwrap();
        let errors: Vec<_> = project.files.iter().map(|file| file.errors().count()).collect();
        assert_eq!(errors, [1, 1, 0]);
        assert!(project.callable.contains_key("./.github/workflows/ok.yml"));
    }
}
