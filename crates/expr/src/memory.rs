//! Memory: what the results of one evaluation may take up together.

/// The most bytes, at two a UTF-16 unit, that GitHub gives an expression of a run.
const MOST_BYTES: usize = 10 * 1024 * 1024;

/// Counts the bytes of the results that are alive.
#[derive(Debug)]
pub(crate) struct Memory {
    live: usize,
    most: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self::of(MOST_BYTES)
    }
}

impl Memory {
    /// Creates a memory of so many bytes.
    pub(crate) fn of(bytes: usize) -> Self {
        Self { live: 0, most: bytes }
    }

    /// Adds a text, or says that it does not fit.
    pub(crate) fn charge(&mut self, text: &str) -> Result<(), String> {
        self.charge_bytes(text.encode_utf16().count() * 2)
    }

    /// Adds bytes, or says that they do not fit.
    pub(crate) fn charge_bytes(&mut self, bytes: usize) -> Result<(), String> {
        self.live = self.live.saturating_add(bytes);
        if self.live > self.most {
            return Err("The maximum allowed memory size was exceeded".to_owned());
        }
        Ok(())
    }

    /// Returns what is alive.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// Sets what is alive, after results were let go.
    pub(crate) fn reset(&mut self, live: usize) {
        self.live = live;
    }
}

/// A text that grows as long as it fits.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    text: String,
    memory: &'a mut Memory,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(memory: &'a mut Memory) -> Self {
        Self { text: String::new(), memory }
    }

    /// Appends a piece.
    pub(crate) fn push(&mut self, piece: &str) -> Result<(), String> {
        self.memory.charge(piece)?;
        self.text.push_str(piece);
        Ok(())
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_before_it_is_built() {
        let mut memory = Memory::default();
        let mebibyte = "x".repeat(512 * 1024);
        let mut writer = Writer::new(&mut memory);
        for _ in 0..10 {
            writer.push(&mebibyte).unwrap();
        }
        assert!(writer.push("x").is_err());
        assert_eq!(writer.finish().len(), 10 * mebibyte.len());
    }
}
