//! Lines on a terminal that move while something goes on.

use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// How often the lines are drawn anew at most, in a second.
const RATE: u8 = 20;

/// Begins each of our lines, has no width, and is never written: it tells them from what is said above.
const MARK: char = '\u{2060}';

/// Makes a line that is not drawn before it is given a place.
pub(crate) fn undrawn() -> ProgressBar {
    with_template(&format!("{MARK}{{spinner}} {{wide_msg}} {{elapsed:>5}}"))
}

/// Makes a line that does not move, and is not drawn before it is given a place.
pub(crate) fn undrawn_still() -> ProgressBar {
    with_template(&format!("{MARK}  {{msg}}"))
}

/// Returns the place: standard error, below what has been said there.
pub(crate) fn place() -> ProgressDrawTarget {
    ProgressDrawTarget::term_like_with_hz(Box::<Screen>::default(), RATE)
}

fn with_template(template: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    let line = ProgressBar::new_spinner().with_style(style.tick_chars("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ "));
    line.set_draw_target(ProgressDrawTarget::hidden());
    line
}

/// A terminal whose cursor rests at the beginning of the last line that moves.
///
/// Lines are filled up to the edge. If the cursor rested there, the `^C` that a terminal echoes would
/// begin a new line, and the lines above could not be taken away any more.
#[derive(Debug, Default)]
struct Screen {
    // Never held across an `.await`.
    buffer: Mutex<Buffer>,
}

/// What is written at once, so that nobody sees half of it.
#[derive(Debug, Default)]
struct Buffer {
    text: String,
    /// Whether the last line is one that moves.
    is_ours: bool,
}

impl Screen {
    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn move_cursor(&self, count: usize, code: char) -> io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        self.write_str(&format!("\u{1b}[{count}{code}"))
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        let size = rustix::termios::tcgetwinsize(io::stderr());
        size.map_or(80, |size| size.ws_col).max(1)
    }

    fn height(&self) -> u16 {
        let size = rustix::termios::tcgetwinsize(io::stderr());
        size.map_or(24, |size| size.ws_row).max(1)
    }

    fn move_cursor_up(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'A')
    }

    fn move_cursor_down(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'B')
    }

    fn move_cursor_right(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'C')
    }

    fn move_cursor_left(&self, count: usize) -> io::Result<()> {
        self.move_cursor(count, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)?;
        self.write_str("\r\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut buffer = self.buffer();
        let line = text.strip_prefix(MARK);
        // Empty space fills up the line that was written before.
        if !text.trim_matches(' ').is_empty() {
            buffer.is_ours = line.is_some();
        }
        buffer.text.push_str(line.unwrap_or(text));
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write_str("\r\u{1b}[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let Buffer { mut text, is_ours } = std::mem::take(&mut *self.buffer());
        if is_ours {
            text.push('\r');
        }
        let mut out = anstream::stderr().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &[&str], expected: &str, ours: bool) {
        let screen = Screen::default();
        for text in written {
            screen.write_str(text).expect("memory can be written");
        }
        let buffer = screen.buffer();
        assert_eq!((&buffer.text[..], buffer.is_ours), (expected, ours));
    }

    #[test]
    fn cursor_rests_in_lines_that_move_and_not_in_what_is_said() {
        check(&["\u{2060}⠋ a", "   "], "⠋ a   ", true);
        check(&["said", "   "], "said   ", false);
        check(&["said", "   ", "\u{2060}⠋ a", "   "], "said   ⠋ a   ", true);
    }
}
