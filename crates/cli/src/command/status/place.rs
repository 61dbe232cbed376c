//! Where a row belongs: the pull request, its head, and the job that writes.

use clap::Args;
use github::Client;
use serde_json::Value;
use status::{Subject, Target, Writer};

use crate::caller::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::forge::{self, ForgeFlags};
use crate::session::Session;

/// Which document, and who writes. In a GitHub Actions job everything is known but the leg.
#[derive(Clone, Debug, Args)]
pub(super) struct PlaceFlags {
    /// The pull request; from the event if absent.
    #[arg(long, value_name = "NUMBER")]
    pull: Option<u64>,
    /// The head commit that the row is about; from the event if absent.
    #[arg(long, value_name = "SHA")]
    head: Option<String>,
    /// Keep the document of the commit, not that of a pull request; it has no comment.
    #[arg(long, conflicts_with = "pull")]
    commit: bool,
    /// The repository, as OWNER/NAME.
    #[arg(long, value_name = "REPOSITORY")]
    repository: Option<String>,
    /// Which of several documents; each has a comment of its own.
    #[arg(long, value_name = "NAME", default_value = "status")]
    name: String,
    /// The path of the workflow that writes.
    #[arg(long, value_name = "PATH", env = "INTERLOCK_WORKFLOW", hide_env = true)]
    workflow: Option<String>,
    /// The event of the run that writes.
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,
    /// The id of the run that writes.
    #[arg(long, value_name = "ID")]
    run: Option<String>,
    /// The attempt of that run; a later one replaces the rows of an earlier one.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// The job that writes.
    #[arg(long, value_name = "ID")]
    job: Option<String>,
    /// The leg of the job's matrix, such as `${{ strategy.job-index }}`: legs share their job's id.
    #[arg(long, value_name = "TEXT", env = "INTERLOCK_LEG", hide_env = true)]
    leg: Option<String>,
    #[command(flatten)]
    pub(super) forge: ForgeFlags,
}

/// Where a row belongs.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) subject: Subject,
    /// The head commit; empty if nobody said it and nobody need know it.
    pub(super) head: String,
    pub(super) writer: Writer,
    pub(super) attempt: u32,
    /// What tells the job from others that look the same.
    pub(super) process: Option<String>,
    /// The link to the run that writes.
    pub(super) link: Option<String>,
    pub(super) client: Option<Client>,
}

impl PlaceFlags {
    /// Finds out from flags, event and environment.
    pub(super) async fn resolve(&self, session: &Session) -> Result<Place, Failure> {
        let caller = Caller::of(session).await;
        let surroundings = &session.surroundings;
        let repository = self.repository.clone().unwrap_or_else(|| caller.repository.clone());
        let event = forge::event(surroundings)?;
        // A document in a store can be written and read without a token; it is then shown by others.
        let client = self.forge.client(session, &caller.host, &repository);
        let head = self.head.clone().or_else(|| head_of(&event)).or_else(|| {
            let is_about_a_pull = event.get("issue").is_some();
            surroundings.get("GITHUB_SHA").filter(|_| !is_about_a_pull).map(ToOwned::to_owned)
        });
        let target = self.target(session, &event, client.as_ref().ok(), head.as_deref()).await?;
        let head = match (head, &target, &client) {
            (Some(head), ..) => head,
            // A comment on a pull request says nothing about commits: whoever is asked now is right.
            (None, Target::Pull(number), Ok(client)) => client.pull(*number).await?.head.sha,
            (None, ..) => String::new(),
        };
        let get = |name: &str| surroundings.get(name).map(ToOwned::to_owned);
        let writer = Writer {
            host: caller.host.clone(),
            repository: repository.clone(),
            workflow: self.workflow.clone().or_else(|| workflow(session)).unwrap_or_default(),
            event: self.event.clone().or_else(|| get("GITHUB_EVENT_NAME")).unwrap_or_default(),
            run: self.run.clone().unwrap_or_else(|| run(&caller)),
            job: self.job.clone().or_else(|| caller.who.job.clone()).unwrap_or_default(),
            leg: self.leg.clone().unwrap_or_default(),
        };
        let subject =
            Subject { host: caller.host.clone(), repository, target, name: self.name.clone() };
        let attempt = self.attempt.unwrap_or(caller.who.attempt);
        let process = get("RUNNER_TRACKING_ID").filter(|_| self.job.is_none());
        let (link, client) = (caller.who.link, client.ok());
        Ok(Place { subject, head, writer, attempt, process, link, client })
    }

