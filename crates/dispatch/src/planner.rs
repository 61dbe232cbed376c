//! What each delivery starts: which workflows, with which contexts, from which tree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::{Contexts, RunId, RunSpec};
use expr::Value;
use indexmap::IndexMap;
use serde_json::json;
use workdir::Snapshot;
use workflow::{Match, Occurrence, Workflow};

use crate::delivery::Delivery;
use crate::event_scope::EventScope;
use crate::occasion::{Facts, Occasion, at};
use crate::policies::{Policies, Standpoint};
use crate::project::Project;
use crate::trees::Trees;

/// Longest name of a run that is shown.
const MAX_TITLE: usize = 250;

/// What the user gives to every run of a call.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `--input`, for `workflow_dispatch`.
    pub inputs: IndexMap<String, String>,
    /// `--var`.
    pub vars: BTreeMap<String, String>,
    /// `--secret`.
    pub secrets: BTreeMap<String, String>,
    /// `--job`.
    pub only: Vec<String>,
    /// The paths of the workflows that were named; all if empty.
    pub workflows: Vec<String>,
    /// Do exactly as GitHub: an event whose jobs are all certain to be skipped enters its group.
    pub as_github: bool,
}

/// Knows the deliveries of a call and what they start.
#[derive(Debug)]
pub struct Planner {
    /// The workflows.
    pub project: Project,
    /// The deliveries, in order.
    pub deliveries: Vec<Delivery>,
    /// What is known about the repository.
    pub facts: Facts,
    /// What the user gave.
    pub given: Given,
    /// What the repository has of what the deliveries name.
    pub trees: Trees,
    /// What the repository says about its groups.
    pub policies: Policies,
}

/// What a delivery means for one workflow.
#[derive(Debug)]
pub enum Verdict {
    /// It starts a run.
    Run(Box<Seed>),
    /// It does not.
    Ignored {
        /// The event.
        event: String,
        /// The workflow's path.
        path: String,
        /// Why.
        reason: String,
    },
}

/// A run before it has an id.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The workflow.
    pub workflow: Arc<Workflow>,
    /// Its path.
    pub path: String,
    /// What it may call.
    pub called: BTreeMap<String, Arc<Workflow>>,
    /// The event.
    pub event: String,
    /// The host of the repository.
    pub host: String,
    /// The owner and the name of the repository.
    pub repository: String,
    /// The commit that the event names.
    pub sha: String,
    /// The full ref.
    pub reference: String,
    /// What the jobs get to see.
    pub tree: Arc<Snapshot>,
    /// Where the event's commit stands.
    pub standpoint: Standpoint,
    /// The contexts, but for what only a run knows.
    pub contexts: Contexts,
    /// `--job`.
    pub only: Vec<String>,
}

impl Seed {
    /// Returns the name of the run, where the workflow gives it one that can be evaluated.
    pub fn title(&self, contexts: &Contexts) -> Option<String> {
        let token = self.workflow.run_name.as_ref()?;
        let title = token.evaluate(&EventScope(contexts)).ok()?.to_text();
        let title = title.trim();
        (!title.is_empty()).then(|| title.chars().take(MAX_TITLE).collect())
    }

    /// Makes the spec of the run with this id.
    pub fn spec(&self, id: RunId, number: u64) -> RunSpec {
        let mut contexts = self.contexts.clone();
        contexts.github = with_fields(
            &contexts.github,
            [
                ("run_id", id.to_string()),
                ("run_number", number.to_string()),
                ("run_attempt", "1".to_owned()),
            ],
        );
        RunSpec {
            id,
            attempt: 1,
            workflow: Arc::clone(&self.workflow),
            called: self.called.clone(),
            contexts,
            only: self.only.clone(),
        }
    }
}

impl Planner {
    /// Returns how long after the previous one each delivery comes.
    pub fn delays(&self) -> impl Iterator<Item = Duration> {
        self.deliveries.iter().map(|delivery| delivery.delay)
    }

    /// Says what delivery `index` means for each workflow.
    pub fn verdicts(&self, index: usize) -> Vec<Verdict> {
        let Some(delivery) = self.deliveries.get(index) else { return Vec::new() };
        let occasion = Occasion::new(delivery, &self.facts);
        let changed = self.trees.changed(&occasion);
        let files = self.project.files.iter().filter(|file| self.is_wanted(&file.path));
        let workflows = files.filter_map(|file| Some((&file.path, file.workflow.as_ref()?)));
        workflows.map(|(path, workflow)| self.verdict(&occasion, changed, path, workflow)).collect()
    }

    /// Says whether a workflow is among those that were named.
    pub fn is_wanted(&self, path: &str) -> bool {
        self.given.workflows.is_empty() || self.given.workflows.iter().any(|wanted| wanted == path)
    }

