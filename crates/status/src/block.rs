//! The state block: what a comment keeps of the document, in a form that survives being edited around.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::document::{Document, Page};
use crate::row::Row;

/// The longest block that is read or written, in characters.
pub const MAX_BLOCK: usize = 60_000;

/// The most bytes that a block may inflate to.
const MAX_INFLATED: u64 = 4 << 20;
/// The most bytes that are tried: beyond that no document is regular enough.
const MAX_PLAIN: usize = 2 << 20;
/// The most rows that a block may have.
const MAX_ROWS: usize = 10_000;
/// The layout we write. A block with a larger number is not ours to read.
const SCHEMA: u64 = 1;
const OPENING: &str = "<!-- interlock-state:";
const CLOSING: &str = " -->";

/// What a comment knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Block {
    /// The layout.
    pub schema: u64,
    /// The revision that is shown.
    pub revision: u64,
    /// How many rows the shown page has.
    pub rows: usize,
    /// The shown page, if it was not too large.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<Document>,
    /// What newer writers say and we do not understand.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Block {
    /// Takes the shown page of a document.
    pub fn new(document: &Document, revision: u64) -> Self {
        let mut shown = Document {
            current: document.current.clone(),
            generation: document.generation,
            rest: document.rest.clone(),
            ..Document::default()
        };
        let mut rows = 0;
        if let Some((head, page)) = document.shown() {
            rows = page.rows();
            shown.pages.insert(head.to_owned(), page.clone());
        }
        Self { schema: SCHEMA, revision, rows, document: Some(shown), rest: Map::new() }
    }

    /// Leaves out the details of every row.
    #[must_use]
    pub fn lean(&self) -> Self {
        let mut lean = self.clone();
        for row in lean.document.iter_mut().flat_map(|document| rows(&mut document.pages)) {
            let row_lean = Row {
                task: std::mem::take(&mut row.task),
                seq: row.seq,
                state: row.state,
                life: row.life.take(),
                at: row.at,
                lean: true,
                ..Row::default()
            };
            *row = row_lean;
        }
        lean
    }

    /// Leaves out the rows.
    #[must_use]
    pub fn empty(&self) -> Self {
        Self { document: None, ..self.clone() }
    }

    /// Writes the block as a line that GitHub does not show; none if it would be too long.
    pub fn encode(&self) -> Option<String> {
        let json = serde_json::to_vec(self).expect("a document has only texts and numbers");
        if json.len() > MAX_PLAIN {
            return None;
        }
        // Large documents are regular, so the fast method is good enough for them.
        let level = if json.len() > 64 << 10 { Compression::fast() } else { Compression::best() };
        let mut encoder = ZlibEncoder::new(Vec::with_capacity(json.len() / 8), level);
        encoder.write_all(&json).and_then(|()| encoder.finish()).ok().and_then(|bytes| {
            let text = format!("{OPENING}{SCHEMA}:{}{CLOSING}", STANDARD.encode(bytes));
            (text.len() <= MAX_BLOCK).then_some(text)
        })
    }

    /// Finds and reads the block of a comment. What is broken, foreign, newer or too large is no block.
    pub fn decode(body: &str) -> Option<Self> {
        let (_, rest) = body.split_once(OPENING)?;
        let (text, _) = rest.split_once(CLOSING)?;
        let (schema, text) = text.split_once(':')?;
        if schema.parse() != Ok(SCHEMA) || text.len() > MAX_BLOCK {
            return None;
        }
        let bytes = STANDARD.decode(text).ok()?;
        let mut json = Vec::new();
        let mut inflated = ZlibDecoder::new(&*bytes).take(MAX_INFLATED + 1);
        inflated.read_to_end(&mut json).ok()?;
        if json.len() as u64 > MAX_INFLATED {
            return None;
        }
        let mut block: Self = serde_json::from_slice(&json).ok()?;
        if block.schema != SCHEMA {
            return None;
        }
        if let Some(document) = block.document.take() {
            block.document = Some(tamed(document)?);
        }
        Some(block)
    }
}

/// Brings a document from outside into the form that ours have, if it is of a size that ours can have.
fn tamed(mut document: Document) -> Option<Document> {
    let count: usize = document.pages.values().map(Page::rows).sum();
    let slots: usize = document.pages.values().map(|page| page.slots.len()).sum();
    if count > MAX_ROWS || slots > MAX_ROWS {
        return None;
    }
    for row in rows(&mut document.pages) {
        *row = std::mem::take(row).bounded();
    }
    // Joining sorts, and lets nothing be there twice.
    let mut tame = Document::default();
    for (head, page) in std::mem::take(&mut document.pages) {
        let target = tame.page(&head);
        target.visited = page.visited;
        target.rest = page.rest;
        for slot in page.slots {
            let mut sorted =
                crate::Slot { rows: Vec::new(), rest: slot.rest.clone(), ..slot.clone() };
            sorted.join(&slot);
            target.join(&Page { slots: vec![sorted], ..Page::default() });
        }
    }
    tame.current = document.current;
    tame.generation = document.generation;
    tame.rest = document.rest;
    Some(tame)
}

