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
            News::JobQueued { job, name } | News::JobStarted { job, name } => {
                self.jobs.insert((run.to_owned(), job.clone()), name.clone());
            }
            News::RunCreated { workflow, .. } => drop(self.names.add(run, workflow).to_owned()),
            _ => {}
        }
        match &notice.news {
            News::StepEnded { job, name, conclusion, last_lines, .. }
                if conclusion == "failure" =>
            {
                failure(&self.who(run, Some(job)), name, last_lines)
            }
            News::JobEnded { .. } => self.job_ended(notice),
            _ => self.line(notice).into_iter().collect(),
        }
    }

    fn line(&self, notice: &Notice) -> Option<String> {
        let run = notice.run.as_str();
        let line = match &notice.news {
            News::Ignored { delivery, event, path, reason } => {
                format!("delivery {delivery} ({event}): {path} does not run: {}", clean(reason))
            }
            News::RunCreated { event, group, source, directory, .. } => {
                let group = group.as_ref().map(|group| format!(", group {}", clean(group)));
                let (name, logs) = (self.who(run, None), directory.join("logs"));
                format!(
                    "{name}: {event}{}, {source}, logs in {}",
                    group.unwrap_or_default(),
                    logs.display()
                )
            }
            News::Waiting { job, group, behind } => {
                let behind = self.names.humanize(behind);
                format!(
                    "{}: waits for group {}, behind {behind}",
                    self.who(run, job.as_deref()),
                    clean(group)
                )
            }
            News::RunEnded { result } => {
                let reason = result
                    .reason
                    .as_ref()
                    .map(|reason| format!(": {}", clean(&self.names.humanize(reason))));
                let time = duration(result.duration_ms);
                format!(
                    "{}: {} in {time}{}",
                    self.who(run, None),
                    result.conclusion,
                    reason.unwrap_or_default()
                )
            }
            News::JobStarted { job, .. } => format!("{}: started", self.who(run, Some(job))),
            News::StepStarted { job, name, .. } => {
                format!("{} ▸ {}", self.who(run, Some(job)), clean(name))
            }
            News::Line { job, text, .. } => {
                format!("{} | {}", self.who(run, Some(job)), readable(text)?)
            }
            News::Annotation { job, level, message, file, line, logged, .. } => {
                let place = match (file, line) {
                    (Some(file), Some(line)) => format!(" {}:{line}", clean(file)),
                    (Some(file), None) => format!(" {}", clean(file)),
                    _ if *logged => return None,
                    _ => String::new(),
                };
                let message = clean(&self.names.humanize(message));
                format!("{} {level}{place}: {message}", self.who(run, Some(job)))
            }
            News::Dropped { lines } => {
                format!("({lines} lines were left out here; the logs have them)")
            }
            News::Remark { text } => text.clone(),
            News::RunStarted {}
            | News::JobQueued { .. }
            | News::JobEnded { .. }
            | News::StepEnded { .. }
            | News::Summary { .. } => return None,
        };
        Some(line)
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
    lines.extend(last_lines.iter().filter_map(|line| Some(format!("    {}", readable(line)?))));
    lines
}

/// Says in words what the log says in GitHub's marks; an end of a group says nothing.
fn readable(line: &str) -> Option<String> {
    let marks = [
        ("##[error]", "error: "),
        ("##[warning]", "warning: "),
        ("##[notice]", "notice: "),
        ("##[debug]", "debug: "),
        ("##[group]", "▸ "),
    ];
    if line.starts_with("##[endgroup]") {
        return None;
    }
    let marked = marks
        .iter()
        .find_map(|(mark, word)| Some(format!("{word}{}", clean(line.strip_prefix(mark)?))));
    Some(marked.unwrap_or_else(|| clean(line)))
}
