//! `interlock.toml`: what a repository says once, for every call.

use std::path::Path;
use std::time::Duration;

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
}

impl Settings {
    /// Reads the file in `directory` or the nearest parent that has one.
    pub(crate) fn find(directory: &Path) -> Result<Self, Failure> {
        let path =
            directory.ancestors().map(|parent| parent.join(FILE)).find(|path| path.is_file());
        let Some(path) = path else { return Ok(Self::default()) };
        let refused = |why: String| Failure::new(Exit::Usage, format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(&path).map_err(|error| refused(error.to_string()))?;
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
    fn unknown_key_is_refused() {
        assert!(Settings::parse("stroe = 'memory:'").unwrap_err().contains("stroe"));
    }
}
