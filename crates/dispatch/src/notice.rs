//! What observers are told: terminal, JSON stream, event files. They can be slow without slowing anybody.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::result::RunResult;

/// How many lines of output may wait for a slow observer; the log files have them all.
const MAX_WAITING_LINES: usize = 20_000;

/// Something that happened, and when.
#[derive(Clone, Debug, Serialize)]
pub struct Notice {
    /// When.
    pub at: Timestamp,
    /// The id of the run, in decimal; empty where there is none.
    pub run: String,
    /// What.
    #[serde(flatten)]
    pub news: News,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum News {
    /// A delivery did not start this workflow.
    Ignored {
        /// The index of the delivery.
        delivery: usize,
        /// The event.
        event: String,
        /// The workflow's path.
        path: String,
        /// Why.
        reason: String,
    },
    /// A run exists.
    RunCreated {
        /// The index of the delivery.
        delivery: usize,
        /// The display name of the workflow.
        workflow: String,
        /// What `run-name` comes to, where the workflow has one.
        title: Option<String>,
        /// The workflow's path.
        path: String,
        /// The event.
        event: String,
        /// The group of the run, if it has one.
        group: Option<String>,
        /// What the jobs get to see.
        source: String,
        /// Where logs and results are.
        directory: PathBuf,
    },
    /// A run, or a job of it, waits for its group.
    Waiting {
        /// The job; none if the run waits.
        job: Option<String>,
        /// The group.
        group: String,
        /// Who is before it, as far as known.
        behind: String,
    },
    /// A run has begun.
    RunStarted {},
    /// A run has ended.
    RunEnded {
        /// How.
        result: Box<RunResult>,
    },
    /// A job waits for room on this machine.
    JobQueued {
        /// The key of the job.
        job: String,
        /// Its display name.
        name: String,
    },
    /// A job has begun.
    JobStarted {
        /// The key of the job.
        job: String,
        /// Its display name.
        name: String,
    },
    /// A job has ended, or never began.
    JobEnded {
        /// The key of the job.
        job: String,
        /// Its display name.
        name: String,
        /// `success`, `failure`, `cancelled` or `skipped`.
        conclusion: String,
        /// True if it failed and was allowed to.
        warning: bool,
        /// Why, where the conclusion does not say it all.
        reason: Option<String>,
        /// How long it took.
        duration_ms: u64,
        /// The file with the whole log.
        log: Option<PathBuf>,
    },
    /// A step has begun.
    StepStarted {
        /// The key of the job.
        job: String,
        /// The place of the step in its job.
        step: usize,
        /// Its display name.
        name: String,
    },
    /// A step has ended.
    StepEnded {
        /// The key of the job.
        job: String,
        /// The place of the step in its job.
        step: usize,
        /// Its display name.
        name: String,
        /// How it ended before `continue-on-error`.
        outcome: String,
        /// How it counts.
        conclusion: String,
        /// How long it took.
        duration_ms: u64,
        /// The last lines it printed, if it failed.
        last_lines: Vec<String>,
    },
    /// A line of output, with its secrets masked.
    Line {
        /// The key of the job.
        job: String,
        /// The place of the step in its job, if it is not the job itself.
        step: Option<usize>,
        /// The line.
        text: String,
    },
    /// An annotation.
    Annotation {
        /// The key of the job.
        job: String,
        /// `error`, `warning` or `notice`.
        level: String,
        /// What it says.
        message: String,
        /// The title, if it has one.
        title: Option<String>,
        /// The file it points to, if it does.
        file: Option<String>,
        /// The line in that file.
        line: Option<u64>,
        /// Whether it is a line of the job's output too.
        logged: bool,
    },
    /// What a step wrote for its summary.
    Summary {
        /// The key of the job.
        job: String,
        /// Markdown.
        markdown: String,
    },
    /// Lines were left out, because the observer was slow. The log files have them.
    Dropped {
        /// How many.
        lines: u64,
    },
    /// Something the user should know that belongs to no single run.
    Remark {
        /// A sentence.
        text: String,
    },
}

/// Tells all observers; the sending side.
#[derive(Debug, Default)]
pub struct Hub {
    observers: Vec<Outlet>,
}

/// The receiving side of one observer.
#[derive(Debug)]
pub struct Observer {
    inlet: mpsc::UnboundedReceiver<Notice>,
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Outlet {
    sender: mpsc::UnboundedSender<Notice>,
    waiting: Arc<AtomicUsize>,
    dropped: u64,
}

impl Hub {
    /// Adds an observer. It sees everything from now on.
    pub fn subscribe(&mut self) -> Observer {
        let (sender, inlet) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        self.observers.push(Outlet { sender, waiting: Arc::clone(&waiting), dropped: 0 });
        Observer { inlet, waiting }
    }

    /// Tells everybody. Only lines of output are ever left out, and never silently.
    pub(crate) fn tell(&mut self, notice: &Notice) {
        for observer in &mut self.observers {
            observer.tell(notice);
        }
    }
}

impl Outlet {
    fn tell(&mut self, notice: &Notice) {
        if matches!(notice.news, News::Line { .. }) {
            if self.waiting.load(Ordering::Relaxed) >= MAX_WAITING_LINES {
                self.dropped += 1;
                return;
            }
            self.waiting.fetch_add(1, Ordering::Relaxed);
        }
        if self.dropped > 0 {
            let news = News::Dropped { lines: std::mem::take(&mut self.dropped) };
            drop(self.sender.send(Notice { at: notice.at, run: String::new(), news }));
        }
        // An observer that went away is not our business.
        drop(self.sender.send(notice.clone()));
    }
}

impl Observer {
    /// Waits for the next notice; none when the dispatcher is gone.
    pub async fn next(&mut self) -> Option<Notice> {
        let notice = self.inlet.recv().await?;
        self.count(&notice);
        Some(notice)
    }

    /// Returns the next notice if there is one already.
    pub fn try_next(&mut self) -> Option<Notice> {
        let notice = self.inlet.try_recv().ok()?;
        self.count(&notice);
        Some(notice)
    }

    fn count(&self, notice: &Notice) {
        if matches!(notice.news, News::Line { .. }) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize) -> Notice {
        let news = News::Line { job: "j".into(), step: Some(0), text: number.to_string() };
        Notice { at: Timestamp::UNIX_EPOCH, run: "1".into(), news }
    }

    fn remark() -> Notice {
        let news = News::Remark { text: "end".into() };
        Notice { at: Timestamp::UNIX_EPOCH, run: String::new(), news }
    }

    #[test]
    fn slow_observer_loses_lines_but_hears_how_many() {
        let mut hub = Hub::default();
        let mut observer = hub.subscribe();
        for number in 0..MAX_WAITING_LINES + 3 {
            hub.tell(&line(number));
        }
        hub.tell(&remark());
        let mut lines = 0;
        while let Some(notice) = observer.try_next() {
            match notice.news {
                News::Line { .. } => lines += 1,
                News::Dropped { lines } => assert_eq!(lines, 3),
                News::Remark { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(lines, MAX_WAITING_LINES);
    }
}
