//! The file of jobs: from YAML to tasks, and every fault with its place.

use std::num::NonZeroUsize;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use runner::fanout::{Fault, Job, Retry, Schedule, Window};
use workflow::yaml::{self, Content, Node, Scalar};
use workflow::{Diagnostic, Source, Span};

use super::flags::duration;
use super::plan::{Defaults, Task, check_name};
use crate::command::diagnostics::render;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// The keys of the file.
const FILE_KEYS: [&str; 5] = ["max-parallel", "fail-fast", "shell", "env", "jobs"];

/// The keys of a job.
const JOB_KEYS: [&str; 12] = [
    "run",
    "shell",
    "critical",
    "needs",
    "timeout",
    "retries",
    "accept",
    "env",
    "working-directory",
    "reads",
    "writes",
    "log",
];

/// The keys of `retries`.
const RETRY_KEYS: [&str; 3] = ["times", "delay", "on"];

/// Reads a file of jobs; its paths count from the directory of the call.
pub(crate) fn read(path: &Path, session: &Session) -> Result<(Vec<Task>, Defaults), Failure> {
    let whole = session.directory.join(path);
    let text = std::fs::read_to_string(&whole).map_err(|error| {
        let what = format!("cannot read {}: {error}", path.display());
        Failure::new(Exit::Usage, what).hinted("docs/parallel.md describes the file of jobs")
    })?;
    let source = Source::new(path.display().to_string(), text);
    parse(&source, &session.directory).map_err(|faults| {
        let lines: Vec<_> = faults.iter().map(|fault| render(&source, fault)).collect();
        let what = format!("{} cannot be run\n{}", source.path, lines.join("\n"));
        Failure::new(Exit::Usage, what).hinted("docs/parallel.md has the keys")
    })
}

fn parse(source: &Source, base: &Path) -> Result<(Vec<Task>, Defaults), Vec<Diagnostic>> {
    let root = yaml::parse(source).map_err(|fault| vec![fault])?;
    let mut reader = Reader { faults: Vec::new(), base: base.to_owned() };
    let read = reader.file(&root);
    if reader.faults.is_empty() { Ok(read) } else { Err(reader.faults) }
}

/// Reads what it can, and remembers every fault.
struct Reader {
    faults: Vec<Diagnostic>,
    base: PathBuf,
}

/// A task and where its parts are written.
struct Placed {
    task: Task,
    name: Span,
    needs: Vec<Span>,
}

impl Reader {
    fn file(&mut self, root: &Node) -> (Vec<Task>, Defaults) {
        let (mut defaults, mut env, mut jobs) = (Defaults::default(), Vec::new(), Vec::new());
        let entries = self.entries(root, "the file", &FILE_KEYS);
        for (key, value) in &entries {
            match key.as_str() {
                "max-parallel" => defaults.max_parallel = self.count(value, key),
                "fail-fast" => defaults.fail_fast = self.truth(value, key),
                "shell" => defaults.shell = self.text(value, key),
                "env" => env = self.env(value),
                _ => jobs = self.jobs(value),
            }
        }
        if !entries.iter().any(|(key, _)| key == "jobs") && self.faults.is_empty() {
            self.fault(root.span, "the file has no `jobs`");
        }
        self.check(&jobs);
        let with_env = |placed: Placed| {
            let mut task = placed.task;
            task.env.splice(..0, env.iter().cloned());
            task
        };
        (jobs.into_iter().map(with_env).collect(), defaults)
    }

    fn jobs(&mut self, node: &Node) -> Vec<Placed> {
        let Content::Mapping(entries) = &node.content else {
            self.wrong(node, "`jobs`", "a mapping of names to jobs");
            return Vec::new();
        };
        if entries.is_empty() {
            self.fault(node.span, "there are no jobs");
        }
        entries.iter().filter_map(|(key, value)| self.job(key, value)).collect()
    }

    fn job(&mut self, key: &Node, node: &Node) -> Option<Placed> {
        let name = self.text(key, "the name of a job")?;
        if let Err(why) = check_name(&name) {
            self.fault(key.span, &why);
            return None;
        }
        let task = Task::new(Job::new(&name), String::new(), self.base.clone());
        let mut placed = Placed { task, name: key.span, needs: Vec::new() };
        let mut has_run = false;
        for (key, value) in self.entries(node, &format!("job `{name}`"), &JOB_KEYS) {
            has_run |= key == "run";
            self.key_of_job(&key, &value, &mut placed);
        }
        if !has_run && matches!(node.content, Content::Mapping(_)) {
            self.fault(key.span, &format!("job `{name}` has no `run`"));
        }
        Some(placed)
    }

