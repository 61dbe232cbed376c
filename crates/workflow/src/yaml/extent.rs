//! The extent: where exactly a scalar, or a part of it, stands in the file.

use std::ops::Range;

use crate::span::Span;

/// Returns the place in the file of a part of a scalar's value.
///
/// `span` is the place of the scalar and `part` a range of bytes in its value.
/// Where the two cannot be matched, as when the scalar was reached through an
/// alias, the answer is the whole scalar.
pub(crate) fn locate(text: &str, span: Span, value: &str, part: Range<usize>) -> Span {
    let Some(raw) = text.get(span.start..span.end) else { return span };
    let Some(map) = quoted(raw, value).or_else(|| aligned(raw, value)) else { return span };
    let at = |offset: usize| map.get(offset.min(value.len())).copied();
    match (at(part.start), at(part.end)) {
        (Some(start), Some(end)) if start <= end => {
            // An end that fell behind white space is drawn back to what it ends.
            let end = raw[start..end].trim_end().len() + start;
            Span::new(span.start + start, span.start + end.max(start))
        }
        _ => span,
    }
}

/// Returns the length of a quoted scalar at the start of a text, quotes included.
///
/// The scanner lets the span of a quoted scalar run on over what follows it.
pub(crate) fn quoted_length(raw: &str) -> Option<usize> {
    let quote = raw.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let mut characters = raw.char_indices().skip(1).peekable();
    while let Some((offset, character)) = characters.next() {
        if character == quote {
            let doubled =
                quote == '\'' && characters.peek().is_some_and(|(_, next)| *next == quote);
            if !doubled {
                return Some(offset + 1);
            }
            characters.next();
        } else if character == '\\' && quote == '"' {
            characters.next();
        }
    }
    None
}

/// Maps the bytes of a double-quoted scalar's value to those of its text.
fn quoted(raw: &str, value: &str) -> Option<Vec<usize>> {
    if !raw.starts_with('"') {
        return None;
    }
    let mut matcher = Matcher::new(raw, value, 1);
    while let Some(wanted) = matcher.wanted() {
        let here = &raw[matcher.place..];
        let first = here.chars().next()?;
        if first == '\\' {
            let (length, character) = escape(here)?;
            match character {
                Some(character) if character == wanted => matcher.take(length),
                Some(_) => return None,
                None => matcher.place += length,
            }
        } else if first == wanted || (wanted.is_whitespace() && first.is_whitespace()) {
            matcher.take(first.len_utf8());
        } else if first.is_whitespace() {
            matcher.place += first.len_utf8();
        } else if wanted.is_whitespace() {
            matcher.take(0);
        } else {
            return None;
        }
    }
    Some(matcher.finish())
}

/// Returns the length of an escape and the character it stands for; none for a joined line.
fn escape(text: &str) -> Option<(usize, Option<char>)> {
    let kind = text.chars().nth(1)?;
    let simple = |character| Some((1 + kind.len_utf8(), Some(character)));
    let coded = |digits: usize| {
        let code = u32::from_str_radix(text.get(2..2 + digits)?, 16).ok()?;
        Some((2 + digits, Some(char::from_u32(code)?)))
    };
    match kind {
        '0' => simple('\0'),
        'a' => simple('\u{7}'),
        'b' => simple('\u{8}'),
        't' | '\t' => simple('\t'),
        'n' => simple('\n'),
        'v' => simple('\u{b}'),
        'f' => simple('\u{c}'),
        'r' => simple('\r'),
        'e' => simple('\u{1b}'),
        'N' => simple('\u{85}'),
        '_' => simple('\u{a0}'),
        'L' => simple('\u{2028}'),
        'P' => simple('\u{2029}'),
        'x' => coded(2),
        'u' => coded(4),
        'U' => coded(8),
        '\n' | '\r' => Some((2, None)),
        other => simple(other),
    }
}

