//! Text from outside, as a terminal may be shown it.

/// Makes text from outside safe for a terminal: control characters become visible or vanish.
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_control() && c != '\t') {
        cleaned.push_str(&rest[..at]);
        rest = &rest[at..];
        // Colours are the output's own; everything else that moves the cursor is not.
        if let Some(length) = colour(rest) {
            cleaned.push_str(&rest[..length]);
            rest = &rest[length..];
        } else {
            let skipped = rest.chars().next().map_or(0, char::len_utf8);
            rest = &rest[skipped..];
        }
    }
    cleaned.push_str(rest);
    cleaned
}

/// Makes text of several lines safe for a terminal.
pub(crate) fn lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(clean).collect();
    lines.join("\n")
}

/// Returns the length of the colour sequence that `text` starts with.
fn colour(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\u{1b}[")?;
    let end = body.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
    (body[end..].starts_with('m') && end <= 32).then_some(end + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines() {
        assert_eq!(lines("a\r\n\tb\u{1b}]0;c\u{7}\n"), "a\n\tb]0;c\n");
    }

    #[test]
    fn output_cannot_move_the_cursor() {
        assert_eq!(
            clean("a\u{1b}[31mred\u{1b}[0m\u{1b}[2Jb\rc\u{7}"),
            "a\u{1b}[31mred\u{1b}[0m[2Jbc"
        );
    }
}
