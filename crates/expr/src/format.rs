//! Formatting: what `format('{0} and {1}', …)` makes of its arguments.

use crate::{
    memory::{Memory, Writer},
    value::Value,
};

/// Replaces `{N}` by arguments and doubled braces by single ones.
pub(crate) fn format(
    template: &str,
    arguments: &[Value],
    memory: &mut Memory,
) -> Result<String, String> {
    let invalid = || format!("The following format string is invalid: {template}");
    let mut writer = Writer::new(memory);
    let mut rest = template;
    while let Some(brace) = rest.find(['{', '}']) {
        writer.push(&rest[..brace])?;
        let (found, after) = rest[brace..].split_at(1);
        if after.starts_with(found) {
            writer.push(found)?;
            rest = &after[1..];
            continue;
        }
        let (number, remainder) =
            after.split_once('}').filter(|_| found == "{").ok_or_else(invalid)?;
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        let argument = number.parse().ok().and_then(|number: usize| arguments.get(number));
        let argument = argument.ok_or_else(|| {
            format!(
                "The following format string references more arguments than were supplied: {template}"
            )
        })?;
        writer.push(&argument.to_text())?;
        rest = remainder;
    }
    writer.push(rest)?;
    Ok(writer.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expected: &str) {
        let arguments = [Value::from("zero"), Value::from(1), Value::Null, Value::array([])];
        let found = format(template, &arguments, &mut Memory::default());
        assert_eq!(found.unwrap_or_else(|fault| fault), expected);
    }

    #[test]
    fn numbers_in_braces_are_replaced() {
        check("{0}-{1}-{2}-{3}-{00}", "zero-1--Array-zero");
        check("none", "none");
        check("", "");
    }

    #[test]
    fn doubled_braces_are_one() {
        check("{{0}} {{ }}", "{0} { }");
        check("{{{0}}}", "{zero}");
        check("}}{{", "}{");
    }

    #[test]
    fn broken_templates_are_invalid() {
        for template in ["{", "}", "{0", "0}", "{}", "{x}", "{-1}", "{0:x}", "{0 }", "{0}}", "{{0}"]
        {
            check(template, &format!("The following format string is invalid: {template}"));
        }
    }

    #[test]
    fn arguments_must_be_there() {
        for template in ["{4}", "{99999999999999999999999}"] {
            let fault =
                "The following format string references more arguments than were supplied: ";
            check(template, &format!("{fault}{template}"));
        }
    }
}
