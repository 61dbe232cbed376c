//! Text from outside, made safe for Markdown: it stands where it was put, and nobody is mentioned.

use std::fmt::Write as _;

use crate::row::cut;

/// What breaks up a mention or a reference; GitHub shows nothing for it.
const BREAK: &str = "<!-- -->";

/// Makes text safe on one line, in a table or in a heading, and cuts it to `most` characters.
pub fn line(text: &str, most: usize) -> String {
    let mut flat: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&mut flat, most);
    let mut safe = String::with_capacity(flat.len() + 16);
    let mut rest = flat.as_str();
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            // A mention or a reference begins with these only where a name follows.
            '@' | '#' if rest.starts_with(|next: char| next.is_alphanumeric()) => {
                safe.push(character);
                safe.push_str(BREAK);
            }
            // A URL, and a reference such as GH-1, would become links, and links are noticed elsewhere.
            ':' if rest.starts_with("//") => safe.extend([":", BREAK]),
            '.' if ends_with(&safe, "www") => safe.extend([BREAK, "."]),
            '-' if ends_with(&safe, "GH") => safe.extend([BREAK, "-"]),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '!' | '|' | '~' | '$'
            | '^' => safe.extend(['\\', character]),
            // Only at the beginning these are a heading, a list, a rule or a quotation.
            '#' | '-' | '+' | '=' if safe.is_empty() => safe.extend(['\\', character]),
            _ if is_invisible(character) => {}
            _ => safe.push(character),
        }
    }
    safe
}

/// Makes a block of code that its text cannot end.
pub(crate) fn code(text: &str, most: usize) -> String {
    let mut clean: String =
        text.chars().filter(|c| *c == '\n' || *c == '\t' || !is_invisible(*c)).collect();
    cut(&mut clean, most);
    let longest = clean.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{}\n{fence}\n", clean.trim_matches('\n'))
}

/// Returns a URL that can stand in a link, if it is one of the web.
pub fn url(text: &str) -> Option<String> {
    let web = text.starts_with("https://") || text.starts_with("http://");
    if !web || text.len() > 1000 {
        return None;
    }
    let mut safe = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            _ if byte.is_ascii_alphanumeric() || b"-._~:/?#@!$&+,;=%".contains(&byte) => {
                safe.push(char::from(byte));
            }
            _ => write!(safe, "%{byte:02X}").expect("a string takes all that is written"),
        }
    }
    Some(safe)
}

/// Says whether the text so far ends with a word that is not the end of a longer one.
fn ends_with(text: &str, word: &str) -> bool {
    let (found, before) = match text.len().checked_sub(word.len()) {
        Some(at) if text.is_char_boundary(at) => {
            (text[at..].eq_ignore_ascii_case(word), &text[..at])
        }
        _ => return false,
    };
    found && !before.ends_with(|last: char| last.is_alphanumeric())
}

/// Says whether a character is a control, or turns the direction of what follows, or cannot be seen.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(line(text, 200), expected);
    }

    #[test]
    fn text_stays_on_its_line_and_in_its_cell() {
        check("a | b\nc\r\n\td", "a \\| b c d");
        check(
            "<img src=x onerror=y> & </details>",
            "&lt;img src=x onerror=y&gt; &amp; &lt;/details&gt;",
        );
        check("[x](https://evil)", "\\[x\\]\\(https:<!-- -->//evil\\)");
        check("`code` **bold** ~~x~~", "\\`code\\` \\*\\*bold\\*\\* \\~\\~x\\~\\~");
        check("# heading", "\\# heading");
        check("- item", "\\- item");
        check("plain-text, fine.", "plain-text, fine.");
    }

    #[test]
    fn nobody_is_mentioned_and_nothing_is_referenced() {
        check("@octocat @org/team", "@<!-- -->octocat @<!-- -->org/team");
        check("fixes #12, o/r#3", "fixes #<!-- -->12, o/r#<!-- -->3");
        check("GH-7 www.example.com", "GH<!-- -->-7 www<!-- -->.example.com");
        check("a @ b", "a @ b");
    }

    #[test]
    fn what_cannot_be_seen_is_left_out() {
        check("a\u{202e}b\u{200b}c\u{7}d", "abcd");
    }

    #[test]
    fn code_cannot_end_its_fence() {
        assert_eq!(code("echo ````\n", 99), "`````sh\necho ````\n`````\n");
        assert_eq!(code("x\u{202e}\n  y", 99), "```sh\nx\n  y\n```\n");
    }

    #[test]
    fn only_the_web_is_linked() {
        assert_eq!(url("javascript:alert(1)"), None);
        assert_eq!(url("https://a/b) [x](y\n").unwrap(), "https://a/b%29%20%5Bx%5D%28y%0A");
        assert_eq!(url("https://a/ü?q=1&b=%20#z").unwrap(), "https://a/%C3%BC?q=1&b=%20#z");
    }
}
