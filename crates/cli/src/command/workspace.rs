//! `interlock workspace`: the directories of jobs, and the removal of those nobody uses.

use std::fmt::Write as _;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;
use workdir::{Entry, Policy, State, Swept, Verdict, Workdirs};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The arguments of `interlock workspace`.
#[derive(Debug, Args)]
pub(crate) struct Workspace {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Shows the directories of jobs: whose they are, whether they live, how large they are.
    List,
    /// Removes the directories of jobs that are dead, and nothing else.
    Gc(Gc),
}

/// The arguments of `interlock workspace gc`.
#[derive(Debug, Args)]
struct Gc {
    /// Only say what would be removed.
    #[arg(long)]
    dry_run: bool,
    /// Leave directories that were made within this time, such as `2h` or `7d`.
    #[arg(long, value_name = "TIME", value_parser = time)]
    older_than: Option<Duration>,
    /// Leave the N youngest.
    #[arg(long, value_name = "N")]
    keep_count: Option<usize>,
    /// Leave the youngest up to this size in all, such as `500M` or `20G`.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    keep_bytes: Option<u64>,
    /// Remove those too that are kept after a failure or by --keep.
    #[arg(long)]
    kept: bool,
}

impl Workspace {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let root = session.state_directory()?.join("work");
        let workdirs = Workdirs::open(root).map_err(|error| failure(&error))?;
        let now = Timestamp::now();
        match self.action {
            Action::List => list(&workdirs, session, now),
            Action::Gc(gc) => gc.run(&workdirs, session, now),
        }
    }
}

fn list(workdirs: &Workdirs, session: &Session, now: Timestamp) -> Result<Exit, Failure> {
    let entries = workdirs.list(now).map_err(|error| failure(&error))?;
    let total: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let mut human = String::new();
    for entry in &entries {
        let (state, size) = (state(entry.state), bytes(entry.bytes));
        let age = age(Duration::from_secs(entry.age));
        let path = entry.path.display();
        writeln!(human, "{state:<22} {size:>9} {age:>5}  {path}")
            .expect("a string takes all that is written");
    }
    write!(human, "{} in {}", counted(entries.len()), bytes(total))
        .expect("a string takes all that is written");
    let answer = json!({
        "workspaces": entries.iter().map(entry_json).collect::<Vec<_>>(),
        "count": entries.len(),
        "bytes": total,
    });
    session.answer(&answer, &human)?;
    Ok(Exit::Done)
}

impl Gc {
    fn run(self, workdirs: &Workdirs, session: &Session, now: Timestamp) -> Result<Exit, Failure> {
        let policy = Policy {
            age: self.older_than,
            count: self.keep_count,
            bytes: self.keep_bytes,
            kept: self.kept,
            dry_run: self.dry_run,
        };
        let report = workdirs.gc(&policy, now).map_err(|error| failure(&error))?;
        let is_gone =
            |swept: &&Swept| matches!(swept.verdict, Verdict::Removed | Verdict::WouldRemove);
        let gone: Vec<_> = report.iter().filter(is_gone).collect();
        let failed =
            report.iter().filter(|swept| matches!(swept.verdict, Verdict::Failed(_))).count();
        let total: u64 = gone.iter().map(|swept| swept.bytes).sum();
        let mut human = String::new();
        for swept in &report {
            // The size of what stays for other reasons is not looked for.
            let size = if swept.bytes > 0 { bytes(swept.bytes) } else { String::new() };
            let verdict = verdict(&swept.verdict);
            let path = swept.path.display();
            writeln!(human, "{verdict} {size:>9}  {path}")
                .expect("a string takes all that is written");
            if let Verdict::Failed(reason) | Verdict::Spared(reason) = &swept.verdict {
                writeln!(human, "{:>16} {reason}", "").expect("a string takes all that is written");
            }
        }
        let word = if self.dry_run { "to remove" } else { "removed" };
        write!(human, "{} {word}, {}", counted(gone.len()), bytes(total))
            .expect("a string takes all that is written");
        if failed > 0 {
            write!(human, "; {failed} could not be removed")
                .expect("a string takes all that is written");
        }
        let answer = json!({
            "workspaces": report.iter().map(swept_json).collect::<Vec<_>>(),
            "removed": gone.len(),
            "failed": failed,
            "bytes": total,
            "dry_run": self.dry_run,
        });
        session.answer(&answer, &human)?;
        Ok(if failed > 0 { Exit::Failed } else { Exit::Done })
    }
}

