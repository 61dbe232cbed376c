//! The log: the file with every line of a job and its time.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use jiff::Timestamp;

/// A file that is written until it cannot be.
#[derive(Debug)]
pub(super) struct Log {
    file: Option<BufWriter<File>>,
    fault: Option<io::Error>,
}

impl Log {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        Ok(Self { file: Some(BufWriter::new(File::create(path)?)), fault: None })
    }

    /// Writes a line; one with line breaks in it becomes several.
    pub(super) fn line(&mut self, now: Timestamp, text: &str) {
        self.attempt(|file| {
            for line in text.split('\n') {
                writeln!(file, "{now:.7} {line}")?;
            }
            Ok(())
        });
    }

    pub(super) fn flush(&mut self) {
        self.attempt(io::Write::flush);
    }

    /// Returns why the log is not complete.
    pub(super) fn fault(&self) -> Option<&io::Error> {
        self.fault.as_ref()
    }

    fn attempt(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = write(file) {
            self.fault = Some(error);
            // What is buffered would be tried again when it is dropped; it has no place to go.
            drop(self.file.take().map(BufWriter::into_parts));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/a.log");
        let mut log = Log::create(&path).unwrap();
        log.line(Timestamp::UNIX_EPOCH, "one\ntwo");
        log.flush();
        let text = std::fs::read_to_string(&path).unwrap();
        let time = "1970-01-01T00:00:00.0000000Z";
        assert_eq!(text, format!("{time} one\n{time} two\n"));
        assert!(log.fault().is_none());
    }

    #[test]
    fn a_full_disk_is_told_and_does_not_stop_the_job() {
        let Ok(file) = File::options().write(true).open("/dev/full") else { return };
        let mut log = Log { file: Some(BufWriter::new(file)), fault: None };
        log.line(Timestamp::UNIX_EPOCH, "x");
        log.flush();
        log.line(Timestamp::UNIX_EPOCH, "y");
        assert_eq!(log.fault().map(io::Error::kind), Some(io::ErrorKind::StorageFull));
    }
}
