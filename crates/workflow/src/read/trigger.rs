//! The reading of `on`.

use indexmap::IndexMap;

use crate::{
    input::{Input, InputKind},
    read::{entries, flag, text, texts, token, written},
    span::Spanned,
    token::Token,
    trigger::{Call, CallOutput, CallSecret, Schedule, Trigger, Triggers},
};

/// Makes the triggers, whichever of its three forms `on` has.
pub(super) fn triggers(on: &Spanned<Token>) -> Triggers {
    let mut triggers = Triggers { span: on.span, ..Triggers::default() };
    let bare = written(on).into_iter().chain(on.items().iter().filter_map(written));
    for event in bare {
        triggers.add(event, &Spanned::new(Token::Null, on.span));
    }
    for (event, value) in entries(Some(on)) {
        triggers.add(event, value);
    }
    triggers
}

impl Triggers {
    fn add(&mut self, event: Spanned<String>, value: &Spanned<Token>) {
        match event.as_str() {
            "schedule" => {
                self.schedules = value
                    .items()
                    .iter()
                    .filter_map(|item| {
                        Some(Schedule {
                            cron: text(item, "cron")?,
                            timezone: text(item, "timezone"),
                        })
                    })
                    .collect();
            }
            "workflow_dispatch" => self.dispatch_inputs = inputs(value),
            "workflow_call" => self.call = Some(call(value)),
            _ => {}
        }
        let trigger = Trigger {
            span: event.span,
            types: texts(value, "types"),
            branches: texts(value, "branches"),
            branches_ignore: texts(value, "branches-ignore"),
            tags: texts(value, "tags"),
            tags_ignore: texts(value, "tags-ignore"),
            paths: texts(value, "paths"),
            paths_ignore: texts(value, "paths-ignore"),
            workflows: texts(value, "workflows"),
            names: texts(value, "names"),
            versions: texts(value, "versions"),
        };
        self.events.insert(event.value, trigger);
    }
}

fn call(value: &Spanned<Token>) -> Call {
    let outputs = entries(value.get("outputs")).filter_map(|(name, output)| {
        Some((name.value, CallOutput { span: name.span, value: token(output, "value")? }))
    });
    let secrets = entries(value.get("secrets")).map(|(name, secret)| {
        (name.value, CallSecret { span: name.span, required: flag(secret, "required") })
    });
    Call { inputs: inputs(value), outputs: outputs.collect(), secrets: secrets.collect() }
}

fn inputs(value: &Spanned<Token>) -> IndexMap<String, Input> {
    entries(value.get("inputs"))
        .map(|(name, input)| (name.value.clone(), read(name, input)))
        .collect()
}

fn read(name: Spanned<String>, value: &Spanned<Token>) -> Input {
    let kind = match text(value, "type").as_ref().map(|kind| kind.as_str()) {
        Some("boolean") => InputKind::Boolean,
        Some("number") => InputKind::Number,
        Some("choice") => InputKind::Choice,
        Some("environment") => InputKind::Environment,
        _ => InputKind::String,
    };
    Input {
        name,
        kind,
        is_typed: value.get("type").is_some(),
        required: flag(value, "required"),
        default: token(value, "default"),
        options: texts(value, "options").unwrap_or_default(),
    }
}
