//! The fit: the most detailed picture that is not too long, by tiers that never hide a failure.

use std::cell::OnceCell;
use std::fmt::Write as _;

use crate::block::Block;
use crate::escape;
use crate::render::parts::{Depth, Parts, Tier};
use crate::render::view::View;
use crate::render::{Keep, Options, Rendering};
use crate::row::State;

/// What is kept free for the footer and what GitHub may count otherwise than we do.
const RESERVE: usize = 500;

/// From everything to as little as still says what failed.
const TIERS: [Tier; 6] = [
    Tier {
        failed: Depth::Table,
        running: Depth::Table,
        flagged: Depth::Table,
        passed: Depth::Table,
        message: 1000,
        reproduce: usize::MAX,
        tips: 10,
    },
    Tier {
        failed: Depth::Table,
        running: Depth::Table,
        flagged: Depth::Table,
        passed: Depth::Names(60),
        message: 300,
        reproduce: 20,
        tips: 5,
    },
    Tier {
        failed: Depth::Table,
        running: Depth::Names(60),
        flagged: Depth::Names(60),
        passed: Depth::Count,
        message: 120,
        reproduce: 10,
        tips: 3,
    },
    Tier {
        failed: Depth::Table,
        running: Depth::Count,
        flagged: Depth::Count,
        passed: Depth::Count,
        message: 0,
        reproduce: 5,
        tips: 0,
    },
    Tier {
        failed: Depth::Names(80),
        running: Depth::Count,
        flagged: Depth::Count,
        passed: Depth::Count,
        message: 0,
        reproduce: 0,
        tips: 0,
    },
    Tier {
        failed: Depth::Names(24),
        running: Depth::Count,
        flagged: Depth::Count,
        passed: Depth::Count,
        message: 0,
        reproduce: 0,
        tips: 0,
    },
];

/// How a block is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Full,
    Lean,
    Empty,
}

/// The blocks, encoded when they are first wanted.
struct Blocks<'a> {
    block: Option<&'a Block>,
    done: [OnceCell<Option<String>>; 3],
}

impl Blocks<'_> {
    /// Returns the encoded block, or none if it cannot be had that way.
    fn get(&self, kept: Kept) -> Option<&str> {
        let Some(block) = self.block else { return Some("") };
        let encode = || match kept {
            Kept::Full => block.encode(),
            Kept::Lean => block.lean().encode(),
            Kept::Empty => block.empty().encode(),
        };
        self.done[kept as usize].get_or_init(encode).as_deref()
    }
}

/// Tries pictures from the best to the shortest, and returns the first that fits.
pub(super) fn fit(view: &View<'_>, block: Option<&Block>, options: &Options<'_>) -> Rendering {
    let blocks = Blocks { block, done: Default::default() };
    let mut drawn: [Option<String>; TIERS.len()] = Default::default();
    let footer = footer(view, options);
    let fixed = options.marker.encode_utf16().count() + length(&footer) + RESERVE;
    for (kept, tier) in order(options.state) {
        let Some(state) = blocks.get(kept) else { continue };
        let room = options.limit.saturating_sub(fixed + state.len());
        // What is hopeless is not drawn: a row takes ten characters at the very least.
        if TIERS[tier].failed == Depth::Table && failed(view) * 40 > room {
            continue;
        }
        let content = drawn[tier].get_or_insert_with(|| draw(view, &TIERS[tier], options));
        if length(content) <= room {
            let shortened = tier > 0;
            return assemble(content, state, &footer, shortened, options);
        }
    }
    let state = blocks.get(Kept::Empty).unwrap_or_default();
    let room = options.limit.saturating_sub(fixed + state.len());
    let content = shortest(view, room, options);
    assemble(&content, state, &footer, true, options)
}

