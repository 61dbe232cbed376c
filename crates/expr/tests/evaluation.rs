//! What expressions evaluate to, whole and in part.

use expr::{Expression, Names, Partial, Scope, Value};
use serde_json::{Value as Json, json};

/// A scope made of JSON, in which functions answer with their arguments.
struct Fixed(Value);

impl Scope for Fixed {
    fn context(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }

    fn call(&self, function: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        match function {
            "success" => Some(Ok(true.into())),
            "failure" => Some(Ok(false.into())),
            "hashfiles" if arguments.is_empty() => Some(Err("no patterns".to_owned())),
            "hashfiles" => Some(Ok(Value::from(arguments.to_vec()))),
            _ => None,
        }
    }
}

fn scope() -> Fixed {
    Fixed(Value::from_json(&json!({
        "github": {
            "event": {
                "issue": { "number": 7, "labels": [{ "name": "music" }, { "name": "urgent" }, {}] },
                "Action": "opened",
            },
            "ref": "refs/heads/main",
        },
        "list": [1, "b", [2, [3]], { "a": [4, 5] }],
        "none": null,
    })))
}

fn names() -> Names {
    Names::new(
        &["github", "list", "none", "needs"],
        &["success", "failure", "always", "hashFiles(0,255)"],
    )
}

#[track_caller]
fn check(text: &str, expected: Json) {
    let value = Expression::parse(text, &names()).and_then(|it| it.evaluate(&scope()));
    assert_eq!(value.map(|value| value.to_json()), Ok(expected), "{text}");
}

#[track_caller]
fn check_fault(text: &str, message: &str, offset: usize) {
    let error = Expression::parse(text, &names())
        .and_then(|it| it.evaluate(&scope()))
        .expect_err("the expression fails");
    assert_eq!((error.message.as_str(), error.offset), (message, offset), "{text}");
}

#[track_caller]
fn check_partial(text: &str, expected: Option<Json>, truth: Option<bool>) {
    let expression = Expression::parse(text, &names()).expect("the expression is well formed");
    let found = match expression.evaluate_partial(&scope()) {
        Partial::Known(value) => Some(value.to_json()),
        Partial::Unknown => None,
    };
    assert_eq!((found, expression.truth_partial(&scope())), (expected, truth), "{text}");
}

#[test]
fn names_are_found_whatever_their_case() {
    check("GITHUB.Event.issue['NUMBER']", json!(7));
    check("github.event.action", json!("opened"));
    check("github.missing.further.on", Json::Null);
    check("needs", Json::Null);
}

#[test]
fn indexes_are_numbers_for_lists_and_names_for_objects() {
    check("list[0]", json!(1));
    check("list['1']", json!("b"));
    check("list[2.9][0]", json!(2));
    check("list[true]", json!("b"));
    check("list[-1]", Json::Null);
    check("list[99999999999999999999]", Json::Null);
    check("list['x']", Json::Null);
    check("list[NaN]", Json::Null);
    check("github[list]", Json::Null);
    check("none[0]", Json::Null);
    check("github.ref.x", Json::Null);
}

#[test]
fn a_star_filters_and_later_accesses_go_to_the_items() {
    check("github.event.issue.labels.*.name", json!(["music", "urgent"]));
    check("github.event.issue.labels[*]['name'][0]", json!([]));
    check("github.event.*.number", json!([7]));
    check("list.*[0]", json!([2]));
    check("list.*.*", json!([2, [3], [4, 5]]));
    check("list.*.a[1]", json!([5]));
    check("(list.*)[0]", json!([2]));
    check("none.*", json!([]));
    check("github.ref.*", json!([]));
    check("fromJSON(toJSON(list.*))[0]", json!(1));
}

#[test]
fn logical_operators_return_the_operand_that_decides() {
    check("'a' && 'b'", json!("b"));
    check("'' && 'b'", json!(""));
    check("none || '' || 'c' || 'd'", json!("c"));
    check("none || 0", json!(0));
    check("true && false || 'x'", json!("x"));
    check("!'' && !none && !0 && !NaN", json!(true));
    check("!github", json!(false));
}

