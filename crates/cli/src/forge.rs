//! The forge, as the surroundings name it: its API, the token, and what a job knows about its own run.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use github::{Client, Http, Settings};
use serde_json::Value;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::surroundings::Surroundings;

/// The longest event that is read; GitHub sends at most 25 MB.
const MAX_EVENT: u64 = 26 << 20;
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How the API is reached.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ForgeFlags {
    /// The environment variable that has the token; `GITHUB_TOKEN` or `GH_TOKEN` if absent.
    #[arg(long, value_name = "NAME")]
    pub(crate) token_env: Option<String>,
    /// The login that our comments carry, if the API does not say: that of an app, for example `my-app[bot]`.
    #[arg(long, value_name = "LOGIN")]
    pub(crate) author: Option<String>,
}

impl ForgeFlags {
    /// Makes a client for a repository.
    pub(crate) fn client(
        &self,
        session: &Session,
        host: &str,
        repository: &str,
    ) -> Result<Client, Failure> {
        let name = repository
            .parse()
            .map_err(|error: github::BadRepository| Failure::from_error(Exit::Usage, &error))?;
        let token = self.token(&session.surroundings)?;
        let transport = Http::new(Some(token), TIMEOUT)
            .map_err(|error| Failure::from_error(Exit::Unavailable, &error))?;
        let base = base(&session.surroundings, host);
        Ok(Client::new(Arc::new(transport), &base, name, Settings::default()))
    }

    fn token(&self, surroundings: &Surroundings) -> Result<String, Failure> {
        let names: Vec<&str> = match &self.token_env {
            Some(name) => vec![name],
            None => vec!["GITHUB_TOKEN", "GH_TOKEN"],
        };
        let token = names.iter().find_map(|name| surroundings.get(name));
        token.map(ToOwned::to_owned).ok_or_else(|| {
            let what = format!("there is no token: {} is not set", names.join(" or "));
            Failure::new(Exit::Usage, what)
                .hinted("in a step, write `env: { GITHUB_TOKEN: ${{ github.token }} }`")
        })
    }
}

/// Returns the base URL of the API.
pub(crate) fn base(surroundings: &Surroundings, host: &str) -> String {
    // A step cannot set variables that begin with GITHUB_.
    match surroundings.get("INTERLOCK_API_URL").or_else(|| surroundings.get("GITHUB_API_URL")) {
        Some(url) => url.to_owned(),
        None if host == "github.com" || host == "local" => "https://api.github.com".to_owned(),
        None => format!("https://{host}/api/v3"),
    }
}

/// Returns the login of the token that every job has; it may not ask who it is.
pub(crate) fn job_author(surroundings: &Surroundings) -> Option<String> {
    surroundings.in_github_actions().then(|| status::comment::JOB_LOGIN.to_owned())
}

/// Reads the event that started the job; nothing if there is none.
pub(crate) fn event(surroundings: &Surroundings) -> Result<Value, Failure> {
    let Some(path) = surroundings.get("GITHUB_EVENT_PATH") else { return Ok(Value::Null) };
    let refused = |why: String| Failure::new(Exit::Unknown, format!("the event {path}: {why}"));
    let size = std::fs::metadata(path).map_err(|error| refused(error.to_string()))?.len();
    if size > MAX_EVENT {
        return Err(refused(format!("it has {size} bytes, and {MAX_EVENT} are read")));
    }
    let text = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| refused(error.to_string()))
}

impl From<github::Error> for Failure {
    fn from(error: github::Error) -> Self {
        let hint = match error.kind {
            github::ErrorKind::Denied => {
                "the token needs `pull-requests: write`, and a fork's token never has it: \
                 docs/status.md says how forks are served"
            }
            github::ErrorKind::NotFound => {
                "does the pull request exist, and may the token see the repository?"
            }
            github::ErrorKind::RateLimited { .. } => "nothing is lost; call again later",
            _ => "nothing is lost; is GITHUB_API_URL right?",
        };
        Self::from_error(Exit::Unavailable, &error).hinted(hint)
    }
}

impl From<status::Error> for Failure {
    fn from(error: status::Error) -> Self {
        match error {
            status::Error::Record(error) => error.into(),
            status::Error::Api(error) => error.into(),
            status::Error::NoAuthor => Self::from_error(Exit::Usage, &error)
                .hinted("say it with --author, for example --author 'my-app[bot]'"),
            status::Error::NoPlace => Self::from_error(Exit::Usage, &error)
                .hinted("name a pull request with --pull, or use --commit-status or --summary"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_follows_the_host() {
        let plain = Surroundings::new([]);
        assert_eq!(base(&plain, "github.com"), "https://api.github.com");
        assert_eq!(base(&plain, "ghe.example"), "https://ghe.example/api/v3");
        let named = Surroundings::new([("GITHUB_API_URL".to_owned(), "http://x".to_owned())]);
        assert_eq!(base(&named, "github.com"), "http://x");
    }
}
