//! The parts of the picture, each with as much detail as there is room for.

use std::fmt::Write as _;

use crate::escape;
use crate::render::view::{Shown, View};
use crate::row::State;

/// Why writing cannot fail.
const WRITTEN: &str = "a string takes all that is written";

/// How much is said of a group of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// A table with a line for each.
    Table,
    /// Their names, with the most characters of one.
    Names(usize),
    /// How many they are.
    Count,
}

/// How much is said of everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tier {
    pub(super) failed: Depth,
    pub(super) running: Depth,
    pub(super) flagged: Depth,
    pub(super) passed: Depth,
    /// The most characters of a message.
    pub(super) message: usize,
    /// How many failed rows have their commands and annotations shown.
    pub(super) reproduce: usize,
    /// How many tips are shown.
    pub(super) tips: usize,
}

/// The parts, drawn.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) summary: String,
    pub(super) failed: String,
    pub(super) running: String,
    pub(super) flagged: String,
    pub(super) passed: String,
    pub(super) skipped: String,
    pub(super) reproduce: String,
    pub(super) tips: String,
}

/// The rows by group, each in its stable order.
struct Groups<'a> {
    failed: Vec<&'a Shown<'a>>,
    running: Vec<&'a Shown<'a>>,
    flagged: Vec<&'a Shown<'a>>,
    passed: Vec<&'a Shown<'a>>,
    skipped: Vec<&'a Shown<'a>>,
}

impl Parts {
    pub(super) fn draw(view: &View<'_>, tier: &Tier) -> Self {
        let groups = Groups::of(view);
        Self {
            summary: summary(view),
            failed: group("Failed", &groups.failed, tier.failed, tier),
            running: group("In progress", &groups.running, tier.running, tier),
            flagged: group("Flagged", &groups.flagged, tier.flagged, tier),
            passed: folded(State::Passed, &groups.passed, tier.passed, tier),
            skipped: folded(State::Skipped, &groups.skipped, tier.passed, tier),
            reproduce: reproduce(&groups, tier),
            tips: tips(view, tier),
        }
    }
}

impl<'a> Groups<'a> {
    fn of(view: &'a View<'a>) -> Self {
        let mut groups = Self {
            failed: Vec::new(),
            running: Vec::new(),
            flagged: Vec::new(),
            passed: Vec::new(),
            skipped: Vec::new(),
        };
        for shown in &view.rows {
            let group = match shown.state {
                State::Failed | State::Aborted => &mut groups.failed,
                State::Queued | State::Running | State::Failing => &mut groups.running,
                State::Warning => &mut groups.flagged,
                State::Passed if !shown.row.flags.is_empty() => &mut groups.flagged,
                State::Passed => &mut groups.passed,
                State::Skipped => &mut groups.skipped,
            };
            group.push(shown);
        }
        groups
    }
}

fn summary(view: &View<'_>) -> String {
    let overall = view.overall();
    if view.rows.is_empty() {
        return format!("{} nothing has been reported yet", State::Queued.sign());
    }
    format!("**{} {}**", overall.sign(), view.line(200))
}

