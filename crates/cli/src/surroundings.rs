//! What the environment says about where a command runs: a GitHub Actions job, a terminal, a bot.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The environment variables of this process, read once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    variables: BTreeMap<String, String>,
}

impl Surroundings {
    /// Reads the process's environment; names and values that are not UTF-8 are left out.
    pub(crate) fn of_process() -> Self {
        let pairs = std::env::vars_os();
        Self::new(pairs.filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// Makes surroundings from pairs, for tests.
    pub(crate) fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: pairs.into_iter().collect() }
    }

    /// Returns a variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Iterates over all variables.
    pub(crate) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Says whether this is a job of GitHub Actions, or of a runner that acts like it.
    pub(crate) fn in_github_actions(&self) -> bool {
        self.get("GITHUB_ACTIONS") == Some("true")
    }

    /// Returns the file that takes step outputs.
    pub(crate) fn output_file(&self) -> Option<PathBuf> {
        self.get("GITHUB_OUTPUT").map(PathBuf::from)
    }

    /// Returns the file that takes the step summary.
    pub(crate) fn summary_file(&self) -> Option<PathBuf> {
        self.get("GITHUB_STEP_SUMMARY").map(PathBuf::from)
    }

    /// Returns the link to the run this job belongs to.
    pub(crate) fn run_link(&self) -> Option<String> {
        let server = self.get("GITHUB_SERVER_URL").unwrap_or("https://github.com");
        let repository = self.get("GITHUB_REPOSITORY")?;
        let run = self.get("GITHUB_RUN_ID")?;
        let attempt = self.get("GITHUB_RUN_ATTEMPT").unwrap_or("1");
        Some(format!("{server}/{repository}/actions/runs/{run}/attempts/{attempt}"))
    }

    /// Returns the directory for records, logs and job directories of this user.
    pub(crate) fn state_directory(&self) -> Option<PathBuf> {
        if let Some(path) = self.get("INTERLOCK_STATE_DIR") {
            return Some(PathBuf::from(path));
        }
        if let Some(path) =
            self.get("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute())
        {
            return Some(path.join("interlock"));
        }
        self.get("HOME").map(|home| PathBuf::from(home).join(".local/state/interlock"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(pairs: &[(&str, &str)]) -> Surroundings {
        Surroundings::new(
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn state_directory_prefers_what_was_named() {
        let home = surroundings(&[("HOME", "/h")]);
        assert_eq!(home.state_directory(), Some("/h/.local/state/interlock".into()));
        let xdg = surroundings(&[("HOME", "/h"), ("XDG_STATE_HOME", "/x")]);
        assert_eq!(xdg.state_directory(), Some("/x/interlock".into()));
        let named = surroundings(&[("XDG_STATE_HOME", "/x"), ("INTERLOCK_STATE_DIR", "/n")]);
        assert_eq!(named.state_directory(), Some("/n".into()));
    }

    #[test]
    fn empty_variable_counts_as_absent() {
        assert_eq!(surroundings(&[("GITHUB_OUTPUT", "")]).output_file(), None);
    }

    #[test]
    fn run_link_names_the_attempt() {
        let job = surroundings(&[("GITHUB_REPOSITORY", "o/r"), ("GITHUB_RUN_ID", "7")]);
        let link = "https://github.com/o/r/actions/runs/7/attempts/1";
        assert_eq!(job.run_link().as_deref(), Some(link));
    }
}
