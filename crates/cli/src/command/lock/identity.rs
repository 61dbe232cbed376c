//! Who wants a lock: built from the surroundings, so that people recognise it and successors find it.

use coord::lease::{Attempt, Holder};

use crate::caller::surface;
use crate::session::Session;
use crate::surroundings::Surroundings;

/// What a caller may say about itself.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct IdentityFlags {
    /// Why the lock is wanted, for those who have to wait.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who wants it [default: from the surroundings]
    #[arg(long, value_name = "ID")]
    holder: Option<String>,
    /// The leg of a matrix, which GitHub does not tell: `${{ strategy.job-index }}`.
    #[arg(long, env = "INTERLOCK_LEG", value_name = "LEG")]
    leg: Option<String>,
    /// What kind of program wants it, such as `bot` [default: actions, gitlab, jenkins or cli]
    #[arg(long, env = "INTERLOCK_SURFACE", value_name = "WORD")]
    surface: Option<String>,
    /// Where people can look [default: the run's page]
    #[arg(long, value_name = "URL")]
    link: Option<String>,
}

impl IdentityFlags {
    /// Returns who wants it.
    pub(super) fn holder(&self, session: &Session) -> Holder {
        let surroundings = &session.surroundings;
        let kind = surface(surroundings);
        let name = self.holder.clone().unwrap_or_else(|| name(surroundings, self.leg.as_deref()));
        Holder {
            name,
            surface: self.surface.clone().unwrap_or_else(|| kind.to_owned()),
            reason: self.reason.clone(),
            link: self.link.clone().or_else(|| link(surroundings)),
            // Whoever names itself says nothing about runs.
            attempt: self.holder.is_none().then(|| attempt(surroundings)).flatten(),
            ..Holder::default()
        }
        .bounded()
    }
}

/// Returns the whole identity of whoever calls.
pub(super) fn name(surroundings: &Surroundings, leg: Option<&str>) -> String {
    let get = |name: &str| surroundings.get(name).unwrap_or("?");
    let parts: Vec<&str> = match surface(surroundings) {
        "actions" => {
            let job = ["GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB"];
            ["actions"].into_iter().chain(job.map(get)).chain(leg).collect()
        }
        "gitlab" => {
            let job = ["CI_PROJECT_PATH", "CI_PIPELINE_ID", "CI_JOB_ID"];
            ["gitlab"].into_iter().chain(job.map(get)).chain(leg).collect()
        }
        "jenkins" => ["jenkins", get("BUILD_TAG")].into_iter().chain(leg).collect(),
        _ => return local(surroundings),
    };
    parts.join(":")
}

fn local(surroundings: &Surroundings) -> String {
    let user = surroundings.get("USER").or_else(|| surroundings.get("LOGNAME"));
    let user = user.unwrap_or("somebody");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let id = i32::try_from(std::process::id()).unwrap_or_default();
    let started = started(id).unwrap_or_default();
    format!("{}:{user}:{id}:{started}", host.trim())
}

/// Returns when a process was started, in the kernel's ticks since the boot.
pub(super) fn started(id: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may contain anything; what follows the last one is numbers.
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

fn link(surroundings: &Surroundings) -> Option<String> {
    let other = || surroundings.get("CI_JOB_URL").or_else(|| surroundings.get("BUILD_URL"));
    surroundings.run_link().or_else(|| other().map(ToOwned::to_owned))
}

fn attempt(surroundings: &Surroundings) -> Option<Attempt> {
    if !surroundings.in_github_actions() {
        return None;
    }
    let server = surroundings.get("GITHUB_SERVER_URL").unwrap_or("https://github.com");
    let repository = surroundings.get("GITHUB_REPOSITORY")?;
    let run = surroundings.get("GITHUB_RUN_ID")?;
    let number = surroundings.get("GITHUB_RUN_ATTEMPT")?.parse().ok()?;
    Some(Attempt { run: format!("{server}/{repository}/{run}"), number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_of_actions_is_named_with_attempt_and_leg() {
        let pairs = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "octo/repo"),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_JOB", "build"),
        ];
        let job = Surroundings::new(pairs.map(|(name, value)| (name.into(), value.into())));
        assert_eq!(name(&job, None), "actions:octo/repo:7:2:build");
        assert_eq!(name(&job, Some("3")), "actions:octo/repo:7:2:build:3");
        let run = "https://github.com/octo/repo/7".to_owned();
        assert_eq!(attempt(&job), Some(Attempt { run, number: 2 }));
    }

    #[test]
    fn own_start_is_known() {
        let id = i32::try_from(std::process::id()).expect("a process id");
        assert!(started(id).is_some_and(|ticks| ticks > 0));
        assert_eq!(started(-1), None);
    }
}
