//! The join: two states of a document become the one that holds everything of both.
//!
//! It is commutative, associative and idempotent, so it does not matter who joins what, when and how often.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::document::{Document, Page, Slot};
use crate::row::Row;

impl Document {
    /// Takes in everything that another state of the document holds.
    pub fn join(&mut self, other: &Self) {
        for (head, page) in &other.pages {
            self.pages.entry(head.clone()).or_default().join(page);
        }
        if (other.generation, &other.current) > (self.generation, &self.current) {
            self.generation = other.generation;
            self.current.clone_from(&other.current);
        }
        join_rest(&mut self.rest, &other.rest);
    }
}

impl Page {
    /// Takes in everything that another state of the page holds.
    pub fn join(&mut self, other: &Self) {
        self.visited = self.visited.max(other.visited);
        let mut slots: BTreeMap<_, Slot> = std::mem::take(&mut self.slots)
            .into_iter()
            .map(|slot| (slot.writer.clone(), slot))
            .collect();
        for theirs in &other.slots {
            match slots.get_mut(&theirs.writer) {
                Some(ours) => ours.join(theirs),
                None => drop(slots.insert(theirs.writer.clone(), theirs.clone())),
            }
        }
        self.slots = slots.into_values().collect();
        join_rest(&mut self.rest, &other.rest);
    }
}

impl Slot {
    /// Takes in another state of the same slot: a later attempt replaces an earlier one.
    pub(crate) fn join(&mut self, other: &Self) {
        match self.attempt.cmp(&other.attempt) {
            Ordering::Greater => return,
            Ordering::Less => {
                *self = other.clone();
                return;
            }
            Ordering::Equal => {}
        }
        let mut rows: BTreeMap<_, Row> =
            std::mem::take(&mut self.rows).into_iter().map(|row| (row.task.clone(), row)).collect();
        for theirs in &other.rows {
            match rows.get_mut(&theirs.task) {
                Some(ours) if order(ours, theirs) == Ordering::Less => *ours = theirs.clone(),
                Some(_) => {}
                None => drop(rows.insert(theirs.task.clone(), theirs.clone())),
            }
        }
        self.rows = rows.into_values().collect();
        join_rest(&mut self.rest, &other.rest);
    }
}

/// Orders the states of one row: a finished one stands above all others, then the later write counts.
///
/// Two writes with one number should not exist. If they do, everybody must still agree which one stays.
fn order(ours: &Row, theirs: &Row) -> Ordering {
    let rank = |row: &Row| (row.state.is_finished(), row.seq, !row.lean);
    rank(ours).cmp(&rank(theirs)).then_with(|| text(ours).cmp(&text(theirs)))
}

fn text(row: &Row) -> String {
    serde_json::to_string(row).expect("a row has only texts and numbers")
}

fn join_rest(ours: &mut Map<String, Value>, theirs: &Map<String, Value>) {
    for (name, value) in theirs {
        let text = |value: &Value| value.to_string();
        if ours.get(name).is_none_or(|known| text(known) < text(value)) {
            ours.insert(name.clone(), value.clone());
        }
    }
    ours.sort_keys();
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::identity::Writer;
    use crate::row::State;

    fn row() -> impl Strategy<Value = Row> {
        let states = prop::sample::select(vec![
            State::Queued,
            State::Running,
            State::Failing,
            State::Passed,
            State::Failed,
            State::Aborted,
        ]);
        (0..3u8, 0..4u64, states, "[ab]?", any::<bool>()).prop_map(
            |(task, seq, state, message, lean)| Row {
                task: format!("t{task}"),
                seq,
                state,
                message: Some(message),
                lean,
                ..Row::default()
            },
        )
    }

    /// Makes slots as writers make them: sorted, one row a task.
    fn slot() -> impl Strategy<Value = Slot> {
        (0..3u8, 1..4u32, vec(row(), 0..4), 0..3u8).prop_map(|(job, attempt, rows, extra)| {
            let writer = Writer { job: format!("j{job}"), ..Writer::default() };
            let mut slot = Slot { writer: writer.clone(), attempt, ..Slot::default() };
            for row in rows {
                let rows = vec![row];
                slot.join(&Slot { writer: writer.clone(), attempt, rows, ..Slot::default() });
            }
            if extra > 0 {
                slot.rest.insert("new".to_owned(), extra.into());
            }
            slot
        })
    }

    fn document() -> impl Strategy<Value = Document> {
        (vec((0..3u8, vec(slot(), 0..4)), 0..3), 0..3u64, 0..2u8).prop_map(
            |(pages, generation, head)| {
                let mut document = Document::default();
                for (head, slots) in pages {
                    let mut page = Page { visited: u64::from(head), ..Page::default() };
                    for slot in slots {
                        page.join(&Page { slots: vec![slot], ..Page::default() });
                    }
                    let pages = BTreeMap::from([(format!("h{head}"), page)]);
                    document.join(&Document { pages, ..Document::default() });
                }
                document.generation = generation;
                document.current = Some(format!("h{head}"));
                document
            },
        )
    }

    fn joined(documents: &[&Document]) -> Document {
        let mut all = Document::default();
        for document in documents {
            all.join(document);
        }
        all
    }

    proptest! {
        #[test]
        fn order_and_repetition_do_not_matter(a in document(), b in document(), c in document()) {
            let (mut ab, mut bc, mut ba) = (a.clone(), b.clone(), b.clone());
            ab.join(&b);
            ba.join(&a);
            prop_assert_eq!(&ab, &ba, "commutative");
            bc.join(&c);
            let (mut left, mut right) = (ab.clone(), a.clone());
            left.join(&c);
            right.join(&bc);
            prop_assert_eq!(&left, &right, "associative");
            let mut twice = ab.clone();
            twice.join(&b);
            twice.join(&ab.clone());
            prop_assert_eq!(&twice, &ab, "idempotent");
            prop_assert_eq!(joined(&[&a, &b, &c]), joined(&[&c, &a, &b, &a]));
        }

        #[test]
        fn finished_row_is_finished_in_every_join(a in slot(), b in slot()) {
            let mut slot = a.clone();
            let other = Slot { writer: a.writer.clone(), attempt: a.attempt, ..b };
            slot.join(&other);
            for row in a.rows.iter().chain(&other.rows).filter(|row| row.state.is_finished()) {
                let stays = slot.rows.iter().find(|known| known.task == row.task).unwrap();
                prop_assert!(stays.state.is_finished());
            }
        }

        #[test]
        fn no_row_of_the_latest_attempt_is_lost(a in document(), b in document()) {
            let mut all = a.clone();
            all.join(&b);
            for (head, page) in a.pages.iter().chain(&b.pages) {
                for slot in &page.slots {
                    let kept = all.pages[head].slots.iter().find(|s| s.writer == slot.writer);
                    let kept = kept.unwrap();
                    prop_assert!(kept.attempt >= slot.attempt);
                    if kept.attempt == slot.attempt {
                        for row in &slot.rows {
                            prop_assert!(kept.rows.iter().any(|known| known.task == row.task));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn tenth_attempt_is_later_than_the_ninth() {
        let slot = |attempt| Slot { attempt, ..Slot::default() };
        let mut ninth = slot(9);
        ninth.join(&slot(10));
        assert_eq!(ninth.attempt, 10);
    }
}
