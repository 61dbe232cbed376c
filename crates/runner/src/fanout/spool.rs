//! The output of many jobs: each in a file of its own, and together on one output, line by line.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::{BufMut as _, Bytes, BytesMut};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use crate::process::{Chunk, Stream};

/// How much may wait to be printed, in messages of at most a chunk.
const BACKLOG: usize = 4;

/// How the output of jobs is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// A job's output in one piece, once it has ended.
    Grouped,
    /// Every line as it comes, behind the name of its job.
    Interleaved,
}

/// A log that could not be written.
#[derive(Debug, Error)]
#[error("cannot write the log `{}`", path.display())]
pub struct LogError {
    /// Which one.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Prints for everybody, one message after the other, on a thread of its own.
///
/// Whoever prints faster than the output takes it waits; an output that is closed swallows the rest.
#[derive(Debug)]
pub struct Printer {
    queue: mpsc::Sender<Print>,
    done: oneshot::Receiver<()>,
}

/// What is printed in one piece.
#[derive(Debug)]
enum Print {
    Text(Bytes),
    /// A whole file between two texts.
    File {
        before: String,
        path: PathBuf,
        after: String,
    },
}

impl Printer {
    /// Returns a printer for this output.
    pub fn new(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, messages) = mpsc::channel(BACKLOG);
        let (tell, done) = oneshot::channel();
        let work = move || {
            print(output, messages);
            // Whoever does not wait does not want to know.
            let _heard = tell.send(());
        };
        std::thread::Builder::new().name("printer".into()).spawn(work)?;
        Ok(Self { queue, done })
    }

    /// Returns a handle with which others can print.
    pub fn handle(&self) -> PrinterHandle {
        PrinterHandle(self.queue.clone())
    }

    /// Waits until everything is printed; there must be no handle left.
    pub async fn finish(self) {
        drop(self.queue);
        // It only fails if the thread panicked, and then there is nothing left to wait for.
        let _ended = self.done.await;
    }
}

/// A way to print from anywhere.
#[derive(Clone, Debug)]
pub struct PrinterHandle(mpsc::Sender<Print>);

impl PrinterHandle {
    /// Prints a text in one piece.
    pub async fn text(&self, text: impl Into<Bytes>) {
        // The output is closed: nobody reads it any more.
        let _closed = self.0.send(Print::Text(text.into())).await;
    }

    /// Prints a file in one piece, between two texts; a missing end of its last line is added.
    pub async fn file(&self, before: String, path: PathBuf, after: String) {
        let _closed = self.0.send(Print::File { before, path, after }).await;
    }
}

fn print(mut output: impl Write, mut messages: mpsc::Receiver<Print>) {
    while let Some(message) = messages.blocking_recv() {
        let printed = match &message {
            Print::Text(text) => output.write_all(text),
            Print::File { before, path, after } => copy(&mut output, before, path, after),
        };
        if printed.and_then(|()| output.flush()).is_err() {
            return;
        }
    }
}

fn copy(output: &mut impl Write, before: &str, path: &Path, after: &str) -> io::Result<()> {
    output.write_all(before.as_bytes())?;
    // A log that cannot be read was reported when it could not be written; what is no file may have no end.
    let regular = |file: &File| file.metadata().is_ok_and(|metadata| metadata.is_file());
    if let Some(mut file) = File::open(path).ok().filter(regular) {
        let mut ending = LastByte { output, last: b'\n' };
        io::copy(&mut file, &mut ending)?;
        if ending.last != b'\n' {
            output.write_all(b"\n")?;
        }
    }
    output.write_all(after.as_bytes())
}

struct LastByte<'a, W> {
    output: &'a mut W,
    last: u8,
}

impl<W: Write> Write for LastByte<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        if let Some(last) = count.checked_sub(1).and_then(|last| bytes.get(last)) {
            self.last = *last;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Writes the output of one job to its log and, if wanted, line by line to the printer.
#[derive(Debug)]
pub struct Spool {
    log: File,
    path: PathBuf,
    /// Where lines go at once, and what stands before each.
    live: Option<(PrinterHandle, String)>,
    /// The stream whose last line has no end yet.
    unfinished: Option<Stream>,
    error: Option<LogError>,
}

impl Spool {
    /// Creates the log, empty.
    pub fn create(path: PathBuf, live: Option<(PrinterHandle, String)>) -> Result<Self, LogError> {
        match File::create(&path) {
            Ok(log) => Ok(Self { log, path, live, unfinished: None, error: None }),
            Err(source) => Err(LogError { path, source }),
        }
    }

    /// Opens a log that is there, to go on at its end.
    pub fn go_on(path: PathBuf, live: Option<(PrinterHandle, String)>) -> Result<Self, LogError> {
        match File::options().append(true).open(&path) {
            Ok(log) => Ok(Self { log, path, live, unfinished: None, error: None }),
            Err(source) => Err(LogError { path, source }),
        }
    }