fn group(title: &str, rows: &[&Shown<'_>], depth: Depth, tier: &Tier) -> String {
    if rows.is_empty() {
        return String::new();
    }
    match depth {
        Depth::Table => format!("#### {title} ({})\n\n{}\n", rows.len(), table(rows, tier)),
        Depth::Names(most) => {
            format!("#### {title} ({})\n\n{}\n\n", rows.len(), names(rows, most))
        }
        Depth::Count => format!("{title}: {}\n\n", rows.len()),
    }
}

fn folded(state: State, rows: &[&Shown<'_>], depth: Depth, tier: &Tier) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = format!("{} {} {}", state.sign(), rows.len(), state.word());
    let inside = match depth {
        Depth::Table => table(rows, tier),
        Depth::Names(most) => format!("{}\n", names(rows, most)),
        Depth::Count => return format!("{head}\n\n"),
    };
    format!("<details><summary>{head}</summary>\n\n{inside}\n</details>\n\n")
}

fn table(rows: &[&Shown<'_>], tier: &Tier) -> String {
    let mut text = String::with_capacity(rows.len() * 120);
    text.push_str("| State | Task | Time | Details |\n|---|---|---|---|\n");
    for shown in rows {
        let (sign, word) = (shown.state.sign(), shown.state.word());
        let name = name(shown, 200);
        let (time, details) = (time(shown), details(shown, tier.message));
        writeln!(text, "| {sign} {word} | {name} | {time} | {details} |").expect(WRITTEN);
    }
    text
}

fn names(rows: &[&Shown<'_>], most: usize) -> String {
    let names: Vec<String> = rows.iter().map(|shown| bare_name(shown, most)).collect();
    names.join(", ")
}

fn bare_name(shown: &Shown<'_>, most: usize) -> String {
    escape::line(shown.row.name(), most)
}

/// Returns the name, with its link, and where it is from if that is needed to tell it from another.
fn name(shown: &Shown<'_>, most: usize) -> String {
    let mut text = bare_name(shown, most);
    if text.is_empty() {
        text.push('?');
    }
    if let Some(url) = shown.row.url.as_deref().and_then(escape::url) {
        text = format!("[{text}]({url})");
    }
    if shown.is_namesake {
        let place = escape::line(&shown.writer.place(), 120);
        let run = escape::line(&shown.writer.run, 24);
        write!(text, " <sub>{place} · run {run}</sub>").expect(WRITTEN);
    }
    if shown.attempt > 1 {
        write!(text, " <sub>attempt {}</sub>", shown.attempt).expect(WRITTEN);
    }
    text
}

fn time(shown: &Shown<'_>) -> String {
    let Some(elapsed) = shown.row.elapsed_ms else { return String::new() };
    let spoken = spoken(elapsed);
    if shown.state.is_finished() || elapsed < 1000 { spoken } else { format!("{spoken} so far") }
}

fn details(shown: &Shown<'_>, most: usize) -> String {
    let row = shown.row;
    let mut parts = Vec::new();
    if shown.is_silent() {
        let since = row.at.map(|at| at.strftime(" since %Y-%m-%d %H:%M:%S UTC").to_string());
        parts.push(format!("no sign of life{}", since.unwrap_or_default()));
    }
    if most == 0 {
        return parts.join(" · ");
    }
    for text in row.phase.iter().chain(&row.progress) {
        parts.push(escape::line(text, most.min(200)));
    }
    parts.extend(row.flags.iter().map(|flag| format!("**{}**", escape::line(flag, 60))));
    if let Some(message) = &row.message {
        parts.push(escape::line(message, most));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// Draws what helps to repair: annotations and commands, of what failed first.
fn reproduce(groups: &Groups<'_>, tier: &Tier) -> String {
    let mut text = String::new();
    let candidates = groups.failed.iter().chain(&groups.running).chain(&groups.flagged);
    let helped = |shown: &&&Shown<'_>| {
        let row = shown.row;
        !(row.reproduce.is_empty() && row.fix.is_empty() && row.annotations.is_empty())
    };
    let candidates: Vec<_> = candidates.filter(helped).collect();
    for shown in candidates.iter().take(tier.reproduce) {
        writeln!(text, "**{}**\n", name(shown, 200)).expect(WRITTEN);
        annotations(&mut text, shown, tier);
        for (title, commands) in [("Reproduce", &shown.row.reproduce), ("Fix", &shown.row.fix)] {
            if !commands.is_empty() {
                let code = escape::code(&commands.join("\n"), 4000);
                writeln!(text, "{title}:\n\n{code}").expect(WRITTEN);
            }
        }
    }
    if text.is_empty() {
        return text;
    }
    if let Some(more) = candidates.len().checked_sub(tier.reproduce).filter(|more| *more > 0) {
        writeln!(text, "… and {more} more.\n").expect(WRITTEN);
    }
    format!("<details><summary>Reproduce and fix</summary>\n\n{text}</details>\n\n")
}

fn annotations(text: &mut String, shown: &Shown<'_>, tier: &Tier) {
    let most = if tier.message >= 1000 { 20 } else { 5 };
    for annotation in shown.row.annotations.iter().take(most) {
        let place = match annotation.line {
            Some(line) => format!("{}:{line}", annotation.path),
            None => annotation.path.clone(),
        };
        let place = escape::line(&place, 200);
        let (level, message) =
            (escape::line(&annotation.level, 20), escape::line(&annotation.message, 300));
        writeln!(text, "* {level} {place} {message}").expect(WRITTEN);
    }
    if let Some(more) = shown.row.annotations.len().checked_sub(most).filter(|more| *more > 0) {
        writeln!(text, "* … and {more} more").expect(WRITTEN);
    }
    if !shown.row.annotations.is_empty() {
        text.push('\n');
    }
}

/// Draws each tip once, however many tasks give it.
fn tips(view: &View<'_>, tier: &Tier) -> String {
    let mut seen = std::collections::BTreeSet::new();
    let all = view.rows.iter().flat_map(|shown| &shown.row.tips);
    let tips: Vec<&String> = all.filter(|tip| seen.insert(tip.as_str())).collect();
    let mut text = String::new();
    for tip in tips.iter().take(tier.tips) {
        writeln!(text, "> 💡 Tip: {}\n", escape::line(tip, 500)).expect(WRITTEN);
    }
    text
}

/// Writes milliseconds as people say them.
fn spoken(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}
