//! The answer of a guard, for people and for programs.

use coord::Who;
use coord::claim::{Done, Grant, Outcome};
use serde_json::{Map, Value, json};

use super::{Answer, base, make_visible};
use crate::failure::Failure;
use crate::session::Session;

/// Tells the answer everywhere.
pub(super) fn present(
    key: &str,
    digest: Option<&str>,
    answer: &Answer,
    proceeds: bool,
    session: &Session,
) -> Result<(), Failure> {
    let text = sentence(answer);
    let fields = to_json(key, digest, answer, proceeds);
    session.answer(&Value::Object(fields), &format!("{}: {text}", answer.word()))?;
    make_visible(key, answer, &text, session)
}

/// Returns the answer as a sentence.
pub(super) fn sentence(answer: &Answer) -> String {
    match answer {
        Answer::Known(Outcome::Won { fence, taken_from: None, failures: 0 }) => {
            format!("this work is ours, under fence {fence}")
        }
        Answer::Known(Outcome::Won { fence, taken_from: Some(from), .. }) => {
            format!("this work is ours, under fence {fence}; {from} had it before")
        }
        Answer::Known(Outcome::Won { fence, failures, .. }) => {
            format!("this work is ours, under fence {fence}; it has failed {failures} times before")
        }
        Answer::Known(Outcome::Lost { by, .. }) => {
            format!("{} does exactly this since {}{}", by.who, by.began, at(&by.who))
        }
        Answer::Known(Outcome::Replay { done }) => format!("it is done already: {}", told(done)),
        Answer::Known(Outcome::Changed { live: Some(live), .. }) => {
            format!(
                "{} does other work on this key since {}{}",
                live.who,
                live.began,
                at(&live.who)
            )
        }
        Answer::Known(Outcome::Changed { done, .. }) => match done {
            Some(done) => format!("other work on this key is done: {}", told(done)),
            None => "other work on this key is in the way".to_owned(),
        },
        Answer::Exists(there) => {
            let link = there.link.as_ref().map(|link| format!(": {link}"));
            format!("it is done already, since there is {}{}", there.what, link.unwrap_or_default())
        }
        Answer::Unknown(why) => format!("it could not be found out: {}", why.trim()),
        Answer::Disabled => "no store was chosen, so nothing is protected".to_owned(),
    }
}

fn at(who: &Who) -> String {
    who.link.as_ref().map(|link| format!(" ({link})")).unwrap_or_default()
}

fn told(done: &Done) -> String {
    let result = if done.result.is_empty() { "no result was named" } else { &done.result };
    format!("{result} ({}, {})", done.who, done.ended)
}

pub(super) fn to_json(
    key: &str,
    digest: Option<&str>,
    answer: &Answer,
    proceeds: bool,
) -> Map<String, Value> {
    let mut fields = base(key, answer.word(), proceeds);
    let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    set("digest", json!(digest));
    match answer {
        Answer::Known(Outcome::Won { fence, taken_from, failures }) => {
            set("fence", json!(fence));
            set("taken_from", json!(taken_from.as_ref().map(ToString::to_string)));
            set("failures", json!(failures));
        }
        Answer::Known(Outcome::Lost { by, .. }) => set_live(&mut set, by),
        Answer::Known(Outcome::Replay { done }) => set_done(&mut set, done),
        Answer::Known(Outcome::Changed { live, done, .. }) => {
            if let Some(done) = done {
                set_done(&mut set, done);
            }
            if let Some(live) = live {
                set_live(&mut set, live);
            }
        }
        Answer::Exists(there) => {
            set("exists", json!(there.what));
            set("link", json!(there.link));
        }
        Answer::Unknown(_) | Answer::Disabled => {}
    }
    set("reason", json!(sentence(answer)));
    fields
}

fn set_live(set: &mut impl FnMut(&str, Value), live: &Grant) {
    set("by", json!(live.who.to_string()));
    set("link", json!(live.who.link));
    set("since", json!(live.began.to_string()));
}

fn set_done(set: &mut impl FnMut(&str, Value), done: &Done) {
    set("result", json!(done.result));
    set("by", json!(done.who.to_string()));
    set("link", json!(done.who.link));
    set("ended", json!(done.ended.to_string()));
}
