//! The view for a pipe or a log: a line for each thing that happens, with its run and job.

use std::collections::HashMap;

use dispatch::notice::{News, Notice};

use super::names::{Names, clean, duration};
use super::table;

/// Turns notices into lines.
#[derive(Debug, Default)]
pub(crate) struct Plain {
    names: Names,
    jobs: HashMap<(String, String), String>,
}

impl Plain {
    /// Returns the lines that a notice is worth.
    pub(crate) fn lines(&mut self, notice: &Notice) -> Vec<String> {
        let run = notice.run.as_str();
        match &notice.news {
            News::Ignored { delivery, event, path, reason } => {
                vec![format!(
                    "delivery {delivery} ({event}): {path} does not run: {}",
                    clean(reason)
                )]
            }
            News::RunCreated { workflow, event, group, source, directory, .. } => {
                let name = clean(self.names.add(run, workflow));
                let group = group
                    .as_ref()
                    .map(|group| format!(", group {}", clean(group)))
                    .unwrap_or_default();
                vec![format!(
                    "{name}: {event}{group}, {source}, logs in {}",
                    directory.join("logs").display()
                )]
            }
            News::Waiting { job, group, behind } => {
                let who = self.who(run, job.as_deref());
                vec![format!(
                    "{who}: waits for group {}, behind {}",
                    clean(group),
                    self.names.humanize(behind)
                )]
            }
            News::RunStarted {} => Vec::new(),
            News::RunEnded { result } => {
                let reason = result
                    .reason
                    .as_ref()
                    .map(|reason| format!(": {}", clean(&self.names.humanize(reason))))
                    .unwrap_or_default();
                let name = clean(self.names.get(run));
                vec![format!(
                    "{name}: {} in {}{reason}",
                    result.conclusion,
                    duration(result.duration_ms)
                )]
            }
            News::JobQueued { job, name } => {
                self.jobs.insert((run.to_owned(), job.clone()), name.clone());
                Vec::new()
            }
            News::JobStarted { job, name } => {
                self.jobs.insert((run.to_owned(), job.clone()), name.clone());
                vec![format!("{}: started", self.who(run, Some(job)))]
            }
            News::JobEnded { .. } => self.job_ended(notice),
            News::StepStarted { job, name, .. } => {
                vec![format!("{} ▸ {}", self.who(run, Some(job)), clean(name))]
            }
            News::StepEnded { job, name, conclusion, last_lines, .. }
                if conclusion == "failure" =>
            {
                failure(&self.who(run, Some(job)), name, last_lines)
            }
            News::StepEnded { .. } | News::Summary { .. } => Vec::new(),
            News::Line { job, text, .. } => {
                vec![format!("{} | {}", self.who(run, Some(job)), clean(text))]
            }
            News::Annotation { job, level, message, file, line, .. } => {
                let place = match (file, line) {
                    (Some(file), Some(line)) => format!(" {}:{line}", clean(file)),
                    (Some(file), None) => format!(" {}", clean(file)),
                    _ => String::new(),
                };
                vec![format!(
                    "{} {level}{place}: {}",
                    self.who(run, Some(job)),
                    clean(&self.names.humanize(message))
                )]
            }
            News::Dropped { lines } => {
                vec![format!("({lines} lines were left out here; the logs have them)")]
            }
            News::Remark { text } => vec![text.clone()],
        }
    }

    fn job_ended(&mut self, notice: &Notice) -> Vec<String> {
        let News::JobEnded { job, name, conclusion, warning, reason, duration_ms, log } =
            &notice.news
        else {
            return Vec::new();
        };
        let run = notice.run.as_str();
        self.jobs.remove(&(run.to_owned(), job.clone()));
        let who = format!("{} {}", clean(self.names.get(run)), clean(name));
        let word = if *warning { "warning (it failed and was allowed to)" } else { conclusion };
        let reason = reason
            .as_ref()
            .map(|reason| format!(": {}", clean(&self.names.humanize(reason))))
            .unwrap_or_default();
        let mut lines = vec![format!("{who}: {word} in {}{reason}", duration(*duration_ms))];
        if let (Some(log), "failure") = (log, conclusion.as_str()) {
            lines.push(format!("{who}: the whole log is {}", log.display()));
        }
        lines
    }

    fn who(&self, run: &str, job: Option<&str>) -> String {
        let name = clean(self.names.get(run));
        match job {
            None | Some("") => name,
            Some(job) => {
                let shown =
                    self.jobs.get(&(run.to_owned(), job.to_owned())).map_or(job, String::as_str);
                format!("{name} {}", clean(shown))
            }
        }
    }
}

/// Shows the end of a failed step.
pub(crate) fn failure(who: &str, step: &str, last_lines: &[String]) -> Vec<String> {
    let look = table::look("failure", false);
    let (style, reset) = (look.style.render(), look.style.render_reset());
    let mut lines =
        vec![format!("{style}{} {who}: step “{}” failed{reset}", look.sign, clean(step))];
    lines.extend(last_lines.iter().map(|line| format!("    {}", clean(line))));
    lines
}
