//! The sample: an imagined event, for which a group is evaluated.

use expr::{Partial, Scope, Template, Value};
use serde_json::{Map, json};

/// An imagined event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample<'a> {
    /// The name of the event.
    pub(super) event: &'a str,
    /// Which issue, pull request or branch it is about.
    pub(super) subject: u8,
    /// Which run for that subject it starts.
    pub(super) run: u8,
}

/// What payloads of an event have at the top, besides what all have.
const PAYLOADS: &[(&str, &[&str])] = &[
    ("create", &["ref", "ref_type", "master_branch", "description", "pusher_type"]),
    ("delete", &["ref", "ref_type", "pusher_type"]),
    ("discussion", &["discussion", "label", "changes", "answer"]),
    ("discussion_comment", &["discussion", "comment", "changes"]),
    ("issue_comment", &["issue", "comment", "changes"]),
    ("issues", &["issue", "label", "assignee", "milestone", "changes", "type"]),
    ("merge_group", &["merge_group"]),
    (
        "pull_request",
        &[
            "pull_request",
            "number",
            "label",
            "assignee",
            "milestone",
            "changes",
            "before",
            "after",
            "requested_reviewer",
            "requested_team",
            "reason",
        ],
    ),
    ("pull_request_review", &["pull_request", "review", "changes"]),
    ("pull_request_review_comment", &["pull_request", "comment", "changes"]),
    (
        "pull_request_target",
        &[
            "pull_request",
            "number",
            "label",
            "assignee",
            "milestone",
            "changes",
            "before",
            "after",
            "requested_reviewer",
            "requested_team",
            "reason",
        ],
    ),
    (
        "push",
        &[
            "ref",
            "before",
            "after",
            "created",
            "deleted",
            "forced",
            "base_ref",
            "compare",
            "commits",
            "head_commit",
            "pusher",
        ],
    ),
    ("release", &["release", "changes"]),
    ("schedule", &["schedule", "workflow"]),
    ("workflow_dispatch", &["inputs", "ref", "workflow"]),
    ("workflow_run", &["workflow_run", "workflow"]),
];

/// What every payload has at the top.
const COMMON: [&str; 6] =
    ["action", "enterprise", "installation", "organization", "repository", "sender"];

/// The events whose `github.ref` is that of their subject.
const OWN_REF: [&str; 9] = [
    "create",
    "delete",
    "merge_group",
    "pull_request",
    "pull_request_review",
    "pull_request_review_comment",
    "push",
    "release",
    "workflow_dispatch",
];

/// The events each of which comes with a commit of its own.
const OWN_COMMIT: [&str; 5] =
    ["merge_group", "pull_request", "pull_request_review", "push", "release"];

impl<'a> Sample<'a> {
    /// Imagines the first run for the first subject.
    pub(super) fn of(event: &'a str) -> Self {
        Self { event, subject: 0, run: 0 }
    }

    /// Imagines a later run for the same subject.
    pub(super) fn next_run(self) -> Self {
        Self { run: self.run + 1, ..self }
    }

    /// Imagines the same for another subject.
    pub(super) fn other_subject(self) -> Self {
        Self { subject: self.subject + 1, ..self }
    }

    /// Returns the group, in lower case, if it can be imagined.
    pub(super) fn group(self, template: &Template) -> Option<String> {
        match self.evaluate(template)? {
            Partial::Known(value) => Some(value.to_text().to_lowercase()),
            Partial::Unknown => None,
        }
    }

    /// Returns what a template comes to.
    pub(super) fn evaluate(self, template: &Template) -> Option<Partial> {
        let mut contexts = Map::new();
        for reference in template.references() {
            let path: Vec<String> = reference.path.iter().map(|name| name.to_lowercase()).collect();
            if path.len() < 2 {
                return None;
            }
            if let Some(value) = self.value(&path) {
                insert(&mut contexts, &path, value)?;
            } else {
                insert(&mut contexts, &path[..1], json!({}));
            }
        }
        Some(template.evaluate_partial(&Imagined(contexts)))
    }

    /// Returns whether the event does not have what a path names.
    pub(super) fn lacks(self, path: &[String]) -> bool {
        let path: Vec<String> = path.iter().map(|name| name.to_lowercase()).collect();
        path.first().is_some_and(|context| context == "github") && self.value(&path).is_none()
    }

    /// Imagines the value of a path; none where the event has none.
    fn value(self, path: &[String]) -> Option<serde_json::Value> {
        let name = path.iter().map(String::as_str).collect::<Vec<_>>();
        let of_run = json!(format!("{}-{}", self.subject, self.run));
        let of_subject = json!(format!("s{}", self.subject));
        let is_pull_request = matches!(self.event, "pull_request" | "pull_request_target");
        match name.as_slice() {
            ["github", "run_id" | "run_number", ..] => Some(of_run),
            ["github", "sha", ..] if OWN_COMMIT.contains(&self.event) => Some(of_run),
            ["github", "ref" | "ref_name", ..] if OWN_REF.contains(&self.event) => Some(of_subject),
            ["github", "head_ref", ..] => is_pull_request.then_some(of_subject),
            ["github", "base_ref", ..] => is_pull_request.then(|| json!("main")),
            ["github", "event_name", ..] => Some(json!(self.event)),
            ["github", "event", top, rest @ ..] => self.field(top, rest, of_subject, of_run),
            _ => Some(json!("x")),
        }
    }

    /// Imagines a field of the payload.
    fn field(
        self,
        top: &str,
        rest: &[&str],
        of_subject: serde_json::Value,
        of_run: serde_json::Value,
    ) -> Option<serde_json::Value> {
        let known = PAYLOADS.iter().find(|(event, _)| *event == self.event);
        if let Some((_, known)) = known
            && !known.contains(&top)
            && !COMMON.contains(&top)
        {
            return None;
        }
        let is_of_run =
            matches!(
                top,
                "after" | "before" | "comment" | "commits" | "compare" | "head_commit" | "review"
            ) || rest.last().is_some_and(|leaf| matches!(*leaf, "sha" | "updated_at" | "head_sha"))
                || (top == "workflow_run" && matches!(rest, ["id" | "run_number"]));
        Some(if is_of_run {
            of_run
        } else if COMMON.contains(&top) || matches!(top, "label" | "schedule" | "workflow") {
            json!("x")
        } else {
            of_subject
        })
    }
}

/// Puts a value at a path; none if something else is there already.
fn insert(
    contexts: &mut Map<String, serde_json::Value>,
    path: &[String],
    value: serde_json::Value,
) -> Option<()> {
    let (last, parents) = path.split_last()?;
    let mut place = contexts;
    for name in parents {
        let next = place.entry(name.clone()).or_insert_with(|| json!({}));
        place = next.as_object_mut()?;
    }
    match place.get(last) {
        Some(existing) if existing.is_object() && !value.is_object() => return None,
        Some(_) => {}
        None => drop(place.insert(last.clone(), value)),
    }
    Some(())
}

/// The contexts of a sample; whatever was not named is not there.
struct Imagined(Map<String, serde_json::Value>);

impl Scope for Imagined {
    fn context(&self, name: &str) -> Option<Value> {
        self.0.get(name).map(Value::from_json)
    }
}
