//! Cancels superseded runs of GitHub Actions through the API: nobody in them may be listening.

use std::sync::Arc;
use std::time::Duration;

use clap::{ArgAction, Args};
use coord::group::Membership;
use github::{Client, Http, Repository, Settings};

use crate::session::{Level, Session};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Whether superseded runs are cancelled.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct CancelFlags {
    /// Cancel superseded runs of GitHub Actions through the API (needs `actions: write`).
    #[arg(long, value_name = "BOOL", action = ArgAction::Set, default_value_t = true)]
    cancel_through_api: bool,
}

impl CancelFlags {
    /// Cancels the runs that this member has displaced. What does not succeed is told and is no error: a
    /// displaced member ends its work itself when it looks, and its place when it cannot renew.
    pub(super) async fn cancel(self, membership: &Membership, session: &Session) {
        if !self.cancel_through_api || !session.surroundings.in_github_actions() {
            return;
        }
        let displaced = match membership.displaced().await {
            Ok(displaced) => displaced,
            Err(error) => return warn(session, &error.to_string()),
        };
        let own = session.surroundings.get("GITHUB_RUN_ID");
        let runs = displaced.iter().filter(|member| member.surface == "actions");
        let mut runs: Vec<u64> = runs
            .filter(|member| Some(member.run.as_str()) != own)
            .filter_map(|member| member.run.parse().ok())
            .collect();
        runs.sort_unstable();
        runs.dedup();
        if runs.is_empty() {
            return;
        }
        let client = match client(session) {
            Ok(client) => client,
            Err(why) => return warn(session, &why),
        };
        for run in runs {
            match client.cancel_run(run).await {
                Ok(true) => session.note(&format!("run {run} is superseded, and was cancelled")),
                Ok(false) => {}
                Err(error) => warn(session, &format!("run {run} was not cancelled: {error}")),
            }
        }
    }
}

fn warn(session: &Session, why: &str) {
    session.annotate(Level::Warning, "Superseded runs were not cancelled", why);
}

fn client(session: &Session) -> Result<Client, String> {
    let get = |name: &str| session.surroundings.get(name);
    let token = get("GITHUB_TOKEN").or_else(|| get("GH_TOKEN"));
    let token = token.ok_or("there is no GITHUB_TOKEN in the environment")?;
    let base = get("GITHUB_API_URL").unwrap_or("https://api.github.com");
    let repository = get("GITHUB_REPOSITORY").ok_or("GITHUB_REPOSITORY is not set")?;
    let repository: Repository =
        repository.parse().map_err(|error: github::BadRepository| error.to_string())?;
    let transport = Http::new(Some(token.to_owned()), TIMEOUT);
    let transport = transport.map_err(|failure| failure.message)?;
    Ok(Client::new(Arc::new(transport), base, repository, Settings::default()))
}