    async fn target(
        &self,
        session: &Session,
        event: &Value,
        client: Option<&Client>,
        head: Option<&str>,
    ) -> Result<Target, Failure> {
        let commit = || {
            let head = head.map(|head| Target::Commit(head.to_ascii_lowercase()));
            head.ok_or_else(|| {
                Failure::new(Exit::Usage, "it is not known which pull request this is about")
                    .hinted("name it with --pull NUMBER, or a commit with --commit --head SHA")
            })
        };
        if self.commit {
            return commit();
        }
        if let Some(number) = self.pull.or_else(|| number_of(event)).or_else(|| from_ref(session)) {
            return Ok(Target::Pull(number));
        }
        let Some(run) = event.get("workflow_run").filter(|run| run.is_object()) else {
            return commit();
        };
        // A fork could have put any number into what it uploaded; the commit of its run is GitHub's word.
        let client = client.ok_or_else(|| {
            Failure::new(Exit::Usage, "without a token the pull request cannot be looked up")
                .hinted("set GITHUB_TOKEN")
        })?;
        match pull_of_run(client, run).await? {
            Some(number) => Ok(Target::Pull(number)),
            None => commit(),
        }
    }
}

impl Place {
    /// Returns the client, or says what is missing.
    pub(super) fn client(&self, flags: &ForgeFlags, session: &Session) -> Result<Client, Failure> {
        match &self.client {
            Some(client) => Ok(client.clone()),
            None => flags.client(session, &self.subject.host, &self.subject.repository),
        }
    }

    /// Says that a row needs a head, if there is none.
    pub(super) fn must_have_head(&self) -> Result<(), Failure> {
        if self.head.is_empty() {
            return Err(Failure::new(Exit::Usage, "it is not known which commit this is about")
                .hinted("name it with --head SHA"));
        }
        Ok(())
    }
}

/// Returns the number of the pull request that an event is about.
fn number_of(event: &Value) -> Option<u64> {
    let pull = event.get("pull_request").and_then(|pull| pull.get("number"));
    let issue = event.get("issue").filter(|issue| issue.get("pull_request").is_some());
    pull.or_else(|| issue?.get("number"))?.as_u64()
}

/// Returns the head commit that an event is about. `GITHUB_SHA` is a merge commit where there is a pull request.
fn head_of(event: &Value) -> Option<String> {
    let paths = ["/pull_request/head/sha", "/workflow_run/head_sha", "/check_suite/head_sha"];
    let found = paths.iter().find_map(|path| event.pointer(path)?.as_str());
    found.map(ToOwned::to_owned)
}

fn from_ref(session: &Session) -> Option<u64> {
    let reference = session.surroundings.get("GITHUB_REF")?.strip_prefix("refs/pull/")?;
    reference.split('/').next()?.parse().ok()
}

/// Looks up the open pull request whose head is the commit of a run.
async fn pull_of_run(client: &Client, run: &Value) -> Result<Option<u64>, Failure> {
    let Some(sha) = run.get("head_sha").and_then(Value::as_str) else { return Ok(None) };
    let mut pulls = client.pulls_of_commit(sha).await?;
    let owner = run.pointer("/head_repository/owner/login").and_then(Value::as_str);
    let branch = run.get("head_branch").and_then(Value::as_str);
    if let (Some(owner), Some(branch), true) = (owner, branch, pulls.is_empty()) {
        // A fork's commits are not in this repository until they are merged.
        pulls = client.pulls_from_fork(owner, branch).await?;
    }
    let open = |pull: &&github::PullRequest| pull.state == "open" && pull.head.sha == sha;
    Ok(pulls.iter().find(open).map(|pull| pull.number))
}

/// Returns the path of the workflow: `octo/tones/.github/workflows/ci.yml@refs/heads/main` without both ends.
fn workflow(session: &Session) -> Option<String> {
    let get = |name: &str| session.surroundings.get(name);
    let reference = get("GITHUB_WORKFLOW_REF").and_then(|reference| {
        let path = reference.split('@').next()?;
        Some(path.splitn(3, '/').nth(2)?.to_owned())
    });
    reference.or_else(|| get("GITHUB_WORKFLOW").map(ToOwned::to_owned))
}

/// Returns the run of a caller. A terminal has none, and each call of it belongs to the same one.
fn run(caller: &Caller) -> String {
    if caller.surface == "cli" { "local".to_owned() } else { caller.who.run.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_name_their_pull_request_and_head() {
        let pull = json!({"pull_request": {"number": 7, "head": {"sha": "abc"}}});
        assert_eq!((number_of(&pull), head_of(&pull).as_deref()), (Some(7), Some("abc")));
        let comment = json!({"issue": {"number": 8, "pull_request": {}}});
        assert_eq!((number_of(&comment), head_of(&comment)), (Some(8), None));
        let issue = json!({"issue": {"number": 9}});
        assert_eq!(number_of(&issue), None);
        let run = json!({"workflow_run": {"head_sha": "def", "pull_requests": []}});
        assert_eq!((number_of(&run), head_of(&run).as_deref()), (None, Some("def")));
        assert_eq!((number_of(&Value::Null), head_of(&Value::Null)), (None, None));
    }
}