#[test]
fn what_is_short_cut_is_not_evaluated() {
    check("false && fromJSON('{')", json!(false));
    check("true || fromJSON('{')", json!(true));
    check("case(true, 1, fromJSON('{'))", json!(1));
    check("case(false, fromJSON('{'), true, 2, fromJSON('{'), 3, 4)", json!(2));
    check_fault("case(1, 2, 3)", "case predicate must evaluate to a boolean value", 5);
}

#[test]
fn equality_of_collections_is_identity() {
    check("github.event == github.event", json!(true));
    check("fromJSON('[]') == fromJSON('[]')", json!(false));
    check("github.event.* == github.event.*", json!(false));
    check("contains(list, list[2])", json!(true));
    check("contains(list, fromJSON('[2, [3]]'))", json!(false));
}

#[test]
fn text_functions_do_not_regard_case() {
    check("contains('Hello', 'ELL')", json!(true));
    check("contains(github.event.issue.labels.*.name, 'URGENT')", json!(true));
    check("contains(list, 'B')", json!(true));
    check("contains(github, 'ref')", json!(false));
    check("contains(123, 2)", json!(true));
    check("startsWith(github.ref, 'REFS/heads/')", json!(true));
    check("endsWith('abc', none)", json!(true));
    check("startsWith(list, '')", json!(false));
    check("'ı' == 'I'", json!(false));
}

#[test]
fn join_and_format_write_collections_as_their_kind() {
    check("join(list)", json!("1,b,Array,Object"));
    check("join(list, none)", json!("1bArrayObject"));
    check("join(list, list)", json!("1,b,Array,Object"));
    check("join('x', '-')", json!("x"));
    check("join(github)", json!(""));
    check("format('{0} {1} {{{2}}}', list, true, 1.50)", json!("Array true {1.5}"));
    check_fault(
        "1 && format('{1}', 1)",
        "The following format string references more arguments than were supplied: {1}",
        5,
    );
}

#[test]
fn json_is_written_and_read() {
    check("toJSON(list[2])", json!("[\n  2,\n  [\n    3\n  ]\n]"));
    check("fromJSON('{\"a\": [1.0, null]}').a[0]", json!(1));
    check("fromJSON('0.1') == 0.1", json!(true));
    check_fault("fromJSON('')", "empty input", 0);
}

#[test]
fn functions_of_the_place_are_asked_of_the_scope() {
    check("SUCCESS()", json!(true));
    check("hashFiles('a', 'b')", json!(["a", "b"]));
    check_fault("1 == hashFiles()", "no patterns", 5);
    check_fault("always()", "The function 'always' has no value here", 0);
}

#[test]
fn an_empty_expression_is_null() {
    check("  ", Json::Null);
}

#[test]
fn memory_is_bounded_over_all_results_together() {
    let limit = "The maximum allowed memory size was exceeded";
    let forty = "{0}".repeat(40);
    let mut text = "'0123456789'".to_owned();
    for _ in 0..4 {
        text = format!("format('{forty}', {text})");
    }
    check_fault(&text, limit, 0);
    check_fault(&format!("toJSON({text}) == ''"), limit, 7);
    let half = format!(
        "join(fromJSON(format('[{}0]', '{}')), '{}')",
        "{0}".repeat(400),
        "1,".repeat(20),
        "x".repeat(400)
    );
    check(&format!("startsWith({half}, '1x')"), json!(true));
    check_fault(&format!("startsWith({half}, {half})"), limit, half.len() + 13);
    check(&format!("startsWith({half}, '2') || startsWith({half}, '1')"), json!(true));
}

