//! The differential test: thousands of generated expressions, answered by us
//! and by GitHub's own npm package `@actions/expressions`.
//!
//! Where the package differs from the runner, the runner is right and the
//! generator keeps away: the package unescapes only the first `''` of a text,
//! writes numbers beyond 15 digits differently, makes `NaN` null in `toJSON`,
//! takes a comma before `)`, reads `0b1` and `0X1`, ignores what follows the
//! number in `{0:x}`, and folds `ß` to `SS`. It also evaluates the branches
//! that `case` does not take.

use std::{
    env,
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};

use expr::{Expression, Names, Scope, Value};
use serde_json::{Value as Json, json};

/// The expressions of one run of the test.
const COUNT: usize = 8_000;

/// A stream of numbers that is the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % limit
    }

    fn one_in(&mut self, limit: usize) -> bool {
        self.below(limit) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "2",
    "-1",
    "+2",
    "1.5",
    ".5",
    "-.25",
    "10.",
    "3e2",
    "1E-2",
    "0xff",
    "0xAb",
    "0o17",
    "123456789",
    "0.1234567890123",
    "1e400",
    "Infinity",
    "-Infinity",
    "NaN",
];

const TEXTS: &[&str] = &[
    "''",
    "' '",
    "'a'",
    "'A'",
    "'abc'",
    "'ABC'",
    "'b'",
    "'1'",
    "' 1 '",
    "'0'",
    "'-0'",
    "'1.50'",
    "'0xff'",
    "'0xFG'",
    "'1e3'",
    "'true'",
    "'False'",
    "'null'",
    "'NaN'",
    "'Infinity'",
    "' -Infinity '",
    "'it''s'",
    "'refs/heads/main'",
    "'REFS/HEADS'",
    "'ä'",
    "'Ä'",
    "'ı'",
    "'I'",
    "'i'",
    "'😀'",
    "'a,b'",
    "'}}'",
    "'Array'",
    "'Object'",
    "'x y'",
];

const JSONS: &[&str] = &[
    "'null'",
    "'true'",
    "'1'",
    "'-2.5'",
    "'\"abc\"'",
    "'[]'",
    "'{}'",
    "'[1, \"a\", null]'",
    "'{\"a\": {\"b\": [1, 2]}}'",
    "'[{\"name\": \"x\"}, {\"name\": \"Y\"}, 3, [4]]'",
    "'{\"A\": 1, \"a\": 2}'",
    "'{'",
    "''",
    "'[1,]'",
    "' 7 '",
    "'nul'",
    "'{\"k\": \"\\u00e9\\n\"}'",
];

const TEMPLATES: &[&str] = &[
    "'{0}'",
    "'{0}-{1}'",
    "'{1}{0}'",
    "'{{0}}'",
    "'{{{0}}}'",
    "'a'",
    "'{'",
    "'}'",
    "'{0'",
    "'{x}'",
    "'{2}'",
    "'{}'",
    "'{00}'",
    "'}}{{'",
];

const NAMES: &[&str] = &[
    "a", "A", "name", "Name", "event", "labels", "number", "missing", "matrix", "true", "null",
    "b-c", "_x",
];

const INDEXES: &[&str] = &["0", "1", "1.9", "-1", "'name'", "'A'", "'0'", "null", "true"];

const CONTEXTS: &[&str] = &["github", "GitHub", "matrix", "list", "nothing", "text", "needs"];

fn contexts() -> Json {
    json!({
        "github": {
            "event": {
                "number": 7, "title": "A title", "labels": [{ "name": "Bug" }, { "name": "music" }, {}],
                "draft": false, "body": null,
            },
            "ref": "refs/heads/main", "Name": "mixed", "a": { "A": [1, 2, { "name": "deep" }] },
        },
        "matrix": { "a": 1.5, "b-c": true, "_x": "", "name": "abc", "number": "10" },
        "list": [1, "a", null, true, [2, 3, { "a": 1 }], { "name": "x", "a": { "name": "y" } }],
        "nothing": null,
        "text": "abc",
        "needs": { "a": { "result": "success", "name": "one" }, "B": { "result": "failure", "a": ["p", "q"] } },
    })
}

