//! Locks for people and for programs: one line on a terminal, one object of JSON, one line in a summary.

use std::time::Duration;

use coord::lease::{Answer, Cause, Ended, Holder, How, Lost, Obstacle};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::asking::Outcome;
use crate::failure::Failure;
use crate::session::{Level, Session};
use crate::terminal::clean;

/// Returns who has a lock, since when and why.
pub(super) fn held(by: &Obstacle) -> String {
    let why = by.holder.reason.as_ref().map(|reason| format!(" ({})", clean(reason)));
    // What is cut off on a narrow terminal is the link.
    let link = by.holder.link.as_ref().map(|link| format!(" <{}>", clean(link)));
    let [why, link] = [why, link].map(Option::unwrap_or_default);
    format!("held by {} {}{why}{link}", clean(&by.holder.name), since(by.since))
}

/// Returns how many stand before us in the queue.
pub(super) fn place(ahead: Option<usize>) -> String {
    match ahead {
        None => String::new(),
        Some(0) => ", next in the queue".to_owned(),
        Some(count) => format!(", {count} before us"),
    }
}

/// Returns a holder with its link.
pub(super) fn who(holder: &Holder) -> String {
    match &holder.link {
        Some(link) => format!("{} <{}>", clean(&holder.name), clean(link)),
        None => clean(&holder.name),
    }
}

/// Returns since when, for people: the clocks of two machines may differ.
pub(super) fn since(then: Timestamp) -> String {
    match Duration::try_from(Timestamp::now().duration_since(then)) {
        Ok(ago) => format!("for {}", length(ago)),
        Err(_) => format!("since {}", then.strftime("%H:%M:%S UTC")),
    }
}

/// Returns a length of time, for people.
pub(super) fn length(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// Returns how a grant ended.
pub(super) fn ended(last: &Ended) -> String {
    let name = who(&last.holder);
    match &last.how {
        How::Released => format!("{name} released it"),
        How::Expired => format!("{name} did not renew it in time"),
        How::Died => format!("{name} is dead"),
        How::Superseded { by } => format!("{} is a later attempt of {name}", clean(by)),
        How::Broken { by, reason } => {
            format!("{} broke the grant of {name}: {}", clean(by), clean(reason))
        }
    }
}

/// Returns why a lock was lost.
pub(super) fn lost(lost: &Lost) -> String {
    let name = clean(&lost.name);
    match &lost.cause {
        Cause::Taken { by, last } => {
            let how = last.as_ref().map(|last| format!(" ({})", ended(last))).unwrap_or_default();
            match by {
                Some(by) => format!("{name} is held by {} now{how}", who(by)),
                None => format!("{name} is not ours any more{how}"),
            }
        }
        Cause::RanOut { error } => {
            let why = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            format!("{name} could not be renewed in time{}", clean(&why))
        }
    }
}

/// Returns an outcome as a sentence.
pub(super) fn sentence(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ours(answers) => {
            let texts = answers.iter().map(|(name, answer)| ours(&clean(name), answer));
            texts.collect::<Vec<_>>().join("; ")
        }
        Outcome::Held { name, by, ahead } => {
            format!("{} is {}{}", clean(name), held(by), place(*ahead))
        }
        Outcome::Disabled => "no store was chosen, so nothing is protected".to_owned(),
        Outcome::Unavailable(why) | Outcome::Corrupt(why) => clean(why),
        Outcome::Interrupted => "interrupted while waiting".to_owned(),
    }
}

fn ours(name: &str, answer: &Answer) -> String {
    match answer {
        Answer::TakenOver { fence, from } => {
            format!("{name} is ours, under fence {fence}; {}", ended(from))
        }
        Answer::Acquired { fence } => format!("{name} is ours, under fence {fence}"),
        Answer::AlreadyMine { fence } => format!("{name} is ours already, under fence {fence}"),
        Answer::Held { by, ahead, .. } => format!("{name} is {}{}", held(by), place(*ahead)),
    }
}

/// Returns the fence of an answer.
pub(super) fn fence(answer: &Answer) -> Option<u64> {
    match answer {
        Answer::Acquired { fence }
        | Answer::TakenOver { fence, .. }
        | Answer::AlreadyMine { fence } => Some(fence.0),
        Answer::Held { .. } => None,
    }
}

/// Returns an outcome with everything that programs want to know.
pub(super) fn to_json(keys: &[String], outcome: &Outcome, proceeds: bool) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    set("outcome", json!(outcome.word()));
    set("key", json!(keys.join("\n")));
    set("should_run", json!(proceeds));
    match outcome {
        Outcome::Ours(answers) => {
            let fences: Map<String, Value> =
                answers.iter().map(|(name, answer)| (name.clone(), json!(fence(answer)))).collect();
            let first = keys.first().and_then(|key| fences.get(key)).cloned();
            set("fence", first.unwrap_or_default());
            set("fences", Value::Object(fences));
            let from = answers.iter().find_map(|(_, answer)| match answer {
                Answer::TakenOver { from, .. } => Some(from),
                _ => None,
            });
            if let Some(from) = from {
                set("holder", json!(from.holder.name));
                set("link", json!(from.holder.link));
            }
        }
        Outcome::Held { name, by, ahead } => {
            set("held", json!(name));
            set("holder", json!(by.holder.name));
            set("surface", json!(by.holder.surface));
            set("link", json!(by.holder.link));
            set("since", json!(by.since.to_string()));
            set("why", json!(by.holder.reason));
            set("holder_fence", json!(by.fence));
            set("ahead", json!(ahead));
        }
        _ => {}
    }
    set("reason", json!(sentence(outcome)));
    fields
}

/// Says an outcome where people look: a line in the step summary, and an annotation if it is no plain yes.
pub(super) fn make_visible(
    keys: &[String],
    outcome: &Outcome,
    session: &Session,
) -> Result<(), Failure> {
    let (word, text) = (outcome.word(), sentence(outcome));
    let level = match outcome {
        Outcome::Ours(_) => (word == "taken-over").then_some(Level::Notice),
        Outcome::Held { .. } | Outcome::Disabled => Some(Level::Warning),
        Outcome::Unavailable(_) | Outcome::Corrupt(_) => Some(Level::Error),
        Outcome::Interrupted => None,
    };
    announce(keys, word, &text, level, session)
}

/// Says something about locks where people look.
pub(super) fn announce(
    keys: &[String],
    word: &str,
    text: &str,
    level: Option<Level>,
    session: &Session,
) -> Result<(), Failure> {
    let keys = clean(&keys.join(", "));
    if let Some(level) = level {
        session.annotate(level, &format!("lock {keys}: {word}"), text);
    }
    let [keys, text] = [&keys, text].map(markdown);
    session.summarize(&format!("**lock `{keys}`: {word}.** {text}"))
}

/// Takes from a text what would be markup in a summary; links in angle brackets stay links.
fn markdown(text: &str) -> String {
    let text = text.replace('`', "'").replace('\\', "/");
    text.replace('[', "(").replace(']', ")").replace('|', "/")
}
