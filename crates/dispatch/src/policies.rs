//! What `interlock.toml` says about groups and GitHub cannot: policies, order, debounce, digests, admission.

use std::fmt::Write as _;
use std::time::Duration;

use coord::group::{Order, Policy, Position, Request};
use engine::Contexts;
use expr::{Condition, Names};
use globset::{Glob, GlobMatcher};
use sha2::{Digest as _, Sha256};

use crate::event_scope::EventScope;

/// Rules by pattern of the group's name; the first that matches holds.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    rules: Vec<Rule>,
}

/// What a repository says about some of its groups, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The pattern: `*` stands for anything.
    pub group: String,
    /// `latest`, `first`, `queue` or `coalesce`.
    pub policy: Option<Policy>,
    /// Whether an older commit never follows a newer one.
    pub by_commit: bool,
    /// How long newcomers collapse into the newest of them.
    pub debounce: Option<Duration>,
    /// Paths into the `github` context; equal values mean equal work.
    pub digest: Vec<String>,
    /// An expression; events for which it is false never enter the group.
    pub admit: Option<String>,
}

/// A rule that was understood.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What was written.
    pub words: Words,
    matcher: GlobMatcher,
    admit: Option<Condition>,
}

/// A rule that cannot be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("groups.rules[{index}]: {why}")]
pub struct Malformed {
    /// Which rule, counted from 0.
    pub index: usize,
    /// Why not.
    pub why: String,
}

/// Where the work of an event stands, for the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standpoint {
    /// The place of the event's commit among commits.
    pub position: Option<Position>,
}

impl Policies {
    /// Reads the rules. Whatever cannot be understood is refused.
    pub fn new(rules: Vec<Words>) -> Result<Self, Malformed> {
        let rules = rules
            .into_iter()
            .enumerate()
            .map(|(index, words)| Rule::new(words).map_err(|why| Malformed { index, why }));
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }

    /// Returns the rule for a group.
    pub fn rule(&self, group: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.matcher.is_match(group.to_lowercase()))
    }

    /// Says whether some rule needs to know the order of commits.
    pub fn need_positions(&self) -> bool {
        self.rules.iter().any(|rule| rule.words.by_commit)
    }
}

impl Rule {
    fn new(words: Words) -> Result<Self, String> {
        let glob = Glob::new(&words.group.to_lowercase()).map_err(|error| error.to_string())?;
        let names = Names::new(&["github", "inputs", "vars"], &["success"]);
        let admit = words.admit.as_ref().map(|text| Condition::parse(text, &names)).transpose();
        let admit =
            admit.map_err(|error| format!("admit: {} (at {})", error.message, error.offset + 1))?;
        if let Some(path) = words.digest.iter().find(|path| path.split('.').any(str::is_empty)) {
            return Err(format!("digest: `{path}` is not a path, such as event.issue.title"));
        }
        Ok(Self { matcher: glob.compile_matcher(), admit, words })
    }

    /// Says whether an event may enter the group; `Err` says why nobody knows.
    pub fn admits(&self, contexts: &Contexts) -> Result<bool, String> {
        let Some(condition) = &self.admit else { return Ok(true) };
        condition.evaluate(&EventScope(contexts)).map_err(|error| error.message)
    }

    /// Changes what a member asks of its group into what the rule says.
    pub fn apply(&self, request: &mut Request, contexts: &Contexts, standpoint: &Standpoint) {
        request.policy = self.words.policy.or(request.policy);
        request.debounce = self.words.debounce.or(request.debounce);
        if !self.words.digest.is_empty() {
            request.digest = Some(self.digest(contexts));
        }
        if self.words.by_commit
            && let Some(position) = &standpoint.position
        {
            request.order = Order::Commit(position.clone());
        }
    }

    /// Returns the digest of what the event says at the rule's paths.
    fn digest(&self, contexts: &Contexts) -> String {
        let mut hasher = Sha256::new();
        for path in &self.words.digest {
            let mut value = Some(&contexts.github);
            for part in path.trim_start_matches("github.").split('.') {
                value = value.and_then(|value| value.get(part));
            }
            // A path that leads nowhere is a value too: an event without a body is not one with "".
            let text = value.map(|value| value.to_json().to_string()).unwrap_or_default();
            hasher.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(text);
        }
        hasher.finalize().iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes all that is written");
            text
        })
    }
}

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        if let Some(policy) = self.policy {
            parts.push(format!("policy {}", format!("{policy:?}").to_lowercase()));
        }
        if self.by_commit {
            parts.push("in order of commits".to_owned());
        }
        if let Some(debounce) = self.debounce {
            parts.push(format!("debounce {} ms", debounce.as_millis()));
        }
        if !self.digest.is_empty() {
            parts.push(format!("digest of {}", self.digest.join(", ")));
        }
        if let Some(admit) = &self.admit {
            parts.push(format!("admits {admit}"));
        }
        write!(f, "{} (interlock.toml, `{}`)", parts.join(", "), self.group)
    }
}

#[cfg(test)]
mod tests {
    use expr::Value;
    use serde_json::json;

    use super::*;

    fn contexts(github: serde_json::Value) -> Contexts {
        Contexts { github: Value::from_json(&github), ..Contexts::default() }
    }

    fn policies(words: Words) -> Policies {
        Policies::new(vec![words]).unwrap()
    }

    fn issue(title: &str, labels: usize) -> Contexts {
        contexts(
            json!({"event_name": "issues", "event": {"issue": {"title": title, "labels": vec!["x"; labels]}}}),
        )
    }

    #[test]
    fn first_pattern_that_matches_holds_whatever_the_case() {
        let rule = |group: &str, policy| Words {
            group: group.into(),
            policy: Some(policy),
            ..Words::default()
        };
        let policies =
            Policies::new(vec![rule("Issue-*", Policy::First), rule("*", Policy::Queue)]).unwrap();
        assert_eq!(policies.rule("issue-7").unwrap().words.policy, Some(Policy::First));
        assert_eq!(policies.rule("deploy").unwrap().words.policy, Some(Policy::Queue));
    }

    #[test]
    fn digest_sees_its_paths_and_nothing_else() {
        let policies = policies(Words {
            group: "*".into(),
            digest: vec!["event.issue.title".into()],
            ..Words::default()
        });
        let digest = |contexts: &Contexts| policies.rule("g").unwrap().digest(contexts);
        assert_eq!(digest(&issue("a", 1)), digest(&issue("a", 2)));
        assert_ne!(digest(&issue("a", 1)), digest(&issue("b", 1)));
        assert_ne!(digest(&issue("", 1)), digest(&contexts(json!({}))));
    }

    #[test]
    fn admission_is_an_expression_over_the_event() {
        let admit = Some("contains(github.event.issue.title, 'music')".to_owned());
        let policies = policies(Words { group: "*".into(), admit, ..Words::default() });
        let admits = |title: &str| policies.rule("g").unwrap().admits(&issue(title, 1));
        assert_eq!((admits("some music"), admits("a bug")), (Ok(true), Ok(false)));
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        let refused = |words: Words| Policies::new(vec![words]).unwrap_err().to_string();
        let admit = Some("github.event ==".to_owned());
        assert!(
            refused(Words { group: "*".into(), admit, ..Words::default() })
                .starts_with("groups.rules[0]: admit:")
        );
        let digest = vec!["event..title".to_owned()];
        assert!(
            refused(Words { group: "*".into(), digest, ..Words::default() })
                .contains("is not a path")
        );
        let admit = Some("secrets.TOKEN".to_owned());
        assert!(refused(Words { group: "*".into(), admit, ..Words::default() }).contains("admit"));
    }
}