    /// Takes in everything that comes, until nobody can send any more.
    ///
    /// A log that cannot be written does not stop the job; [`Spool::finish`] tells it.
    pub async fn collect(&mut self, output: &mut mpsc::Receiver<Chunk>) {
        while let Some(chunk) = output.recv().await {
            self.take(chunk).await;
        }
    }

    /// Adds a line of our own.
    pub async fn remark(&mut self, text: &str) {
        let bytes = Bytes::from(format!("{text}\n"));
        self.take(Chunk { stream: Stream::Stderr, bytes, continues: false }).await;
    }

    /// Returns what was wrong with the log, if anything was.
    pub fn finish(self) -> Result<(), LogError> {
        self.error.map_or(Ok(()), Err)
    }

    async fn take(&mut self, chunk: Chunk) {
        let breaks = self.unfinished.is_some_and(|stream| stream != chunk.stream);
        self.unfinished = (!chunk.bytes.ends_with(b"\n")).then_some(chunk.stream);
        let end: &[u8] = if breaks { b"\n" } else { b"" };
        let written = self.log.write_all(end).and_then(|()| self.log.write_all(&chunk.bytes));
        if let (Err(source), None) = (written, &self.error) {
            self.error = Some(LogError { path: self.path.clone(), source });
        }
        if let Some((printer, prefix)) = &self.live {
            printer.text(prefixed(&chunk.bytes, prefix)).await;
        }
    }
}

/// Puts the prefix before each line, and an end behind the last one, even if it will go on: another
/// job's line may come between.
fn prefixed(bytes: &[u8], prefix: &str) -> Bytes {
    let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut all = BytesMut::with_capacity(bytes.len() + bytes.len() / 4 + prefix.len() + 1);
    for line in text.split(|byte| *byte == b'\n') {
        all.put_slice(prefix.as_bytes());
        all.put_slice(line);
        all.put_u8(b'\n');
    }
    all.freeze()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8")
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn chunk(stream: Stream, text: &str) -> Chunk {
        Chunk { stream, bytes: Bytes::copy_from_slice(text.as_bytes()), continues: false }
    }

    /// Spools the chunks and returns the log and the page.
    async fn spool(chunks: &[(Stream, &str)], order: Order) -> (String, String) {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("a.log");
        let page = Page::default();
        let printer = Printer::new(page.clone()).expect("a thread");
        let live = (order == Order::Interleaved).then(|| (printer.handle(), "a | ".to_owned()));
        let mut spool = Spool::create(path.clone(), live).expect("a log");
        for (stream, text) in chunks {
            spool.take(chunk(*stream, text)).await;
        }
        spool.finish().expect("no fault");
        if order == Order::Grouped {
            printer.handle().file("<\n".into(), path.clone(), ">\n".into()).await;
        }
        printer.finish().await;
        (std::fs::read_to_string(&path).expect("the log"), page.text())
    }

    #[tokio::test]
    async fn lines_have_the_name_of_their_job() {
        let (log, page) = spool(&[(Stream::Stdout, "1\n\n2\n")], Order::Interleaved).await;
        assert_eq!(log, "1\n\n2\n");
        assert_eq!(page, "a | 1\na | \na | 2\n");
    }

    #[tokio::test]
    async fn streams_do_not_meet_within_a_line() {
        let chunks = [(Stream::Stdout, "out"), (Stream::Stderr, "err\n"), (Stream::Stdout, "more")];
        let (log, page) = spool(&chunks, Order::Interleaved).await;
        assert_eq!(log, "out\nerr\nmore");
        assert_eq!(page, "a | out\na | err\na | more\n");
    }

    #[tokio::test]
    async fn a_group_is_one_piece_and_ends_its_last_line() {
        let chunks = [(Stream::Stdout, "1\n"), (Stream::Stdout, "2")];
        let (log, page) = spool(&chunks, Order::Grouped).await;
        assert_eq!(log, "1\n2");
        assert_eq!(page, "<\n1\n2\n>\n");
    }

    #[tokio::test]
    async fn an_empty_log_prints_nothing_of_its_own() {
        assert_eq!(spool(&[], Order::Grouped).await.1, "<\n>\n");
    }

    #[tokio::test]
    async fn a_log_that_cannot_be_is_an_error() {
        let error = Spool::create("/no/such/place/a.log".into(), None).expect_err("no place");
        assert_eq!(error.to_string(), "cannot write the log `/no/such/place/a.log`");
        let mut full = Spool::create("/dev/full".into(), None).expect("it opens");
        full.remark("text").await;
        assert!(full.finish().is_err());
    }
}
