//! The tree: the repository that files are checked in, and what they name in it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use workflow::{MAX_BYTES, Source};

use crate::exit::Exit;
use crate::failure::Failure;

/// Where workflows are, from the top of a repository.
const FOLDER: &str = ".github/workflows";

/// The most workflows that one repository is checked for.
const MOST: usize = 5_000;

/// A repository, for what its files say about each other.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Finds the repository of a directory: the nearest upwards with workflows, else with `.git`.
    pub(super) fn around(directory: &Path) -> Self {
        let nearest = |name: &str| directory.ancestors().find(|at| at.join(name).exists());
        let root = nearest(FOLDER).or_else(|| nearest(".git")).unwrap_or(directory);
        Self { root: root.to_owned() }
    }

    /// Returns the directory of the workflows.
    pub(super) fn workflows(&self) -> PathBuf {
        self.root.join(FOLDER)
    }

    /// Returns the paths of all workflows, from the root, in order.
    pub(super) fn all(&self) -> Result<Vec<String>, Failure> {
        let folder = self.workflows();
        let failed = |error: &std::io::Error| {
            Failure::new(Exit::Usage, format!("cannot read {}: {error}", folder.display()))
        };
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(&error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| failed(&error))?.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some((_, "yml" | "yaml")) = name.rsplit_once('.') {
                paths.push(format!("{FOLDER}/{name}"));
            }
        }
        if paths.len() > MOST {
            let what = format!("{} has more than {MOST} workflows", folder.display());
            return Err(Failure::new(Exit::Usage, what));
        }
        paths.sort();
        Ok(paths)
    }

    /// Reads a file of the repository; none if it is not there.
    ///
    /// A link that leads out of the repository is not followed: what it names would be shown.
    pub(super) fn read(&self, path: &str) -> Option<Result<Source, Failure>> {
        let file = self.root.join(path);
        file.symlink_metadata().ok()?;
        let inside = match (file.canonicalize(), self.root.canonicalize()) {
            (Ok(file), Ok(root)) => file.starts_with(root),
            _ => false,
        };
        if inside {
            Some(read(&file, path))
        } else {
            let what = format!("{path} leads to something that is not in the repository");
            Some(Err(Failure::new(Exit::Usage, what)))
        }
    }

    /// Returns the path of the `action.yml` that `uses` names, if there is one.
    pub(super) fn action(&self, uses: &str) -> Option<String> {
        let folder = inside(uses)?;
        ["action.yml", "action.yaml"]
            .into_iter()
            .map(|name| if folder.is_empty() { name.into() } else { format!("{folder}/{name}") })
            .find(|path| self.root.join(path).is_file())
    }

    /// Returns whether `uses` names an action in a Dockerfile alone.
    pub(super) fn has_dockerfile(&self, uses: &str) -> bool {
        inside(uses).is_some_and(|folder| self.root.join(folder).join("Dockerfile").is_file())
    }
}

/// Returns the path from the root that `./x` or `$/x` means; none if it leads out.
pub(super) fn inside(uses: &str) -> Option<String> {
    let path = uses.strip_prefix("./").or_else(|| uses.strip_prefix("$/"))?;
    let mut parts: Vec<&str> = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// Reads a file and gives it the path it is shown by.
pub(super) fn read(file: &Path, shown: &str) -> Result<Source, Failure> {
    let failed = |why: &str| Failure::new(Exit::Usage, format!("cannot read {shown}: {why}"));
    let is_file = std::fs::metadata(file).map_err(|error| failed(&error.to_string()))?.is_file();
    if !is_file {
        return Err(failed("it is not a file"));
    }
    let mut bytes = Vec::new();
    // One byte more than is read, so that the file is refused for its size.
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    File::open(file)
        .and_then(|file| file.take(most).read_to_end(&mut bytes))
        .map_err(|error| failed(&error.to_string()))?;
    if bytes.len() > MAX_BYTES {
        return Err(failed(&format!("it is larger than {MAX_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8"))?;
    Ok(Source::new(shown, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        assert_eq!(inside("./a/../b/./c").as_deref(), Some("b/c"));
        assert_eq!(inside("./").as_deref(), Some(""));
        assert_eq!(inside("$/x").as_deref(), Some("x"));
        assert_eq!(inside("./../x"), None);
        assert_eq!(inside(".//x").as_deref(), None);
        assert_eq!(inside("o/r@v1"), None);
    }
}
