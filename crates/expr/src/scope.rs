//! The scope: which names a place allows, and what they stand for there.

use crate::value::Value;

/// Answers for the names in an expression.
pub trait Scope {
    /// Returns the value of a context, whose name comes in lower case.
    ///
    /// `None` is null when evaluating, and unknown when evaluating partially.
    fn context(&self, name: &str) -> Option<Value>;

    /// Calls a function that only the place knows: `success`, `failure`,
    /// `always`, `cancelled` or `hashfiles`, whose name comes in lower case.
    ///
    /// `None` is an error when evaluating, and unknown when evaluating partially.
    fn call(&self, function: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let _ = (function, arguments);
        None
    }
}

/// A function that a place allows, and how many arguments it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionName {
    /// The name in lower case.
    pub name: String,
    /// The fewest arguments.
    pub least: usize,
    /// The most arguments.
    pub most: usize,
}

impl FunctionName {
    /// Reads `name` or, as GitHub's grammar writes it, `name(1,255)` or `name(0,MAX)`.
    ///
    /// Without numbers, `hashFiles` takes 1 to 255 arguments and the rest none.
    fn read(text: &str) -> Self {
        let (name, range) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.trim_end_matches(')').split_once(',')),
            None => (text, None),
        };
        let name = name.trim().to_ascii_lowercase();
        let (least, most) = match range {
            Some((least, most)) => {
                (least.trim().parse().unwrap_or(0), most.trim().parse().unwrap_or(MOST_ARGUMENTS))
            }
            None if name == "hashfiles" => (1, MOST_ARGUMENTS),
            None => (0, 0),
        };
        Self { name, least, most }
    }
}

/// The most arguments that any function takes.
pub(crate) const MOST_ARGUMENTS: usize = 255;

/// The contexts and functions that a place allows, beyond the functions that are everywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Contexts, in lower case.
    pub contexts: Vec<String>,
    /// Functions that only some places have.
    pub functions: Vec<FunctionName>,
}

impl Names {
    /// Collects names; case does not matter, and a function may carry its
    /// number of arguments, as in `hashFiles(1,255)`.
    pub fn new<C: AsRef<str>, F: AsRef<str>>(contexts: &[C], functions: &[F]) -> Self {
        Self {
            contexts: contexts.iter().map(|name| name.as_ref().to_lowercase()).collect(),
            functions: functions.iter().map(|text| FunctionName::read(text.as_ref())).collect(),
        }
    }

    /// Returns whether a context may be named, given in lower case.
    pub(crate) fn has_context(&self, name: &str) -> bool {
        self.contexts.iter().any(|known| known == name)
    }

    /// Returns a function of the place, given in lower case.
    pub(crate) fn function(&self, name: &str) -> Option<&FunctionName> {
        self.functions.iter().find(|known| known.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, name: &str, least: usize, most: usize) {
        assert_eq!(FunctionName::read(text), FunctionName { name: name.into(), least, most });
    }

    #[test]
    fn functions_are_read_with_and_without_numbers() {
        check("hashFiles(1,255)", "hashfiles", 1, 255);
        check("failure(0,MAX)", "failure", 0, 255);
        check("always(0,0)", "always", 0, 0);
        check("hashFiles", "hashfiles", 1, 255);
        check("success", "success", 0, 0);
    }
}
