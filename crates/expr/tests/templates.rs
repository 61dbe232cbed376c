//! What texts with `${{ }}` and conditions evaluate to.

use expr::{Condition, ErrorKind, Names, Partial, Scope, Template, Value};

/// A scope in which `good` says how things stand, and `unknown` is not there.
struct Standing {
    good: Option<bool>,
}

impl Scope for Standing {
    fn context(&self, name: &str) -> Option<Value> {
        match name {
            "a" => Some(1.into()),
            "b" => Some("two".into()),
            "no" => Some(false.into()),
            "none" => Some(Value::Null),
            "list" => Some(Value::array([1.into()])),
            _ => None,
        }
    }

    fn call(&self, function: &str, _: &[Value]) -> Option<Result<Value, String>> {
        match function {
            "success" => self.good.map(|good| Ok(good.into())),
            "failure" => self.good.map(|good| Ok((!good).into())),
            "always" => Some(Ok(true.into())),
            _ => None,
        }
    }
}

const GOOD: Standing = Standing { good: Some(true) };
const BAD: Standing = Standing { good: Some(false) };

fn names() -> Names {
    Names::new(
        &["a", "b", "no", "none", "list", "unknown"],
        &["success", "failure", "always", "cancelled"],
    )
}

#[track_caller]
fn check(text: &str, expected: impl Into<Value>) {
    let template = Template::parse(text, &names()).expect("the text is well formed");
    assert_eq!(template.source(), text);
    assert_eq!(template.evaluate(&GOOD), Ok(expected.into()), "{text}");
}

#[track_caller]
fn check_fault(text: &str, kind: ErrorKind, offset: usize, message: &str) {
    let error = Template::parse(text, &names())
        .and_then(|template| template.evaluate(&GOOD))
        .expect_err("the text has a fault");
    assert_eq!((error.kind, error.offset), (kind, offset), "{text}");
    assert!(error.message.starts_with(message), "{}", error.message);
}

#[track_caller]
fn check_condition(text: &str, when_good: bool, when_bad: bool) {
    let condition = Condition::parse(text, &names()).expect("the condition is well formed");
    let found = (condition.evaluate(&GOOD), condition.evaluate(&BAD));
    assert_eq!(found, (Ok(when_good), Ok(when_bad)), "{text}");
    // What is certain must be what is.
    for (scope, met) in [(GOOD, when_good), (BAD, when_bad)] {
        assert_eq!(condition.evaluate_partial(&scope), Some(met), "{text}");
    }
}

#[track_caller]
fn check_partly(text: &str, good: Option<bool>, expected: Option<bool>) {
    let condition = Condition::parse(text, &names()).expect("the condition is well formed");
    assert_eq!(condition.evaluate_partial(&Standing { good }), expected, "{text}");
}

#[test]
fn one_expression_keeps_its_kind_and_several_make_a_text() {
    check("${{ a }}", 1);
    check("${{ list }}", Value::array([1.into()]));
    check(" ${{ a }}", " 1");
    check("${{ a }}${{ b }}", "1two");
    check("x-${{ a }}-${{ none }}-${{ list }}.", "x-1--Array.");
    check("", "");
    check("{0} }} {{ $ { ${ }", "{0} }} {{ $ { ${ }");
}

#[test]
fn braces_inside_texts_do_not_end_an_expression() {
    check("${{ '}}' }}", "}}");
    check("${{ 'it''s }}' }}!", "it's }}!");
    check("${{ format('{{0}}') }} ${{ '${{' }}", "{0} ${{");
    check("${{a}}", 1);
    check("${{ a }}}", "1}");
}

#[test]
fn faults_are_placed_in_the_whole_text() {
    check_fault("abc ${{ a", ErrorKind::Parsing, 4, "The expression is not closed.");
    check_fault("${{ 'a }}", ErrorKind::Parsing, 0, "The expression is not closed.");
    check_fault("${{ a }} ${{", ErrorKind::Parsing, 9, "The expression is not closed.");
    check_fault("${{ 'é' ä", ErrorKind::Parsing, 0, "The expression is not closed.");
    check_fault("${{ }}", ErrorKind::Parsing, 0, "An expression was expected");
    check_fault("é ${{ nope }}", ErrorKind::Parsing, 7, "Unrecognized named-value: 'nope'");
    check_fault("x ${{ a @ }}", ErrorKind::Lexing, 8, "Unexpected symbol: '@'");
    check_fault("x ${{ 1 == fromJSON('') }}", ErrorKind::Evaluation, 11, "empty input");
}

