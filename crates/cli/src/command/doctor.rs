//! `interlock doctor`: proves a store, with the user's own credentials, before locks trust it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use store::doctor::{Finding, Outcome, Report, examine};
use store::{ErrorKind, Store};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Level, Session};

/// Tries whether locks on a store are safe: exits 0 only if they are.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// The store to try; `docs/stores.md` lists the kinds.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

impl Doctor {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let url = session.store_url(self.store.as_deref())?;
        if session.is_watched() {
            session.note("trying the store; this takes a few seconds, on a slow one a minute");
        }
        let report = session.block_on(async {
            let [one, other] = self.clients(session).await?;
            Ok::<_, Failure>(examine(&*one, &*other, &today).await)
        })??;
        session.answer(&to_json(&url, &report), &to_text(&url, &report))?;
        session.summarize(&to_markdown(&url, &report))?;
        if !report.is_safe() {
            let what = format!("{url} did not pass; `interlock doctor` says why");
            session.annotate(Level::Error, "Locks on this store are not safe", &what);
        }
        Ok(exit(&report))
    }

    /// Opens the store twice, because one client would always agree with itself.
    async fn clients(&self, session: &Session) -> Result<[Arc<dyn Store>; 2], Failure> {
        let open = async || session.open_store(self.store.as_deref()).await;
        Ok([open().await?, open().await?])
    }
}

fn today() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn exit(report: &Report) -> Exit {
    if report.is_safe() {
        return Exit::Done;
    }
    let broken = report.findings.iter().find_map(|finding| match &finding.outcome {
        Outcome::Broken(error) if finding.check.is_vital() => Some(error.kind),
        _ => None,
    });
    match broken {
        Some(ErrorKind::Unavailable | ErrorKind::Denied) => Exit::Unavailable,
        Some(ErrorKind::Corrupt | ErrorKind::Unknown) => Exit::Unknown,
        Some(ErrorKind::Unsupported) | None => Exit::Failed,
    }
}

fn to_text(url: &str, report: &Report) -> String {
    let mut text = format!("{url}\n\n");
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    for finding in &report.findings {
        let style = style(finding);
        let word = word(finding);
        line(format!("  {style}{word:<7}{style:#} {}", finding.check.question()));
        for detail in details(finding) {
            line(format!("          {detail}"));
        }
    }
    line(String::new());
    for latency in &report.latencies {
        let (median, slowest) = (milliseconds(latency.median), milliseconds(latency.slowest));
        line(format!("  {:<6} {median:>9.2} ms  (slowest {slowest:.2} ms)", latency.operation));
    }
    if let Some(clock) = report.clock {
        let side = if clock.store_is_behind { "behind" } else { "ahead of" };
        line(format!("  clock  {:>9.1} s   {side} ours", clock.by.as_secs_f64()));
    }
    line(String::new());
    line(verdict(report).to_owned());
    text
}

fn verdict(report: &Report) -> &'static str {
    if report.is_safe() {
        "locks on this store are safe"
    } else {
        "locks on this store are NOT safe"
    }
}

/// Says what was seen and what to do about it, or nothing if all is well.
fn details(finding: &Finding) -> Vec<String> {
    match &finding.outcome {
        Outcome::Passed | Outcome::Absent => Vec::new(),
        Outcome::Failed { seen } => vec![seen.clone(), format!("→ {}", finding.check.advice())],
        Outcome::Broken(error) => {
            let mut lines = vec![error.to_string()];
            let cause = error.source.to_string();
            let cause = cause.lines().map(str::trim).filter(|line| !line.is_empty());
            lines.extend(cause.map(ToOwned::to_owned));
            lines.push(format!("→ {}", advice_for(error.kind)));
            lines
        }
    }
}

fn advice_for(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Unavailable => {
            "check the URL, the endpoint, the network and whether there are credentials; \
             docs/stores.md lists the variables"
        }
        ErrorKind::Denied => {
            "check the credentials and that they may read, write and list here; docs/stores.md lists \
             what each store needs"
        }
        ErrorKind::Corrupt => "somebody else writes here: give Interlock a prefix of its own",
        ErrorKind::Unknown => "answers are lost on the way: try again, from nearer to the store",
        ErrorKind::Unsupported => "use another store; docs/stores.md lists them",
    }
}

