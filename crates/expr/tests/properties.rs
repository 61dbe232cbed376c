//! Properties: no text makes the language panic, and its parts agree with each other.

use expr::{Condition, Expression, Names, Partial, Scope, Template, Value};
use proptest::prelude::*;

/// Knows the contexts whose bit is set.
struct Some4(u8);

impl Scope for Some4 {
    fn context(&self, name: &str) -> Option<Value> {
        let (bit, value) = match name {
            "a" => (0, Value::from(true)),
            "b" => (1, Value::from("")),
            "c" => (2, Value::array([Value::object([("a", 1.0)]), 2.into()])),
            _ => (3, Value::Null),
        };
        (self.0 >> bit & 1 == 1).then_some(value)
    }

    fn call(&self, function: &str, _: &[Value]) -> Option<Result<Value, String>> {
        (function == "success" && self.0 & 1 == 1).then_some(Ok(true.into()))
    }
}

const EVERYTHING: Some4 = Some4(0b1111);

fn names() -> Names {
    Names::new(&["a", "b", "c", "d"], &["success", "always"])
}

/// Generates texts out of what expressions are made of.
fn tokens() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "a",
        "b",
        "c",
        "d",
        ".a",
        "[0]",
        ".*",
        "(",
        ")",
        "[",
        "]",
        ",",
        "!",
        "&&",
        "||",
        "==",
        "<",
        ">=",
        "'x'",
        "''",
        "'",
        "1",
        "-1",
        ".5",
        "0x",
        "NaN",
        "true",
        "null",
        "contains(",
        "format('{0}', ",
        "fromJSON(",
        "toJSON(",
        "join(",
        "case(",
        "success()",
        "always()",
        " ",
        "\n",
        "é",
        "${{",
        "}}",
    ]);
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

/// Generates expressions that are well formed.
fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "b",
        "c",
        "d",
        "c.*.a",
        "c[1]",
        "1",
        "''",
        "'x'",
        "false",
        "success()",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(5, 40, 3, |inner| {
        let operator = prop::sample::select(vec!["&&", "||", "==", "!=", "<", ">="]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(x, how, y)| format!("({x} {how} {y})")),
            inner.clone().prop_map(|x| format!("!{x}")),
            inner.clone().prop_map(|x| format!("toJSON({x})")),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| format!("contains({x}, {y})")),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(x, y, z)| format!("case({x} == 1, {y}, {z})")),
        ]
    })
}

fn try_everything(text: &str) {
    let error = match Expression::parse(text, &names()) {
        Ok(expression) => {
            drop(expression.references());
            drop(expression.evaluate_partial(&Some4(0b0101)));
            expression.evaluate(&EVERYTHING).err()
        }
        Err(error) => Some(error),
    };
    if let Some(error) = error {
        assert!(text.is_char_boundary(error.offset), "{error:?} is placed in {text:?}");
    }
    let error = Template::parse(text, &names()).and_then(|it| it.evaluate(&EVERYTHING)).err();
    assert!(error.is_none_or(|error| text.is_char_boundary(error.offset)));
    drop(Condition::parse(text, &names()).map(|it| it.evaluate(&EVERYTHING)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_text_panics(text in any::<String>()) {
        try_everything(&text);
    }

    #[test]
    fn no_row_of_tokens_panics(text in tokens()) {
        try_everything(&text);
    }

    #[test]
    fn literal_text_is_itself(text in "[^$]{0,40}") {
        let template = Template::parse(&text, &names()).unwrap();
        prop_assert!(template.is_literal());
        prop_assert_eq!(template.evaluate_text(&EVERYTHING).unwrap(), text);
    }

    #[test]
    fn any_text_can_be_quoted(text in "[^\u{0}]{0,40}") {
        let quoted = format!("'{}'", text.replace('\'', "''"));
        let value = Expression::parse(&quoted, &names()).unwrap().evaluate(&EVERYTHING);
        prop_assert_eq!(value, Ok(Value::from(text.as_str())));
        let wrapped = format!("<${{{{ {quoted} }}}}>");
        let value = Template::parse(&wrapped, &names()).unwrap().evaluate(&EVERYTHING);
        prop_assert_eq!(value, Ok(Value::from(format!("<{text}>"))));
    }

    #[test]
    fn what_is_known_in_part_is_what_it_is_in_full(text in expressions(), known in 0_u8..16) {
        let expression = Expression::parse(&text, &names()).unwrap();
        let Ok(full) = expression.evaluate(&EVERYTHING) else { return Ok(()) };
        if let Partial::Known(part) = expression.evaluate_partial(&Some4(known)) {
            prop_assert_eq!(&part, &full, "{}", text);
        }
        if let Some(truth) = expression.truth_partial(&Some4(known)) {
            prop_assert_eq!(truth, full.truthy(), "{}", text);
        }
        // With everything there, nothing is unknown.
        prop_assert_eq!(expression.evaluate_partial(&EVERYTHING), Partial::Known(full));
    }

    #[test]
    fn a_condition_is_never_met_without_what_it_implies(text in expressions()) {
        let condition = Condition::parse(&text, &names()).unwrap();
        if !condition.asks_status() {
            // The scope that knows no success says nothing, and then it is not met.
            prop_assert!(condition.evaluate(&Some4(0b1110)).is_err());
        }
    }
}