fn order(keep: Keep) -> Vec<(Kept, usize)> {
    use Kept::{Empty, Full, Lean};
    match keep {
        Keep::Nothing => (0..TIERS.len()).map(|tier| (Empty, tier)).collect(),
        Keep::Room => vec![
            (Full, 0),
            (Lean, 0),
            (Full, 1),
            (Lean, 1),
            (Lean, 2),
            (Empty, 2),
            (Lean, 3),
            (Empty, 3),
            (Lean, 4),
            (Empty, 4),
            (Empty, 5),
        ],
        Keep::First => {
            let tiers = |kept| (0..TIERS.len()).map(move |tier| (kept, tier));
            tiers(Full).chain(tiers(Lean)).chain(tiers(Empty)).collect()
        }
    }
}

fn draw(view: &View<'_>, tier: &Tier, options: &Options<'_>) -> String {
    let parts = Parts::draw(view, tier);
    fill(&parts, options)
}

fn fill(parts: &Parts, options: &Options<'_>) -> String {
    let title = format!("### {}\n\n", escape::line(options.title.unwrap_or("Status"), 100));
    options.template.fill(|part| match part {
        "title" => &title,
        "summary" => &parts.summary,
        "failed" => &parts.failed,
        "running" => &parts.running,
        "flagged" => &parts.flagged,
        "passed" => &parts.passed,
        "skipped" => &parts.skipped,
        "reproduce" => &parts.reproduce,
        "tips" => &parts.tips,
        // `Template::parse` lets no other name in.
        _ => "",
    })
}

/// Names as many failures as there is room for, and counts the others by workflow.
fn shortest(view: &View<'_>, room: usize, options: &Options<'_>) -> String {
    let mut parts = Parts::draw(view, &TIERS[TIERS.len() - 1]);
    parts.failed.clear();
    let frame = length(&fill(&parts, options)) + options.template.own_length();
    let mut left = room.saturating_sub(frame + 2000);
    let bad: Vec<_> = view.rows.iter().filter(|shown| shown.state.is_bad()).collect();
    let mut text = format!("#### Failed ({})\n\n", bad.len());
    let mut others: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for shown in bad {
        let name = escape::line(shown.row.name(), 24);
        let size = length(&name) + 2;
        if size <= left {
            left -= size;
            text.push_str(&name);
            text.push_str(", ");
        } else {
            left = 0;
            *others.entry(&shown.writer.workflow).or_default() += 1;
        }
    }
    let more: usize = others.values().sum();
    write!(text, "and {more} more failed").expect("a string takes all that is written");
    for (workflow, count) in others.iter().take(10) {
        let workflow = escape::line(workflow, 60);
        write!(text, "; {count} in {workflow}").expect("a string takes all that is written");
    }
    text.push_str("\n\n");
    parts.failed = text;
    fill(&parts, options)
}

fn footer(view: &View<'_>, options: &Options<'_>) -> String {
    let mut text = String::from("<sub>");
    let time = options.time.strftime("%Y-%m-%d %H:%M:%S UTC");
    write!(text, "Updated {time}").expect("a string takes all that is written");
    if !view.head.is_empty() {
        let head: String = view.head.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        write!(text, " · commit {head}").expect("a string takes all that is written");
    }
    if let Some(budget) = options.budget {
        write!(text, " · {budget} % of the API budget left")
            .expect("a string takes all that is written");
    }
    text.push_str(" · Interlock</sub>\n");
    text
}

fn assemble(
    content: &str,
    state: &str,
    footer: &str,
    shortened: bool,
    options: &Options<'_>,
) -> Rendering {
    let mut body = String::with_capacity(content.len() + state.len() + 600);
    for line in [options.marker, state] {
        if !line.is_empty() {
            body.push_str(line);
            body.push('\n');
        }
    }
    if !body.is_empty() {
        body.push('\n');
    }
    body.push_str(content.trim_end());
    body.push_str("\n\n");
    if shortened {
        body.push_str("<sub>Shortened to fit.</sub>\n");
    }
    body.push_str(footer);
    Rendering { body, content: content.to_owned(), shortened }
}

fn failed(view: &View<'_>) -> usize {
    view.rows.iter().filter(|shown| matches!(shown.state, State::Failed | State::Aborted)).count()
}

/// Counts as the strictest counter we know: an emoji is two.
fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}
