//! JSON in expressions: what `toJSON` writes and `fromJSON` reads.

use crate::{
    memory::{Memory, Writer},
    number,
    value::Value,
};

/// Writes a value with two spaces a level, as GitHub does.
pub(crate) fn write(value: &Value, memory: &mut Memory) -> Result<String, String> {
    let mut writer = Writer::new(memory);
    write_value(value, 0, &mut writer)?;
    Ok(writer.finish())
}

fn write_value(value: &Value, level: usize, writer: &mut Writer<'_>) -> Result<(), String> {
    match value {
        Value::Null => writer.push("null"),
        Value::Bool(true) => writer.push("true"),
        Value::Bool(false) => writer.push("false"),
        Value::Number(value) => writer.push(&number::to_text(*value)),
        Value::String(text) => write_text(text, writer),
        Value::Array(items) if items.is_empty() => writer.push("[]"),
        Value::Object(object) if object.is_empty() => writer.push("{}"),
        Value::Array(items) => {
            writer.push("[")?;
            for (place, item) in items.iter().enumerate() {
                break_line(place > 0, level + 1, writer)?;
                write_value(item, level + 1, writer)?;
            }
            break_line(false, level, writer)?;
            writer.push("]")
        }
        Value::Object(object) => {
            writer.push("{")?;
            for (place, (name, value)) in object.iter().enumerate() {
                break_line(place > 0, level + 1, writer)?;
                write_text(name, writer)?;
                writer.push(": ")?;
                write_value(value, level + 1, writer)?;
            }
            break_line(false, level, writer)?;
            writer.push("}")
        }
    }
}

fn break_line(comma: bool, level: usize, writer: &mut Writer<'_>) -> Result<(), String> {
    writer.push(if comma { ",\n" } else { "\n" })?;
    writer.push(&"  ".repeat(level))
}

fn write_text(text: &str, writer: &mut Writer<'_>) -> Result<(), String> {
    writer.push(&serde_json::Value::from(text).to_string())
}

/// Reads a value.
pub(crate) fn read(text: &str, memory: &mut Memory) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Err("empty input".to_owned());
    }
    memory.charge(text)?;
    // Each of these may start a value, and a value is larger than its sign.
    let values = text.bytes().filter(|byte| matches!(byte, b'[' | b'{' | b',' | b':')).count();
    memory.charge_bytes(values * size_of::<Value>())?;
    let json: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| format!("Error parsing JSON when evaluating fromJson: {error}"))?;
    Ok(Value::from_json(&json))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::compare::tests::any_value;

    fn written(value: &Value) -> String {
        write(value, &mut Memory::default()).unwrap()
    }

    fn parsed(text: &str) -> Result<Value, String> {
        read(text, &mut Memory::default())
    }

    #[test]
    fn levels_are_two_spaces_and_empty_collections_stay_closed() {
        let value = parsed(r#"{"a": [1, "x\u0001\"", null], "b": {}, "c": [], "d": {"e": true}}"#);
        assert_eq!(
            written(&value.unwrap()),
            "{\n  \"a\": [\n    1,\n    \"x\\u0001\\\"\",\n    null\n  ],\n  \"b\": {},\n  \"c\": [],\n  \
             \"d\": {\n    \"e\": true\n  }\n}"
        );
    }

    #[test]
    fn faults_are_said() {
        assert_eq!(parsed(" \n"), Err("empty input".to_owned()));
        assert!(parsed("{'a': 1}").unwrap_err().starts_with("Error parsing JSON"));
        assert!(parsed(&"[".repeat(100_000)).is_err());
        assert!(parsed("NaN").is_err());
    }

    #[test]
    fn many_small_values_are_refused_as_one_large_text_is() {
        let zeros = |count| format!("[{}0]", "0,".repeat(count));
        assert!(parsed(&zeros(100_000)).is_ok());
        assert!(parsed(&zeros(1_000_000)).is_err());
        assert!(parsed(&format!("\"{}\"", "x".repeat(6_000_000))).is_err());
    }

    #[test]
    fn of_names_that_differ_in_case_the_first_stays() {
        let value = parsed(r#"{"a": 1, "A": 2}"#).unwrap();
        assert_eq!(written(&value), "{\n  \"a\": 1\n}");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in any_value()) {
            if let Ok(back) = parsed(&written(&value)) {
                prop_assert_eq!(written(&back), written(&value));
            }
        }
    }
}
