//! What one delivery means for a repository: the ref, the commit and the `github` context.

use serde_json::{Value, json};

use crate::delivery::Delivery;

/// What is known about the repository without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The host, for example `github.com`.
    pub host: String,
    /// The owner and the name, for example `octo/tones`.
    pub full_name: String,
    /// The branch that is checked out, if one is.
    pub branch: Option<String>,
    /// The tag that is checked out, if no branch is.
    pub tag: Option<String>,
    /// The name of the default branch.
    pub default_branch: String,
    /// The commit that is checked out.
    pub head: String,
    /// The message of that commit.
    pub message: String,
    /// Who calls, where the payload does not say.
    pub actor: String,
}

/// One delivery, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Occasion {
    /// The name of the event.
    pub event: String,
    /// The payload, completed where there was none.
    pub payload: Value,
    /// The full ref, for example `refs/heads/main`.
    pub reference: String,
    /// The commit the event names.
    pub sha: String,
    /// The source branch of a pull request.
    pub head_ref: String,
    /// The target branch of a pull request.
    pub base_ref: String,
    /// The host of the repository.
    pub host: String,
    /// The owner and the name of the repository.
    pub repository: String,
    /// Who caused the event.
    pub actor: String,
}

impl Occasion {
    /// Reads a delivery as GitHub's documentation of each event says.
    pub fn new(delivery: &Delivery, facts: &Facts) -> Self {
        let payload = completed(delivery, facts);
        let event = delivery.event.clone();
        let (reference, sha) = reference(&event, &payload, facts);
        let pull =
            |field: &str| text(&payload, &["pull_request", field, "ref"]).unwrap_or_default();
        let of_pull = event.starts_with("pull_request");
        let named = text(&payload, &["repository", "full_name"]).filter(|name| is_full_name(name));
        let host = text(&payload, &["repository", "html_url"]).and_then(|url| host_of(&url));
        Self {
            reference,
            sha,
            head_ref: if of_pull { pull("head") } else { String::new() },
            base_ref: if of_pull { pull("base") } else { String::new() },
            host: host.unwrap_or_else(|| facts.host.clone()),
            repository: named.unwrap_or_else(|| facts.full_name.clone()),
            actor: text(&payload, &["sender", "login"]).unwrap_or_else(|| facts.actor.clone()),
            payload,
            event,
        }
    }

    /// Returns the short name of the ref, as `github.ref_name`.
    pub fn reference_name(&self) -> &str {
        let short = |prefix| self.reference.strip_prefix(prefix);
        short("refs/heads/")
            .or_else(|| short("refs/tags/"))
            .or_else(|| short("refs/pull/"))
            .unwrap_or(&self.reference)
    }

    /// Returns the `github` context, without what only a run or a job knows.
    pub fn context(&self) -> Value {
        // A repository without an origin belongs to nobody; actions still expect a server there.
        let host = if self.host == "local" { "github.com" } else { &self.host };
        let server = format!("https://{host}");
        let api = if host == "github.com" {
            "https://api.github.com".to_owned()
        } else {
            format!("{server}/api/v3")
        };
        let graphql = if host == "github.com" {
            format!("{api}/graphql")
        } else {
            format!("{server}/api/graphql")
        };
        let kind = if self.reference.starts_with("refs/tags/") { "tag" } else { "branch" };
        let owner = self.repository.split('/').next().unwrap_or_default();
        let id = |path: &[&str]| {
            at(&self.payload, path).and_then(Value::as_u64).map(|id| id.to_string())
        };
        json!({
            "event_name": self.event,
            "event": self.payload,
            "ref": self.reference,
            "ref_name": self.reference_name(),
            "ref_type": kind,
            "ref_protected": false,
            "sha": self.sha,
            "head_ref": self.head_ref,
            "base_ref": self.base_ref,
            "repository": self.repository,
            "repository_owner": owner,
            "repository_id": id(&["repository", "id"]).unwrap_or_default(),
            "repository_owner_id": id(&["repository", "owner", "id"]).unwrap_or_default(),
            "repositoryUrl": format!("git://{host}/{}.git", self.repository),
            "actor": self.actor,
            "actor_id": id(&["sender", "id"]).unwrap_or_default(),
            "triggering_actor": self.actor,
            "server_url": server,
            "api_url": api,
            "graphql_url": graphql,
            "retention_days": "90",
            "secret_source": "Actions",
        })
    }
}

