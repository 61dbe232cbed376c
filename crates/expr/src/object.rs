//! The object: named values in the order they were given, found without regard to case.

use std::{borrow::Cow, fmt};

use indexmap::IndexMap;

use crate::{fold::fold, value::Value};

/// A mapping from names to values, as expressions see it.
///
/// A name is found whatever its case, unless the object was made by
/// [`Object::case_sensitive`]. Of two names that differ only in case the first
/// stays.
#[derive(Clone, Default)]
pub struct Object {
    entries: IndexMap<String, (String, Value)>,
    case_sensitive: bool,
}

impl Object {
    /// Creates an empty object.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty object whose names differ by case, as `env` does on Linux.
    pub fn case_sensitive() -> Self {
        Self { entries: IndexMap::new(), case_sensitive: true }
    }

    /// Returns the value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.entries.get(&*self.key(name)).map(|(_, value)| value)
    }

    /// Returns whether a name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Sets the value of a name and returns the one it had.
    ///
    /// A name that is there already keeps its place and its spelling.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let name = name.into();
        let value = value.into();
        let key = self.key(&name).into_owned();
        if let Some((_, old)) = self.entries.get_mut(&key) {
            return Some(std::mem::replace(old, value));
        }
        self.entries.insert(key, (name, value));
        None
    }

    /// Adds a value unless its name is taken.
    pub(crate) fn add(&mut self, name: String, value: Value) {
        if !self.contains(&name) {
            self.insert(name, value);
        }
    }

    /// Removes a name and returns its value; the others keep their order.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let key = self.key(name).into_owned();
        self.entries.shift_remove(&key).map(|(_, value)| value)
    }

    /// Returns the number of names.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns names and values in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Value)> + ExactSizeIterator {
        self.entries.values().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the names in order.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.iter().map(|(name, _)| name)
    }

    /// Returns the values in order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
        self.iter().map(|(_, value)| value)
    }

    fn key<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.case_sensitive { name.into() } else { fold(name) }
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.entries.iter().all(|(key, (_, value))| {
                other.entries.get(key).is_some_and(|(_, other)| value == other)
            })
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: Into<String>, V: Into<Value>> FromIterator<(N, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(iter: I) -> Self {
        let mut object = Self::new();
        for (name, value) in iter {
            object.add(name.into(), value.into());
        }
        object
    }
}

impl<N: Into<String>, V: Into<Value>> Extend<(N, V)> for Object {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, iter: I) {
        for (name, value) in iter {
            self.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Object {
        Object::from_iter([("One", 1.0), ("two", 2.0), ("ONE", 3.0)])
    }

    #[test]
    fn names_are_found_whatever_their_case_and_the_first_stays() {
        let object = sample();
        assert_eq!(object.get("oNe"), Some(&Value::Number(1.0)));
        assert_eq!(object.names().collect::<Vec<_>>(), ["One", "two"]);
    }

    #[test]
    fn letters_outside_ascii_fold_too() {
        let object = Object::from_iter([("ÄÖ", 1.0)]);
        assert_eq!(object.get("äö"), Some(&Value::Number(1.0)));
    }

    #[test]
    fn insert_replaces_the_value_and_keeps_place_and_spelling() {
        let mut object = sample();
        assert_eq!(object.insert("ONE", 9.0), Some(Value::Number(1.0)));
        assert_eq!(object.iter().next(), Some(("One", &Value::Number(9.0))));
    }

    #[test]
    fn a_case_sensitive_object_keeps_both_spellings() {
        let mut object = Object::case_sensitive();
        object.insert("Path", "a");
        object.insert("PATH", "b");
        assert_eq!(object.len(), 2);
        assert_eq!(object.get("Path"), Some(&Value::from("a")));
        assert_eq!(object.get("path"), None);
    }

    #[test]
    fn remove_keeps_the_order_of_the_others() {
        let mut object = Object::from_iter([("a", 1.0), ("b", 2.0), ("c", 3.0)]);
        assert_eq!(object.remove("A"), Some(Value::Number(1.0)));
        assert_eq!(object.names().collect::<Vec<_>>(), ["b", "c"]);
    }
}
