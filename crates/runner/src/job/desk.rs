//! The desk: everything that a job says crosses it, and loses its secrets there.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::log::Log;
use crate::masks::Masks;
use crate::notice::{Annotation, Level, Notice};
use crate::process::Stream;

/// How many last lines of each step are remembered.
const LAST_LINES: usize = 20;

/// How many bytes of one line are shown outside of the log.
const MAX_SHOWN: usize = 16 << 10;

/// What stands at the end of a line that goes on in the log.
const CUT: &str = " … (the log has the whole line)";

/// How many annotations of a level one step may make, as on GitHub; the log has them all.
const ANNOTATIONS: u32 = 10;

/// Where lines, annotations and summaries go.
///
/// Its lock is never held across a wait: a slow reader of the notices costs lines there, and no time here.
#[derive(Debug)]
pub(super) struct Desk(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    masks: Masks,
    log: Log,
    outlet: mpsc::Sender<Notice>,
    /// What must not be lost and has not found room yet.
    waiting: VecDeque<Notice>,
    dropped: u64,
    last_lines: HashMap<usize, VecDeque<String>>,
    annotations: BTreeMap<(Option<usize>, &'static str), u32>,
}

impl Desk {
    pub(super) fn new(masks: Masks, log: Log, outlet: mpsc::Sender<Notice>) -> Self {
        Self(Mutex::new(Inner {
            masks,
            log,
            outlet,
            waiting: VecDeque::new(),
            dropped: 0,
            last_lines: HashMap::new(),
            annotations: BTreeMap::new(),
        }))
    }

    /// Takes a line that a process printed or that stands for it.
    pub(super) fn line(&self, step: Option<usize>, stream: Stream, text: &str) {
        self.lock().line(step, stream, text);
    }

    /// Takes a line of our own.
    pub(super) fn say(&self, step: Option<usize>, text: &str) {
        self.line(step, Stream::Stdout, text);
    }

    /// Takes a line that only the log is to have.
    pub(super) fn note(&self, text: &str) {
        let mut inner = self.lock();
        let text = inner.masks.apply(text).into_owned();
        inner.log.line(Timestamp::now(), &text);
    }

    /// Takes an annotation, and writes a line that stands for it.
    pub(super) fn annotate(&self, step: Option<usize>, annotation: Annotation) {
        let line = format!("##[{}]{}", annotation.level.as_str(), annotation.message);
        let mut inner = self.lock();
        inner.line(step, Stream::Stdout, &line);
        inner.annotate(step, annotation);
    }

    /// Takes an annotation for a line that is shown as it is.
    pub(super) fn annotate_line(&self, step: Option<usize>, annotation: Annotation, line: &str) {
        let line = format!("##[{}]{line}", annotation.level.as_str());
        let mut inner = self.lock();
        inner.line(step, Stream::Stdout, &line);
        inner.annotate(step, annotation);
    }

    pub(super) fn error(&self, step: Option<usize>, message: impl Into<String>) {
        self.annotate(step, Annotation::new(Level::Error, message));
    }

    pub(super) fn warning(&self, step: Option<usize>, message: impl Into<String>) {
        self.annotate(step, Annotation::new(Level::Warning, message));
    }

    /// Tells something that is not a line; texts in it must have been masked.
    pub(super) fn tell(&self, notice: Notice) {
        let mut inner = self.lock();
        inner.waiting.push_back(notice);
        inner.pass_on();
    }

    /// Masks a secret from now on.
    pub(super) fn mask(&self, secret: &str) {
        self.lock().masks.add(secret);
    }

    /// Returns a text without secrets.
    pub(super) fn masked(&self, text: &str) -> String {
        self.lock().masks.apply(text).into_owned()
    }

    pub(super) fn has_secret(&self, text: &str) -> bool {
        self.lock().masks.find(text)
    }

    /// Returns how much of an unfinished line may be shown without showing part of a secret.
    pub(super) fn safe_length(&self, text: &str) -> usize {
        self.lock().masks.safe_length(text)
    }

    pub(super) fn last_lines(&self, step: usize) -> Vec<String> {
        self.lock().last_lines.remove(&step).unwrap_or_default().into()
    }

    pub(super) fn flush(&self) {
        self.lock().log.flush();
    }

    /// Writes out what is left, and waits until somebody has taken it; returns why the log is not complete.
    pub(super) async fn close(&self) -> Option<String> {
        let (outlet, waiting, fault) = {
            let mut inner = self.lock();
            inner.log.flush();
            inner.mention_dropped();
            let fault =
                inner.log.fault().map(|error| format!("The log could not be written: {error}"));
            (inner.outlet.clone(), std::mem::take(&mut inner.waiting), fault)
        };
        for notice in waiting {
            if outlet.send(notice).await.is_err() {
                break;
            }
        }
        fault
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn line(&mut self, step: Option<usize>, stream: Stream, text: &str) {
        let text = self.masks.apply(text).into_owned();
        self.log.line(Timestamp::now(), &text);
        for line in text.split('\n') {
            self.pass_line(step, stream, line.to_owned());
        }
    }

    /// Shows a line that was written to the log, or as much of it as anybody reads.
    fn pass_line(&mut self, step: Option<usize>, stream: Stream, mut text: String) {
        if text.len() > MAX_SHOWN {
            text.truncate(text.floor_char_boundary(MAX_SHOWN));
            text.push_str(CUT);
        }
        if let Some(step) = step {
            let lines = self.last_lines.entry(step).or_default();
            if lines.len() == LAST_LINES {
                lines.pop_front();
            }
            lines.push_back(text.clone());
        }
        self.pass_on();
        let notice = Notice::Line { step, stream, text };
        if !self.waiting.is_empty() || self.outlet.try_send(notice).is_err() {
            self.dropped += 1;
        }
    }

    fn annotate(&mut self, step: Option<usize>, annotation: Annotation) {
        let count = self.annotations.entry((step, annotation.level.as_str())).or_default();
        *count += 1;
        if *count > ANNOTATIONS {
            return;
        }
        let mask = |text: String| self.masks.apply(&text).into_owned();
        let annotation = Annotation {
            message: mask(annotation.message),
            title: annotation.title.map(mask),
            file: annotation.file.map(mask),
            ..annotation
        };
        self.waiting.push_back(Notice::Annotation { step, annotation });
        self.pass_on();
    }

    /// Sends what waits, in order, as far as there is room.
    fn pass_on(&mut self) {
        if self.waiting.is_empty() && self.dropped == 0 {
            return;
        }
        self.mention_dropped();
        while let Some(notice) = self.waiting.pop_front() {
            match self.outlet.try_send(notice) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                Err(mpsc::error::TrySendError::Full(notice)) => {
                    self.waiting.push_front(notice);
                    return;
                }
            }
        }
    }

    fn mention_dropped(&mut self) {
        if self.dropped == 0 {
            return;
        }
        if let Some(Notice::Dropped { lines }) = self.waiting.front_mut() {
            *lines += std::mem::take(&mut self.dropped);
        } else {
            let lines = std::mem::take(&mut self.dropped);
            self.waiting.push_front(Notice::Dropped { lines });
        }
    }
}
