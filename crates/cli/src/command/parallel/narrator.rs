//! Tells in plain lines how the jobs go, and shows their output.

use std::path::PathBuf;

use runner::fanout::{JobId, Notice, PrinterHandle, Report};
use tokio::sync::mpsc;

use super::flags::Order;
use super::summary::{milliseconds, spoken};

/// The widest column of names; longer ones stand out.
const WIDEST: usize = 24;

/// How things are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) order: Order,
    /// Whether GitHub folds groups.
    pub(crate) folds: bool,
}

/// What stands before a job's lines when they are shown as they come.
pub(crate) fn prefix(name: &str, names: &[String]) -> String {
    let widest = names.iter().map(String::len).max().unwrap_or_default().min(WIDEST);
    format!("{name:<widest$} | ")
}

/// Tells all notices; the output of jobs that did not pass comes last, where people look first.
pub(crate) async fn narrate(
    mut notices: mpsc::UnboundedReceiver<Notice>,
    printer: PrinterHandle,
    style: Style,
    jobs: Vec<(String, PathBuf)>,
) {
    let mut failed = Vec::new();
    let name = |job: JobId| jobs.get(job.0).map_or("", |(name, _)| name.as_str());
    while let Some(notice) = notices.recv().await {
        match notice {
            Notice::Started { .. } => {}
            Notice::Retrying { job, outcome } => {
                let how = format!("{outcome:?}").to_lowercase();
                printer.text(format!("{}: {how}, trying again\n", name(job))).await;
            }
            Notice::Settled(report) if report.attempts == 0 => {
                printer.text(format!("{}\n", headline(&report))).await;
            }
            Notice::Settled(report) => match style.order {
                Order::Interleaved => printer.text(format!("{}\n", headline(&report))).await,
                Order::Grouped if report.verdict.passed() => {
                    group(&printer, style, &report, &jobs).await;
                }
                Order::Grouped => failed.push(report),
            },
        }
    }
    for report in failed {
        group(&printer, Style { folds: false, ..style }, &report, &jobs).await;
    }
}

async fn group(printer: &PrinterHandle, style: Style, report: &Report, jobs: &[(String, PathBuf)]) {
    let Some((_, log)) = jobs.get(report.job.0) else { return };
    let headline = headline(report);
    let (before, after) = if style.folds {
        (format!("::group::{headline}\n"), "::endgroup::\n".to_owned())
    } else {
        (format!("── {headline}\n"), String::new())
    };
    printer.file(before, log.clone(), after).await;
}

fn headline(report: &Report) -> String {
    let (name, verdict) = (&report.name, &report.verdict);
    let time = spoken(milliseconds(report.duration));
    match report.attempts {
        0 => format!("{name}: {verdict}"),
        1 => format!("{name}: {verdict} in {time}"),
        attempts => format!("{name}: {verdict} in {time}, {attempts} attempts"),
    }
}
