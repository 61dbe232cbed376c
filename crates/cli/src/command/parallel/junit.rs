//! The results as `JUnit` XML, for everything that reads test reports.

use std::fmt::Write as _;

use super::present::tail;
use super::summary::{Row, Summary};

/// How much of a log goes into the report.
const MOST: u64 = 16 * 1024;

/// Returns the whole document.
pub(crate) fn render(summary: &Summary) -> String {
    let count = |word: &str| summary.jobs.iter().filter(|row| row.result == word).count();
    let (errors, skipped) = (count("could-not-start"), count("skipped"));
    let passed = summary.jobs.iter().filter(|row| row.passed()).count();
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{errors}\" skipped=\"{skipped}\" time=\"{}\"",
        summary.jobs.len(),
        summary.jobs.len() - passed - errors - skipped,
        seconds(summary.duration_ms),
    );
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    writeln!(text, "<testsuites {counts}>").expect(WRITTEN);
    writeln!(text, "  <testsuite name=\"interlock parallel\" {counts}>").expect(WRITTEN);
    for row in &summary.jobs {
        case(&mut text, row);
    }
    text + "  </testsuite>\n</testsuites>\n"
}

/// Why writing cannot fail.
const WRITTEN: &str = "a string takes all that is written";

fn case(text: &mut String, row: &Row) {
    let (name, time) = (escape(&row.title()), seconds(row.duration_ms));
    let head = format!("    <testcase classname=\"parallel\" name=\"{name}\" time=\"{time}\"");
    if row.passed() {
        return writeln!(text, "{head}/>").expect(WRITTEN);
    }
    let kind = if row.critical { "critical" } else { "advisory" };
    let detail = escape(&row.detail);
    let element = match row.result.as_str() {
        "skipped" => format!("<skipped message=\"{detail}\"/>"),
        "could-not-start" => format!("<error type=\"{kind}\" message=\"{detail}\"/>"),
        _ => format!("<failure type=\"{kind}\" message=\"{detail}\"/>"),
    };
    writeln!(text, "{head}>\n      {element}").expect(WRITTEN);
    if let Some(log) = row.log.as_deref() {
        let tail = escape(&tail(log, MOST));
        writeln!(text, "      <system-out>{tail}</system-out>").expect(WRITTEN);
    }
    text.push_str("    </testcase>\n");
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

/// Escapes text, and leaves out the characters that XML cannot hold in any form.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_stays_xml() {
        assert_eq!(escape("a<b>&\"c\"\n\u{1b}[31m\0"), "a&lt;b&gt;&amp;&quot;c&quot;\n[31m");
        assert_eq!(seconds(1_005), "1.005");
    }
}
