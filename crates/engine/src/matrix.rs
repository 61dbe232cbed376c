//! The matrix: which legs a job has, by GitHub's algorithm for `include` and `exclude`.

use expr::{Object, Value};

/// Holds the values of one leg.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Combination {
    /// The `matrix` context of the leg.
    pub(crate) values: Value,
    /// What of it goes into the leg's name.
    pub(crate) segments: Vec<String>,
}

/// The most legs that one matrix may have.
pub(crate) const MOST_LEGS: usize = 256;

/// The most values that are looked at before `exclude` has its say, so that a
/// small file cannot keep the machine busy.
const MOST_VALUES: usize = 1 << 22;

/// Expands an evaluated `strategy.matrix` into its legs, in GitHub's order.
///
/// The answer is empty if `exclude` leaves nothing.
pub(crate) fn expand(matrix: &Value) -> Result<Vec<Combination>, String> {
    let (vectors, includes, excludes) = read(matrix)?;
    let mut includes =
        includes.iter().map(|item| Include::read(item, &vectors)).collect::<Result<Vec<_>, _>>()?;
    for item in &excludes {
        check_exclude(item, &vectors)?;
    }
    let mut legs = Vec::new();
    for mut values in product(&vectors, excludes.len())? {
        if excludes.iter().any(|filter| holds(filter, Some(&Value::from(values.clone())))) {
            continue;
        }
        let original = Value::from(values.clone());
        let segments = segments(&values);
        for include in &mut includes {
            if holds(&include.filter, Some(&original)) {
                include.matched = true;
                values.extend(pairs(&include.extra));
            }
        }
        push(&mut legs, values, segments)?;
    }
    for include in includes.into_iter().filter(|include| !include.matched) {
        let mut values: Object = pairs_of(&include.filter).collect();
        values.extend(pairs(&include.extra));
        let segments = segments(&values);
        push(&mut legs, values, segments)?;
    }
    Ok(legs)
}

/// Returns a leg's name: the job's, then what tells the leg from the others.
pub(crate) fn leg_name(job: &str, segments: &[String]) -> String {
    if segments.is_empty() {
        return job.to_owned();
    }
    let name = format!("{job} ({})", segments.join(", "));
    if name.chars().count() <= LONGEST_NAME {
        return name;
    }
    let kept: String = name.chars().take(LONGEST_NAME - 3).collect();
    kept + "..."
}

const LONGEST_NAME: usize = 100;

type Parts = (Object, Vec<Value>, Vec<Value>);

fn read(matrix: &Value) -> Result<Parts, String> {
    let Some(keys) = matrix.as_object() else {
        return Err(format!("the matrix is not a mapping but {}", kind(matrix)));
    };
    let (mut vectors, mut includes, mut excludes) = (Object::new(), Vec::new(), Vec::new());
    for (key, value) in keys.iter() {
        let Some(items) = value.as_array() else {
            return Err(format!("matrix key '{key}' is not a list but {}", kind(value)));
        };
        match key {
            "include" => includes = items.to_vec(),
            "exclude" => excludes = items.to_vec(),
            _ if items.is_empty() => {
                return Err(format!("matrix vector '{key}' does not contain any values"));
            }
            _ => drop(vectors.insert(key, value.clone())),
        }
    }
    if vectors.is_empty() && includes.is_empty() {
        return Err("matrix must define at least one vector".to_owned());
    }
    Ok((vectors, includes, excludes))
}

fn kind(value: &Value) -> &'static str {
    value.kind().as_str()
}

/// Holds one item of `include`: what must match, and what is then added.
struct Include {
    filter: Value,
    extra: Object,
    matched: bool,
}

impl Include {
    fn read(item: &Value, vectors: &Object) -> Result<Self, String> {
        let Some(keys) = item.as_object() else {
            return Err(format!("an item of matrix include is not a mapping but {}", kind(item)));
        };
        if keys.is_empty() {
            return Err("matrix include mapping does not contain any values".to_owned());
        }
        let (mut filter, mut extra) = (Object::new(), Object::new());
        for (key, value) in keys.iter() {
            let side = if vectors.contains(key) { &mut filter } else { &mut extra };
            side.insert(key, value.clone());
        }
        Ok(Self { filter: Value::from(filter), extra, matched: false })
    }
}