/// Returns the payload; where a local call gave none, the one GitHub would have sent.
fn completed(delivery: &Delivery, facts: &Facts) -> Value {
    let mut payload = delivery.payload.clone();
    let Some(fields) = payload.as_object_mut() else { return payload };
    let owner = facts.full_name.split('/').next().unwrap_or_default();
    let name = facts.full_name.split('/').nth(1).unwrap_or_default();
    let defaults = [
        (
            "repository",
            json!({
                "name": name,
                "full_name": facts.full_name,
                "default_branch": facts.default_branch,
                "owner": { "login": owner },
                "html_url": format!("https://{}/{}", facts.host, facts.full_name),
            }),
        ),
        ("sender", json!({ "login": facts.actor, "type": "User" })),
    ];
    let bare = fields.is_empty() || !fields.contains_key("repository");
    for (key, value) in defaults {
        fields.entry(key).or_insert(value);
    }
    if bare && delivery.event == "push" {
        let commit = json!({ "id": facts.head, "message": facts.message });
        let defaults = [
            ("ref", json!(checked_out(facts))),
            ("after", json!(facts.head)),
            ("head_commit", commit.clone()),
            ("commits", json!([commit])),
            ("pusher", json!({ "name": facts.actor })),
            ("created", json!(false)),
            ("deleted", json!(false)),
            ("forced", json!(false)),
        ];
        for (key, value) in defaults {
            fields.entry(key).or_insert(value);
        }
    }
    payload
}

fn checked_out(facts: &Facts) -> String {
    match (&facts.branch, &facts.tag) {
        (Some(branch), _) => format!("refs/heads/{branch}"),
        (None, Some(tag)) => format!("refs/tags/{tag}"),
        (None, None) => format!("refs/heads/{}", facts.default_branch),
    }
}

/// Returns `github.ref` and `github.sha`, after GitHub's "Events that trigger workflows".
fn reference(event: &str, payload: &Value, facts: &Facts) -> (String, String) {
    let head = || facts.head.clone();
    let default = || format!("refs/heads/{}", facts.default_branch);
    let get = |path: &[&str]| text(payload, path);
    match event {
        "push" => {
            let reference = get(&["ref"]).unwrap_or_else(|| checked_out(facts));
            (reference, get(&["after"]).unwrap_or_else(head))
        }
        "pull_request" | "pull_request_review" | "pull_request_review_comment" => {
            let number =
                at(payload, &["pull_request", "number"]).or_else(|| at(payload, &["number"]));
            let number = number.and_then(Value::as_u64).unwrap_or_default();
            let merge = get(&["pull_request", "merge_commit_sha"]);
            let sha = merge.or_else(|| get(&["pull_request", "head", "sha"]));
            (format!("refs/pull/{number}/merge"), sha.unwrap_or_else(head))
        }
        "pull_request_target" => {
            let base =
                get(&["pull_request", "base", "ref"]).map(|name| format!("refs/heads/{name}"));
            let sha = get(&["pull_request", "base", "sha"]);
            (base.unwrap_or_else(default), sha.unwrap_or_else(head))
        }
        "merge_group" => {
            let reference = get(&["merge_group", "head_ref"]);
            (
                reference.unwrap_or_else(default),
                get(&["merge_group", "head_sha"]).unwrap_or_else(head),
            )
        }
        "release" => {
            let tag = get(&["release", "tag_name"]).map(|name| format!("refs/tags/{name}"));
            (tag.unwrap_or_else(default), head())
        }
        "create" => {
            let name = get(&["ref"]).unwrap_or_else(|| facts.default_branch.clone());
            let folder =
                if get(&["ref_type"]).as_deref() == Some("tag") { "tags" } else { "heads" };
            (full(&name, folder), head())
        }
        "workflow_dispatch" | "repository_dispatch" => {
            let named = get(&["ref"]).map(|name| full(&name, "heads"));
            let here = if event == "workflow_dispatch" { checked_out(facts) } else { default() };
            (named.unwrap_or(here), head())
        }
        "deployment" | "deployment_status" => {
            let named = get(&["deployment", "ref"]).map(|name| full(&name, "heads"));
            (named.unwrap_or_else(default), get(&["deployment", "sha"]).unwrap_or_else(head))
        }
        "status" => (default(), get(&["sha"]).unwrap_or_else(head)),
        _ => (default(), head()),
    }
}

