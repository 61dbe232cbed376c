//! How one stands in a group, for people and for programs.

use coord::group::{Reason, Told};
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::session::{Level, Session};

/// Returns the word for it.
pub(super) fn word(told: &Told) -> &'static str {
    match told {
        Told::Running { .. } => "in-progress",
        Told::Pending { .. } => "pending",
        Told::Cancel { reason, .. } | Told::Out { reason } => reason.word(),
        Told::Gone => "gone",
    }
}

/// Returns it as a sentence.
pub(super) fn sentence(told: &Told) -> String {
    match told {
        Told::Running { fence, .. } => format!("the group is ours, under fence {fence}"),
        Told::Pending { position, behind: Some(behind), .. } => {
            format!("{position} before us; directly before us is {behind}")
        }
        Told::Pending { behind: None, .. } => {
            "nobody is before us; newcomers still collapse into one".to_owned()
        }
        Told::Cancel { reason, .. } => format!("told to end: {reason}"),
        Told::Out { reason } => reason.to_string(),
        Told::Gone => {
            "the group does not know us: our place was not renewed in time, or left".to_owned()
        }
    }
}

/// Returns it with everything that programs want to know.
pub(super) fn to_json(group: &str, told: &Told) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    set("outcome", json!(word(told)));
    set("group", json!(group));
    set("in_progress", json!(matches!(told, Told::Running { .. })));
    match told {
        Told::Running { fence, .. } => set("fence", json!(fence)),
        Told::Pending { position, behind, .. } => {
            set("position", json!(position));
            set("behind", json!(behind.as_ref().map(ToString::to_string)));
            set("link", json!(behind.as_ref().and_then(|who| who.link.clone())));
        }
        Told::Cancel { reason, .. } | Told::Out { reason } => set_reason(&mut set, reason),
        Told::Gone => {}
    }
    set("reason", json!(sentence(told)));
    fields
}

fn set_reason(set: &mut impl FnMut(&str, Value), reason: &Reason) {
    set("by", json!(reason.who().map(ToString::to_string)));
    set("link", json!(reason.who().and_then(|who| who.link.clone())));
}

/// Tells it everywhere.
pub(super) fn tell(group: &str, told: &Told, session: &Session) -> Result<(), Failure> {
    let answer = Value::Object(to_json(group, told));
    session.answer(&answer, &format!("{}: {}", word(told), sentence(told)))?;
    make_visible(group, told, session)
}

/// Says, where people look, that work was left.
pub(super) fn make_visible(group: &str, told: &Told, session: &Session) -> Result<(), Failure> {
    if matches!(told, Told::Running { .. } | Told::Pending { .. }) {
        return Ok(());
    }
    let (word, text) = (word(told), sentence(told));
    session.annotate(Level::Notice, &format!("group {group}: {word}"), &text);
    session.summarize(&format!("**group `{}`: {word}.** {text}", group.replace('`', "'")))
}

/// Tells that nothing is protected, since nobody chose a store and that is accepted.
pub(super) fn disabled(group: &str, session: &Session) -> Result<(), Failure> {
    let text = "no store was chosen, so nothing is protected";
    let answer =
        json!({ "outcome": "disabled", "group": group, "in_progress": true, "reason": text });
    session.answer(&answer, &format!("disabled: {text}"))?;
    session.annotate(Level::Warning, &format!("group {group}: disabled"), text);
    Ok(())
}
