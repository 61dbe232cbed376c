//! `status show` and `status watch`: the document for people and programs.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::backing::{Backing, BackingFlags, Kind, Looked};
use super::publish::counts;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Format, Session};
use crate::settings::duration;

/// How often a comment is read again.
const LOOK_AGAIN: Duration = Duration::from_secs(20);

/// The arguments of `interlock status show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Print the Markdown that the comment shows.
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    backing: BackingFlags,
}

/// The arguments of `interlock status watch`.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// How long to watch.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "24h")]
    timeout: Duration,
    #[command(flatten)]
    backing: BackingFlags,
}

impl Show {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(self.perform(session))?
    }

    async fn perform(&self, session: &Session) -> Result<Exit, Failure> {
        let backing = self.backing.open(session).await?;
        let looked = backing.look().await?;
        if session.is_markdown {
            session.line(backing.markdown(&looked).trim_end());
            return Ok(Exit::Done);
        }
        session.answer(&to_json(&backing, &looked), &table(&looked))?;
        Ok(Exit::Done)
    }
}

impl Watch {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.block_on(self.perform(session))?
    }

    async fn perform(&self, session: &Session) -> Result<Exit, Failure> {
        let backing = self.backing.open(session).await?;
        let began = std::time::Instant::now();
        let mut last = String::new();
        loop {
            let looked = backing.look().await?;
            let text = match session.format {
                Format::Human => table(&looked),
                Format::Json => to_json(&backing, &looked).to_string(),
            };
            if text != last {
                session.line(text.trim_end());
                last = text;
            }
            let open = looked.view().rows.iter().any(|shown| !shown.state.is_finished());
            let rest = self.timeout.saturating_sub(began.elapsed());
            if !open || rest.is_zero() {
                return Ok(if open { Exit::NotOurs } else { Exit::Done });
            }
            match &backing.kind {
                Kind::Board(board) => board.changed(rest.min(LOOK_AGAIN)).await?,
                Kind::Comment(_) => tokio::time::sleep(rest.min(LOOK_AGAIN)).await,
            }
        }
    }
}

fn table(looked: &Looked) -> String {
    let view = looked.view();
    if view.rows.is_empty() {
        return "nothing has been reported".to_owned();
    }
    let mut text = format!("{} · commit {}\n", view.line(200), view.head);
    let width = view.rows.iter().map(|shown| shown.row.name().chars().count()).max();
    let width = width.unwrap_or_default().min(60);
    for shown in &view.rows {
        let clean = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let name = clean(shown.row.name());
        let time = shown.row.elapsed_ms.map(|ms| format!("{} s", ms / 1000)).unwrap_or_default();
        let parts = [&shown.row.phase, &shown.row.progress, &shown.row.message];
        let details: Vec<String> = parts.into_iter().flatten().map(|text| clean(text)).collect();
        let (word, place) = (shown.state.word(), shown.writer.place());
        let details = details.join(" · ").replace('\u{1b}', "");
        writeln!(text, "{word:<8} {name:<width$}  {time:>6}  {place}  {details}")
            .expect("a string takes all that is written");
    }
    text
}

fn to_json(backing: &Backing, looked: &Looked) -> Value {
    let view = looked.view();
    let rows = view.rows.iter().map(|shown| {
        let mut row = serde_json::to_value(shown.row).expect("a row has only texts and numbers");
        if let Some(fields) = row.as_object_mut() {
            // The heartbeat's token is its writer's.
            fields.remove("life");
            fields.insert("state".to_owned(), json!(shown.state.word()));
            fields.insert("silent".to_owned(), json!(shown.is_silent()));
            fields.insert("attempt".to_owned(), json!(shown.attempt));
            fields.insert("writer".to_owned(), json!(shown.writer));
        }
        row
    });
    let (revision, published) = match looked {
        Looked::Board(snapshot) => (snapshot.assignment.revision, Some(snapshot.published)),
        Looked::Comment(_) => (0, None),
    };
    json!({
        "subject": backing.place.subject.target.to_string(),
        "repository": backing.place.subject.repository,
        "head": view.head,
        "revision": revision,
        "published": published,
        "overall": view.overall().word(),
        "counts": counts(&view),
        "rows": rows.collect::<Vec<_>>(),
    })
}
