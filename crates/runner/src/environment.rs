//! The environment of a job: made from what it needs, and inherited from nobody.

use std::collections::BTreeMap;
use std::path::Path;

use expr::Value;
use indexmap::IndexMap;

/// The variables of the user that a job is lent: where programs are and which language people speak.
const LENT: [&str; 7] = ["PATH", "LANG", "LANGUAGE", "TZ", "USER", "LOGNAME", "SHELL"];

/// What is in the `github` context and also a variable of each process, as on GitHub.
const GITHUB: [&str; 38] = [
    "action",
    "action_path",
    "action_ref",
    "action_repository",
    "actor",
    "actor_id",
    "api_url",
    "base_ref",
    "env",
    "event_name",
    "event_path",
    "graphql_url",
    "head_ref",
    "job",
    "output",
    "path",
    "ref",
    "ref_name",
    "ref_protected",
    "ref_type",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "repository_visibility",
    "retention_days",
    "run_attempt",
    "run_id",
    "run_number",
    "server_url",
    "sha",
    "state",
    "step_summary",
    "triggering_actor",
    "workflow",
    "workflow_ref",
    "workflow_sha",
    "workspace",
];

/// Returns what a job may have of the user's environment: `PATH`, the locale, the time zone and the name.
///
/// A job has a `HOME` of its own, so what lies in the user's is told where programs cannot do
/// without it: the toolchains of `rustup`.
pub fn lent(variables: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let all: BTreeMap<String, String> = variables.into_iter().collect();
    let is_lent = |name: &str| LENT.contains(&name) || name.starts_with("LC_");
    let mut lent: BTreeMap<_, _> =
        all.iter().filter(|(name, _)| is_lent(name)).map(|(k, v)| (k.clone(), v.clone())).collect();
    lent.entry("PATH".to_owned()).or_insert_with(|| "/usr/local/bin:/usr/bin:/bin".to_owned());
    let named = all.get("RUSTUP_HOME").cloned();
    let usual = || all.get("HOME").map(|home| format!("{home}/.rustup"));
    if let Some(rustup) = named.or_else(usual).filter(|path| Path::new(path).is_dir()) {
        lent.insert("RUSTUP_HOME".to_owned(), rustup);
    }
    lent
}

/// The environment of one process, from the weakest to the strongest source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    pub(crate) fn new(base: &BTreeMap<String, String>) -> Self {
        Self(base.clone())
    }

    pub(crate) fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn extend(&mut self, variables: &IndexMap<String, String>) {
        self.0.extend(variables.iter().map(|(k, v)| (k.clone(), v.clone())));
    }

    /// Sets the variables that GitHub defines; a workflow cannot change them, `CI` alone excepted.
    pub(crate) fn define(&mut self, github: &Value, runner: &Value) {
        for name in GITHUB {
            if let Some(value) = github.get(name).filter(|value| !value.is_null()) {
                self.set(format!("GITHUB_{}", name.to_uppercase()), value.to_text());
            }
        }
        for (name, value) in runner.as_object().into_iter().flat_map(expr::Object::iter) {
            self.set(format!("RUNNER_{}", name.to_uppercase()), value.to_text());
        }
        self.set("GITHUB_ACTIONS", "true");
        self.0.entry("CI".to_owned()).or_insert_with(|| "true".to_owned());
    }

    /// Puts directories before `PATH`; the last that was added comes first.
    pub(crate) fn prepend(&mut self, paths: &[String]) {
        if paths.is_empty() {
            return;
        }
        let old = self.get("PATH").unwrap_or_default();
        let all = paths.iter().rev().map(String::as_str).chain([old]);
        let joined = all.filter(|path| !path.is_empty()).collect::<Vec<_>>().join(":");
        self.set("PATH", joined);
    }

    pub(crate) fn pairs(self) -> Vec<(std::ffi::OsString, std::ffi::OsString)> {
        // What the kernel cannot take cannot be meant.
        let valid = |text: &str| !text.contains('\0');
        let pairs = self.0.into_iter();
        let pairs = pairs.filter(|(name, value)| {
            !name.is_empty() && !name.contains('=') && valid(name) && valid(value)
        });
        pairs.map(|(name, value)| (name.into(), value.into())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn tokens_and_settings_of_the_user_are_not_lent() {
        let lent = lent(pairs(&[
            ("PATH", "/bin"),
            ("LC_ALL", "C"),
            ("GITHUB_TOKEN", "t"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("EDITOR", "vi"),
            ("HOME", "/nowhere/at/all"),
            ("SSH_AUTH_SOCK", "/s"),
        ]));
        assert_eq!(lent, pairs(&[("LC_ALL", "C"), ("PATH", "/bin")]).into_iter().collect());
    }

    #[test]
    fn a_job_always_has_a_path() {
        assert_eq!(lent([]).get("PATH").map(String::as_str), Some("/usr/local/bin:/usr/bin:/bin"));
    }

    #[test]
    fn a_workflow_cannot_change_what_github_defines() {
        let mut environment = Environment::default();
        let variables = pairs(&[("GITHUB_SHA", "x"), ("CI", "no"), ("RUNNER_OS", "x"), ("A", "b")]);
        environment.extend(&variables.into_iter().collect());
        let github = Value::object([("sha", "abc"), ("token", "t"), ("event", "e")]);
        environment.define(&github, &Value::object([("os", "Linux")]));
        let shown: Vec<_> = environment.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            shown,
            ["A=b", "CI=no", "GITHUB_ACTIONS=true", "GITHUB_SHA=abc", "RUNNER_OS=Linux"]
        );
    }

    #[test]
    fn the_last_path_that_was_added_comes_first() {
        let mut environment = Environment::default();
        environment.set("PATH", "/bin");
        environment.prepend(&["/a".to_owned(), "/b".to_owned()]);
        assert_eq!(environment.get("PATH"), Some("/b:/a:/bin"));
    }

    #[test]
    fn what_no_process_can_have_is_left_out() {
        let mut environment = Environment::default();
        for (name, value) in [("", "x"), ("A=B", "x"), ("A", "x\0"), ("B", "y")] {
            environment.set(name, value);
        }
        assert_eq!(environment.pairs(), [("B".into(), "y".into())]);
    }
}
