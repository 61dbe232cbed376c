//! `schedule`: five fields of cron, as GitHub takes them.

use croner::parser::{CronParser, Seconds, Year};

use crate::{diagnostic::Diagnostic, trigger::Triggers};

/// GitHub starts a schedule at most this often, in minutes.
const SHORTEST: u32 = 5;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Checks every line of `schedule`.
pub(super) fn check(on: &Triggers, diagnostics: &mut Vec<Diagnostic>) {
    for schedule in &on.schedules {
        let cron = &schedule.cron;
        if let Err((why, hint)) = fault(cron) {
            let message = format!("'{}' is not a schedule: {why}", cron.value);
            diagnostics.push(Diagnostic::error("invalid-cron", cron.span, message).hinted(hint));
        } else if is_too_often(cron) {
            let message = format!("GitHub starts a schedule at most every {SHORTEST} minutes");
            diagnostics.push(Diagnostic::warning("frequent-cron", cron.span, message));
        }
    }
}

/// Says why a text is no schedule, and what to do.
fn fault(cron: &str) -> Result<(), (String, &'static str)> {
    let fields: Vec<&str> = cron.split_whitespace().collect();
    if fields.len() != 5 {
        return Err((
            format!("it has {} fields instead of 5", fields.len()),
            "the fields are minute, hour, day of the month, month and day of the week",
        ));
    }
    for (index, field) in fields.iter().enumerate() {
        for part in field.split([',', '-', '/']) {
            let name = part.to_ascii_lowercase();
            let is_name = match index {
                3 => MONTHS.contains(&name.as_str()),
                4 => DAYS.contains(&name.as_str()),
                _ => false,
            };
            let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            if !(is_name || is_number || part == "*") {
                return Err((
                    format!("'{field}' cannot be read"),
                    "a field has numbers, '*', ',', '-' and '/', and names of months and days",
                ));
            }
            if index == 4 && part == "7" {
                return Err(("there is no day 7".to_owned(), "Sunday is 0"));
            }
        }
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    match parser.parse(cron) {
        Ok(_) => Ok(()),
        Err(error) => Err((
            error.to_string().trim_end_matches('.').to_owned(),
            "an example is '30 5 * * 1-5'",
        )),
    }
}

/// Returns whether the minutes come closer than GitHub starts anything.
fn is_too_often(cron: &str) -> bool {
    let minutes = cron.split_whitespace().next().unwrap_or_default();
    match minutes.split_once('/') {
        Some((_, step)) => step.parse::<u32>().is_ok_and(|step| step < SHORTEST),
        None => minutes == "*",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_those_of_github() {
        for cron in ["0 0 * * *", "*/15 1,2 1-15 JAN-mar MON", "30 5 * * 1-5", "0 0 29 2 *"] {
            assert_eq!(fault(cron), Ok(()), "{cron}");
        }
        for cron in [
            "0 0 * *",
            "0 0 * * * *",
            "60 0 * * *",
            "@daily",
            "0 0 L * *",
            "0 0 * * 5#2",
            "? 0 * * *",
            "a b c d e",
            "",
            "0 24 * * *",
            "0 0 * * 7",
            "0 0 0 * *",
            "0 0 * JANUARY *",
            "1, 2 * * *",
        ] {
            assert!(fault(cron).is_err(), "{cron}");
        }
    }

    #[test]
    fn minutes_that_github_skips_are_noticed() {
        assert!(is_too_often("* * * * *"));
        assert!(is_too_often("*/2 * * * *"));
        assert!(!is_too_often("*/5 * * * *"));
        assert!(!is_too_often("3 * * * *"));
    }
}
