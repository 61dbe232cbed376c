//! A name that marks the processes of a run or a job.

use std::fmt;

/// A random name; every process that carries it in its environment is ours.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Token(String);

impl Token {
    /// Returns a name nobody has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string())
    }

    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let known = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        known.then(|| Self(text.to_owned()))
    }

    /// Returns 40 of its bits.
    pub(super) fn number(&self) -> u64 {
        self.0.get(..10).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_being_written() {
        let token = Token::random();
        assert_eq!(Token::parse(&token.to_string()), Some(token));
    }

    #[test]
    fn other_texts_are_no_tokens() {
        for text in ["", "a/b", "zz", &"g".repeat(32), &"a".repeat(33)] {
            assert_eq!(Token::parse(text), None, "{text}");
        }
    }
}
