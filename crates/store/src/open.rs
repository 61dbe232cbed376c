//! Opening a store by its URL.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Error, ErrorKind, File, Git, Memory, Objects, Store};

const KINDS: &str = "a store is memory:, file:PATH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, \
    az://CONTAINER/PREFIX, git+https://…, git+ssh://… or git+file://…";

/// What a store may take from its surroundings: variables, and where to keep state.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The environment's variables: regions, endpoints, credentials.
    pub variables: BTreeMap<String, String>,
    /// The state directory, for the embedded store and for Git's scratch repositories.
    pub state: PathBuf,
}

/// Opens the store a URL names; an empty one names the embedded store in the state directory.
///
/// Nothing beyond this machine is asked yet: what cannot be reached says so when it is used.
pub async fn open(url: &str, surroundings: &Surroundings) -> Result<Arc<dyn Store>, Error> {
    let refuse = |why: &str| Err(Error::new(ErrorKind::Unsupported, "store", "open", url, why));
    if url.is_empty() {
        return Ok(Arc::new(File::open(&surroundings.state.join("store.db")).await?));
    }
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Arc::new(Memory::default())),
        Some(("file", rest)) => match file_path(rest) {
            Some(path) => Ok(Arc::new(File::open(&path).await?)),
            None => refuse("a file is named as file:PATH or file:///PATH, without another host"),
        },
        Some(("s3" | "gs" | "az", _)) => Ok(Arc::new(Objects::open(url, surroundings)?)),
        Some((scheme, _)) if scheme.starts_with("git+") => {
            Ok(Arc::new(Git::open(url, surroundings)?))
        }
        _ => refuse(KINDS),
    }
}

/// Returns the path of `file:PATH`, `file:///PATH` or `file://localhost/PATH`.
fn file_path(rest: &str) -> Option<PathBuf> {
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => rest,
    };
    let given = !path.is_empty() && (path.starts_with('/') || !rest.starts_with("//"));
    (given && !path.ends_with('/')).then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rest: &str, path: Option<&str>) {
        assert_eq!(file_path(rest), path.map(PathBuf::from), "{rest}");
    }

    #[test]
    fn file_urls_are_read_with_and_without_slashes() {
        check("store.db", Some("store.db"));
        check("./a/store.db", Some("./a/store.db"));
        check("/a/store.db", Some("/a/store.db"));
        check("///a/store.db", Some("/a/store.db"));
        check("//localhost/a/store.db", Some("/a/store.db"));
        check("//elsewhere/a/store.db", None);
        check("", None);
        check("/a/", None);
    }

    #[tokio::test]
    async fn url_decides_which_store_it_is() {
        let state = tempfile::tempdir().expect("a directory");
        let surroundings =
            Surroundings { state: state.path().join("state"), ..Surroundings::default() };
        for (url, kind) in [
            ("", "File"),
            ("memory:", "Memory"),
            ("s3://bucket/prefix", "Objects"),
            ("git+https://github.com/octo/repo", "Git"),
        ] {
            let store = open(url, &surroundings).await.expect(url);
            assert!(format!("{store:?}").starts_with(kind), "{url}: {store:?}");
        }
        assert!(state.path().join("state/store.db").exists());
        for url in ["redis://x", "memory:x", "file:", "store.db", "git+ftp://x/y"] {
            let error = open(url, &surroundings).await.expect_err(url);
            assert_eq!(error.kind, ErrorKind::Unsupported, "{url}");
        }
    }
}