    fn verdict(
        &self,
        occasion: &Occasion,
        changed: Option<&[String]>,
        path: &str,
        workflow: &Arc<Workflow>,
    ) -> Verdict {
        let ignored = |reason: String| Verdict::Ignored {
            event: occasion.event.clone(),
            path: path.to_owned(),
            reason,
        };
        let base = (!occasion.base_ref.is_empty()).then_some(occasion.base_ref.as_str());
        let occurrence = Occurrence {
            event: &occasion.event,
            payload: &occasion.payload,
            reference: Some(&occasion.reference),
            base,
            changed,
        };
        if let Match::No { why } = workflow::matches(&workflow.on, &occurrence) {
            return ignored(why);
        }
        let inputs = match self.inputs(occasion, workflow) {
            Ok(inputs) => inputs,
            Err(why) => return ignored(why),
        };
        let contexts = self.contexts(occasion, path, workflow, inputs);
        if !self.given.as_github && engine::certain_skip(workflow, &contexts) {
            return ignored("every job is certain to be skipped for this event".to_owned());
        }
        if let Some(reason) = self.unadmitted(workflow, &contexts) {
            return ignored(reason);
        }
        Verdict::Run(Box::new(Seed {
            workflow: Arc::clone(workflow),
            path: path.to_owned(),
            called: self.project.callable.clone(),
            event: occasion.event.clone(),
            host: occasion.host.clone(),
            repository: occasion.repository.clone(),
            sha: occasion.sha.clone(),
            reference: occasion.reference.clone(),
            tree: self.trees.tree(&occasion.sha),
            standpoint: self.trees.standpoint(&occasion.sha),
            contexts,
            only: self.given.only.clone(),
        }))
    }

    /// Says why an event may not enter the group of a workflow, if it may not.
    fn unadmitted(&self, workflow: &Workflow, contexts: &Contexts) -> Option<String> {
        let group = group_of(workflow, contexts)?;
        let rule = self.policies.rule(&group)?;
        match rule.admits(contexts) {
            Ok(true) => None,
            Ok(false) => Some(format!("interlock.toml does not admit it to the group {group}")),
            Err(why) => Some(format!(
                "interlock.toml cannot say whether the group {group} admits it: {why}"
            )),
        }
    }

    fn inputs(&self, occasion: &Occasion, workflow: &Workflow) -> Result<Value, String> {
        if occasion.event != "workflow_dispatch" {
            return Ok(Value::from_json(&json!({})));
        }
        let mut given = IndexMap::new();
        if let Some(fields) =
            at(&occasion.payload, &["inputs"]).and_then(serde_json::Value::as_object)
        {
            for (name, value) in fields {
                let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                given.insert(name.clone(), text);
            }
        }
        given.extend(self.given.inputs.clone());
        let resolved = workflow.on.resolve_inputs(&given).map_err(|faults| {
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        })?;
        Ok(Value::object(resolved))
    }

    fn contexts(
        &self,
        occasion: &Occasion,
        path: &str,
        workflow: &Workflow,
        inputs: Value,
    ) -> Contexts {
        let mut github = occasion.context();
        if let Some(fields) = github.as_object_mut() {
            let reference = format!("{}/{path}@{}", occasion.repository, occasion.reference);
            fields.insert("workflow".into(), json!(workflow.display_name()));
            fields.insert("workflow_ref".into(), json!(reference));
            fields.insert("workflow_sha".into(), json!(occasion.sha));
            let token = self.given.secrets.get("GITHUB_TOKEN").cloned().unwrap_or_default();
            fields.insert("token".into(), json!(token));
            if occasion.event == "workflow_dispatch"
                && let Some(event) =
                    fields.get_mut("event").and_then(serde_json::Value::as_object_mut)
            {
                event.insert("inputs".into(), inputs.to_json());
                event.insert("workflow".into(), json!(path));
            }
        }
        Contexts {
            github: Value::from_json(&github),
            inputs,
            vars: Value::from_json(&json!(self.given.vars)),
            secrets: Value::from_json(&json!(self.given.secrets)),
        }
    }
}

/// Returns the name of the group that a run of a workflow enters, if it has one that can be evaluated.
pub fn group_of(workflow: &Workflow, contexts: &Contexts) -> Option<String> {
    let token = workflow.concurrency.as_ref()?;
    let value = token.evaluate(&EventScope(contexts)).ok()?;
    let name = value.get("group").map_or_else(|| value.to_text(), Value::to_text);
    (!name.is_empty()).then_some(name)
}

fn with_fields<const N: usize>(object: &Value, fields: [(&str, String); N]) -> Value {
    let Value::Object(object) = object else { return object.clone() };
    let kept = object.iter().map(|(name, value)| (name.to_owned(), value.clone()));
    let added = fields.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value)));
    Value::object(kept.chain(added))
}
