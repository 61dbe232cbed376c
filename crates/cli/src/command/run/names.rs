//! Short names for the runs of one call: the workflow and a number, `ci#2`.

use std::collections::HashMap;

pub(crate) use crate::terminal::clean;

/// Gives each run of the call a number, in order of appearance.
#[derive(Debug, Default)]
pub(crate) struct Names {
    runs: HashMap<String, String>,
    next: usize,
}

impl Names {
    /// Names a new run.
    pub(crate) fn add(&mut self, run: &str, workflow: &str) -> &str {
        self.next += 1;
        let short = format!("{}#{}", stem(workflow), self.next);
        self.runs.entry(run.to_owned()).or_insert(short)
    }

    /// Returns how many runs there are.
    pub(crate) fn count(&self) -> usize {
        self.runs.len()
    }

    /// Returns the name of a run, the id itself if it is not known.
    pub(crate) fn get<'a>(&'a self, run: &'a str) -> &'a str {
        self.runs.get(run).map_or(run, String::as_str)
    }

    /// Says `ci#2` where a sentence says `run 1795534870498000`.
    pub(crate) fn humanize(&self, sentence: &str) -> String {
        let mut words: Vec<String> = Vec::new();
        for word in sentence.split(' ') {
            let id = word.trim_end_matches(|c: char| !c.is_ascii_digit());
            match self.runs.get(id) {
                Some(name) => {
                    if words.last().is_some_and(|word| word == "run") {
                        words.pop();
                    }
                    // What stood behind the number, such as a comma, stays.
                    words.push(format!("{name}{}", &word[id.len()..]));
                }
                None => words.push(word.to_owned()),
            }
        }
        words.join(" ")
    }
}

/// Shortens the path of a workflow without a name to the name of its file.
fn stem(workflow: &str) -> &str {
    let file = workflow.rsplit('/').next().unwrap_or(workflow);
    if file == workflow {
        workflow
    } else {
        file.trim_end_matches(".yml").trim_end_matches(".yaml")
    }
}

/// Prints milliseconds as people read them.
pub(crate) fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..10 => format!("{}.{}s", seconds, milliseconds % 1000 / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let all = [0, 99, 1_234, 59_999, 61_000, 3_660_000].map(duration);
        assert_eq!(all, ["0.0s", "0.0s", "1.2s", "59s", "1m 01s", "1h 01m"]);
    }

    #[test]
    fn run_is_named_by_workflow_and_number() {
        let mut names = Names::default();
        assert_eq!(names.add("1", ".github/workflows/ci.yml"), "ci#1");
        assert_eq!(names.add("2", "Nightly build"), "Nightly build#2");
        assert_eq!(names.get("1"), "ci#1");
        assert_eq!(names.get("9"), "9");
    }

    #[test]
    fn sentence_names_runs_as_the_table_does() {
        let mut names = Names::default();
        names.add("1795534870498000", "ci");
        let sentence = "superseded by run 1795534870498000, job x, in the same group";
        assert_eq!(names.humanize(sentence), "superseded by ci#1, job x, in the same group");
        assert_eq!(names.humanize("behind run 17"), "behind run 17");
        assert_eq!(names.humanize("at step Run ./act , x"), "at step Run ./act , x");
    }
}
