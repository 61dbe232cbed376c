//! The table that a call ends with: every run, its jobs, and where to look.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use dispatch::result::{JobResult, RunResult};

use super::names::{clean, duration};

/// How loud a line is.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) sign: &'static str,
    pub(crate) style: Style,
}

/// Returns the sign and colour of a conclusion; the word always stands beside it.
pub(crate) fn look(conclusion: &str, warning: bool) -> Look {
    let (sign, colour) = match conclusion {
        _ if warning => ("!", AnsiColor::Yellow),
        "success" => ("✓", AnsiColor::Green),
        "failure" => ("✗", AnsiColor::Red),
        "cancelled" | "interrupted" => ("○", AnsiColor::Yellow),
        _ => ("-", AnsiColor::BrightBlack),
    };
    Look { sign, style: colour.on_default() }
}

/// Returns the word for a job's conclusion.
pub(crate) fn word(job: &JobResult) -> &str {
    if job.warning { "warning" } else { &job.conclusion }
}

/// Draws one run with its jobs.
pub(crate) fn run(name: &str, result: &RunResult) -> String {
    let warning = result.conclusion == "success" && result.jobs.iter().any(|job| job.warning);
    let look = look(&result.conclusion, warning);
    let (style, reset) = (look.style.render(), look.style.render_reset());
    let mut text = format!(
        "{style}{} {:<24} {:<11}{reset} {:>7}  {}",
        look.sign,
        clean(name),
        result.conclusion,
        duration(result.duration_ms),
        clean(&describe(result)),
    );
    for job in &result.jobs {
        text.push('\n');
        text.push_str(&self::job(job));
    }
    if matches!(result.conclusion.as_str(), "failure" | "interrupted") {
        write!(text, "\n    logs: {}", result.directory.join("logs").display())
            .expect("a string takes all");
    }
    text
}

fn describe(result: &RunResult) -> String {
    let mut parts = vec![result.event.clone()];
    if let Some(name) = &result.name {
        parts.push(name.clone());
    }
    parts.extend(result.source.clone());
    if let Some(group) = &result.group {
        parts.push(format!("group {group}"));
    }
    if let Some(reason) = &result.reason {
        parts.push(reason.clone());
    }
    parts.join(" · ")
}

fn job(job: &JobResult) -> String {
    let look = look(&job.conclusion, job.warning);
    let (style, reset) = (look.style.render(), look.style.render_reset());
    let mut text = format!(
        "  {style}{} {:<22} {:<11}{reset} {:>7}",
        look.sign,
        clean(&job.name),
        word(job),
        duration(job.duration_ms)
    );
    let failed = job.steps.iter().find(|step| step.conclusion == "failure");
    match (failed, &job.reason) {
        (Some(step), _) => {
            write!(text, "  at step “{}”", clean(&step.name)).expect("a string takes all");
        }
        (None, Some(reason)) => write!(text, "  {}", clean(reason)).expect("a string takes all"),
        (None, None) => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job_result(name: &str, conclusion: &str, warning: bool) -> JobResult {
        JobResult {
            id: name.into(),
            name: name.into(),
            matrix: serde_json::Value::Null,
            conclusion: conclusion.into(),
            warning,
            outputs: indexmap::IndexMap::new(),
            reason: None,
            log: None,
            duration_ms: 1200,
            steps: Vec::new(),
        }
    }

    #[test]
    fn allowed_failure_is_a_warning_and_not_green() {
        let result = RunResult {
            id: "1".into(),
            workflow: "ci".into(),
            path: "ci.yml".into(),
            name: None,
            event: "push".into(),
            delivery: 0,
            conclusion: "success".into(),
            group: Some("g".into()),
            reason: None,
            superseded: false,
            source: None,
            directory: "/runs/1".into(),
            duration_ms: 2000,
            jobs: vec![job_result("lint", "failure", true), job_result("test", "success", false)],
        };
        let text = anstream::adapter::strip_str(&run("ci#1", &result)).to_string();
        insta::assert_snapshot!(text, @r"
        ! ci#1                     success        2.0s  push · group g
          ! lint                   warning        1.2s
          ✓ test                   success        1.2s
        ");
    }
}
