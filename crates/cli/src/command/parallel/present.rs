//! The results as people and CI systems get them: table, step summary, outputs, annotations.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anstyle::{AnsiColor, Style};

use super::files::Files;
use super::summary::{Overall, Row, Summary, spoken};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Level, Session};

/// How many rows the step summary shows; GitHub takes 1 MiB of it.
const MOST_ROWS: usize = 1000;
/// How many logs the step summary shows the end of, and how much of each.
const MOST_TAILS: usize = 10;
const TAIL_BYTES: u64 = 8 * 1024;
const TAIL_LINES: usize = 30;

/// Why writing cannot fail.
const WRITTEN: &str = "a string takes all that is written";

/// Reports everywhere; the first thing that goes wrong does not keep the others from being tried.
pub(crate) fn present(summary: &Summary, files: &Files, session: &Session) -> Result<(), Failure> {
    let written = files.write(summary);
    tell(summary, session).and(written)
}

/// Reports everywhere but in files that were asked for by name.
pub(crate) fn tell(summary: &Summary, session: &Session) -> Result<(), Failure> {
    match session.format {
        Format::Human if summary.jobs.is_empty() => {}
        Format::Human => session.line(table(summary).trim_end()),
        Format::Json => {
            let text = serde_json::to_string(summary);
            session.line(&text.expect("a summary has only texts and numbers"));
        }
    }
    if let (Some(note), Format::Human) = (&summary.note, session.format) {
        session.line(note);
    }
    annotate(summary, session);
    let outputs = outputs(summary, session);
    if summary.jobs.is_empty() {
        return outputs;
    }
    session.summarize(&markdown(summary)).and(outputs)
}

fn table(summary: &Summary) -> String {
    let head = ["JOB", "RESULT", "IF IT FAILS", "TIME", "LOG"].map(ToOwned::to_owned);
    let row = |row: &Row| {
        let policy = if row.critical { "critical" } else { "advisory" };
        let log = row.log.as_ref().map(|log| below(log, &summary.log_dir)).unwrap_or_default();
        [row.title(), result(row), policy.to_owned(), spoken(row.duration_ms), log]
    };
    let rows: Vec<[String; 5]> = summary.jobs.iter().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    };
    let widths: [usize; 4] = [width(0), width(1), width(2), width(3)];
    let mut text = String::new();
    line(&mut text, &head, widths, Style::new().bold());
    for (cells, row) in rows.iter().zip(&summary.jobs) {
        line(&mut text, cells, widths, colour(row));
    }
    let warnings = summary.warnings().count();
    let note = if warnings > 0 { format!(", {warnings} with a warning") } else { String::new() };
    let (count, time) = (jobs(summary), spoken(summary.duration_ms));
    let logs = summary.log_dir.display();
    writeln!(text, "{}: {count}{note}, {time}; logs: {logs}", summary.result.word())
        .expect(WRITTEN);
    text
}

/// Counts the jobs in words.
fn jobs(summary: &Summary) -> String {
    match summary.jobs.len() {
        1 => "1 job".to_owned(),
        count => format!("{count} jobs"),
    }
}

/// Names a log as short as the line with their directory allows.
fn below(log: &Path, directory: &Path) -> String {
    log.strip_prefix(directory).unwrap_or(log).display().to_string()
}

fn line(text: &mut String, cells: &[String; 5], widths: [usize; 4], style: Style) {
    let [name, result, policy, time, log] = cells;
    let [first, second, third, fourth] = widths;
    let line = format!(
        "{name:<first$}  {style}{result:<second$}{style:#}  {policy:<third$}  {time:>fourth$}  {log}"
    );
    writeln!(text, "{}", line.trim_end()).expect(WRITTEN);
}

fn colour(row: &Row) -> Style {
    let colour = match (row.passed(), row.critical) {
        (true, _) => AnsiColor::Green,
        (false, true) => AnsiColor::Red,
        (false, false) => AnsiColor::Yellow,
    };
    Style::new().fg_color(Some(colour.into()))
}

/// Says the result with what is remarkable about it.
fn result(row: &Row) -> String {
    let mut text = row.detail.clone();
    if row.attempts > 1 {
        write!(text, ", {} attempts", row.attempts).expect(WRITTEN);
    }
    if row.left_behind > 0 {
        write!(text, ", {} left behind", row.left_behind).expect(WRITTEN);
    }
    text
}

fn annotate(summary: &Summary, session: &Session) {
    for row in summary.jobs.iter().filter(|row| !row.passed()) {
        let level = if row.critical { Level::Error } else { Level::Warning };
        let policy = if row.critical { "critical" } else { "advisory" };
        let log = row.log.as_ref().map(|log| format!(", log: {}", log.display()));
        let text = format!("{} ({policy}){}", result(row), log.unwrap_or_default());
        session.annotate(level, &row.title(), &text);
    }
    if let Some(lost) = &summary.lost {
        session.annotate(Level::Error, "milestone", lost);
    }
    for error in &summary.log_errors {
        session.annotate(Level::Error, "logs", error);
    }
}

