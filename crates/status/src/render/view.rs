//! What is shown: the rows of a page in a stable order, with the silent ones given up.

use std::collections::BTreeMap;

use crate::document::Document;
use crate::identity::Writer;
use crate::row::{Row, State};

/// The rows of the shown page.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// The head commit; empty if there is none yet.
    pub head: &'a str,
    /// The rows, in an order that does not depend on their states.
    pub rows: Vec<Shown<'a>>,
}

/// One row as it is shown.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// Whose it is.
    pub writer: &'a Writer,
    /// The attempt.
    pub attempt: u32,
    /// The row as its writer left it.
    pub row: &'a Row,
    /// How it stands: `aborted` if its writer fell silent.
    pub state: State,
    /// Whether another row has the same name, so that it must say where it is from.
    pub is_namesake: bool,
}

impl<'a> View<'a> {
    /// Looks at the shown page; `dead` says whether a row's heartbeat is over.
    pub fn new(document: &'a Document, dead: impl Fn(&Row) -> bool) -> Self {
        let Some((head, page)) = document.shown() else {
            return Self { head: "", rows: Vec::new() };
        };
        let mut names: BTreeMap<&str, usize> = BTreeMap::new();
        let mut rows: Vec<Shown<'a>> = Vec::new();
        for slot in &page.slots {
            for row in &slot.rows {
                *names.entry(row.name()).or_default() += 1;
                let is_silent = !row.state.is_finished() && dead(row);
                rows.push(Shown {
                    writer: &slot.writer,
                    attempt: slot.attempt,
                    row,
                    state: if is_silent { State::Aborted } else { row.state },
                    is_namesake: false,
                });
            }
        }
        for shown in &mut rows {
            shown.is_namesake = names.get(shown.row.name()).is_some_and(|count| *count > 1);
        }
        rows.sort_by(|a, b| a.place().cmp(&b.place()));
        Self { head, rows }
    }

    /// Counts the rows in a state.
    pub fn count(&self, state: State) -> usize {
        self.rows.iter().filter(|shown| shown.state == state).count()
    }

    /// Returns what all rows come to.
    pub fn overall(&self) -> State {
        let any = |states: &[State]| self.rows.iter().any(|shown| states.contains(&shown.state));
        if any(&[State::Failed, State::Aborted]) {
            if any(&[State::Running, State::Queued, State::Failing]) {
                State::Failing
            } else {
                State::Failed
            }
        } else if any(&[State::Failing]) {
            State::Failing
        } else if any(&[State::Running]) || (self.rows.is_empty() || any(&[State::Queued])) {
            State::Running
        } else if any(&[State::Warning]) {
            State::Warning
        } else {
            State::Passed
        }
    }

    /// Says in one line how all rows stand, in at most `most` characters.
    pub fn line(&self, most: usize) -> String {
        let order = [
            State::Failed,
            State::Aborted,
            State::Failing,
            State::Running,
            State::Queued,
            State::Warning,
            State::Passed,
            State::Skipped,
        ];
        let counts = order.into_iter().map(|state| (state, self.count(state)));
        let words = counts.filter(|(_, count)| *count > 0);
        let words: Vec<String> =
            words.map(|(state, count)| format!("{count} {}", state.word())).collect();
        let mut line = if words.is_empty() { "nothing yet".to_owned() } else { words.join(", ") };
        crate::row::cut(&mut line, most);
        line
    }
}

impl Shown<'_> {
    /// Orders rows for good: a row never jumps because its state changes.
    fn place(&self) -> (&str, &str, &str, &str, &str, &str) {
        let Writer { workflow, event, run, job, leg, .. } = self.writer;
        (workflow, event, job, leg, &self.row.task, run)
    }

    /// Says whether the writer fell silent.
    pub fn is_silent(&self) -> bool {
        self.state != self.row.state
    }
}
