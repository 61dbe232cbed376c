//! What a step asks of `actions/checkout`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::error::Error;

/// What a step asks of a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutRequest {
    /// A branch, tag or commit; the one of the run if absent.
    pub reference: Option<String>,
    /// Where below the workspace.
    pub path: PathBuf,
    /// Whether files that are there already are removed.
    pub clean: bool,
    /// How many commits of the history; 0 for all of it, with all branches and tags.
    pub fetch_depth: u32,
    /// Whether all tags come along.
    pub fetch_tags: bool,
    /// The credentials that later steps find in the checkout's configuration.
    pub credentials: Option<Credentials>,
}

/// What lets Git talk to the server of the repository.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The server, such as `https://github.com`.
    pub server: String,
    /// The token.
    pub token: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("server", &self.server).finish_non_exhaustive()
    }
}

/// What a step's inputs are judged by.
#[derive(Clone, Debug)]
pub struct Surroundings<'a> {
    /// The names that mean the run's own repository.
    pub repositories: &'a [&'a str],
    /// The job's token, if it has one.
    pub token: Option<&'a str>,
    /// The server of the repository.
    pub server: &'a str,
}

/// The inputs that we do not act on, with the values that ask for nothing.
const NEUTRAL: [(&str, &[&str]); 13] = [
    ("ssh-key", &[""]),
    ("ssh-known-hosts", &[""]),
    ("ssh-strict", &["", "true", "false"]),
    ("ssh-user", &["", "git"]),
    ("filter", &[""]),
    ("sparse-checkout", &[""]),
    ("sparse-checkout-cone-mode", &["", "true"]),
    ("show-progress", &["", "true", "false"]),
    ("lfs", &["", "false"]),
    ("submodules", &["", "false"]),
    ("set-safe-directory", &["", "true"]),
    ("github-server-url", &[""]),
    ("allow-unsafe-pr-checkout", &["", "false"]),
];

impl CheckoutRequest {
    /// Returns what `uses: actions/checkout` without inputs asks for.
    pub fn plain() -> Self {
        let (reference, path) = (None, PathBuf::new());
        Self { reference, path, clean: true, fetch_depth: 1, fetch_tags: false, credentials: None }
    }

    /// Reads the inputs of a step. What we do not do is refused.
    pub fn from_inputs(
        inputs: &BTreeMap<String, String>,
        surroundings: &Surroundings<'_>,
    ) -> Result<Self, Error> {
        let mut request = Self::plain();
        let mut token = surroundings.token.unwrap_or_default();
        let mut persist = true;
        for (name, value) in inputs {
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "repository" => same_repository(value, surroundings.repositories)?,
                "ref" => request.reference = (!value.is_empty()).then(|| value.to_owned()),
                "path" => request.path = inside(value)?,
                "clean" => request.clean = boolean(name, value, true)?,
                "fetch-tags" => request.fetch_tags = boolean(name, value, false)?,
                "fetch-depth" => request.fetch_depth = depth(value),
                "persist-credentials" => persist = boolean(name, value, true)?,
                "token" => token = value,
                "github-server-url" if value == surroundings.server => {}
                other => neutral(other, value)?,
            }
        }
        if persist && !token.is_empty() {
            let (server, token) = (surroundings.server.to_owned(), token.to_owned());
            request.credentials = Some(Credentials { server, token });
        }
        Ok(request)
    }
}

fn same_repository(value: &str, names: &[&str]) -> Result<(), Error> {
    if value.is_empty() || names.iter().any(|name| name.eq_ignore_ascii_case(value)) {
        return Ok(());
    }
    Err(Error::refused(
        format!("actions/checkout of another repository: {value}"),
        "Interlock checks out the repository of the run; clone others in a `run` step",
    ))
}

fn neutral(name: &str, value: &str) -> Result<(), Error> {
    let hint = "supported are repository, ref, path, clean, fetch-depth, fetch-tags, token, persist-credentials";
    match NEUTRAL.iter().find(|(known, _)| *known == name) {
        Some((_, values)) if values.contains(&value) => Ok(()),
        Some(_) => Err(Error::refused(format!("actions/checkout with {name}: {value}"), hint)),
        None => Err(Error::refused(format!("actions/checkout has no input {name}"), hint)),
    }
}

fn boolean(name: &str, value: &str, default: bool) -> Result<bool, Error> {
    match value.to_ascii_lowercase().as_str() {
        "" => Ok(default),
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Error::refused(
            format!("actions/checkout with {name}: {value}"),
            "write true or false",
        )),
    }
}

/// Reads a depth as `actions/checkout` does: what is no number, or below zero, is all of the history.
fn depth(value: &str) -> u32 {
    if value.is_empty() { 1 } else { value.parse().unwrap_or(0) }
}

/// Reads a path that must not leave the workspace.
fn inside(value: &str) -> Result<PathBuf, Error> {
    let mut path = PathBuf::new();
    for part in Path::new(value).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir if path.pop() => {}
            _ => {
                return Err(Error::refused(
                    format!("actions/checkout with path: {value}"),
                    "the path must lie below the workspace",
                ));
            }
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inputs: &[(&str, &str)]) -> Result<CheckoutRequest, Error> {
        let inputs = inputs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let surroundings = Surroundings {
            repositories: &["octo/hello"],
            token: Some("t"),
            server: "https://github.com",
        };
        CheckoutRequest::from_inputs(&inputs, &surroundings)
    }

    #[test]
    fn inputs_are_read_as_github_reads_them() {
        let request = read(&[
            ("ref", " v1 "),
            ("path", "./a/../b"),
            ("clean", "FALSE"),
            ("fetch-depth", "0"),
            ("repository", "Octo/Hello"),
            ("persist-credentials", "false"),
            ("fetch-tags", "true"),
            ("lfs", "false"),
            ("token", ""),
        ]);
        let request = request.unwrap();
        assert_eq!(request.reference.as_deref(), Some("v1"));
        assert_eq!(request.path, Path::new("b"));
        assert_eq!((request.clean, request.fetch_depth, request.fetch_tags), (false, 0, true));
        assert_eq!(request.credentials, None);
    }

    #[test]
    fn token_persists_unless_told_otherwise_and_never_shows() {
        let request = read(&[]).unwrap();
        assert_eq!(request.credentials.as_ref().unwrap().token, "t");
        assert!(!format!("{request:?}").contains("token: \"t\""));
    }

    #[test]
    fn what_we_do_not_do_is_refused() {
        for (name, value) in [
            ("repository", "other/hello"),
            ("submodules", "recursive"),
            ("lfs", "true"),
            ("sparse-checkout", "src"),
            ("path", "../x"),
            ("path", "/tmp/x"),
            ("path", "a/../../x"),
            ("clean", "perhaps"),
            ("colour", "red"),
        ] {
            assert!(
                matches!(read(&[(name, value)]), Err(Error::Refused { .. })),
                "{name}: {value}"
            );
        }
    }
}