fn markdown(summary: &Summary) -> String {
    let sign = |row: &Row| match (row.passed(), row.critical) {
        (true, _) => "✅",
        (false, true) => "❌",
        (false, false) => "⚠️",
    };
    let mut text = format!("### {}: {}\n\n", summary.result.word(), jobs(summary));
    text.push_str("| | Job | Result | If it fails | Time |\n|---|---|---|---|---:|\n");
    for row in summary.jobs.iter().take(MOST_ROWS) {
        let policy = if row.critical { "critical" } else { "advisory" };
        let (name, result, time) =
            (cell(&row.title()), cell(&result(row)), spoken(row.duration_ms));
        writeln!(text, "| {} | {name} | {result} | {policy} | {time} |", sign(row)).expect(WRITTEN);
    }
    if let Some(more) = summary.jobs.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        writeln!(text, "\n… and {more} more.").expect(WRITTEN);
    }
    let failed = summary.jobs.iter().filter(|row| !row.passed());
    for row in failed.take(MOST_TAILS) {
        let Some(log) = &row.log else { continue };
        let tail = tail(log, TAIL_BYTES);
        let lines: Vec<_> = tail.lines().collect();
        let last = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        let fence = fence(&last);
        let name = cell(&row.title());
        write!(
            text,
            "\n<details><summary>{name}: the last lines</summary>\n\n{fence}text\n{last}\n{fence}\n\n</details>\n"
        )
        .expect(WRITTEN);
    }
    text
}

/// Makes text safe in a cell of a table.
fn cell(text: &str) -> String {
    let mut safe = String::new();
    for character in text.chars() {
        match character {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' => safe.extend(['\\', character]),
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            character if character.is_control() => safe.push(' '),
            character => safe.push(character),
        }
    }
    safe
}

/// Returns a fence that the text cannot end.
fn fence(text: &str) -> String {
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or_default();
    "`".repeat(longest.max(2) + 1)
}

/// Returns the end of a log, from the beginning of a line where possible.
pub(crate) fn tail(log: &Path, most: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        let skipped = length.saturating_sub(most);
        file.seek(SeekFrom::Start(skipped))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match text.split_once('\n') {
            Some((_, whole)) if skipped > 0 && !whole.is_empty() => Ok(whole.to_owned()),
            _ => Ok(text),
        }
    };
    // A log that cannot be read was reported when it could not be written.
    read().unwrap_or_default()
}

/// Returns one row for each name: the first that did not pass, if there is one.
fn worst(rows: &[Row]) -> Vec<&Row> {
    let mut found: Vec<&Row> = Vec::new();
    for row in rows {
        match found.iter_mut().find(|other| other.name == row.name) {
            Some(other) if other.passed() => *other = row,
            Some(_) => {}
            None => found.push(row),
        }
    }
    found
}

/// Writes `NAME-result`, `NAME-exit-code`, `result` and where the logs are.
fn outputs(summary: &Summary, session: &Session) -> Result<(), Failure> {
    let Some(path) = session.surroundings.output_file() else { return Ok(()) };
    let mut text = String::new();
    for row in worst(&summary.jobs) {
        let code = row.exit_code.map(|code| code.to_string()).unwrap_or_default();
        writeln!(text, "{0}-result={1}\n{0}-exit-code={code}", row.name, row.result)
            .expect(WRITTEN);
    }
    let warnings: Vec<_> = summary.warnings().map(|row| row.name.as_str()).collect();
    let warnings = serde_json::to_string(&warnings).expect("texts");
    let log_dir = summary.log_dir.display().to_string().replace(['\n', '\r'], " ");
    writeln!(text, "result={}\nwarnings={warnings}\nlog-dir={log_dir}", summary.result.word())
        .expect(WRITTEN);
    let (any, list) = (!summary.milestones.is_empty(), &summary.milestones);
    if any || summary.result == Overall::NoMilestone {
        writeln!(text, "is-milestone={any}\nmilestones={list:?}").expect(WRITTEN);
    }
    let file = OpenOptions::new().create(true).append(true).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        Failure::new(Exit::Unavailable, format!("cannot write {}: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_markdown() {
        assert_eq!(cell("a|b\n<i>`"), "a\\|b &lt;i>\\`");
        assert_eq!(fence("a ```` b"), "`````");
        assert_eq!(fence(""), "```");
    }

    #[test]
    fn a_tail_begins_with_a_line() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "first line\nsecond\nthird").expect("written");
        assert_eq!(tail(file.path(), 15), "second\nthird");
        assert_eq!(tail(file.path(), 8), "third");
        assert_eq!(tail(file.path(), 1000), "first line\nsecond\nthird");
        assert_eq!(tail(Path::new("/no/such"), 10), "");
    }
}
