//! What critical sections write about themselves, in one file, in the order in which it happens.

use std::fs;
use std::path::PathBuf;

use crate::backend::Backend;

/// A file of lines, each a word and the fence under which it was written.
pub(crate) struct History(PathBuf);

impl History {
    pub(crate) fn new(backend: &Backend) -> Self {
        Self(backend.sandbox.path("history"))
    }

    /// Returns a script that writes a word.
    pub(crate) fn note(&self, word: &str) -> String {
        format!("echo {word} $INTERLOCK_FENCE >> {}", self.0.display())
    }

    /// Returns the script of a whole section, which takes a few hundredths of a second.
    pub(crate) fn section(&self) -> String {
        format!("{}; sleep 0.0$(($$ % 10)); {}", self.note("begin"), self.note("end"))
    }

    /// Returns the script of a section that goes on until it is stopped, and shows that it does.
    pub(crate) fn endless(&self) -> String {
        format!("while :; do {}; sleep 0.05; done", self.note("tick"))
    }

    /// Returns the fences of the lines with a word.
    pub(crate) fn fences(&self, word: &str) -> Vec<u64> {
        let lines = self.lines().into_iter().filter(|(other, _)| other == word);
        lines.map(|(_, fence)| fence).collect()
    }

    /// Checks that each of `count` sections ended before the next began, under a larger fence.
    #[track_caller]
    pub(crate) fn check_sections(&self, count: usize) {
        let lines = self.lines();
        assert_eq!(lines.len(), 2 * count, "{lines:?}");
        for pair in lines.chunks(2) {
            let [(begin, fence), (end, same)] = pair else { panic!("an odd line: {pair:?}") };
            assert!(begin == "begin" && end == "end" && fence == same, "two at once: {lines:?}");
        }
        let fences = self.fences("begin");
        assert!(fences.is_sorted_by(|one, other| one < other), "{fences:?}");
    }

    /// Checks that nothing was done under a fence when something had been done under a larger one.
    #[track_caller]
    pub(crate) fn check_order(&self) {
        let lines = self.lines();
        assert!(lines.is_sorted_by_key(|(_, fence)| *fence), "two at once: {lines:?}");
    }

    fn lines(&self) -> Vec<(String, u64)> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        // Half a line may stand at the end while somebody writes it.
        let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let parse = |line: &str| {
            let (word, fence) = line.split_once(' ')?;
            Some((word.to_owned(), fence.parse().ok()?))
        };
        whole.map(|line| parse(line).unwrap_or_else(|| panic!("an odd line: {line}"))).collect()
    }
}
