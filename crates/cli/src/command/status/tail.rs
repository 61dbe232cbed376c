//! The end of what a command prints: how far it is, and its last lines without secrets.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use runner::masks::Masks;
use runner::process::Chunk;

/// The longest line that is kept.
const MAX_LINE: usize = 500;
/// What the names of variables with secrets contain.
const SECRET: [&str; 7] =
    ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "PRIVATE", "API_KEY"];

/// Listens to a command.
#[derive(Debug)]
pub(super) struct Tail {
    // Never held across an `.await`.
    heard: Mutex<Heard>,
    most: usize,
}

#[derive(Debug)]
struct Heard {
    masks: Masks,
    lines: VecDeque<String>,
    progress: Option<String>,
}

impl Tail {
    /// Keeps the last `most` lines. Values of variables that look like secrets are masked, as are those
    /// that the command masks itself.
    pub(super) fn new(most: usize, variables: &BTreeMap<String, String>) -> Self {
        let is_secret = |name: &str| {
            let name = name.to_ascii_uppercase();
            SECRET.iter().any(|word| name.contains(word))
        };
        let secrets = variables.iter().filter(|(name, value)| is_secret(name) && value.len() > 3);
        let masks = Masks::new(secrets.map(|(_, value)| value));
        let heard = Heard { masks, lines: VecDeque::new(), progress: None };
        Self { heard: Mutex::new(heard), most }
    }

    /// Hears what was printed.
    pub(super) fn hear(&self, chunk: &Chunk) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        for line in chunk.lines() {
            if let Some(secret) = line.strip_prefix("::add-mask::") {
                heard.masks.add(secret.trim());
                continue;
            }
            if line.trim().is_empty() || line.starts_with("::") {
                continue;
            }
            let line = heard.masks.apply(&plain(&line)).into_owned();
            if let Some(progress) = progress(&line) {
                heard.progress = Some(progress);
            }
            let end = line.floor_char_boundary(MAX_LINE);
            heard.lines.push_back(line[..end].to_owned());
            while heard.lines.len() > self.most {
                heard.lines.pop_front();
            }
        }
    }

    /// Returns the last lines.
    pub(super) fn lines(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.lines.iter().cloned().collect()
    }

    /// Returns how far the command is, if it said so.
    pub(super) fn progress(&self) -> Option<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).progress.clone()
    }
}

/// Leaves out colours and what a carriage return has overwritten.
fn plain(line: &str) -> String {
    let line = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    anstream::adapter::strip_str(line).to_string()
}

/// Finds `3/7`, `[3/7]`, `(3 of 7)` or `42%` in a line.
fn progress(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let bare =
        |word: &str| word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '%').to_owned();
    let is_number = |text: &str| {
        (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    for (index, word) in words.iter().enumerate() {
        let word = bare(word);
        if let Some((done, all)) = word.split_once('/')
            && is_number(done)
            && is_number(all)
        {
            return Some(word);
        }
        let percent = word.strip_suffix('%').unwrap_or_default();
        if is_number(percent.split('.').next().unwrap_or_default()) && percent.len() < 7 {
            return Some(format!("{percent} %"));
        }
        let all = words.get(index + 2).map(|word| bare(word)).unwrap_or_default();
        if is_number(&word) && words.get(index + 1) == Some(&"of") && is_number(&all) {
            return Some(format!("{word}/{all}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use runner::process::Stream;

    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<&str>) {
        assert_eq!(progress(line).as_deref(), expected);
    }

    #[test]
    fn progress_is_found_where_tools_print_it() {
        check("[ 45%] Building", Some("45 %"));
        check("[3/7] Compiling", Some("3/7"));
        check("running 12 of 40 tests", Some("12/40"));
        check("downloaded 99.5% so far", Some("99.5 %"));
        check("path a/b and src/1", None);
        check("2026/11/24 a date is no lie", None);
        check("", None);
    }

    #[test]
    fn secrets_and_commands_are_not_kept() {
        let variables = BTreeMap::from([
            ("MY_TOKEN".to_owned(), "s3cr3t-value".to_owned()),
            ("HOME".to_owned(), "/home/me".to_owned()),
        ]);
        let tail = Tail::new(3, &variables);
        let text = "one\n::add-mask::hidden\n\x1b[31mtwo s3cr3t-value\x1b[0m\n::debug::x\nhidden /home/me\n";
        let bytes = text.as_bytes().to_vec().into();
        tail.hear(&Chunk { stream: Stream::Stdout, bytes, continues: false });
        assert_eq!(tail.lines(), ["one", "two ***", "*** /home/me"]);
    }
}
