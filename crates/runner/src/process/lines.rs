//! Bytes of a pipe, cut into lines.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

/// The pipe that something came through.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Whole lines of one stream, many or one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chunk {
    /// Where they came from.
    pub stream: Stream,
    /// As they were written, line ends included; the last line of a stream may have none.
    pub bytes: Bytes,
    /// Whether the last line was too long and goes on in this stream's next chunk.
    pub continues: bool,
}

impl Chunk {
    /// Returns the lines without their ends; what is not UTF-8 is replaced.
    pub fn lines(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let text = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        text.split(|byte| *byte == b'\n')
            .map(|line| String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)))
    }
}

/// Holds what has come of a line that is not finished.
#[derive(Debug)]
pub(super) struct Lines {
    stream: Stream,
    limit: usize,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line end.
    searched: usize,
}

impl Lines {
    pub(super) fn new(stream: Stream, limit: usize) -> Self {
        Self { stream, limit: limit.max(4), buffer: BytesMut::new(), searched: 0 }
    }

    /// Returns where the next bytes go.
    pub(super) fn space(&mut self, size: usize) -> &mut BytesMut {
        self.buffer.reserve(size);
        &mut self.buffer
    }

    /// Returns what is finished: all whole lines, or a piece of one that is too long.
    pub(super) fn take(&mut self) -> Option<Chunk> {
        let fresh = &self.buffer[self.searched..];
        if let Some(end) = fresh.iter().rposition(|byte| *byte == b'\n') {
            let chunk = self.chunk(self.searched + end + 1, false);
            self.searched = self.buffer.len();
            return Some(chunk);
        }
        if self.buffer.len() < self.limit {
            self.searched = self.buffer.len();
            return None;
        }
        self.searched = 0;
        let whole = self.buffer.len() - split_character(&self.buffer);
        let chunk = self.chunk(whole, true);
        self.searched = self.buffer.len();
        Some(chunk)
    }

    /// Returns the last line, which has no end.
    pub(super) fn rest(&mut self) -> Option<Chunk> {
        self.searched = 0;
        (!self.buffer.is_empty()).then(|| self.chunk(self.buffer.len(), false))
    }

    fn chunk(&mut self, length: usize, continues: bool) -> Chunk {
        Chunk { stream: self.stream, bytes: self.buffer.split_to(length).freeze(), continues }
    }
}

/// Returns how many bytes at the end begin a character that has not come whole.
fn split_character(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let needed = match bytes[bytes.len() - back] {
            0x80..=0xBF => continue,
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            _ => 1,
        };
        return if needed > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds the pieces and writes down the chunks, `+` where a line goes on.
    fn cut(pieces: &[&[u8]], limit: usize) -> Vec<String> {
        let mut lines = Lines::new(Stream::Stdout, limit);
        let mut seen = Vec::new();
        for piece in pieces {
            lines.space(piece.len()).extend_from_slice(piece);
            seen.extend(lines.take());
        }
        seen.extend(lines.rest());
        let text = |chunk: &Chunk| chunk.lines().collect::<Vec<_>>().join("|");
        seen.iter().map(|chunk| text(chunk) + if chunk.continues { "+" } else { "" }).collect()
    }

    #[track_caller]
    fn check(pieces: &[&str], limit: usize, expected: &[&str]) {
        let pieces: Vec<_> = pieces.iter().map(|piece| piece.as_bytes()).collect();
        assert_eq!(cut(&pieces, limit), expected);
    }

    #[test]
    fn lines_come_whole() {
        check(&["one\ntwo\nthr", "ee\n"], 100, &["one|two", "three"]);
        check(&["a\r\nb\r\n"], 100, &["a|b"]);
        check(&["\n"], 100, &[""]);
        check(&["\n\n", "\n"], 100, &["|", ""]);
    }

    #[test]
    fn an_unfinished_line_is_not_lost() {
        check(&["one\ntw", "o"], 100, &["one", "two"]);
    }

    #[test]
    fn a_long_line_comes_in_pieces() {
        check(&["12345678", "9\nx\n"], 4, &["12345678+", "9|x"]);
        check(&["123", "456", "7\n"], 4, &["123456+", "7"]);
    }

    #[test]
    fn a_piece_never_splits_a_character() {
        check(&["abcd\u{20ac}\n"], 4, &["abcd\u{20ac}"]);
        let euro = "\u{20ac}".as_bytes();
        let first = [b"abcd", &euro[..2]].concat();
        assert_eq!(cut(&[&first, &euro[2..], b"\n"], 4), ["abcd+", "\u{20ac}"]);
    }

    #[test]
    fn other_bytes_are_replaced_and_never_hang() {
        assert_eq!(cut(&[b"\xff\xfe\n", b"\xe2\x82"], 100), ["\u{fffd}\u{fffd}", "\u{fffd}"]);
        assert_eq!(cut(&[&[0x80; 9]], 4).len(), 1);
        assert_eq!(cut(&[&[0xF0; 4], &[0xF0; 4]], 4).len(), 3);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_added(pieces in prop::collection::vec(prop::collection::vec(
            prop_oneof![Just(b'\n'), Just(0xE2), Just(0x82), any::<u8>()], 0..40), 0..20), limit in 1_usize..50)
        {
            let mut lines = Lines::new(Stream::Stderr, limit);
            let mut out = Vec::new();
            let mut open = false;
            for piece in &pieces {
                lines.space(piece.len()).extend_from_slice(piece);
                while let Some(chunk) = lines.take() {
                    prop_assert!(chunk.continues || chunk.bytes.ends_with(b"\n"));
                    open = chunk.continues;
                    out.extend_from_slice(&chunk.bytes);
                }
                prop_assert!(lines.buffer.len() < limit.max(4) + 4);
            }
            let _ = open;
            out.extend(lines.rest().into_iter().flat_map(|chunk| chunk.bytes));
            prop_assert_eq!(out, pieces.concat());
        }
    }
}