/// Writes one expression.
fn generate(chance: &mut Chance, depth: usize, in_json: bool) -> String {
    let next = |chance: &mut Chance| generate(chance, depth.saturating_sub(1), in_json);
    let leaves = 5;
    match chance.below(if depth == 0 { leaves } else { leaves + 13 }) {
        // `toJSON` of what JSON does not have is where the package and the runner differ.
        0 => chance.pick(if in_json { &NUMBERS[..16] } else { NUMBERS }).to_owned(),
        1 => chance.pick(TEXTS).to_owned(),
        2 => chance.pick(&["true", "false", "null"]).to_owned(),
        3 | 4 => access(chance, depth, in_json),
        5 => format!("({})", next(chance)),
        6 => format!("!{}", next(chance)),
        7 | 8 => {
            let operator = chance.pick(&["==", "!=", "<", "<=", ">", ">="]);
            format!("{} {operator} {}", next(chance), next(chance))
        }
        9 => format!("{} && {}", next(chance), next(chance)),
        10 => format!("{} || {}", next(chance), next(chance)),
        11 => format!("fromJSON({})", chance.pick(JSONS)),
        12 => format!("toJSON({})", generate(chance, depth - 1, true)),
        13 => {
            let function = chance.pick(&["contains", "startsWith", "ENDSWITH", "endsWith"]);
            format!("{function}({}, {})", next(chance), next(chance))
        }
        14 => format!("format({}, {}, {})", chance.pick(TEMPLATES), next(chance), next(chance)),
        15 => match chance.below(3) {
            0 => format!("join({})", next(chance)),
            1 => format!("join({}, {})", next(chance), next(chance)),
            _ => format!("join({}.*.name, ', ')", access(chance, 0, in_json)),
        },
        16 => format!(
            "case({} == {}, {}, {})",
            next(chance),
            next(chance),
            next(chance),
            next(chance)
        ),
        _ => format!(
            "fromJSON(toJSON({})){}",
            generate(chance, depth - 1, true),
            accesses(chance, depth, in_json)
        ),
    }
}

fn access(chance: &mut Chance, depth: usize, in_json: bool) -> String {
    format!("{}{}", chance.pick(CONTEXTS), accesses(chance, depth, in_json))
}

fn accesses(chance: &mut Chance, depth: usize, in_json: bool) -> String {
    let mut text = String::new();
    while !chance.one_in(3) {
        let access = match chance.below(6) {
            0 => ".*".to_owned(),
            1 => "[*]".to_owned(),
            2 if depth > 0 => format!("[{}]", generate(chance, depth - 1, in_json)),
            2 | 3 => format!("[{}]", chance.pick(INDEXES)),
            _ => format!(".{}", chance.pick(NAMES)),
        };
        text.push_str(&access);
    }
    text
}

/// Breaks an expression, now and then, in a way that is still made of tokens.
fn damage(chance: &mut Chance, text: String) -> String {
    let boundaries: Vec<_> = text
        .char_indices()
        .filter(|(_, letter)| " ()[].,=!<>&|".contains(*letter))
        .map(|(place, _)| place)
        .collect();
    if boundaries.is_empty() || !chance.one_in(4) {
        return text;
    }
    let place = boundaries[chance.below(boundaries.len())];
    let (before, after) = text.split_at(place);
    let junk = chance.pick(&[
        " ",
        "(",
        ")",
        "[",
        "]",
        ",",
        ".",
        "*",
        "!",
        "==",
        "=",
        "&",
        "&&",
        "|",
        "<",
        " 1 ",
        " x ",
        " 'a' ",
        "'",
        "nope(1)",
        "@",
        "-",
        "\"",
        "contains()",
        "github",
    ]);
    match chance.below(3) {
        0 => format!("{before}{}", &after[1..]),
        1 => before.to_owned(),
        _ => format!("{before}{junk}{after}"),
    }
}

struct Fixed(Value);

impl Scope for Fixed {
    fn context(&self, name: &str) -> Option<Value> {
        self.0.get(name).cloned()
    }
}

/// Answers as the oracle does.
fn ours(text: &str, names: &Names, scope: &Fixed) -> Json {
    match Expression::parse(text, names).and_then(|expression| expression.evaluate(scope)) {
        Ok(value) => json!({ "kind": value.kind().as_str(), "value": value.to_json() }),
        Err(error) => {
            let column = text[..error.offset].encode_utf16().count() + 1;
            json!({ "error": { "kind": error.kind.as_str(), "message": error.message, "column": column } })
        }
    }
}

