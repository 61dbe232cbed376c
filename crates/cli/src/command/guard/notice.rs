//! The notice: one comment that tells whoever asked what exists, where, and how to get another.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value};
use status::comment::{Spot, author};

use super::probe::ProbeFlags;
use crate::caller::Caller;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::forge;
use crate::session::{Level, Session};

/// How long a comment whose answer was lost may take to appear.
const SETTLING: Duration = Duration::from_secs(5);
/// The longest template.
const MAX_TEMPLATE: u64 = 32 << 10;
/// What is said without a template.
const TEXT: &str = "**This is not done again: {{ outcome }}.** {{ reason }}\n\n{{ link }}\n\n\
    To get another result, close or remove what exists, or change the request.\n";

/// Who is told.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct NoticeFlags {
    /// Tell it in one comment on the issue or pull request of the event, or on this one.
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    notify: Option<u64>,
    /// A file with the comment's text, in which `{{ outcome }}`, `{{ key }}`, `{{ reason }}`, `{{ link }}` and
    /// `{{ result }}` are filled in.
    #[arg(long, value_name = "FILE", requires = "notify")]
    template: Option<PathBuf>,
}

impl NoticeFlags {
    /// Reads what can be wrong, before anything is decided.
    pub(super) fn check(&self, session: &Session) -> Result<Option<Notice>, Failure> {
        let Some(number) = self.notify else { return Ok(None) };
        let issue = match number {
            0 => number_of(&forge::event(&session.surroundings)?).ok_or_else(|| {
                Failure::new(Exit::Usage, "the event is about no issue and no pull request")
                    .hinted("name one: --notify=123")
            })?,
            number => number,
        };
        let Some(path) = &self.template else {
            return Ok(Some(Notice { issue, template: TEXT.to_owned() }));
        };
        let path = session.directory.join(path);
        let refused = |why: String| Failure::new(Exit::Usage, format!("{}: {why}", path.display()));
        let size = std::fs::metadata(&path).map_err(|error| refused(error.to_string()))?.len();
        if size > MAX_TEMPLATE {
            return Err(refused(format!("a template has at most {MAX_TEMPLATE} bytes")));
        }
        let template =
            std::fs::read_to_string(&path).map_err(|error| refused(error.to_string()))?;
        fill(&template, &Map::new()).map_err(refused)?;
        Ok(Some(Notice { issue, template }))
    }
}

/// A notice to be written.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    issue: u64,
    template: String,
}

impl Notice {
    /// Writes it, or changes the one that is there. Nothing about the work depends on it.
    pub(super) async fn tell(
        &self,
        key: &str,
        fields: &Map<String, Value>,
        (probes, caller): (&ProbeFlags, &Caller),
        session: &Session,
    ) {
        if let Err(failure) = self.write(key, fields, (probes, caller), session).await {
            let text = format!("nobody was notified: {}", failure.render());
            session.annotate(Level::Warning, &format!("guard {key}"), &text);
        }
    }

    async fn write(
        &self,
        key: &str,
        fields: &Map<String, Value>,
        (probes, caller): (&ProbeFlags, &Caller),
        session: &Session,
    ) -> Result<(), Failure> {
        let client = probes.forge.client(session, &caller.host, &caller.repository)?;
        let text = fill(&self.template, fields)
            .map_err(|why| Failure::new(Exit::Usage, format!("the template: {why}")))?;
        let job = forge::job_author(&session.surroundings);
        let author = author(&client, probes.forge.author.as_deref(), None, job.as_deref()).await?;
        let spot = Spot { issue: self.issue, marker: marker(key), author };
        spot.notify(&client, text.trim(), SETTLING).await?;
        Ok(())
    }
}

/// Returns what the comment about a key begins with. A key can be any text, so it is written in hexadecimal
/// digits where it is not plain.
fn marker(key: &str) -> String {
    let mut safe = String::new();
    for byte in key.bytes().take(200) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'/' | b'_' => {
                safe.push(char::from(byte));
            }
            _ => write!(safe, "~{byte:02x}").expect("a string takes all that is written"),
        }
    }
    format!("<!-- interlock guard {safe} -->")
}

fn number_of(event: &Value) -> Option<u64> {
    let paths = ["/issue/number", "/pull_request/number"];
    paths.iter().find_map(|path| event.pointer(path)?.as_u64())
}

/// Fills a template. What is filled in comes from outside, so it stays text.
fn fill(template: &str, fields: &Map<String, Value>) -> Result<String, String> {
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or("`{{` is not closed")?;
        let name = name.trim();
        if !["outcome", "key", "reason", "link", "result"].contains(&name) {
            let known = "outcome, key, reason, link and result";
            return Err(format!("there is no `{name}`; there are {known}"));
        }
        text.push_str(before);
        let value = fields.get(name).and_then(Value::as_str).unwrap_or_default();
        if name == "link" || (name == "result" && value.starts_with("https://")) {
            text.push_str(&status::safe_url(value).unwrap_or_default());
        } else {
            text.push_str(&status::safe_line(value, 2000));
        }
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_filled_in_stays_text() {
        let fields = json!({ "reason": "@octocat <b>", "link": "javascript:x", "key": "k" });
        let fields = fields.as_object().cloned().unwrap_or_default();
        let text = fill("{{ key }}: {{reason}} {{ link }}!", &fields);
        assert_eq!(text.as_deref(), Ok("k: @<!-- -->octocat &lt;b&gt; !"));
        assert!(fill("{{ reson }}", &fields).is_err() && fill("{{ key", &fields).is_err());
    }

    #[test]
    fn key_cannot_end_its_marker() {
        let marker = marker("a --> b");
        assert_eq!(marker, "<!-- interlock guard a~20~2d~2d~3e~20b -->");
    }
}