fn to_json(url: &str, report: &Report) -> Value {
    let checks = report.findings.iter().map(|finding| {
        json!({
            "check": finding.check.name(),
            "question": finding.check.question(),
            "vital": finding.check.is_vital(),
            "outcome": finding.outcome.name(),
            "details": details(finding),
        })
    });
    let latency = report.latencies.iter().map(|latency| {
        json!({
            "operation": latency.operation,
            "median_ms": milliseconds(latency.median),
            "slowest_ms": milliseconds(latency.slowest),
        })
    });
    let behind = report.clock.map(|clock| {
        let seconds = clock.by.as_secs_f64();
        if clock.store_is_behind { seconds } else { -seconds }
    });
    json!({
        "store": url,
        "safe": report.is_safe(),
        "checks": checks.collect::<Vec<_>>(),
        "latency": latency.collect::<Vec<_>>(),
        "clock_behind_seconds": behind,
    })
}

fn to_markdown(url: &str, report: &Report) -> String {
    let mut text = format!("### Interlock doctor: {}\n\n`{url}`\n\n", verdict(report));
    text.push_str("| | Check | Seen |\n| --- | --- | --- |\n");
    for finding in &report.findings {
        let seen = details(finding).join(" ").replace('|', "\\|");
        writeln!(text, "| {} | {} | {seen} |", word(finding), finding.check.question())
            .expect("a string takes all that is written");
    }
    text
}

fn word(finding: &Finding) -> &'static str {
    match (&finding.outcome, finding.check.is_vital()) {
        (Outcome::Passed, _) => "ok",
        (Outcome::Failed { .. }, true) => "FAILED",
        (Outcome::Failed { .. }, false) => "warning",
        (Outcome::Broken(_), _) => "broken",
        (Outcome::Absent, _) => "-",
    }
}

fn style(finding: &Finding) -> Style {
    let colour = match word(finding) {
        "ok" => AnsiColor::Green,
        "warning" => AnsiColor::Yellow,
        "-" => AnsiColor::BrightBlack,
        _ => AnsiColor::Red,
    };
    colour.on_default()
}

fn milliseconds(time: Duration) -> f64 {
    // Two digits after the point are more than anybody compares.
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use store::doctor::Check;

    use super::*;

    fn report(check: Check, outcome: Outcome) -> Report {
        let mut findings: Vec<_> = Check::ALL
            .into_iter()
            .filter(|other| *other != check)
            .map(|check| Finding { check, outcome: Outcome::Passed })
            .collect();
        findings.push(Finding { check, outcome });
        Report { findings, latencies: Vec::new(), clock: None }
    }

    #[test]
    fn exit_is_zero_only_for_a_safe_store() {
        let seen = || Outcome::Failed { seen: "two winners".to_owned() };
        assert_eq!(exit(&report(Check::DoubleCreate, Outcome::Passed)), Exit::Done);
        assert_eq!(exit(&report(Check::DoubleCreate, seen())), Exit::Failed);
        assert_eq!(exit(&report(Check::ListAfterWrite, seen())), Exit::Done);
        let broken = |kind| {
            let error = store::Error::new(kind, "s3", "read", "doctor", "why");
            exit(&report(Check::Shared, Outcome::Broken(error)))
        };
        assert_eq!(broken(ErrorKind::Denied), Exit::Unavailable);
        assert_eq!(broken(ErrorKind::Corrupt), Exit::Unknown);
        let nothing = Report { findings: Vec::new(), latencies: Vec::new(), clock: None };
        assert_eq!(exit(&nothing), Exit::Failed, "what was not tried is not safe");
    }

    #[test]
    fn failure_says_what_was_seen_and_what_to_do() {
        let outcome = Outcome::Failed { seen: "2 of 16 were told that they had won".to_owned() };
        let text = to_text("s3://bucket", &report(Check::DoubleCreate, outcome));
        assert!(text.contains("2 of 16 were told that they had won"), "{text}");
        assert!(text.contains("→ the server ignores `If-None-Match: *`"), "{text}");
        assert!(text.ends_with("locks on this store are NOT safe\n"), "{text}");
    }
}