    fn key_of_job(&mut self, key: &str, value: &Node, placed: &mut Placed) {
        let task = &mut placed.task;
        match key {
            "run" => {
                task.run = self.text(value, key).unwrap_or_default();
                if task.run.trim().is_empty() {
                    self.fault(value.span, "`run` has no command");
                }
            }
            "shell" => task.shell = self.text(value, key),
            "critical" => task.job.critical = self.truth(value, key),
            "needs" => {
                let words = self.words(value, key);
                placed.needs = words.iter().map(|(_, span)| *span).collect();
                task.job.needs = words.into_iter().map(|(word, _)| word).collect();
            }
            "timeout" => task.timeout = self.duration(value, key),
            "retries" => task.job.retry = self.retry(value),
            "accept" => task.job.accept = self.codes(value, key),
            "env" => task.env = self.env(value),
            "working-directory" => {
                let directory = self.text(value, key).unwrap_or_default();
                task.directory = self.base.join(directory);
            }
            "reads" => task.job.reads = self.words(value, key).into_iter().map(|it| it.0).collect(),
            "writes" => {
                task.job.writes = self.words(value, key).into_iter().map(|it| it.0).collect();
            }
            _ => {
                if let Some(log) = self.log(value) {
                    task.log = log;
                }
            }
        }
    }

    /// Finds faults in how the jobs hang together, and says where they are.
    fn check(&mut self, jobs: &[Placed]) {
        let list = jobs.iter().map(|placed| placed.task.job.clone()).collect();
        let Err(fault) = Schedule::new(list, Window::default()) else { return };
        let (job, need) = match &fault {
            Fault::UnknownNeed { job, need, .. } => (job, Some(need)),
            Fault::Duplicate { job, .. } | Fault::Cycle { job, .. } => (job, None),
        };
        let placed = &jobs[job.0];
        let among = |need| placed.task.job.needs.iter().position(|other| other == need);
        let place = need.and_then(among).and_then(|place| placed.needs.get(place));
        self.fault(*place.unwrap_or(&placed.name), &fault.to_string());
    }

    /// Returns the known keys with their values; others, and repeated ones, are faults.
    fn entries(&mut self, node: &Node, what: &str, known: &[&str]) -> Vec<(String, Node)> {
        let Content::Mapping(entries) = &node.content else {
            self.wrong(node, what, "a mapping");
            return Vec::new();
        };
        let mut found: Vec<(String, Node)> = Vec::new();
        for (key, value) in entries.iter() {
            let Some(name) = self.text(key, "a key") else { continue };
            if !known.contains(&name.as_str()) {
                let hint = format!("{what} may have {}", known.join(", "));
                let message = format!("unknown key `{name}`");
                self.faults.push(Diagnostic::error("jobs-key", key.span, message).hinted(hint));
            } else if found.iter().any(|(other, _)| *other == name) {
                self.fault(key.span, &format!("`{name}` is there twice"));
            } else {
                found.push((name, value.clone()));
            }
        }
        found
    }

    fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.content {
            Content::Scalar(Scalar::Null) | Content::Sequence(_) | Content::Mapping(_) => {
                self.wrong(node, what, "a string");
                None
            }
            Content::Scalar(scalar) => Some(scalar.to_text()),
        }
    }

    fn truth(&mut self, node: &Node, what: &str) -> bool {
        if let Content::Scalar(Scalar::Bool(truth)) = &node.content {
            return *truth;
        }
        self.wrong(node, what, "true or false");
        false
    }

    fn whole(&mut self, node: &Node, what: &str, range: (u32, u32)) -> Option<u32> {
        let number = match &node.content {
            Content::Scalar(number @ Scalar::Number(_)) => number.to_text().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| (range.0..=range.1).contains(number));
        if number.is_none() {
            self.wrong(node, what, &format!("a whole number from {} to {}", range.0, range.1));
        }
        number
    }

    fn count(&mut self, node: &Node, what: &str) -> Option<NonZeroUsize> {
        NonZeroUsize::new(self.whole(node, what, (1, 10_000))? as usize)
    }

    fn codes(&mut self, node: &Node, what: &str) -> Vec<i32> {
        let code = |reader: &mut Self, node: &Node| {
            reader.whole(node, what, (0, 255)).and_then(|code| i32::try_from(code).ok())
        };
        match &node.content {
            Content::Sequence(items) if items.is_empty() => {
                self.fault(node.span, &format!("{what} is an empty list"));
                Vec::new()
            }
            Content::Sequence(items) => items.iter().filter_map(|item| code(self, item)).collect(),
            _ => code(self, node).into_iter().collect(),
        }
    }

    fn words(&mut self, node: &Node, what: &str) -> Vec<(String, Span)> {
        let word = |reader: &mut Self, node: &Node| Some((reader.text(node, what)?, node.span));
        match &node.content {
            Content::Sequence(items) => items.iter().filter_map(|item| word(self, item)).collect(),
            _ => word(self, node).into_iter().collect(),
        }
    }

    fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        match duration(&self.text(node, what)?) {
            Ok(duration) => Some(duration),
            Err(why) => {
                self.fault(node.span, &format!("{what}: {why}"));
                None
            }
        }
    }

    fn retry(&mut self, node: &Node) -> Retry {
        const MOST: (u32, u32) = (0, 1000);
        let mut retry = Retry::default();
        if !matches!(node.content, Content::Mapping(_)) {
            retry.times = self.whole(node, "retries", MOST).unwrap_or_default();
            return retry;
        }
        let entries = self.entries(node, "retries", &RETRY_KEYS);
        if !entries.iter().any(|(key, _)| key == "times") {
            self.fault(node.span, "`retries` has no `times`");
        }
        for (key, value) in &entries {
            match key.as_str() {
                "times" => retry.times = self.whole(value, key, MOST).unwrap_or_default(),
                "delay" => retry.delay = self.duration(value, key).unwrap_or_default(),
                _ => retry.codes = self.codes(value, key),
            }
        }
        retry
    }

    fn env(&mut self, node: &Node) -> Vec<(String, String)> {
        let Content::Mapping(entries) = &node.content else {
            self.wrong(node, "`env`", "a mapping of names to values");
            return Vec::new();
        };
        let mut variables = Vec::new();
        for (key, value) in entries.iter() {
            let Some(name) = self.text(key, "the name of a variable") else { continue };
            if name.is_empty() || name.contains(['=', '\0']) {
                self.fault(key.span, &format!("`{name}` cannot be the name of a variable"));
            }
            let value = match &value.content {
                Content::Scalar(Scalar::Null) => Some(String::new()),
                _ => self.text(value, &format!("the value of `{name}`")),
            };
            variables.extend(value.map(|value| (name, value)));
        }
        variables
    }

    /// Reads the name of a log, which stays below the directory of logs.
    fn log(&mut self, node: &Node) -> Option<String> {
        let log = self.text(node, "log")?;
        let inside = |part| matches!(part, Component::Normal(_));
        if log.is_empty() || !Path::new(&log).components().all(inside) || log.ends_with('/') {
            self.fault(node.span, "`log` is a file below the directory of logs, without `..`");
            return None;
        }
        Some(log)
    }

    fn wrong(&mut self, node: &Node, what: &str, expected: &str) {
        let what = what.trim_matches('`');
        self.fault(node.span, &format!("`{what}` must be {expected}, and is {}", node.noun()));
    }

    fn fault(&mut self, span: Span, message: &str) {
        self.faults.push(Diagnostic::error("jobs", span, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(text: &str) -> Vec<Task> {
        parse(&Source::new("jobs.yml", text), Path::new("/base")).expect("no faults").0
    }

    #[track_caller]
    fn check_fault(text: &str, expected: &[&str]) {
        let source = Source::new("jobs.yml", text);
        let faults = parse(&source, Path::new("/base")).expect_err("a fault");
        let line = |fault: &Diagnostic| {
            let (line, column) = source.line_column(fault.span.start);
            format!("jobs.yml:{line}:{column}: {}", fault.message)
        };
        assert_eq!(faults.iter().map(line).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn every_key_is_read() {
        let text = "\
max-parallel: 2
fail-fast: true
shell: sh -e
env: {A: 1, B: two}
jobs:
  edges: {run: ./edges, writes: graph, critical: false}
  validate:
    run: python validate.py
    shell: bash
    needs: [edges]
    timeout: 10m
    retries: {times: 2, delay: 5s, on: [75]}
    accept: [0, 3]
    env: {A: own, EMPTY: }
    working-directory: sub
    reads: [graph, map]
    log: sub/v.log
";
        let source = Source::new("jobs.yml", text);
        let (tasks, defaults) = parse(&source, Path::new("/base")).expect("no faults");
        assert_eq!(defaults.max_parallel, NonZeroUsize::new(2));
        assert!(defaults.fail_fast);
        assert_eq!(defaults.shell.as_deref(), Some("sh -e"));
        let [edges, validate] = tasks.as_slice() else { panic!("two jobs") };
        assert!(!edges.job.critical);
        assert_eq!(edges.job.writes, ["graph"]);
        assert_eq!(
            (edges.log.as_str(), edges.directory.as_path()),
            ("edges.log", Path::new("/base"))
        );
        assert!(validate.job.critical);
        assert_eq!(validate.job.needs, ["edges"]);
        assert_eq!(validate.job.reads, ["graph", "map"]);
        assert_eq!(validate.timeout, Some(Duration::from_mins(10)));
        let retry = Retry { times: 2, delay: Duration::from_secs(5), codes: vec![75] };
        assert_eq!(validate.job.retry, retry);
        assert_eq!(validate.job.accept, [0, 3]);
        let env: Vec<_> = validate.env.iter().map(|(a, b)| format!("{a}={b}")).collect();
        assert_eq!(env, ["A=1", "B=two", "A=own", "EMPTY="]);
        assert_eq!(validate.directory, Path::new("/base/sub"));
        assert_eq!(validate.log, "sub/v.log");
    }

    #[test]
    fn a_single_word_is_a_list_of_one() {
        let tasks = tasks("jobs: {a: {run: x}, b: {run: x, needs: a, accept: 3, retries: 1}}");
        assert_eq!(tasks[1].job.needs, ["a"]);
        assert_eq!(tasks[1].job.accept, [3]);
        assert_eq!(tasks[1].job.retry.times, 1);
    }

    #[test]
    fn faults_have_places() {
        check_fault(
            "jobs:\n  a:\n    rnu: x\n",
            &["jobs.yml:3:5: unknown key `rnu`", "jobs.yml:2:3: job `a` has no `run`"],
        );
        check_fault(
            "jobs:\n  a: {run: x, needs: [b]}\n",
            &["jobs.yml:2:23: `a` needs `b`, which does not exist"],
        );
        check_fault(
            "jobs:\n  a: {run: x, needs: b}\n  b: {run: x, needs: a}\n",
            &["jobs.yml:2:3: these jobs wait for each other: a → b → a"],
        );
        check_fault(
            "jobs:\n  a b: {run: x}\n",
            &[
                "jobs.yml:2:3: `a b` cannot be the name of a job: at most 100 letters, digits, `_`, `-` \
             and `.`, beginning with a letter, a digit or `_`",
            ],
        );
        check_fault(
            "jobs:\n  a: {run: x, critical: maybe}\n",
            &["jobs.yml:2:25: `critical` must be true or false, and is a string"],
        );
        check_fault(
            "jobs:\n  a: {run: x, timeout: soon}\n",
            &["jobs.yml:2:24: timeout: `soon` is no duration between 1 ms and a year; \
             write 90s, 10m or 1h 30m"],
        );
        check_fault(
            "jobs:\n  a: {run: x, accept: [0, 256]}\n",
            &["jobs.yml:2:27: `accept` must be a whole number from 0 to 255, and is a number"],
        );
        check_fault(
            "jobs:\n  a: {run: '', log: ../x}\n",
            &[
                "jobs.yml:2:12: `run` has no command",
                "jobs.yml:2:21: `log` is a file below the directory of logs, without `..`",
            ],
        );
        check_fault(
            "max-parallel: 0\njobs:\n  a: {run: x}\n",
            &[
                "jobs.yml:1:15: `max-parallel` must be a whole number from 1 to 10000, and is a number",
            ],
        );
        check_fault("max-parallel: 1\n", &["jobs.yml:1:1: the file has no `jobs`"]);
        check_fault("jobs: {}\n", &["jobs.yml:1:7: there are no jobs"]);
    }

    #[test]
    fn hostile_files_are_faults() {
        for text in ["", "[", "jobs: [", "- a", "jobs: 1", "\0", "jobs: {a: null}", "jobs: {1: 2}"]
        {
            let source = Source::new("jobs.yml", text);
            assert!(parse(&source, Path::new("/")).is_err(), "{text:?}");
        }
    }
}