fn rows(pages: &mut std::collections::BTreeMap<String, Page>) -> impl Iterator<Item = &mut Row> {
    pages.values_mut().flat_map(|page| &mut page.slots).flat_map(|slot| &mut slot.rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Writer;
    use crate::row::{Change, State};

    fn document(rows: usize) -> Document {
        let mut document = Document::default();
        document.turn_to("abc");
        for index in 0..rows {
            let writer = Writer { job: format!("job {}", index % 7), ..Writer::default() };
            let row = document.page("abc").slot(&writer, 1);
            let row = row.row(&format!("task {index}"));
            let message = Some(format!("--> <!-- {index}"));
            let change = Change { message, ..Change::to(State::Failed) };
            row.take(&change, jiff::Timestamp::UNIX_EPOCH);
        }
        document
    }

    #[test]
    fn round_trip_keeps_everything_and_no_payload_ends_the_comment() {
        let mut document = document(40);
        document.rest.insert("future".to_owned(), 1.into());
        let text = Block::new(&document, 9).encode().unwrap();
        assert_eq!(text.matches("-->").count(), 1);
        let block = Block::decode(&format!("marker\n{text}\n# Title --> ")).unwrap();
        assert_eq!((block.revision, block.document), (9, Some(document)));
    }

    #[test]
    fn five_thousand_lean_rows_are_still_a_block() {
        let block = Block::new(&document(5000), 1).lean();
        let text = block.encode().unwrap();
        assert!(text.len() < MAX_BLOCK, "{}", text.len());
        assert_eq!(Block::decode(&text).unwrap().document.unwrap().pages["abc"].rows(), 5000);
    }

    #[track_caller]
    fn check_ignored(body: &str) {
        assert_eq!(Block::decode(body), None);
    }

    fn packed(json: &[u8]) -> String {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(json).unwrap();
        format!("{OPENING}1:{}{CLOSING}", STANDARD.encode(encoder.finish().unwrap()))
    }

    #[test]
    fn what_is_not_a_block_of_ours_is_ignored() {
        check_ignored("");
        check_ignored("no block");
        check_ignored("<!-- interlock-state:1:eJwD");
        check_ignored("<!-- interlock-state:1:%%% -->");
        check_ignored("<!-- interlock-state:2:eJwDAAAAAAE= -->");
        check_ignored(&packed(b"[1,2]"));
        check_ignored(&packed(b"not json"));
        check_ignored(&packed(br#"{"schema":1,"document":{"pages":[]}}"#));
        check_ignored(&packed(br#"{"schema":7}"#));
        check_ignored(&packed("[".repeat(100_000).as_bytes()));
        assert!(Block::decode(&packed(br#"{"schema":1,"revision":3}"#)).is_some());
    }

    #[test]
    fn bomb_does_not_explode() {
        let mut json = br#"{"schema":1,"x":""#.to_vec();
        json.extend(std::iter::repeat_n(b'a', 20 << 20));
        json.extend(br#""}"#);
        let text = packed(&json);
        assert!(text.len() < MAX_BLOCK);
        check_ignored(&text);
        let many = format!(r#"{{"task":"a"}}{}"#, r#",{"task":"a"}"#.repeat(20_000));
        let json = format!(
            r#"{{"schema":1,"document":{{"pages":{{"a":{{"slots":[{{"rows":[{many}]}}]}}}}}}}}"#
        );
        check_ignored(&packed(json.as_bytes()));
    }

    #[test]
    fn rows_twice_and_out_of_order_become_one_each() {
        let json = br#"{"schema":1,"document":{"pages":{"a":{"slots":[
            {"writer":{"job":"b"},"attempt":1,"rows":[{"task":"z","seq":1},{"task":"a","seq":2},{"task":"z","seq":3}]},
            {"writer":{"job":"a"},"attempt":1},{"writer":{"job":"b"},"attempt":1,"rows":[{"task":"a","seq":1}]}]}}}}"#;
        let document = Block::decode(&packed(json)).unwrap().document.unwrap();
        let page = &document.pages["a"];
        assert_eq!(page.slots.len(), 2);
        let rows: Vec<_> = page.slots[1].rows.iter().map(|row| (&*row.task, row.seq)).collect();
        assert_eq!(rows, [("a", 2), ("z", 3)]);
    }
}
