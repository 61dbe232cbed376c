//! Rows that nobody has to write: the jobs of a head's runs, as the API knows them.

use std::collections::BTreeSet;

use github::{Job, Run};

use crate::board::Board;
use crate::document::{Document, Page};
use crate::error::Error;
use crate::identity::Writer;
use crate::row::{Row, State};

/// How many runs of one head are looked at.
const MAX_RUNS: usize = 50;

impl Board {
    /// Stores the jobs of the shown head's runs, but for those whose rows their jobs write themselves.
    ///
    /// Unfinished jobs of `own`, the run that asks, are left out: it would wait for itself.
    pub async fn include_jobs(&self, own: &str) -> Result<(), Error> {
        let client = self.client.as_ref().ok_or(Error::NoPlace)?;
        let head = match self.refresh_head().await? {
            Some(head) => Some(head),
            None => self.snapshot().await?.assignment.document.current,
        };
        let Some(head) = head else { return Ok(()) };
        let known = self.snapshot().await?.assignment.document;
        let known = known.pages.get(&head).cloned().unwrap_or_default();
        let mut page = Page::default();
        for run in client.runs_of(&head).await?.into_iter().take(MAX_RUNS) {
            if is_complete(&known, &run) {
                continue;
            }
            for job in client.jobs_of(run.id).await? {
                self.add(&mut page, &known, (&run, &job), own);
            }
        }
        let mut document =
            Document { current: Some(head.clone()), generation: 1, ..Document::default() };
        document.pages.insert(head, page);
        self.adopt(&document).await.map(drop)
    }

    fn add(&self, page: &mut Page, known: &Page, (run, job): (&Run, &Job), own: &str) {
        let id = run.id.to_string();
        let row = row(job);
        let writes_itself = known.slots.iter().any(|slot| {
            let is_its = slot.writer.run == id && !is_from_api(slot);
            let leg = job.name.strip_prefix(&slot.writer.job).unwrap_or("-");
            is_its && !slot.writer.job.is_empty() && (leg.is_empty() || leg.starts_with(" ("))
        });
        if writes_itself || (id == own && !row.state.is_finished()) {
            return;
        }
        let path = run.path.as_deref().or(run.name.as_deref()).unwrap_or_default();
        let writer = Writer {
            host: self.subject.host.clone(),
            repository: self.subject.repository.clone(),
            workflow: path.split('@').next().unwrap_or_default().to_owned(),
            event: run.event.clone(),
            run: id,
            job: job.name.clone(),
            leg: format!("{LEG}{}", job.id),
        };
        let attempt = job.run_attempt.or(run.run_attempt).unwrap_or(1);
        let slot = page.slot(&writer, u32::try_from(attempt).unwrap_or(u32::MAX));
        *slot.row(&job.name) = row;
    }
}

/// What the leg of a slot begins with that the API filled: no writer can have it.
const LEG: &str = "api:";

fn is_from_api(slot: &crate::Slot) -> bool {
    slot.writer.leg.starts_with(LEG)
}

/// Says whether everything is known about a run: asking again would cost and tell nothing.
fn is_complete(known: &Page, run: &Run) -> bool {
    let id = run.id.to_string();
    let attempt = run.run_attempt.unwrap_or(1);
    let rows: BTreeSet<bool> = known
        .slots
        .iter()
        .filter(|slot| slot.writer.run == id && u64::from(slot.attempt) == attempt)
        .filter(|slot| is_from_api(slot))
        .flat_map(|slot| slot.rows.iter().map(|row| row.state.is_finished()))
        .collect();
    run.status.as_deref() == Some("completed") && rows.len() == 1 && rows.contains(&true)
}

fn row(job: &Job) -> Row {
    let (state, seq) = match (job.status.as_str(), job.conclusion.as_deref()) {
        ("completed", Some("success")) => (State::Passed, 3),
        ("completed", Some("skipped")) => (State::Skipped, 3),
        ("completed", Some("neutral")) => (State::Warning, 3),
        ("completed", Some("cancelled" | "stale")) => (State::Aborted, 3),
        ("completed", _) => (State::Failed, 3),
        ("in_progress", _) => (State::Running, 2),
        _ => (State::Queued, 1),
    };
    let time = |text: &Option<String>| text.as_deref()?.parse::<jiff::Timestamp>().ok();
    let started = time(&job.started_at).filter(|_| seq > 1);
    let elapsed = started.zip(time(&job.completed_at)).map(|(from, to)| to.duration_since(from));
    let message = match job.conclusion.as_deref() {
        Some(word @ ("timed_out" | "cancelled" | "action_required" | "startup_failure")) => {
            Some(word.replace('_', " "))
        }
        _ => None,
    };
    Row {
        seq,
        state,
        url: job.html_url.clone(),
        started,
        elapsed_ms: elapsed.and_then(|elapsed| u64::try_from(elapsed.as_millis()).ok()),
        message,
        ..Row::new(&job.name)
    }
    .bounded()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: &str, conclusion: Option<&str>, expected: State) {
        let job = Job {
            id: 1,
            run_attempt: None,
            name: "build (1)".to_owned(),
            status: status.to_owned(),
            conclusion: conclusion.map(ToOwned::to_owned),
            started_at: Some("2026-01-01T00:00:00Z".to_owned()),
            completed_at: Some("2026-01-01T00:01:03Z".to_owned()),
            html_url: None,
        };
        let row = row(&job);
        assert_eq!(row.state, expected);
        if expected == State::Passed {
            assert_eq!(row.elapsed_ms, Some(63_000));
        }
    }

    #[test]
    fn words_of_the_api_are_ours() {
        check("completed", Some("success"), State::Passed);
        check("completed", Some("failure"), State::Failed);
        check("completed", Some("timed_out"), State::Failed);
        check("completed", Some("cancelled"), State::Aborted);
        check("completed", Some("skipped"), State::Skipped);
        check("in_progress", None, State::Running);
        check("waiting", None, State::Queued);
        check("something new", None, State::Queued);
    }
}
