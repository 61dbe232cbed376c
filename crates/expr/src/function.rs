//! Functions: those that are everywhere, and the names of those only a place knows.

use crate::{
    compare::equal,
    fold::fold,
    format::format,
    json,
    memory::{Memory, Writer},
    scope::{MOST_ARGUMENTS, Names},
    value::Value,
};

/// A function in an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Case,
    Contains,
    EndsWith,
    Format,
    FromJson,
    Join,
    StartsWith,
    ToJson,
    /// A function of the place, in lower case.
    Place(String),
}

impl Function {
    /// Returns the function of a lower-case name, if it may be called here with
    /// so many arguments.
    pub(crate) fn find(name: &str, names: &Names, count: usize) -> Result<Self, &'static str> {
        let (function, least, most) = match name {
            "case" => (Self::Case, 3, MOST_ARGUMENTS),
            "contains" => (Self::Contains, 2, 2),
            "endswith" => (Self::EndsWith, 2, 2),
            "format" => (Self::Format, 1, MOST_ARGUMENTS),
            "fromjson" => (Self::FromJson, 1, 1),
            "join" => (Self::Join, 1, 2),
            "startswith" => (Self::StartsWith, 2, 2),
            "tojson" => (Self::ToJson, 1, 1),
            _ => {
                let known = names.function(name).ok_or("Unrecognized function")?;
                (Self::Place(name.to_owned()), known.least, known.most)
            }
        };
        if count < least {
            return Err("Too few parameters supplied");
        }
        if count > most {
            return Err("Too many parameters supplied");
        }
        if function == Self::Case && count.is_multiple_of(2) {
            return Err("Even number of parameters supplied, requires an odd number of parameters");
        }
        Ok(function)
    }

    /// Returns the name in lower case.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Case => "case",
            Self::Contains => "contains",
            Self::EndsWith => "endswith",
            Self::Format => "format",
            Self::FromJson => "fromjson",
            Self::Join => "join",
            Self::StartsWith => "startswith",
            Self::ToJson => "tojson",
            Self::Place(name) => name,
        }
    }
}

/// Returns whether a text has a part, or a list an item.
pub(crate) fn contains(search: &Value, item: &Value) -> bool {
    match search {
        Value::Array(items) => items.iter().any(|candidate| equal(item, candidate)),
        Value::Object(_) => false,
        text => on_texts(text, item, |text, item| text.contains(item)),
    }
}

/// Returns whether a text starts with another.
pub(crate) fn starts_with(text: &Value, start: &Value) -> bool {
    on_texts(text, start, |text, start| text.starts_with(start))
}

/// Returns whether a text ends with another.
pub(crate) fn ends_with(text: &Value, end: &Value) -> bool {
    on_texts(text, end, |text, end| text.ends_with(end))
}

/// Asks two texts without their case; arrays and objects have no text here.
fn on_texts(left: &Value, right: &Value, ask: fn(&str, &str) -> bool) -> bool {
    left.is_primitive()
        && right.is_primitive()
        && ask(&fold(&left.to_text()), &fold(&right.to_text()))
}

/// Joins the items of a list.
pub(crate) fn join(arguments: &[Value], memory: &mut Memory) -> Result<String, String> {
    let [list, separator @ ..] = arguments else { return Ok(String::new()) };
    let mut writer = Writer::new(memory);
    match list {
        Value::Array(items) => {
            let separator = match separator {
                [separator] if separator.is_primitive() => separator.to_text(),
                _ => ",".to_owned(),
            };
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    writer.push(&separator)?;
                }
                writer.push(&item.to_text())?;
            }
        }
        Value::Object(_) => {}
        text => writer.push(&text.to_text())?,
    }
    Ok(writer.finish())
}

/// Calls a function that is everywhere and takes all its arguments.
///
/// `None` is a function that is not one of those.
pub(crate) fn call(
    function: &Function,
    arguments: &[Value],
    memory: &mut Memory,
) -> Option<Result<Value, String>> {
    Some(match (function, arguments) {
        (Function::Contains, [search, item]) => Ok(contains(search, item).into()),
        (Function::StartsWith, [text, start]) => Ok(starts_with(text, start).into()),
        (Function::EndsWith, [text, end]) => Ok(ends_with(text, end).into()),
        (Function::Format, [template, arguments @ ..]) => {
            format(&template.to_text(), arguments, memory).map(Value::from)
        }
        (Function::Join, arguments) => join(arguments, memory).map(Value::from),
        (Function::ToJson, [value]) => json::write(value, memory).map(Value::from),
        (Function::FromJson, [text]) => json::read(&text.to_text(), memory),
        _ => return None,
    })
}
