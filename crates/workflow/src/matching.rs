//! The matching of an event with the triggers of a workflow.

use serde_json::Value;

use crate::{
    pattern::{Pattern, ignores, keeps},
    schema::ACTIVITIES,
    span::Spanned,
    trigger::{Trigger, Triggers},
};

/// The activities of `pull_request` that start a workflow where `types` does not say.
const PULL_REQUEST_DEFAULT: [&str; 3] = ["opened", "synchronize", "reopened"];

/// What a commit message says to start nothing.
const SKIP: [&str; 5] = ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"];

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub struct Occurrence<'a> {
    /// The name of the event, as `X-GitHub-Event` has it.
    pub event: &'a str,
    /// The payload of the webhook.
    pub payload: &'a Value,
    /// The ref of the event, as in `refs/heads/main`; the payload's where absent.
    pub reference: Option<&'a str>,
    /// The branch that a pull request goes to; the payload's where absent.
    pub base: Option<&'a str>,
    /// The paths that changed; absent where that is not known.
    pub changed: Option<&'a [String]>,
}

/// Whether an event starts a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Match {
    /// It does.
    Yes,
    /// It does not.
    No {
        /// Why, in a sentence without a full stop.
        why: String,
    },
}

impl Match {
    /// Returns whether the event starts the workflow.
    pub fn is_yes(&self) -> bool {
        *self == Self::Yes
    }
}

/// Returns whether an event starts a workflow, as GitHub decides it.
///
/// Filters on paths let an event pass when it is not known what changed.
pub fn matches(on: &Triggers, occurrence: &Occurrence<'_>) -> Match {
    match decide(on, occurrence) {
        Ok(()) => Match::Yes,
        Err(why) => Match::No { why },
    }
}

type Decision = Result<(), String>;

fn decide(on: &Triggers, occurrence: &Occurrence<'_>) -> Decision {
    let event = occurrence.event;
    let trigger =
        on.events.get(event).ok_or_else(|| format!("'on' does not name the event '{event}'"))?;
    activity(trigger, occurrence)?;
    match event {
        "push" => push(trigger, occurrence),
        "pull_request" | "pull_request_target" => {
            let base = occurrence.base.or_else(|| text(occurrence, "/pull_request/base/ref"));
            branches(trigger, base, "base branch")?;
            paths(trigger, occurrence)
        }
        "merge_group" => {
            let base = occurrence.base.or_else(|| text(occurrence, "/merge_group/base_ref"));
            branches(trigger, base, "base branch")
        }
        "workflow_run" => {
            workflows(trigger, occurrence)?;
            branches(trigger, text(occurrence, "/workflow_run/head_branch"), "branch")
        }
        "schedule" => schedule(on, occurrence),
        "image_version" => image(trigger, occurrence),
        _ => Ok(()),
    }
}

/// Compares `types` with the payload's `action`.
fn activity(trigger: &Trigger, occurrence: &Occurrence<'_>) -> Decision {
    let Some(action) = text(occurrence, "/action") else { return Ok(()) };
    if let Some(types) = &trigger.types {
        return if types.iter().any(|known| known.value == action) {
            Ok(())
        } else {
            Err(format!("'types' does not name '{action}'"))
        };
    }
    let event = occurrence.event;
    let all = ACTIVITIES.iter().find(|(name, _)| *name == event).map(|(_, types)| *types);
    let default = match event {
        "pull_request" | "pull_request_target" => Some(&PULL_REQUEST_DEFAULT[..]),
        _ => all,
    };
    match default {
        Some(default) if !default.contains(&action) => {
            Err(format!("'{action}' starts nothing unless 'types' names it"))
        }
        _ => Ok(()),
    }
}

