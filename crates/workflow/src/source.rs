//! The source: the text of one file and the name it goes by.

use std::sync::Arc;

/// The text of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The path as it is shown to people, from the root of the repository.
    pub path: String,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// Takes a text and the path it is known by.
    pub fn new(path: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Returns the line and the column of a byte offset, both counted from 1, the column in characters.
    ///
    /// An offset beyond the end, or inside a character, means the nearest place before it.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (line, before[start..].chars().count() + 1)
    }

    /// Returns the last part of the path.
    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        let source = Source::new("a.yml", "é: ü\nnaïve: x\n");
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column("é: ü\nnaï".len()), (2, 4));
        assert_eq!(source.line_column(1), (1, 1), "inside a character");
        assert_eq!(source.line_column(1000), (3, 1), "beyond the end");
    }
}