fn check_exclude(item: &Value, vectors: &Object) -> Result<(), String> {
    let Some(keys) = item.as_object() else {
        return Err(format!("an item of matrix exclude is not a mapping but {}", kind(item)));
    };
    if keys.is_empty() {
        return Err("matrix exclude filter must not be empty".to_owned());
    }
    match keys.names().find(|key| !vectors.contains(key)) {
        Some(key) => {
            Err(format!("matrix exclude key '{key}' does not match any key within the matrix"))
        }
        None => Ok(()),
    }
}

/// Returns whether every leaf of a filter equals what stands at its place.
fn holds(filter: &Value, value: Option<&Value>) -> bool {
    if let Some(keys) = filter.as_object() {
        return keys.iter().all(|(key, part)| holds(part, value.and_then(|value| value.get(key))));
    }
    if let Some(items) = filter.as_array() {
        let there = value.and_then(Value::as_array).unwrap_or(&[]);
        return items.iter().enumerate().all(|(index, part)| holds(part, there.get(index)));
    }
    expr::equal(value.unwrap_or(&Value::Null), filter)
}

fn product(vectors: &Object, excludes: usize) -> Result<Vec<Object>, String> {
    if vectors.is_empty() {
        return Ok(Vec::new());
    }
    let lengths = vectors.values().map(|vector| vector.as_array().map_or(0, <[Value]>::len));
    let size = lengths.fold(1_usize, usize::saturating_mul);
    let values = size.saturating_mul(vectors.len().saturating_add(excludes));
    if values > MOST_VALUES || (excludes == 0 && size > MOST_LEGS) {
        return Err(too_many());
    }
    let mut combinations = vec![Object::new()];
    for (name, vector) in vectors.iter() {
        let items = vector.as_array().unwrap_or(&[]);
        combinations = combinations
            .iter()
            .flat_map(|left| {
                items.iter().map(move |item| {
                    let mut right = left.clone();
                    right.insert(name, item.clone());
                    right
                })
            })
            .collect();
    }
    Ok(combinations)
}

fn push(legs: &mut Vec<Combination>, values: Object, segments: Vec<String>) -> Result<(), String> {
    if legs.len() == MOST_LEGS {
        return Err(too_many());
    }
    legs.push(Combination { values: Value::from(values), segments });
    Ok(())
}

fn too_many() -> String {
    format!("the matrix makes more than {MOST_LEGS} jobs")
}

/// Returns the texts in an object, in order and at every depth.
fn segments(values: &Object) -> Vec<String> {
    let mut found = Vec::new();
    for value in values.values() {
        collect(value, &mut found);
    }
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    if let Some(object) = value.as_object() {
        for part in object.values() {
            collect(part, found);
        }
    } else if let Some(items) = value.as_array() {
        for part in items {
            collect(part, found);
        }
    } else if !value.is_null() {
        let text = value.to_text();
        if !text.is_empty() {
            found.push(text);
        }
    }
}

fn pairs(object: &Object) -> impl Iterator<Item = (String, Value)> {
    object.iter().map(|(name, value)| (name.to_owned(), value.clone()))
}