fn failure(error: &workdir::Error) -> Failure {
    let failure = Failure::from_error(Exit::Unavailable, error);
    match error.hint() {
        Some(hint) => failure.hinted(hint),
        None => failure,
    }
}

fn entry_json(entry: &Entry) -> serde_json::Value {
    let (state, until) = match entry.state {
        State::Live => ("live", None),
        State::Orphaned => ("orphaned", None),
        State::Kept { until } => ("kept", until),
        State::Dead => ("dead", None),
    };
    json!({
        "path": entry.path,
        "state": state,
        "kept_until": until,
        "bytes": entry.bytes,
        "age_seconds": entry.age,
        "created": entry.owner.created,
        "identity": entry.owner.identity,
        "outcome": entry.owner.ended.as_ref().map(|ended| ended.outcome),
    })
}

fn swept_json(swept: &Swept) -> serde_json::Value {
    let (verdict, reason) = match &swept.verdict {
        Verdict::Removed => ("removed", None),
        Verdict::WouldRemove => ("would-remove", None),
        Verdict::Spared(reason) => ("spared", Some(reason)),
        Verdict::Failed(reason) => ("failed", Some(reason)),
    };
    json!({
        "path": swept.path,
        "verdict": verdict,
        "reason": reason,
        "bytes": swept.bytes,
        "identity": swept.owner.as_ref().map(|owner| &owner.identity),
    })
}

fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Removed => "removed",
        Verdict::WouldRemove => "remove ",
        Verdict::Spared(_) => "spared ",
        Verdict::Failed(_) => "failed ",
    }
}

fn state(state: State) -> String {
    match state {
        State::Live => "live".to_owned(),
        State::Orphaned => "orphaned".to_owned(),
        State::Kept { until: Some(until) } => format!("kept to {}", until.strftime("%d %b %H:%M")),
        State::Kept { until: None } => "kept".to_owned(),
        State::Dead => "dead".to_owned(),
    }
}

fn counted(count: usize) -> String {
    if count == 1 { "1 directory".to_owned() } else { format!("{count} directories") }
}

/// Writes a number of bytes with the unit that leaves at most four digits.
fn bytes(count: u64) -> String {
    let mut rest = count;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if rest < 10_000 {
            return format!("{rest} {unit}");
        }
        rest /= 1024;
    }
    format!("{rest} TiB")
}

fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Reads a time as people write it: a number and a unit from seconds to weeks.
fn time(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 604_800)];
    let seconds = measure(text, &units).map(Duration::from_secs);
    seconds.ok_or_else(|| "write a number and a unit: 90s, 30m, 2h, 7d or 1w".to_owned())
}

/// Reads a size as people write it.
fn size(text: &str) -> Result<u64, String> {
    let plain =
        text.trim().trim_end_matches(['B', 'b']).trim_end_matches(['i', 'I']).to_lowercase();
    let units = [("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30), ("t", 1 << 40), ("", 1)];
    measure(&plain, &units).ok_or_else(|| "write a number and a unit: 500M, 20G or 1T".to_owned())
}

fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (number, factor) = units
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, *factor)))?;
    number.trim().parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_units() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("7d"), Ok(Duration::from_hours(168)));
        assert_eq!(size("500M"), Ok(500 << 20));
        assert_eq!(size("20 GiB"), Ok(20 << 30));
        assert_eq!(size("7"), Ok(7));
        for bad in ["", "7", "d", "-1d", "1y", "99999999999999999w"] {
            assert!(time(bad).is_err(), "{bad}");
        }
        for bad in ["", "G", "-1G", "1X", "99999999999T"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_are_short() {
        assert_eq!(bytes(9_999), "9999 B");
        assert_eq!(bytes(5 << 20), "5120 KiB");
        assert_eq!(bytes(20 << 30), "20 GiB");
    }
}
