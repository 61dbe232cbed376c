//! Folding: a text without its case, for every comparison that GitHub makes.

use std::borrow::Cow;

/// Returns a text in upper case, letter by letter, so that equal results mean
/// "the same but for case".
///
/// A letter whose upper case is more than one letter stays, and so do `ı` and
/// `ſ`, whose upper case would be a plain `I` and `S`.
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            text.to_ascii_uppercase().into()
        } else {
            text.into()
        }
    } else {
        text.chars().map(upper).collect::<String>().into()
    }
}

fn upper(letter: char) -> char {
    if matches!(letter, 'ı' | 'ſ') {
        return letter;
    }
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(fold(text), expected);
    }

    #[test]
    fn letters_lose_their_case_one_by_one() {
        check("abcXYZ-1", "ABCXYZ-1");
        check("äößÄ", "ÄÖßÄ");
        check("привет", "ПРИВЕТ");
    }

    #[test]
    fn dotless_i_and_long_s_stay_apart_from_ascii() {
        check("ı i", "ı I");
        check("ſ s", "ſ S");
    }
}
