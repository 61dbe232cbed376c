//! `milestone check`: which boundaries a value has crossed, claimed for whoever asks.

use std::time::Duration;

use clap::Args;
use coord::milestone::Report;
use serde_json::{Value, json};

use super::claims::Claims;
use super::proof::Proof;
use super::question::Question;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::settings::duration;

/// The arguments of `interlock milestone check`.
#[derive(Debug, Args)]
pub(super) struct CheckFlags {
    /// What is counted, such as `nodes`.
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    question: Question,
    /// How long the claims last unless they are renewed; then the boundaries are handed out again.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1h")]
    ttl: Duration,
    /// Exit with 3 for "no" also where step outputs carry the answer.
    #[arg(long)]
    exit_code: bool,
}

impl CheckFlags {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(self.perform(session))?
    }

    async fn perform(&self, session: &Session) -> Result<Exit, Failure> {
        let taken = Claims::take(&self.key, &self.question, self.ttl, session).await?;
        let Some(claims) = taken else {
            let value = self.question.value(session)?;
            session
                .answer(&disabled(&self.key, value), "disabled: there is no store to count in")?;
            return Ok(session.no(self.exit_code));
        };
        let report = &claims.report;
        Proof::read(session, &claims.caller, &self.key)?.add(&report.claimed)?;
        let answer = answer(&self.key, claims.value, report);
        session.answer(&answer, &text(claims.value, report))?;
        let is_milestone = !report.claimed.is_empty();
        Ok(if is_milestone { Exit::Done } else { session.no(self.exit_code) })
    }
}

/// Returns the answer as an object whose fields are step outputs, too.
pub(super) fn answer(key: &str, value: i64, report: &Report) -> Value {
    let last = report.claimed.last();
    json!({
        "outcome": if last.is_some() { "milestone" } else { "no-milestone" },
        "key": key,
        "is_milestone": last.is_some(),
        "milestone_number": last.map(|claimed| claimed.milestone),
        "fence": last.map(|claimed| claimed.fence),
        "milestones": report.claimed.iter().map(|it| it.milestone).collect::<Vec<_>>(),
        "claims": report.claimed,
        "current": value,
        "previous": report.previous,
        "since_last": report.since_last,
        "first_run": report.is_first,
        "elsewhere": report.elsewhere,
        "more": report.more,
    })
}

fn disabled(key: &str, value: i64) -> Value {
    json!({
        "outcome": "disabled", "key": key, "is_milestone": false, "milestone_number": null,
        "milestones": [], "current": value,
    })
}

fn text(value: i64, report: &Report) -> String {
    let mut lines = Vec::new();
    for claimed in &report.claimed {
        let again = if claimed.again { ", handed out again" } else { "" };
        lines.push(format!("milestone {} (fence {}{again})", claimed.milestone, claimed.fence));
    }
    if report.claimed.is_empty() {
        let first = if report.is_first { "; counting begins here" } else { "" };
        lines.push(format!("no milestone: {value} now, {} before{first}", report.previous));
    }
    if !report.elsewhere.is_empty() {
        lines.push(format!("others are working for {:?}", report.elsewhere));
    }
    if report.more > 0 {
        lines.push(format!("{} more are open; ask again when these are done", report.more));
    }
    lines.join("\n")
}
