//! Tokens: the words of an expression, each with its place.

use std::{ops::Range, sync::Arc};

use crate::{error::Error, number};

/// The most UTF-16 units an expression may have.
const MOST_UNITS: usize = 21_000;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    OpenGroup,
    CloseGroup,
    OpenIndex,
    CloseIndex,
    Comma,
    Dot,
    Star,
    Not,
    NotEqual,
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    And,
    Or,
    Number(f64),
    String(Arc<str>),
    Name,
    True,
    False,
    Null,
    End,
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Range<usize>,
}

/// Splits a text into tokens, the last of which is [`TokenKind::End`].
///
/// `base` is the place of the text in what the user gave.
pub(crate) fn tokens(text: &str, base: usize) -> Result<Vec<Token>, Error> {
    if text.encode_utf16().count() > MOST_UNITS {
        let message = format!("Exceeded max expression length {MOST_UNITS}");
        return Err(Error::lexing(message, base));
    }
    let mut lexer = Lexer { text, base, place: 0, tokens: Vec::new() };
    while lexer.next()? {}
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    base: usize,
    place: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    /// Reads one token and returns whether more may follow.
    fn next(&mut self) -> Result<bool, Error> {
        use TokenKind as Kind;
        self.skip(char::is_whitespace);
        let rest = &self.text[self.place..];
        let Some(first) = rest.chars().next() else {
            self.push(Kind::End, 0);
            return Ok(false);
        };
        let doubled = |second: char| rest[first.len_utf8()..].starts_with(second);
        match first {
            '(' => self.push(Kind::OpenGroup, 1),
            ')' => self.push(Kind::CloseGroup, 1),
            '[' => self.push(Kind::OpenIndex, 1),
            ']' => self.push(Kind::CloseIndex, 1),
            ',' => self.push(Kind::Comma, 1),
            '*' => self.push(Kind::Star, 1),
            '.' if self.follows_a_value() => self.push(Kind::Dot, 1),
            '!' if doubled('=') => self.push(Kind::NotEqual, 2),
            '!' => self.push(Kind::Not, 1),
            '=' if doubled('=') => self.push(Kind::Equal, 2),
            '<' if doubled('=') => self.push(Kind::LessOrEqual, 2),
            '<' => self.push(Kind::Less, 1),
            '>' if doubled('=') => self.push(Kind::GreaterOrEqual, 2),
            '>' => self.push(Kind::Greater, 1),
            '&' if doubled('&') => self.push(Kind::And, 2),
            '|' if doubled('|') => self.push(Kind::Or, 2),
            '\'' => self.string()?,
            '.' | '+' | '-' | '0'..='9' => self.number()?,
            _ => self.name(first)?,
        }
        Ok(true)
    }

    /// Returns whether a point here is an access and not the start of a number.
    fn follows_a_value(&self) -> bool {
        self.tokens.last().is_some_and(|token| {
            matches!(
                token.kind,
                TokenKind::Name | TokenKind::CloseIndex | TokenKind::CloseGroup | TokenKind::Star
            )
        })
    }

    fn skip(&mut self, skipped: impl Fn(char) -> bool) {
        let rest = &self.text[self.place..];
        self.place += rest.find(|letter| !skipped(letter)).unwrap_or(rest.len());
    }

    fn push(&mut self, kind: TokenKind, length: usize) {
        let start = self.place + self.base;
        self.place += length;
        self.tokens.push(Token { kind, span: start..start + length });
    }

    fn string(&mut self) -> Result<(), Error> {
        let rest = &self.text[self.place..];
        let mut value = String::new();
        let mut at = 1;
        loop {
            let Some(quote) = rest[at..].find('\'') else {
                return Err(self.unexpected(rest));
            };
            value.push_str(&rest[at..at + quote]);
            at += quote + 1;
            if !rest[at..].starts_with('\'') {
                break;
            }
            value.push('\'');
            at += 1;
        }
        self.push(TokenKind::String(value.into()), at);
        Ok(())
    }

    fn number(&mut self) -> Result<(), Error> {
        let rest = &self.text[self.place..];
        let end = rest.find(|letter| is_boundary(letter) && letter != '.').unwrap_or(rest.len());
        let value = number::parse(&rest[..end]);
        if value.is_nan() {
            return Err(self.unexpected(&rest[..end]));
        }
        self.push(TokenKind::Number(value), end);
        Ok(())
    }

    fn name(&mut self, first: char) -> Result<(), Error> {
        let rest = &self.text[self.place..];
        let after = first.len_utf8();
        let end = rest[after..].find(is_boundary).map_or(rest.len(), |end| after + end);
        let name = &rest[..end];
        if !is_name(name) {
            return Err(self.unexpected(name));
        }
        let follows_dot =
            self.tokens.last().is_some_and(|token| matches!(token.kind, TokenKind::Dot));
        let kind = match name {
            _ if follows_dot => TokenKind::Name,
            "true" => TokenKind::True,
            "false" => TokenKind::False,
            "null" => TokenKind::Null,
            "NaN" => TokenKind::Number(f64::NAN),
            "Infinity" => TokenKind::Number(f64::INFINITY),
            _ => TokenKind::Name,
        };
        self.push(kind, end);
        Ok(())
    }

    fn unexpected(&self, symbol: &str) -> Error {
        Error::lexing(format!("Unexpected symbol: '{symbol}'"), self.place + self.base)
    }
}

/// Returns whether a letter ends a name or a number.
fn is_boundary(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, '(' | '[' | ')' | ']' | ',' | '.' | '!' | '>' | '<' | '=' | '&' | '|')
}

fn is_name(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = match tokens(text, 0) {
            Ok(tokens) => {
                let words: Vec<_> =
                    tokens.iter().map(|token| format!("{:?}", token.kind)).collect();
                words.join(" ")
            }
            Err(error) => format!("{} @{}", error.message, error.offset),
        };
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn a_point_is_an_access_after_a_value_and_else_a_number() {
        check("a.b", "Name Dot Name End");
        check("a.*.b", "Name Dot Star Dot Name End");
        check("a(.5)", "Name OpenGroup Number(0.5) CloseGroup End");
        check("1 == .5", "Number(1.0) Equal Number(0.5) End");
        check("'a'.b", "Unexpected symbol: '.b' @3");
    }

    #[test]
    fn words_are_names_after_a_point() {
        check("true NaN Infinity null", "True Number(NaN) Number(inf) Null End");
        check("a.true.null", "Name Dot Name Dot Name End");
        check("True", "Name End");
    }

    #[test]
    fn every_doubled_quote_is_one() {
        check("'it''s ''quoted'''", r#"String("it's 'quoted'") End"#);
        check("''", r#"String("") End"#);
        check("''''", r#"String("'") End"#);
        check("1 'open", "Unexpected symbol: ''open' @2");
    }

    #[test]
    fn half_operators_are_unexpected_up_to_the_next_boundary() {
        check("1 =2 =3", "Unexpected symbol: '=2' @2");
        check("1 & < 2", "Unexpected symbol: '&' @2");
        check("1 |", "Unexpected symbol: '|' @2");
        check("a@b", "Unexpected symbol: 'a@b' @0");
        check("😊 x", "Unexpected symbol: '😊' @0");
        check("\"x\"", "Unexpected symbol: '\"x\"' @0");
    }

    #[test]
    fn the_length_is_limited() {
        assert!(tokens(&" ".repeat(MOST_UNITS), 0).is_ok());
        assert!(tokens(&" ".repeat(MOST_UNITS + 1), 0).is_err());
    }
}