fn pairs_of(value: &Value) -> impl Iterator<Item = (String, Value)> {
    value.as_object().into_iter().flat_map(pairs)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(matrix: serde_json::Value, legs: serde_json::Value) {
        let found = expand(&Value::from_json(&matrix)).unwrap();
        let found: Vec<_> = found.iter().map(|leg| leg.values.to_json()).collect();
        assert_eq!(serde_json::Value::from(found), legs);
    }

    #[track_caller]
    fn check_names(matrix: serde_json::Value, names: &[&str]) {
        let found = expand(&Value::from_json(&matrix)).unwrap();
        let found: Vec<_> = found.iter().map(|leg| leg_name("build", &leg.segments)).collect();
        assert_eq!(found, names);
    }

    #[track_caller]
    fn check_error(matrix: serde_json::Value, message: &str) {
        assert_eq!(expand(&Value::from_json(&matrix)).unwrap_err(), message);
    }

    #[test]
    fn vectors_multiply_with_the_first_slowest() {
        check(
            json!({"arch": ["x64", "x86"], "os": ["linux", "windows"]}),
            json!([
                {"arch": "x64", "os": "linux"},
                {"arch": "x64", "os": "windows"},
                {"arch": "x86", "os": "linux"},
                {"arch": "x86", "os": "windows"},
            ]),
        );
    }

    #[test]
    fn exclude_takes_away_what_it_matches_in_part() {
        check(
            json!({"a": [1, 2], "b": ["x", "Y"], "exclude": [{"a": 1, "b": "y"}, {"a": 2}]}),
            json!([{"a": 1, "b": "x"}]),
        );
    }

    #[test]
    fn exclude_may_take_away_everything() {
        check(json!({"os": ["linux"], "exclude": [{"os": "linux"}]}), json!([]));
    }

    #[test]
    fn include_adds_values_where_it_matches_and_legs_where_it_does_not() {
        // The example of GitHub's documentation.
        check(
            json!({
                "fruit": ["apple", "pear"],
                "animal": ["cat", "dog"],
                "include": [
                    {"color": "green"},
                    {"color": "pink", "animal": "cat"},
                    {"fruit": "apple", "shape": "circle"},
                    {"fruit": "banana"},
                    {"fruit": "banana", "animal": "cat"},
                ],
            }),
            json!([
                {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
                {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
                {"fruit": "pear", "animal": "cat", "color": "pink"},
                {"fruit": "pear", "animal": "dog", "color": "green"},
                {"fruit": "banana"},
                {"fruit": "banana", "animal": "cat"},
            ]),
        );
    }

    #[test]
    fn an_include_of_an_excluded_leg_becomes_a_leg_of_its_own() {
        check(
            json!({"os": ["a", "b"], "exclude": [{"os": "b"}], "include": [{"os": "b", "v": 1}]}),
            json!([{"os": "a"}, {"os": "b", "v": 1}]),
        );
    }

    #[test]
    fn include_alone_is_a_matrix() {
        check(
            json!({"include": [{"site": "a", "port": 1}, {"site": "b"}]}),
            json!([{"site": "a", "port": 1}, {"site": "b"}]),
        );
    }

    #[test]
    fn filters_look_into_nested_values() {
        check(
            json!({
                "os": [{"name": "linux", "tags": ["x", "y"]}, {"name": "mac", "tags": ["x", "z"]}],
                "exclude": [{"os": {"tags": ["x", "z"]}}],
            }),
            json!([{"os": {"name": "linux", "tags": ["x", "y"]}}]),
        );
    }

    #[test]
    fn names_hold_the_vectors_and_not_what_include_adds() {
        check_names(
            json!({"os": ["ubuntu"], "node": [18, 20], "include": [{"node": 20, "npm": 9}, {"os": "mac"}]}),
            &["build (ubuntu, 18)", "build (ubuntu, 20)", "build (mac)"],
        );
        check_names(
            json!({"os": [{"name": "linux", "fast": true}], "none": [null, ""]}),
            &["build (linux, true)", "build (linux, true)"],
        );
    }

    #[test]
    fn long_names_are_cut_to_a_hundred_characters() {
        let name = leg_name("build", &["ä".repeat(200)]);
        assert_eq!(name.chars().count(), 100);
        assert!(name.ends_with("ä..."));
    }

    #[test]
    fn a_matrix_that_is_none_is_an_error() {
        check_error(json!([1]), "the matrix is not a mapping but Array");
        check_error(json!({}), "matrix must define at least one vector");
        check_error(json!({"include": []}), "matrix must define at least one vector");
        check_error(json!({"os": []}), "matrix vector 'os' does not contain any values");
        check_error(json!({"os": "linux"}), "matrix key 'os' is not a list but String");
        check_error(
            json!({"os": [1], "exclude": [{"so": 1}]}),
            "matrix exclude key 'so' does not match any key within the matrix",
        );
        check_error(json!({"os": [1], "exclude": [{}]}), "matrix exclude filter must not be empty");
        check_error(
            json!({"os": [1], "include": [{}]}),
            "matrix include mapping does not contain any values",
        );
    }

    #[test]
    fn a_matrix_has_at_most_256_legs() {
        let vector: Vec<_> = (0..16).collect();
        let full = json!({"a": vector, "b": vector});
        assert_eq!(expand(&Value::from_json(&full)).unwrap().len(), 256);
        let over = json!({"a": vector, "b": vector, "include": [{"a": 99}]});
        check_error(over, "the matrix makes more than 256 jobs");
        let long: Vec<_> = (0..5000).collect();
        check_error(
            json!({"a": long, "b": long, "c": long, "d": long, "e": long}),
            "the matrix makes more than 256 jobs",
        );
    }
}
