//! Numbers: read from text and written as text the way GitHub does both.

/// Reads a number; a text that is none is `NaN`, and an empty one is zero.
pub(crate) fn parse(text: &str) -> f64 {
    let text = text.trim();
    if text.is_empty() {
        return 0.0;
    }
    match text {
        "Infinity" | "+Infinity" => return f64::INFINITY,
        "-Infinity" => return f64::NEG_INFINITY,
        _ => {}
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    // Rust's own grammar, less its words for infinity and `NaN`.
    if text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        text.parse().unwrap_or(f64::NAN)
    } else {
        f64::NAN
    }
}

/// Reads 32 bits, the highest of which is the sign, as GitHub does.
fn radix(digits: &str, radix: u32) -> f64 {
    // `from_str_radix` would take a sign here.
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return f64::NAN;
    }
    u32::from_str_radix(digits, radix).map_or(f64::NAN, |bits| f64::from(bits.cast_signed()))
}

/// The significant digits of a number as text.
const PRECISION: usize = 15;

/// Writes a number with at most 15 significant digits, and with an exponent
/// from 10¹⁵ upwards and from 10⁻⁵ downwards.
pub(crate) fn to_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let written = format!("{:.*e}", PRECISION - 1, value.abs());
    let (mantissa, exponent) = written.split_once('e').expect("`{:e}` writes an exponent");
    let exponent: i32 = exponent.parse().expect("`{:e}` writes a decimal exponent");
    let digits = mantissa.replace('.', "");
    let digits = digits.trim_end_matches('0');
    match usize::try_from(exponent) {
        Ok(whole) if whole < PRECISION => {
            let whole = whole + 1;
            if digits.len() <= whole {
                format!("{sign}{digits:0<whole$}")
            } else {
                format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
            }
        }
        Err(_) if exponent > -5 => {
            let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
            format!("{sign}0.{zeros}{digits}")
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            let direction = if exponent < 0 { '-' } else { '+' };
            format!("{sign}{first}{point}{rest}E{direction}{:02}", exponent.abs())
        }
    }
}

/// Converts to JSON: a whole number without a fraction, and words for what
/// JSON does not have.
pub(crate) fn to_json(value: f64) -> serde_json::Value {
    /// Doubles below this are exact as 64-bit integers.
    const WHOLE: f64 = 9.0e18;
    if value.fract() == 0.0 && value.abs() < WHOLE {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range, checked above")]
        return serde_json::Value::from(value as i64);
    }
    serde_json::Number::from_f64(value)
        .map_or_else(|| serde_json::Value::String(to_text(value)), serde_json::Value::Number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check_parse(text: &str, expected: f64) {
        let value = parse(text);
        assert!(value.total_cmp(&expected).is_eq(), "{text}: {value}");
    }

    #[track_caller]
    fn check_text(value: f64, expected: &str) {
        assert_eq!(to_text(value), expected);
    }

    #[test]
    fn every_form_is_read() {
        for (text, value) in [
            ("", 0.0),
            (" \t\n", 0.0),
            ("12", 12.0),
            (" -1.5e2 ", -150.0),
            ("+.5", 0.5),
            ("1.", 1.0),
            ("0xff", 255.0),
            ("0xFF", 255.0),
            ("0o17", 15.0),
            ("Infinity", f64::INFINITY),
            (" -Infinity ", f64::NEG_INFINITY),
            ("1e999", f64::INFINITY),
        ] {
            check_parse(text, value);
        }
    }

    #[test]
    fn what_is_no_number_is_nan() {
        for text in [
            "abc", "1e", "1e+", ".", "-", "1.2.3", "0x", "0xg", "0x+1", "-0xff", "0o8", "0b1",
            "inf", "infinity", "nan", "NaN", "1_000", "1 2", "0X1", "e5",
        ] {
            check_parse(text, f64::NAN);
        }
    }

    #[test]
    fn hex_and_octal_are_signed_32_bit() {
        check_parse("0x7fffffff", 2_147_483_647.0);
        check_parse("0xffffffff", -1.0);
        check_parse("0o37777777777", -1.0);
        check_parse("0x100000000", f64::NAN);
        check_parse("0x00000000f", 15.0);
    }

    #[test]
    fn text_has_fifteen_significant_digits() {
        check_text(0.1, "0.1");
        check_text(-0.0, "0");
        check_text(0.845_512_408_225_570_1, "0.84551240822557");
        check_text(1.0 / 3.0, "0.333333333333333");
        check_text(123_456.789, "123456.789");
        check_text(-120.0, "-120");
        check_text(999_999_999_999_999.0, "999999999999999");
        check_text(0.000_1, "0.0001");
    }

    #[test]
    fn very_large_and_very_small_numbers_have_an_exponent() {
        check_text(1e15, "1E+15");
        check_text(1.234_567_890_123_456_7e20, "1.23456789012346E+20");
        check_text(0.000_01, "1E-05");
        check_text(-1.5e-300, "-1.5E-300");
        check_text(999_999_999_999_999.9, "1E+15");
    }

    #[test]
    fn json_numbers_are_whole_where_they_can_be() {
        assert_eq!(to_json(-0.0).to_string(), "0");
        assert_eq!(to_json(3.0).to_string(), "3");
        assert_eq!(to_json(0.5).to_string(), "0.5");
        assert_eq!(to_json(f64::NAN).to_string(), "\"NaN\"");
        assert_eq!(to_json(f64::NEG_INFINITY).to_string(), "\"-Infinity\"");
    }

    proptest! {
        #[test]
        fn text_reads_back_within_its_precision(value in proptest::num::f64::NORMAL) {
            let back = parse(&to_text(value));
            prop_assert!((back - value).abs() <= value.abs() * 1e-14, "{value} {back}");
        }

        #[test]
        fn whole_numbers_keep_every_digit(value in -999_999_999_999_999_i64..=999_999_999_999_999) {
            #[expect(clippy::cast_precision_loss, reason = "below 2⁵³")]
            let text = to_text(value as f64);
            prop_assert_eq!(text, value.to_string());
        }
    }
}
