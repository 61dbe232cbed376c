//! An error as a person meets it: what happened, why, and what to do.

use std::error::Error;
use std::fmt::Write as _;

use crate::exit::Exit;
use crate::terminal;

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    /// Says what happened, with the exit code that goes with it.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// Makes a failure from an error and the errors that caused it.
    pub(crate) fn from_error(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(exit, error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !failure.message.contains(&text) && !failure.causes.contains(&text) {
                failure.causes.push(text);
            }
            source = cause.source();
        }
        failure
    }

    /// Adds what to do about it.
    pub(crate) fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns the message, its causes and its hint, a line each.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("error: {}", self.message);
        for cause in &self.causes {
            write!(text, "\n  because: {cause}").expect("a string takes all that is written");
        }
        if let Some(hint) = &self.hint {
            write!(text, "\n  hint: {hint}").expect("a string takes all that is written");
        }
        // Messages quote holders, titles and paths that somebody else chose.
        terminal::lines(&text)
    }

    /// Returns the same as one JSON object.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "error": { "message": self.message, "causes": self.causes, "hint": self.hint },
            "exit_code": self.exit.code(),
        })
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        let exit = match error.kind {
            store::ErrorKind::Corrupt | store::ErrorKind::Unknown => Exit::Unknown,
            store::ErrorKind::Unsupported => Exit::Usage,
            store::ErrorKind::Unavailable | store::ErrorKind::Denied => Exit::Unavailable,
        };
        let hint = "`interlock doctor --store URL` shows what the store can and cannot do";
        Self::from_error(exit, &error).hinted(hint)
    }
}

impl From<coord::Error> for Failure {
    fn from(error: coord::Error) -> Self {
        let (exit, hint) = match error.kind() {
            coord::ErrorKind::Unavailable | coord::ErrorKind::Denied => (
                Exit::Unavailable,
                "`interlock doctor --store URL` shows what the store can and cannot do",
            ),
            coord::ErrorKind::Corrupt => {
                (Exit::Unknown, "nothing was taken for free; somebody has to look at the record")
            }
            coord::ErrorKind::Unknown => {
                (Exit::Unknown, "call again: what was written is found, and not written twice")
            }
            coord::ErrorKind::Unsupported => return Self::from_error(Exit::Usage, &error),
        };
        Self::from_error(exit, &error).hinted(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_moves_no_cursor() {
        let failure = Failure::new(Exit::Failed, "held by \u{1b}]0;taken\u{7}\u{1b}[2Jbot");
        assert_eq!(failure.render(), "error: held by ]0;taken[2Jbot");
    }

    #[test]
    fn damaged_store_is_not_an_absent_one() {
        let exit = |kind| {
            let error = store::Error::new(kind, "file", "open", "store.db", "x".to_owned());
            Failure::from(error).exit()
        };
        assert_eq!(exit(store::ErrorKind::Corrupt), Exit::Unknown);
        assert_eq!(exit(store::ErrorKind::Unavailable), Exit::Unavailable);
    }

    #[test]
    fn causes_and_hint_stand_on_lines_of_their_own() {
        let cause = std::io::Error::other("no space left");
        let failure = Failure::from_error(Exit::Failed, &cause).hinted("free some space");
        assert_eq!(failure.render(), "error: no space left\n  hint: free some space");
    }
}
