//! The view for a person at a terminal: a few live lines below, what has ended above.

use std::collections::HashMap;
use std::time::Duration;

use dispatch::notice::{News, Notice};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::names::{Names, clean};
use super::plain::failure;
use super::table;

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
    hidden: usize,
}

impl Live {
    /// Begins with an empty picture on a terminal of `rows` lines.
    pub(crate) fn new(rows: usize) -> Self {
        let overflow = ProgressBar::new_spinner().with_style(style("  {msg}"));
        Self {
            screen: MultiProgress::new(),
            names: Names::default(),
            bars: HashMap::new(),
            jobs: HashMap::new(),
            room: rows.saturating_sub(4).clamp(1, 40),
            overflow,
            hidden: 0,
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
                let who = self.who(run, job);
                self.set(run, job, format!("{who} · waits for room"));
            }
            News::JobStarted { job, name } => {
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
                let name = self.names.get(run).to_owned();
                self.say(&self.names.humanize(&table::run(&name, result)));
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
        let bar = ProgressBar::new_spinner().with_style(style("{spinner} {wide_msg} {elapsed:>5}"));
        let shown = self.bars.len() - self.hidden < self.room;
        let bar = if shown {
            let bar = self.screen.add(bar);
            bar.enable_steady_tick(TICK);
            bar
        } else {
            self.hidden += 1;
            bar
        };
        bar.set_message(text);
        self.bars.insert(key, bar);
        self.count_hidden();
    }

    fn clear(&mut self, run: &str, job: &str) {
        if let Some(bar) = self.bars.remove(&(run.to_owned(), job.to_owned())) {
            if bar.is_hidden() {
                self.hidden = self.hidden.saturating_sub(1);
            }
            bar.finish_and_clear();
            self.screen.remove(&bar);
            self.count_hidden();
        }
    }

    fn count_hidden(&mut self) {
        self.screen.remove(&self.overflow);
        if self.hidden > 0 {
            self.overflow =
                self.screen.add(ProgressBar::new_spinner().with_style(style("  {msg}")));
            self.overflow.set_message(format!("… and {} more", self.hidden));
        }
    }

    fn say(&self, text: &str) {
        for line in text.lines() {
            drop(self.screen.println(line));
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ ")
}