fn full(name: &str, folder: &str) -> String {
    if name.starts_with("refs/") { name.to_owned() } else { format!("refs/{folder}/{name}") }
}

/// Returns what stands at a path of field names.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, field| value.get(field))
}

/// Returns the text at a path, if it is text and not empty.
pub(crate) fn text(value: &Value, path: &[&str]) -> Option<String> {
    at(value, path).and_then(Value::as_str).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

fn is_full_name(name: &str) -> bool {
    let legal = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        !part.is_empty()
            && part.len() <= 100
            && part.bytes().all(plain)
            && part != "."
            && part != ".."
    };
    name.split_once('/').is_some_and(|(owner, name)| legal(owner) && legal(name))
}

fn host_of(url: &str) -> Option<String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let host = rest.split('/').next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':');
    (!host.is_empty() && host.len() <= 255 && host.bytes().all(plain)).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn facts() -> Facts {
        Facts {
            host: "github.com".into(),
            full_name: "local/project".into(),
            branch: Some("topic".into()),
            tag: None,
            default_branch: "main".into(),
            head: "c0ffee".into(),
            message: "a commit".into(),
            actor: "somebody".into(),
        }
    }

    fn occasion(event: &str, payload: Value) -> Occasion {
        let delivery = Delivery { event: event.into(), payload, delay: Duration::ZERO };
        Occasion::new(&delivery, &facts())
    }

    #[track_caller]
    fn check(event: &str, payload: Value, reference: &str, sha: &str) {
        let occasion = occasion(event, payload);
        assert_eq!((occasion.reference.as_str(), occasion.sha.as_str()), (reference, sha));
    }

    #[test]
    fn each_event_has_its_own_ref_and_commit() {
        check("push", json!({}), "refs/heads/topic", "c0ffee");
        check("push", json!({"ref": "refs/tags/v1", "after": "abc"}), "refs/tags/v1", "abc");
        check("issues", json!({"action": "opened"}), "refs/heads/main", "c0ffee");
        check("create", json!({"ref": "v2", "ref_type": "tag"}), "refs/tags/v2", "c0ffee");
        check("release", json!({"release": {"tag_name": "v3"}}), "refs/tags/v3", "c0ffee");
        check("workflow_dispatch", json!({"ref": "refs/heads/x"}), "refs/heads/x", "c0ffee");
        check("workflow_dispatch", json!({}), "refs/heads/topic", "c0ffee");
        let pull = json!({"pull_request": {"number": 7, "head": {"ref": "f", "sha": "h"}, "base": {"ref": "b", "sha": "bb"}}});
        check("pull_request", pull.clone(), "refs/pull/7/merge", "h");
        check("pull_request_target", pull, "refs/heads/b", "bb");
    }

    #[test]
    fn local_push_gets_the_payload_github_would_send() {
        let push = occasion("push", json!({}));
        assert_eq!(text(&push.payload, &["head_commit", "id"]).as_deref(), Some("c0ffee"));
        assert_eq!(
            text(&push.payload, &["repository", "full_name"]).as_deref(),
            Some("local/project")
        );
    }

    #[test]
    fn payload_names_the_repository_unless_it_is_hostile() {
        let named =
            |name: &str| occasion("issues", json!({"repository": {"full_name": name}})).repository;
        assert_eq!(named("octo/tones"), "octo/tones");
        assert_eq!(named("../../etc"), "local/project");
        assert_eq!(named("a/.."), "local/project");
    }

    #[test]
    fn pull_request_names_both_branches() {
        let pull = occasion(
            "pull_request",
            json!({"pull_request": {"head": {"ref": "f"}, "base": {"ref": "b"}}}),
        );
        assert_eq!((pull.head_ref.as_str(), pull.base_ref.as_str()), ("f", "b"));
        assert_eq!(pull.reference_name(), "0/merge");
    }
}
