//! The document: pages by head commit, slots by writer, rows by task.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::identity::Writer;
use crate::row::Row;

/// How many pages of other heads are kept, for a head that comes back.
const MAX_PAGES: usize = 4;

/// Everything that all writers have said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {
    /// The head commit whose page is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// Grows whenever another head becomes the current one; it is not derived from commits, since a head
    /// may come back.
    pub generation: u64,
    /// The pages by head commit.
    pub pages: BTreeMap<String, Page>,
    /// What newer writers say and we do not understand.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What was said about one head commit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// The generation in which it was last current.
    pub visited: u64,
    /// The slots, in the order of their writers.
    pub slots: Vec<Slot>,
    /// What newer writers say and we do not understand.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The rows of one writer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slot {
    /// Who writes.
    pub writer: Writer,
    /// The attempt of the run. A later one replaces all rows of an earlier one.
    pub attempt: u32,
    /// The rows, in the order of their tasks.
    pub rows: Vec<Row>,
    /// What newer writers say and we do not understand.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Document {
    /// Returns the head that is shown and its page.
    pub fn shown(&self) -> Option<(&str, &Page)> {
        let head = self.current.as_deref()?;
        Some((head, self.pages.get(head)?))
    }

    /// Makes another head the current one. Says whether it was another.
    pub(crate) fn turn_to(&mut self, head: &str) -> bool {
        if self.current.as_deref() == Some(head) {
            return false;
        }
        self.current = Some(head.to_owned());
        self.generation += 1;
        let generation = self.generation;
        self.page(head).visited = generation;
        while self.pages.len() > MAX_PAGES {
            let others = self.pages.iter().filter(|(other, _)| other.as_str() != head);
            let oldest =
                others.min_by_key(|(_, page)| page.visited).map(|(other, _)| other.clone());
            let Some(oldest) = oldest else { break };
            self.pages.remove(&oldest);
        }
        true
    }

    /// Returns the page of a head, new if there is none.
    pub(crate) fn page(&mut self, head: &str) -> &mut Page {
        self.pages.entry(head.to_owned()).or_default()
    }
}

impl Page {
    /// Returns the slot of a writer, new if there is none, for this attempt or a later one.
    pub(crate) fn slot(&mut self, writer: &Writer, attempt: u32) -> &mut Slot {
        let index = match self.slots.binary_search_by(|slot| slot.writer.cmp(writer)) {
            Ok(index) => index,
            Err(index) => {
                let writer = writer.clone();
                self.slots.insert(index, Slot { writer, attempt, ..Slot::default() });
                index
            }
        };
        let slot = &mut self.slots[index];
        if slot.attempt < attempt {
            *slot = Slot { writer: writer.clone(), attempt, ..Slot::default() };
        }
        slot
    }

    /// Counts the rows.
    pub fn rows(&self) -> usize {
        self.slots.iter().map(|slot| slot.rows.len()).sum()
    }
}

impl Slot {
    /// Returns the row of a task, new if there is none.
    pub(crate) fn row(&mut self, task: &str) -> &mut Row {
        let new = Row::new(task);
        let index = match self.rows.binary_search_by(|row| row.task.cmp(&new.task)) {
            Ok(index) => index,
            Err(index) => {
                self.rows.insert(index, new);
                index
            }
        };
        &mut self.rows[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_that_comes_back_has_its_page() {
        let mut document = Document::default();
        assert!(document.turn_to("a"));
        document.page("a").slot(&Writer::default(), 1).row("x");
        assert!(document.turn_to("b"));
        assert!(document.turn_to("a") && !document.turn_to("a"));
        assert_eq!(document.generation, 3);
        assert_eq!(document.shown().unwrap().1.rows(), 1);
    }

    #[test]
    fn old_pages_go_and_the_current_one_stays() {
        let mut document = Document::default();
        for head in 0..50 {
            document.turn_to(&head.to_string());
        }
        assert_eq!(document.pages.len(), MAX_PAGES);
        assert!(document.pages.contains_key("49") && document.pages.contains_key("48"));
    }

    #[test]
    fn what_is_not_understood_passes_through() {
        let text = r#"{"generation":1,"pages":{"a":{"visited":1,"slots":[{"writer":{"job":"j"},"attempt":1,
            "rows":[{"task":"t","seq":1,"state":"passed","mood":"fine"}],"colour":"red"}]}},"future":[1]}"#;
        let document: Document = serde_json::from_str(text).unwrap();
        let again = serde_json::to_string(&document).unwrap();
        for part in [r#""mood":"fine""#, r#""colour":"red""#, r#""future":[1]"#] {
            assert!(again.contains(part), "{again}");
        }
    }
}