/// Maps the bytes of any other scalar's value to those of its text.
///
/// Blocks, folded lines, plain words and single quotes change nothing but white
/// space and doubled quotes, so that the rest can be matched one by one.
fn aligned(raw: &str, value: &str) -> Option<Vec<usize>> {
    let single = raw.starts_with('\'') && quoted_length(raw) == Some(raw.len());
    let mut matcher = Matcher::new(raw, value, usize::from(single));
    while let Some(wanted) = matcher.wanted() {
        let Some(first) = raw[matcher.place..].chars().next() else {
            // What is kept of final line breaks may stand beyond the span.
            if !wanted.is_whitespace() {
                return None;
            }
            matcher.take(0);
            continue;
        };
        if first == wanted {
            let doubled = single && first == '\'';
            matcher.take(first.len_utf8() + usize::from(doubled));
        } else if first.is_whitespace() {
            if wanted.is_whitespace() {
                matcher.take(first.len_utf8());
            } else {
                matcher.place += first.len_utf8();
            }
        } else if wanted.is_whitespace() {
            matcher.take(0);
        } else {
            return None;
        }
    }
    Some(matcher.finish())
}

/// Walks a value and its text at the same time.
struct Matcher<'a> {
    value: &'a str,
    /// How far the value is matched.
    matched: usize,
    /// Where in the text the next character is sought.
    place: usize,
    map: Vec<usize>,
}

impl<'a> Matcher<'a> {
    fn new(raw: &str, value: &'a str, place: usize) -> Self {
        debug_assert!(raw.is_char_boundary(place), "only an ASCII quote is skipped");
        Self { value, matched: 0, place, map: Vec::with_capacity(value.len() + 1) }
    }

    /// Returns the next character of the value.
    fn wanted(&self) -> Option<char> {
        self.value[self.matched..].chars().next()
    }

    /// Matches the next character of the value with `length` bytes of the text.
    fn take(&mut self, length: usize) {
        if let Some(wanted) = self.wanted() {
            self.map.extend(std::iter::repeat_n(self.place, wanted.len_utf8()));
            self.matched += wanted.len_utf8();
            self.place += length;
        }
    }

    fn finish(mut self) -> Vec<usize> {
        self.map.push(self.place);
        self.map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks what the file has where the value has `part`.
    #[track_caller]
    fn check(raw: &str, value: &str, part: &str, expected: &str) {
        let start = value.find(part).unwrap();
        let span = locate(raw, Span::new(0, raw.len()), value, start..start + part.len());
        assert_eq!(&raw[span.start..span.end], expected);
    }

    #[test]
    fn parts_are_found_in_every_style() {
        check("a b", "a b", "b", "b");
        check("plain\n    words", "plain words", "words", "words");
        check("'it''s ${{ x }}'", "it's ${{ x }}", "x", "x");
        check(r#""\"é\" \u00e9 ${{ x }}""#, "\"é\" é ${{ x }}", "${{ x }}", "${{ x }}");
        check(r#""a\tb\nc\x41\u0042 \/ ${{ x }}""#, "a\tb\ncAB / ${{ x }}", "${{ x }}", "${{ x }}");
        check("\"one\n   two \\\n   three\"", "one two three", "three", "three");
        check("one\n  two\n\n    three\n", "one\ntwo\n\n  three\n", "three", "three");
        check("one\n  two\n\n  three", "one two\nthree", "two\nthree", "two\n\n  three");
    }

    #[test]
    fn what_does_not_match_is_the_whole_scalar() {
        check("*alias", "value", "alu", "*alias");
    }

    #[test]
    fn quoted_scalars_end_at_their_quote() {
        assert_eq!(quoted_length(r#""a\"b" # "c""#), Some(6));
        assert_eq!(quoted_length("'it''s' x"), Some(7));
        assert_eq!(quoted_length("plain"), None);
        assert_eq!(quoted_length("'open"), None);
    }
}
