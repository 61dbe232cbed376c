//! What a person sees while a lock is waited for: one line that moves, and one that stays.

use std::time::{Duration, Instant};

use coord::lease::Answer;
use indicatif::ProgressBar;

use super::present;
use crate::moving_line;
use crate::session::Session;
use crate::terminal::clean;

/// How often the line is drawn anew: it says for how long, in seconds.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// A wait that was shorter leaves no line behind.
const SHORT: Duration = Duration::from_secs(1);

/// The line of one wait. On anything but a terminal there is none.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    session: &'a Session,
    began: Instant,
    line: Option<ProgressBar>,
    /// For whom one waits, if one does.
    news: Option<(String, Answer)>,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(session: &'a Session) -> Self {
        Self { session, began: Instant::now(), line: None, news: None }
    }

    /// Says for whom one waits from now on.
    pub(super) fn show(&mut self, name: &str, answer: &Answer) {
        self.news = Some((clean(name), answer.clone()));
        if self.session.is_watched() {
            self.line.get_or_insert_with(line);
            self.tick();
        } else if self.session.surroundings.in_github_actions() {
            // The log of a job is read by somebody who wonders why nothing happens.
            self.session.note(&self.text());
        }
    }

    /// Draws the line anew.
    pub(super) fn tick(&self) {
        if let Some(line) = &self.line {
            line.set_message(self.text());
            line.tick();
        }
    }

    fn text(&self) -> String {
        let Some((name, Answer::Held { by, ahead, .. })) = &self.news else { return String::new() };
        format!("waiting for {name}{}: {}", present::place(*ahead), present::held(by))
    }
}

impl Drop for Waiting<'_> {
    /// Takes the line away, however the wait ends.
    fn drop(&mut self) {
        let Some(line) = self.line.take() else { return };
        line.finish_and_clear();
        let waited = self.began.elapsed();
        if let Some((name, _)) = self.news.take().filter(|_| waited >= SHORT) {
            self.session.note(&format!("waited {} for {name}", present::length(waited)));
        }
    }
}

fn line() -> ProgressBar {
    let line = moving_line::undrawn();
    line.set_draw_target(moving_line::place());
    line
}
