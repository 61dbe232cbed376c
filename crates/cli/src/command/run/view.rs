//! The view: what a person or a program sees while the runs go on, and at the end.

use std::io::Write as _;

use dispatch::notice::{News, Notice, Observer};
use dispatch::result::RunResult;
use dispatch::world::Ended;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Session};

use super::live::Live;
use super::names::Names;
use super::plain::Plain;
use super::{json, table};

/// Most runs whose directories the last line names.
const MAX_KEPT: usize = 6;

/// Most runs that the closing table lists one by one.
const MAX_ROWS: usize = 200;

/// Shows everything that happens. Returns why deliveries were ignored, the first few of them.
pub(crate) async fn show(mut observer: Observer, format: Format, watched: bool) -> Vec<String> {
    let mut ignored = Vec::new();
    let mut plain = Plain::default();
    let mut live = watched.then(|| Live::new(rows()));
    while let Some(notice) = observer.next().await {
        if let News::Ignored { path, reason, .. } = &notice.news
            && ignored.len() < MAX_ROWS
        {
            ignored.push(format!("{path}: {reason}"));
        }
        match (&mut live, format) {
            (_, Format::Json) => write(&mut anstream::stdout(), &json::line(&notice)),
            (Some(live), Format::Human) => live.show(&notice),
            (None, Format::Human) => tell(&mut plain, &notice),
        }
    }
    if let Some(live) = &mut live {
        live.end();
    }
    ignored
}

fn tell(plain: &mut Plain, notice: &Notice) {
    for line in plain.lines(notice) {
        write(&mut anstream::stderr(), &line);
    }
}

/// Writes a line; a reader that went away is not an error of ours.
fn write(stream: &mut impl std::io::Write, line: &str) {
    drop(writeln!(stream, "{line}"));
}

fn rows() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stderr());
    size.map_or(24, |size| usize::from(size.ws_row).max(8))
}

/// Ends a call with its table, or with the summary line.
pub(crate) fn summarize(session: &Session, ended: &[Ended]) -> Result<(), Failure> {
    match session.format {
        Format::Json => json::summary(ended, &read),
        Format::Human => {
            draw(session, ended);
            Ok(())
        }
    }
}

fn draw(session: &Session, ended: &[Ended]) {
    let mut names = Names::default();
    let mut counts = [("success", 0), ("failure", 0), ("cancelled", 0), ("skipped", 0)];
    let mut out = anstream::stdout().lock();
    let results = ended.iter().take(MAX_ROWS).filter_map(|ended| read(ended).ok());
    let mut results: Vec<_> = results.collect();
    results.sort_by_key(|result| result.id.parse::<u64>().unwrap_or(u64::MAX));
    for result in &results {
        names.add(&result.id, &result.workflow);
    }
    for result in &results {
        let text = table::run(names.get(&result.id), result);
        drop(writeln!(out, "{}", names.humanize(&text)));
    }
    for ended in ended {
        let word = ended.conclusion.to_string();
        if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == word) {
            *count += 1;
        }
    }
    drop(out.flush());
    drop(out);
    if ended.len() > MAX_ROWS {
        session.line(&format!("… and {} more runs", ended.len() - MAX_ROWS));
    }
    if !ended.is_empty() {
        let parts = counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| format!("{count} {word}"));
        let runs = if ended.len() == 1 { "run" } else { "runs" };
        session.line(&format!("{} {runs}: {}", ended.len(), parts.collect::<Vec<_>>().join(", ")));
        session.line(&kept(&results, &names));
    }
}

/// Says where the logs, events and results are, run by run as far as a line reaches.
fn kept(results: &[RunResult], names: &Names) -> String {
    let root = results.first().and_then(|result| result.directory.parent());
    let root = root.map(|root| root.display().to_string()).unwrap_or_default();
    let each = results
        .iter()
        .take(MAX_KEPT)
        .map(|result| format!("{} in {}", names.get(&result.id), result.id));
    let more = if results.len() > MAX_KEPT { ", …" } else { "" };
    format!("logs, events and results: {root} ({}{more})", each.collect::<Vec<_>>().join(", "))
}

fn read(ended: &Ended) -> Result<RunResult, Failure> {
    let path = ended.directory.join("result.json");
    let bytes = std::fs::read(&path).map_err(|error| {
        Failure::new(Exit::Unknown, format!("cannot read {}: {error}", path.display()))
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(Exit::Unknown, format!("{}: {error}", path.display())))
}