#[test]
fn the_whole_text_is_bounded() {
    let large = "x".repeat(3 * 1024 * 1024);
    let error = Template::parse(&format!("${{{{ a }}}}{large}{large}"), &names())
        .and_then(|template| template.evaluate(&GOOD))
        .expect_err("it does not fit");
    assert_eq!(error.kind, ErrorKind::Evaluation);
}

#[test]
fn a_literal_has_no_expressions() {
    assert!(Template::parse("a }} b", &names()).unwrap().is_literal());
    assert!(!Template::parse("a ${{ a }}", &names()).unwrap().is_literal());
    let literal = Template::literal("${{ not read }}");
    assert!(literal.is_literal());
    assert_eq!(literal.evaluate(&GOOD), Ok("${{ not read }}".into()));
}

#[test]
fn insert_is_told_from_other_keys() {
    assert!(Template::is_insert("${{ insert }}"));
    assert!(Template::is_insert("${{insert}}"));
    assert!(!Template::is_insert("${{ inserted }}"));
    assert!(!Template::is_insert("insert"));
    assert!(!Template::is_insert("${{ insert }} "));
}

#[test]
fn a_text_is_known_once_all_its_parts_are() {
    let partial = |text| Template::parse(text, &names()).unwrap().evaluate_partial(&GOOD);
    assert_eq!(partial("x-${{ a }}"), Partial::Known("x-1".into()));
    assert_eq!(partial("x-${{ unknown }}"), Partial::Unknown);
    assert_eq!(partial("x-${{ a || unknown }}"), Partial::Known("x-1".into()));
    assert_eq!(partial("x"), Partial::Known("x".into()));
}

#[test]
fn references_of_all_parts_are_placed_in_the_text() {
    let text = "${{ a.b }} and ${{ list[0] }}";
    let template = Template::parse(text, &names()).unwrap();
    let found: Vec<_> = template.references().into_iter().map(|it| &text[it.span]).collect();
    assert_eq!(found, ["a.b", "list[0]"]);
}

#[test]
fn a_condition_means_and_all_went_well_unless_it_asks() {
    check_condition("", true, false);
    check_condition("a == 1", true, false);
    check_condition("${{ a == 1 }}", true, false);
    check_condition("a == 2", false, false);
    check_condition("always()", true, true);
    check_condition("${{ Always() && a }}", true, true);
    check_condition("failure()", false, true);
    check_condition("a == 2 || failure()", false, true);
    check_condition("!success()", false, true);
    check_condition("'always()'", true, false);
    check_condition("none", false, false);
}

#[test]
fn text_around_an_expression_makes_a_condition_true_as_on_github() {
    check_condition("${{ no }} && no", true, false);
    check_condition("${{ no }}\n", true, false);
    check_condition("${{ always() && no }} ", true, true);
    assert!(Condition::parse("${{ no }} && no", &names()).unwrap().is_text());
    assert!(!Condition::parse("${{ no }}", &names()).unwrap().is_text());
}

#[test]
fn a_condition_is_certain_as_soon_as_one_side_decides() {
    check_partly("no", None, Some(false));
    check_partly("a", None, None);
    check_partly("a", Some(false), Some(false));
    check_partly("unknown && no", Some(true), Some(false));
    check_partly("unknown || a", Some(true), Some(true));
    check_partly("unknown", Some(true), None);
    check_partly("unknown", Some(false), Some(false));
    check_partly("always()", None, Some(true));
    check_partly("always() && unknown", None, None);
    check_partly("cancelled()", None, None);
    check_partly("failure() && no", None, Some(false));
}

#[test]
fn a_condition_fails_where_nobody_knows_how_things_stand() {
    let condition = Condition::parse("a", &names()).unwrap();
    assert!(condition.evaluate(&Standing { good: None }).is_err());
    assert!(!condition.asks_status());
    assert!(Condition::parse("a && Failure()", &names()).unwrap().asks_status());
}
