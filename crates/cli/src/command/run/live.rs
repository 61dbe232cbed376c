//! The view for a person at a terminal: a few live lines below, what has ended above.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use dispatch::notice::{News, Notice};
use indicatif::{MultiProgress, ProgressBar};

use super::names::{Names, clean};
use super::plain::failure;
use super::table;
use crate::moving_line;

/// How often elapsed times move.
const TICK: Duration = Duration::from_millis(200);

/// A live picture of the runs. It is drawn on standard error and leaves finished lines above.
#[derive(Debug)]
pub(crate) struct Live {
    screen: MultiProgress,
    names: Names,
    bars: HashMap<(String, String), ProgressBar>,
    jobs: HashMap<(String, String), String>,
    /// How many live lines fit; what does not fit is counted in one more line.
    room: usize,
    overflow: ProgressBar,
    /// The lines that found no room, oldest first.
    hidden: VecDeque<(String, String)>,
    /// The jobs that wait for their turn on this machine; a line each would hide those that work.
    queued: HashSet<(String, String)>,
}

impl Live {
    /// Begins with an empty picture on a terminal of `rows` lines.
    pub(crate) fn new(rows: usize) -> Self {
        let overflow = moving_line::undrawn_still();
        Self {
            screen: MultiProgress::with_draw_target(moving_line::place()),
            names: Names::default(),
            bars: HashMap::new(),
            jobs: HashMap::new(),
            room: rows.saturating_sub(4).clamp(1, 40),
            overflow,
            hidden: VecDeque::new(),
            queued: HashSet::new(),
        }
    }

    /// Changes the picture.
    pub(crate) fn show(&mut self, notice: &Notice) {
        let run = notice.run.as_str();
        match &notice.news {
            News::RunCreated { workflow, event, .. } => {
                let name = clean(self.names.add(run, workflow));
                self.set(run, "", format!("{name} · {event}"));
            }
            News::Waiting { job, group, behind } => {
                let job = job.as_deref().unwrap_or("");
                let who = self.who(run, job);
                self.set(
                    run,
                    job,
                    format!(
                        "{who} · waits for group {}, behind {}",
                        clean(group),
                        self.names.humanize(behind)
                    ),
                );
            }
            News::RunStarted {} => {
                let name = clean(self.names.get(run));
                self.set(run, "", format!("{name} · in progress"));
            }
            News::JobQueued { job, name } => {
                self.jobs.insert((run.to_owned(), job.clone()), name.clone());
                self.queued.insert((run.to_owned(), job.clone()));
                self.count_hidden();
            }
            News::JobStarted { job, name } => {
                self.queued.remove(&(run.to_owned(), job.clone()));
                self.jobs.insert((run.to_owned(), job.clone()), name.clone());
                let who = self.who(run, job);
                self.set(run, job, who);
            }
            News::StepStarted { job, name, .. } => {
                let who = self.who(run, job);
                self.set(run, job, format!("{who} · {}", clean(name)));
            }
            News::JobEnded { .. } => self.job_ended(notice),
            News::RunEnded { result } => {
                self.clear(run, "");
                // The closing table says it all again: a run that is alone has nothing to wait for.
                if self.names.count() > 1 {
                    let table = table::run(self.names.get(run), result);
                    let head = table.lines().next().unwrap_or_default();
                    self.say(&self.names.humanize(head));
                }
            }
            News::Annotation { job, level, message, .. } if level != "notice" => {
                self.say(&format!(
                    "{} {level}: {}",
                    self.who(run, job),
                    clean(&self.names.humanize(message))
                ));
            }
            News::Ignored { path, reason, event, .. } => {
                self.say(&format!("{event}: {path} does not run: {}", clean(reason)));
            }
            News::Remark { text } => self.say(text),
            News::StepEnded { job, name, conclusion, last_lines, .. }
                if conclusion == "failure" =>
            {
                let who = self.who(run, job).trim_start().to_owned();
                self.say(&failure(&who, name, last_lines).join("\n"));
            }
            News::StepEnded { .. }
            | News::Line { .. }
            | News::Annotation { .. }
            | News::Summary { .. }
            | News::Dropped { .. } => {}
        }
    }

    /// Takes the live lines away.
    pub(crate) fn end(&mut self) {
        drop(self.screen.clear());
        self.bars.clear();
    }

    fn job_ended(&mut self, notice: &Notice) {
        let News::JobEnded { job, log, conclusion, .. } = &notice.news else { return };
        let run = notice.run.as_str();
        self.queued.remove(&(run.to_owned(), job.clone()));
        self.clear(run, job);
        self.jobs.remove(&(run.to_owned(), job.clone()));
        if let (Some(log), "failure") = (log, conclusion.as_str()) {
            self.say(&format!("    whole log: {}", log.display()));
        }
    }

    fn who(&self, run: &str, job: &str) -> String {
        let name = clean(self.names.get(run));
        match self.jobs.get(&(run.to_owned(), job.to_owned())) {
            Some(shown) => format!("  {name} {}", clean(shown)),
            None if job.is_empty() => name,
            None => format!("  {name} {}", clean(job)),
        }
    }

    fn set(&mut self, run: &str, job: &str, text: String) {
        let key = (run.to_owned(), job.to_owned());
        if let Some(bar) = self.bars.get(&key) {
            bar.set_message(text);
            return;
        }
        let bar = moving_line::undrawn();
        bar.set_message(text);
        self.bars.insert(key.clone(), bar);
        self.hidden.push_back(key);
        self.fill();
    }

    fn clear(&mut self, run: &str, job: &str) {
        let key = (run.to_owned(), job.to_owned());
        if let Some(bar) = self.bars.remove(&key) {
            self.hidden.retain(|hidden| *hidden != key);
            bar.finish_and_clear();
            self.screen.remove(&bar);
        }
        self.fill();
    }

    /// Shows what was hidden, as far as there is room.
    fn fill(&mut self) {
        while self.bars.len() - self.hidden.len() < self.room {
            let Some(key) = self.hidden.pop_front() else { break };
            if let Some(bar) = self.bars.get(&key) {
                self.screen.add(bar.clone()).enable_steady_tick(TICK);
            }
        }
        self.count_hidden();
    }

    fn count_hidden(&mut self) {
        self.screen.remove(&self.overflow);
        let count = self.hidden.len() + self.queued.len();
        if count > 0 {
            self.overflow = self.screen.add(moving_line::undrawn_still());
            self.overflow.set_message(format!("… and {count} more"));
        }
    }

    fn say(&self, text: &str) {
        for line in text.lines() {
            drop(self.screen.println(line));
        }
    }
}