#[test]
fn memory_of_what_is_let_go_is_free_again() {
    // A text of two and a half mebibytes: four fit, five do not.
    let quarter = format!(
        "join(fromJSON(format('[{}0]', '{}')), '{}')",
        "{0}".repeat(160),
        "1,".repeat(20),
        "x".repeat(400)
    );
    let mut nested = quarter.clone();
    for _ in 0..6 {
        nested = format!("format('{{0}}', {nested})");
    }
    check(&format!("startsWith({nested}, '1x')"), json!(true));
    let compared = vec![format!("{quarter} == 1"); 6].join(", ");
    check(&format!("format('{{0}}', {compared})"), json!("false"));
    let chained = vec![quarter.clone(); 6].join(" && ");
    check(&format!("startsWith({chained}, '1x')"), json!(true));
    let limit = "The maximum allowed memory size was exceeded";
    let kept = vec![quarter.clone(); 5].join(", ");
    check_fault(&format!("format('', {kept})"), limit, 11 + 4 * (quarter.len() + 2));
}

#[test]
fn the_bound_on_memory_can_be_lower() {
    let expression = Expression::parse("format('{0}{0}', '12345')", &names()).unwrap();
    assert!(expression.evaluate_within(&scope(), 20).is_ok());
    assert!(expression.evaluate_within(&scope(), 19).is_err());
}

#[test]
fn references_are_in_the_order_they_are_written() {
    let text = "list[none.a][needs.b]";
    let expression = Expression::parse(text, &names()).unwrap();
    let found: Vec<_> = expression.references().into_iter().map(|it| &text[it.span]).collect();
    assert_eq!(found, ["list", "none.a", "needs.b"]);
}

#[test]
fn long_chains_do_not_exhaust_the_stack() {
    for (operator, expected) in
        [("==", true), ("<", true), ("&&", true), ("||", true), ("!=", true)]
    {
        let chain = vec!["1"; 5_999].join(operator);
        let value = Expression::parse(&chain, &names()).and_then(|it| it.evaluate(&scope()));
        assert_eq!(value.map(|value| value.truthy()), Ok(expected), "{operator}");
    }
}

#[test]
fn what_is_not_there_is_unknown_unless_it_does_not_matter() {
    check_partial("github.ref", Some(json!("refs/heads/main")), Some(true));
    check_partial("needs.build.result", None, None);
    check_partial("needs.x == 'success'", None, None);
    check_partial("false && needs.x", Some(json!(false)), Some(false));
    check_partial("true && needs.x", None, None);
    check_partial("'a' || needs.x", Some(json!("a")), Some(true));
    check_partial("needs.x && false", None, Some(false));
    check_partial("needs.x || 'a'", None, Some(true));
    check_partial("needs.x || ''", None, None);
    check_partial("!(needs.x && false)", Some(json!(true)), Some(true));
    check_partial("(needs.x || true) && 'y'", Some(json!("y")), Some(true));
    check_partial("(needs.x || true) == true", None, None);
    check_partial("list[needs.x]", None, None);
    check_partial("contains(list, needs.x)", None, None);
    check_partial("case(true, 1, needs.x)", Some(json!(1)), Some(true));
    check_partial("case(needs.x, 1, 1)", None, None);
    check_partial("always()", None, None);
    check_partial("always() && false", None, Some(false));
    check_partial("success()", Some(json!(true)), Some(true));
    check_partial("fromJSON('{')", None, None);
}

#[test]
fn references_are_paths_up_to_what_is_not_fixed() {
    let text =
        "GitHub.event['issue'].Number == list[needs.x.y].z && list.*.a || fromJSON(none.j).k";
    let expression = Expression::parse(text, &names()).unwrap();
    let found: Vec<_> = expression
        .references()
        .into_iter()
        .map(|it| (it.path.join("/"), text[it.span].to_owned()))
        .collect();
    let expected = [
        ("github/event/issue/Number", "GitHub.event['issue'].Number"),
        ("list", "list"),
        ("needs/x/y", "needs.x.y"),
        ("list", "list"),
        ("none/j", "none.j"),
    ];
    assert_eq!(found, expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
}

#[test]
fn calls_are_found_whatever_their_case_and_place() {
    let expression = Expression::parse("list[1 == Always()] || tojson(1)", &names()).unwrap();
    assert!(expression.calls("always"));
    assert!(expression.calls("toJSON"));
    assert!(!expression.calls("success"));
}