fn push(trigger: &Trigger, occurrence: &Occurrence<'_>) -> Decision {
    if occurrence.payload.get("deleted").and_then(Value::as_bool) == Some(true) {
        return Err("what was pushed was deleted".to_owned());
    }
    if let Some(message) = text(occurrence, "/head_commit/message")
        && let Some(word) = SKIP.iter().find(|word| message.contains(*word))
    {
        return Err(format!("the commit message says '{word}'"));
    }
    let reference = occurrence.reference.or_else(|| text(occurrence, "/ref"));
    let (has_branches, has_tags) = (
        trigger.branches.is_some() || trigger.branches_ignore.is_some(),
        trigger.tags.is_some() || trigger.tags_ignore.is_some(),
    );
    if let Some(tag) = reference.and_then(|reference| reference.strip_prefix("refs/tags/")) {
        if has_branches && !has_tags {
            return Err(format!("only branches start it, and '{tag}' is a tag"));
        }
        // Paths are not looked at for tags.
        return filter((&trigger.tags, &trigger.tags_ignore), tag, ("tag", "tags"));
    }
    let branch = reference.map(branch_name);
    if has_tags && !has_branches {
        let name = branch.unwrap_or("what was pushed");
        return Err(format!("only tags start it, and '{name}' is a branch"));
    }
    branches(trigger, branch, "branch")?;
    paths(trigger, occurrence)
}

fn branches(trigger: &Trigger, branch: Option<&str>, what: &str) -> Decision {
    match branch {
        Some(branch) => {
            let lists = (&trigger.branches, &trigger.branches_ignore);
            filter(lists, branch_name(branch), (what, "branches"))
        }
        None if trigger.branches.is_some() => {
            Err(format!("'branches' is set, and the event has no {what}"))
        }
        None => Ok(()),
    }
}

fn branch_name(reference: &str) -> &str {
    reference.strip_prefix("refs/heads/").unwrap_or(reference)
}

type Lists<'a> = (&'a Option<Vec<Spanned<String>>>, &'a Option<Vec<Spanned<String>>>);

/// Compares one name with the list that keeps and the list that ignores.
fn filter((keep, ignore): Lists<'_>, name: &str, (what, key): (&str, &str)) -> Decision {
    if let Some(keep) = keep
        && !keeps(&read(keep), name)
    {
        return Err(format!("the {what} '{name}' is not among '{key}'"));
    }
    if let Some(ignore) = ignore
        && ignores(&read(ignore), name)
    {
        return Err(format!("the {what} '{name}' is among '{key}-ignore'"));
    }
    Ok(())
}

fn paths(trigger: &Trigger, occurrence: &Occurrence<'_>) -> Decision {
    let Some(changed) = occurrence.changed else { return Ok(()) };
    if let Some(keep) = &trigger.paths {
        let keep = read(keep);
        if !changed.iter().any(|path| keeps(&keep, path)) {
            return Err("no changed file is among 'paths'".to_owned());
        }
    }
    if let Some(ignore) = &trigger.paths_ignore {
        let ignore = read(ignore);
        if changed.iter().all(|path| ignores(&ignore, path)) {
            return Err("every changed file is among 'paths-ignore'".to_owned());
        }
    }
    Ok(())
}

/// Reads patterns; those that cannot be read were reported with the file.
fn read(patterns: &[Spanned<String>]) -> Vec<Pattern> {
    patterns.iter().filter_map(|pattern| Pattern::parse(pattern).ok()).collect()
}

fn workflows(trigger: &Trigger, occurrence: &Occurrence<'_>) -> Decision {
    let Some(workflows) = &trigger.workflows else { return Ok(()) };
    let name =
        text(occurrence, "/workflow_run/name").or_else(|| text(occurrence, "/workflow/name"));
    match name {
        Some(name) if workflows.iter().any(|known| known.value == name) => Ok(()),
        Some(name) => Err(format!("the workflow '{name}' is not among 'workflows'")),
        None => Err("'workflows' is set, and the event names no workflow".to_owned()),
    }
}

fn schedule(on: &Triggers, occurrence: &Occurrence<'_>) -> Decision {
    match text(occurrence, "/schedule") {
        Some(cron) if !on.schedules.iter().any(|schedule| schedule.cron.value == cron) => {
            Err(format!("'schedule' does not have '{cron}'"))
        }
        _ => Ok(()),
    }
}

fn image(trigger: &Trigger, occurrence: &Occurrence<'_>) -> Decision {
    let lists = [
        (&trigger.names, "/image_version/name", "name", "names"),
        (&trigger.versions, "/image_version/version", "version", "versions"),
    ];
    for (keep, path, what, key) in lists {
        if let Some(value) = text(occurrence, path) {
            filter((keep, &None), value, (what, key))?;
        }
    }
    Ok(())
}

fn text<'a>(occurrence: &Occurrence<'a>, pointer: &str) -> Option<&'a str> {
    occurrence.payload.pointer(pointer).and_then(Value::as_str)
}