/// Asks the oracle all expressions, or says why it cannot.
fn theirs(texts: &[String]) -> Result<Vec<Json>, String> {
    let oracle = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracle");
    if !oracle.join("node_modules/@actions/expressions").is_dir() {
        return Err("`npm ci --prefix tests/oracle` has not been run".to_owned());
    }
    let mut node = Command::new("node")
        .arg(oracle.join("expressions.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("node does not start: {error}"))?;
    let mut lines = format!("{}\n", json!({ "contexts": contexts() }));
    for text in texts {
        lines.push_str(&json!(text).to_string());
        lines.push('\n');
    }
    let mut input = node.stdin.take().expect("it was piped");
    let writer = thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = node.wait_with_output().map_err(|error| error.to_string())?;
    writer.join().expect("it only writes").map_err(|error| error.to_string())?;
    let output = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    Ok(output
        .lines()
        .map(|line| serde_json::from_str(line).expect("the oracle writes JSON"))
        .collect())
}

/// Returns whether two answers say the same.
fn agree(text: &str, ours: &Json, theirs: &Json) -> bool {
    match (&ours["error"], &theirs["error"]) {
        (Json::Null, Json::Null) => {
            ours["kind"] == theirs["kind"] && same(&ours["value"], &theirs["value"])
        }
        // The package evaluates what `case` does not take.
        (Json::Null, error) => error["kind"] == "evaluation" && text.contains("case("),
        // The package takes a comma before a parenthesis.
        (error, Json::Null) => error["kind"] == "parsing" && trailing_comma(text),
        (ours, theirs) if ours["kind"] == "evaluation" => ours["kind"] == theirs["kind"],
        (ours, theirs) => trailing_comma(text) || same_fault(ours, theirs),
    }
}

fn trailing_comma(text: &str) -> bool {
    text.replace(' ', "").contains(",)")
}

/// Returns whether two faults before evaluation have one kind, message and place.
fn same_fault(ours: &Json, theirs: &Json) -> bool {
    let message = |fault: &Json| fault["message"].as_str().unwrap_or_default().to_owned();
    // The package places the end at the last token, we at the end.
    let at_end = message(ours) == "Unexpected symbol: 'EOF'";
    ours["kind"] == theirs["kind"]
        && message(theirs).starts_with(&message(ours))
        && (ours["column"] == theirs["column"] || at_end)
}

/// Compares values; numbers as numbers, since `1` and `1.0` are the same.
fn same(ours: &Json, theirs: &Json) -> bool {
    match (ours, theirs) {
        (Json::Number(ours), Json::Number(theirs)) => ours.as_f64() == theirs.as_f64(),
        (Json::Array(ours), Json::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
        }
        (Json::Object(ours), Json::Object(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|((a, x), (b, y))| a == b && same(x, y))
        }
        _ => ours == theirs,
    }
}

#[test]
fn generated_expressions_mean_what_githubs_own_package_says() {
    let mut chance = Chance(0x1234_5678_9abc_def1);
    let texts: Vec<String> = (0..COUNT)
        .map(|round| {
            let text = generate(&mut chance, round % 5, false);
            damage(&mut chance, text)
        })
        .collect();
    let theirs = match theirs(&texts) {
        Ok(theirs) => theirs,
        Err(why) => {
            let required =
                env::var_os("INTERLOCK_TEST_SERVERS").is_some_and(|value| value == "required");
            assert!(!required, "the oracle is required: {why}");
            eprintln!("skipped: {why}");
            return;
        }
    };
    assert_eq!(theirs.len(), texts.len(), "the oracle answers every expression");

    let contexts = contexts();
    let known: Vec<&String> = contexts.as_object().unwrap().keys().collect();
    let names = Names::new::<_, &str>(&known, &[]);
    let scope = Fixed(Value::from_json(&contexts));
    let mut kinds = std::collections::BTreeMap::<String, usize>::new();
    let mut differences = Vec::new();
    for (text, theirs) in texts.iter().zip(&theirs) {
        let ours = ours(text, &names, &scope);
        let kind = if ours["error"].is_null() { &ours["kind"] } else { &ours["error"]["kind"] };
        *kinds.entry(kind.to_string()).or_default() += 1;
        if !agree(text, &ours, theirs) {
            differences.push(format!("{text}\n  ours   {ours}\n  theirs {theirs}"));
        }
    }
    let first = differences.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} differ, the first of them:\n{first}", differences.len());
    // A generator that only writes nonsense would prove nothing.
    for kind in [
        "Null",
        "Boolean",
        "Number",
        "String",
        "Array",
        "Object",
        "lexing",
        "parsing",
        "evaluation",
    ] {
        let seen = kinds.get(&format!("\"{kind}\"")).copied().unwrap_or(0);
        assert!(seen >= COUNT / 200, "only {seen} of {COUNT} answers are {kind}: {kinds:?}");
    }
}
