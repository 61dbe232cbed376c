//! `interlock.toml`: what a repository says once, for every call.

use std::path::Path;
use std::time::Duration;

use coord::group::Policy;
use dispatch::policies::{Policies, Words};
use serde::Deserialize;

use crate::exit::Exit;
use crate::failure::Failure;

/// The name of the file, at the top of a repository.
pub(crate) const FILE: &str = "interlock.toml";

/// The settings of a repository. Unknown keys are refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Settings {
    /// The URL of the store.
    pub(crate) store: Option<String>,
    /// Concurrency groups.
    pub(crate) groups: GroupSettings,
    /// Runs.
    pub(crate) runs: RunSettings,
}

/// What a repository says about runs.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct RunSettings {
    /// How many days logs and results are kept; 14 if absent.
    pub(crate) keep_logs_days: Option<u16>,
    /// How many hours the directories of failed jobs are kept; 24 if absent.
    pub(crate) keep_failed_hours: Option<u16>,
}

impl RunSettings {
    /// Returns how long logs and results are kept.
    pub(crate) fn keep_logs(&self) -> Duration {
        Duration::from_hours(u64::from(self.keep_logs_days.unwrap_or(14)) * 24)
    }

    /// Returns how long the directories of failed jobs are kept.
    pub(crate) fn keep_failed(&self) -> Duration {
        Duration::from_hours(u64::from(self.keep_failed_hours.unwrap_or(24)))
    }
}

/// What a repository says about concurrency groups.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct GroupSettings {
    /// Do exactly as GitHub: an event whose jobs are all certain to be skipped enters its group.
    pub(crate) as_github: bool,
    /// What GitHub cannot say, by pattern of the group's name; the first that matches holds.
    pub(crate) rules: Vec<GroupRule>,
}

/// What a repository says about the groups that match a pattern.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct GroupRule {
    /// The pattern: `*` stands for anything.
    group: String,
    /// `latest`, `first`, `queue` or `coalesce`.
    policy: Option<Policy>,
    /// `arrival`, or `commit`: an older commit never follows a newer one.
    #[serde(default)]
    order: GroupOrder,
    /// A time such as `5s`: newcomers collapse into the newest of them.
    debounce: Option<String>,
    /// Paths such as `event.issue.title`: equal values mean equal work.
    #[serde(default)]
    digest: Vec<String>,
    /// An expression: events for which it is false never enter the group.
    admit: Option<String>,
}

/// What the order of a group's members is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum GroupOrder {
    #[default]
    Arrival,
    Commit,
}

impl GroupSettings {
    /// Reads the rules. Whatever cannot be understood is refused.
    pub(crate) fn policies(&self) -> Result<Policies, Failure> {
        let refused = |why: String| Failure::new(Exit::Usage, format!("{FILE}: {why}"));
        let mut words = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let debounce = rule.debounce.as_deref().map(duration).transpose();
            let debounce = debounce
                .map_err(|why| refused(format!("groups.rules[{index}]: debounce: {why}")))?;
            words.push(Words {
                group: rule.group.clone(),
                policy: rule.policy,
                by_commit: rule.order == GroupOrder::Commit,
                debounce,
                digest: rule.digest.clone(),
                admit: rule.admit.clone(),
            });
        }
        Policies::new(words).map_err(|malformed| refused(malformed.to_string()))
    }
}

/// Reads a length of time such as `500ms`, `5s` or `15m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| format!("`{text}` is not a time, such as 5s or 15m"))?;
    Duration::try_from(span).map_err(|_| format!("`{text}` is less than nothing"))
}

impl Settings {
    /// Reads the file in `directory` or the nearest parent that has one.
    pub(crate) fn find(directory: &Path) -> Result<Self, Failure> {
        let paths = directory.ancestors().map(|parent| parent.join(FILE));
        match paths.into_iter().find(|path| path.is_file()) {
            Some(path) => Self::read(&path),
            None => Ok(Self::default()),
        }
    }

    /// Reads this file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let refused = |why: String| Failure::new(Exit::Usage, format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
        Self::parse(&text).map_err(refused)
    }

    /// Parses the text of the file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_groups_are_read() {
        let text = "[[groups.rules]]\ngroup = 'issue-*'\npolicy = 'coalesce'\norder = 'commit'\ndebounce = '5s'\n\
                    digest = ['event.issue.title']\nadmit = \"github.event_name == 'issues'\"\n";
        let policies = Settings::parse(text).unwrap().groups.policies().unwrap();
        let words = &policies.rule("issue-1").unwrap().words;
        assert_eq!((words.by_commit, words.debounce), (true, Some(Duration::from_secs(5))));
        assert!(policies.need_positions() && policies.rule("deploy").is_none());
        let bad = Settings::parse("[[groups.rules]]\ngroup = '*'\ndebounce = 'soon'").unwrap();
        assert!(bad.groups.policies().unwrap_err().render().contains("debounce"));
    }

    #[test]
    fn unknown_key_is_refused() {
        assert!(Settings::parse("stroe = 'memory:'").unwrap_err().contains("stroe"));
    }
}
