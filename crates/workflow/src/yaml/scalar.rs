//! The scalar: what a word of YAML means under the core schema.

/// A single value.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number of any form.
    Number(f64),
    /// Everything else.
    Text(String),
}

impl Scalar {
    /// Returns what a plain word means: `yes` and `on` are texts, `0o17` is a number.
    pub(crate) fn plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "true" | "True" | "TRUE" => Self::Bool(true),
            "false" | "False" | "FALSE" => Self::Bool(false),
            _ => number(text).map_or_else(|| Self::Text(text.to_owned()), Self::Number),
        }
    }

    /// Returns what a word means under a tag of the core schema; `None` where they do not fit.
    pub(crate) fn tagged(tag: &str, text: &str) -> Option<Self> {
        let scalar = Self::plain(text);
        match (tag, &scalar) {
            ("str", _) => Some(Self::Text(text.to_owned())),
            ("null", Self::Null) | ("bool", Self::Bool(_)) | ("float", Self::Number(_)) => {
                Some(scalar)
            }
            ("int", Self::Number(number)) if number.fract() == 0.0 => Some(scalar),
            _ => None,
        }
    }

    /// Returns the value as text, as GitHub converts it.
    pub fn to_text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(truth) => truth.to_string(),
            Self::Number(number) => expr::Value::Number(*number).to_text(),
            Self::Text(text) => text.clone(),
        }
    }

    /// Returns what the value is, in a word for people.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
        }
    }
}

fn number(text: &str) -> Option<f64> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    match digits {
        ".inf" | ".Inf" | ".INF" => return Some(sign * f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if digits.len() == text.len() => return Some(f64::NAN),
        _ => {}
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(rest) = text.strip_prefix(prefix) {
            return radix_number(rest, radix);
        }
    }
    if is_decimal(digits) { digits.parse::<f64>().ok().map(|number| sign * number) } else { None }
}

fn radix_number(digits: &str, radix: u32) -> Option<f64> {
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0.0, |number, digit| {
        Some(number * f64::from(radix) + f64::from(digit.to_digit(radix)?))
    })
}

/// Returns whether this is digits, a fraction and an exponent, where each but
/// one of the first two may be absent.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_is_number = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_is_number = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_is_number && exponent_is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Scalar) {
        assert_eq!(Scalar::plain(text), expected, "{text}");
    }

    #[test]
    fn words_mean_what_the_core_schema_says() {
        check("yes", Scalar::Text("yes".into()));
        check("on", Scalar::Text("on".into()));
        check("True", Scalar::Bool(true));
        check("tRUE", Scalar::Text("tRUE".into()));
        check("", Scalar::Null);
        check("~", Scalar::Null);
        check("nULL", Scalar::Text("nULL".into()));
    }

    #[test]
    fn numbers_have_githubs_forms() {
        check("12", Scalar::Number(12.0));
        check("-12.50", Scalar::Number(-12.5));
        check("+.5e-1", Scalar::Number(0.05));
        check("5.", Scalar::Number(5.0));
        check("0x1F", Scalar::Number(31.0));
        check("0o17", Scalar::Number(15.0));
        check("017", Scalar::Number(17.0));
        check("-.inf", Scalar::Number(f64::NEG_INFINITY));
        for text in [".", "-", "1_000", "0x", "0o8", "1e", "e5", "inf", "NaN", "12:30", "1.2.3"] {
            check(text, Scalar::Text(text.into()));
        }
        assert!(matches!(Scalar::plain(".nan"), Scalar::Number(number) if number.is_nan()));
    }

    #[test]
    fn tags_must_fit() {
        assert_eq!(Scalar::tagged("str", "12"), Some(Scalar::Text("12".into())));
        assert_eq!(Scalar::tagged("int", "12"), Some(Scalar::Number(12.0)));
        assert_eq!(Scalar::tagged("int", "1.5"), None);
        assert_eq!(Scalar::tagged("bool", "12"), None);
        assert_eq!(Scalar::tagged("binary", "12"), None);
    }
}
