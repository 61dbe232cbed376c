//! Who calls, for what repository, over which store: the same for every command that coordinates.

use std::sync::Arc;

use clap::{Args, ValueEnum};
use coord::{BootClock, Clock, Who};
use store::Store;
use workdir::Repository;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::surroundings::Surroundings;

/// Which store, and what if there is none.
#[derive(Clone, Debug, Args)]
pub(crate) struct StoreFlags {
    /// The store that everybody concerned can reach; `docs/stores.md` lists the kinds.
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// What to do in a CI job for which nobody chose a store: a private one excludes nobody.
    #[arg(long, value_enum, default_value_t = OnNoStore::Fail, value_name = "WHAT")]
    pub(crate) on_no_store: OnNoStore,
}

/// What to do where no store was chosen and a private one would be useless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnNoStore {
    /// Refuse.
    Fail,
    /// Go on without any protection; the outcome is `disabled`.
    Proceed,
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The run, the attempt, the job and the link to it.
    pub(crate) who: Who,
    /// What kind of program it is.
    pub(crate) surface: &'static str,
    /// The host of the repository.
    pub(crate) host: String,
    /// The repository, as `owner/name`.
    pub(crate) repository: String,
    /// This machine's clock.
    pub(crate) clock: Arc<dyn Clock>,
}

impl StoreFlags {
    /// Opens the store, or returns nothing if there is none and the caller wants to go on without.
    pub(crate) async fn open(&self, session: &Session) -> Result<Option<Arc<dyn Store>>, Failure> {
        let flag = self.store.as_deref();
        let is_private = surface(&session.surroundings) != "cli";
        if is_private && !session.has_configured_store(flag) {
            if self.on_no_store == OnNoStore::Proceed {
                return Ok(None);
            }
            let what = "no store was chosen, and in a CI job a private one excludes nobody";
            let hint = "set INTERLOCK_STORE (`git+https://github.com/OWNER/REPO` needs nothing else), \
                        or go on unprotected with --on-no-store proceed";
            return Err(Failure::new(Exit::Usage, what).hinted(hint));
        }
        session.open_store(flag).await.map(Some)
    }
}

impl Caller {
    /// Finds out from the surroundings, and from the repository where they do not say.
    pub(crate) async fn of(session: &Session) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(BootClock::of_this_machine());
        let surroundings = &session.surroundings;
        let get = |name: &str| surroundings.get(name).map(ToOwned::to_owned);
        let surface = surface(surroundings);
        let who = match surface {
            "actions" => Who {
                run: get("GITHUB_RUN_ID").unwrap_or_default(),
                attempt: number(surroundings, "GITHUB_RUN_ATTEMPT").unwrap_or(1),
                job: get("GITHUB_JOB"),
                link: surroundings.run_link(),
            },
            "gitlab" => Who {
                run: get("CI_PIPELINE_ID").unwrap_or_default(),
                attempt: 1,
                job: get("CI_JOB_NAME"),
                link: get("CI_JOB_URL"),
            },
            "jenkins" => Who {
                run: get("BUILD_TAG").or_else(|| get("BUILD_ID")).unwrap_or_default(),
                attempt: 1,
                job: None,
                link: get("BUILD_URL"),
            },
            _ => Who::new(local_name(surroundings), 1),
        };
        let (host, repository) = match repository(surroundings) {
            Some(known) => known,
            None => discover(session).await,
        };
        Self { who, surface, host, repository, clock }
    }

    /// Returns host and repository as one text.
    pub(crate) fn scope(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }
}

/// Returns what kind of program calls.
pub(crate) fn surface(surroundings: &Surroundings) -> &'static str {
    if surroundings.in_github_actions() {
        "actions"
    } else if surroundings.get("GITLAB_CI") == Some("true") {
        "gitlab"
    } else if surroundings.get("JENKINS_URL").is_some() {
        "jenkins"
    } else {
        "cli"
    }
}

/// Returns a name by which people recognise a call that no CI system has numbered.
fn local_name(surroundings: &Surroundings) -> String {
    let user =
        surroundings.get("USER").or_else(|| surroundings.get("LOGNAME")).unwrap_or("somebody");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    let host = if host.is_empty() { "localhost" } else { host };
    format!("{user}@{host}:{}", std::process::id())
}

fn number(surroundings: &Surroundings, name: &str) -> Option<u32> {
    surroundings.get(name)?.parse().ok()
}

/// Returns host and repository, if the CI system says so.
fn repository(surroundings: &Surroundings) -> Option<(String, String)> {
    if let Some(repository) = surroundings.get("GITHUB_REPOSITORY") {
        let server = surroundings.get("GITHUB_SERVER_URL").unwrap_or("https://github.com");
        let host = server.split_once("://").map_or(server, |(_, rest)| rest);
        return Some((host.trim_end_matches('/').to_owned(), repository.to_owned()));
    }
    let project = surroundings.get("CI_PROJECT_PATH")?;
    Some((surroundings.get("CI_SERVER_HOST")?.to_owned(), project.to_owned()))
}

async fn discover(session: &Session) -> (String, String) {
    match Repository::discover(&session.directory).await {
        Ok(repository) => (repository.origin().host.clone(), repository.origin().full_name()),
        Err(error) => {
            // Without Git there is still a directory.
            tracing::debug!(%error, "no repository");
            let name = session.directory.file_name().map(|name| name.to_string_lossy());
            ("local".to_owned(), format!("local/{}", name.unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(pairs: &[(&str, &str)]) -> Surroundings {
        Surroundings::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())))
    }

    #[test]
    fn every_ci_system_is_recognised() {
        assert_eq!(surface(&surroundings(&[("GITHUB_ACTIONS", "true")])), "actions");
        assert_eq!(surface(&surroundings(&[("GITLAB_CI", "true")])), "gitlab");
        assert_eq!(surface(&surroundings(&[("JENKINS_URL", "http://j")])), "jenkins");
        assert_eq!(surface(&surroundings(&[])), "cli");
    }

    #[test]
    fn the_host_is_part_of_the_identity() {
        let known = repository(&surroundings(&[
            ("GITHUB_REPOSITORY", "octo/repo"),
            ("GITHUB_SERVER_URL", "https://ghe.example/"),
        ]));
        assert_eq!(known, Some(("ghe.example".to_owned(), "octo/repo".to_owned())));
    }
}
