//! A place for one job, and what it did there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::{Conclusion, Contexts, JobKey, JobPlan, JobReport, RunId};
use expr::Value;
use indexmap::IndexMap;
use runner::process::Token;
use runner::{Annotation, Directories, Level, Machine, Notice, Order, Place};
use serde_json::json;
use tokio::sync::mpsc;
use workflow::{Source, Workflow};

/// A place that is not used yet.
pub(crate) struct World {
    root: tempfile::TempDir,
    pub(crate) place: Place,
    pub(crate) contexts: Contexts,
    pub(crate) timeout: Duration,
    pub(crate) matrix: Value,
}

/// What a job did.
pub(crate) struct Story {
    pub(crate) report: JobReport,
    pub(crate) notices: Vec<Notice>,
    pub(crate) log: String,
    pub(crate) workspace: PathBuf,
    roots: Vec<tempfile::TempDir>,
}

impl World {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let directory = |name: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        let directories = Directories {
            workspace: directory("workspace"),
            temp: directory("temp"),
            tool_cache: directory("tools"),
            actions: directory("actions"),
        };
        let mut environment = runner::environment::lent(std::env::vars());
        environment.insert("HOME".into(), directory("home").display().to_string());
        let place = Place {
            directories,
            source: None,
            run: Token::random(),
            log: root.path().join("logs/job.log"),
            environment,
            env: IndexMap::new(),
            secrets: Vec::new(),
            inherited: Vec::new(),
            payload: None,
            machine: Machine { name: "here".into(), os: "Linux", arch: "X64" },
            debug: false,
        };
        let github = json!({
            "repository": "octo/hello", "repository_owner": "octo", "ref": "refs/heads/main", "sha": "abc",
            "event_name": "push", "event": {"number": 7}, "server_url": "https://github.com", "actor": "mona"
        });
        let contexts = Contexts { github: Value::from_json(&github), ..Contexts::default() };
        let (timeout, matrix) = (Duration::from_mins(1), Value::Null);
        Self { root, place, contexts, timeout, matrix }
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let path = self.place.directories.workspace.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn secret(mut self, name: &str, value: &str) -> Self {
        let mut secrets = self.contexts.secrets.as_object().cloned().unwrap();
        secrets.insert(name, value);
        self.contexts.secrets = secrets.into();
        self
    }

    /// Runs the job `a` of a workflow.
    pub(crate) async fn run(self, text: &str) -> Story {
        self.run_while(text, |_, _| {}).await
    }

    /// Runs the job `a` whose steps are given.
    pub(crate) async fn steps(self, steps: &str) -> Story {
        self.run(&workflow(steps)).await
    }

    /// Runs the job `a`; `act` sees every notice and may give orders.
    pub(crate) async fn run_while(
        self,
        text: &str,
        mut act: impl FnMut(&Notice, &mpsc::Sender<Order>),
    ) -> Story {
        let plan = self.plan(text);
        let (outlet, mut inlet) = mpsc::channel(10_000);
        let (orders, wishes) = mpsc::channel(8);
        let job = runner::run_job(plan, self.place.clone(), outlet, wishes);
        let mut notices = Vec::new();
        let listen = async {
            while let Some(notice) = inlet.recv().await {
                act(&notice, &orders);
                notices.push(notice);
            }
        };
        let (report, ()) = tokio::join!(job, listen);
        let is_file = self.place.log.is_file();
        let log = is_file.then(|| std::fs::read_to_string(&self.place.log).unwrap_or_default());
        let workspace = self.place.directories.workspace.clone();
        Story { report, notices, log: log.unwrap_or_default(), workspace, roots: vec![self.root] }
    }

    pub(crate) fn plan(&self, text: &str) -> JobPlan {
        JobPlan {
            run: RunId(1),
            attempt: 1,
            key: JobKey::new("a"),
            name: "a".into(),
            workflow: read(text),
            job_id: "a".into(),
            contexts: self.contexts.clone(),
            needs: Value::from_json(&json!({})),
            strategy: Value::from_json(&json!({})),
            matrix: self.matrix.clone(),
            timeout: self.timeout,
            continue_on_error: false,
            runs_on: vec!["ubuntu-latest".into()],
            group: None,
        }
    }
}

fn read(text: &str) -> Arc<Workflow> {
    let source = Source { path: ".github/workflows/a.yml".into(), text: text.into() };
    let reading = workflow::read(source);
    let Some(workflow) = reading.value else { panic!("{:#?}", reading.diagnostics) };
    Arc::new(workflow)
}

/// Returns a workflow whose job `a` has these steps, each line as it stands below `steps:`.
pub(crate) fn workflow(steps: &str) -> String {
    let mut text = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n".to_owned();
    for line in steps.lines() {
        text.extend(["      ", line, "\n"]);
    }
    text
}

impl Story {
    /// Keeps one more directory as long as the story.
    pub(crate) fn keep(mut self, root: tempfile::TempDir) -> Self {
        self.roots.push(root);
        self
    }

    /// Returns the lines that steps printed.
    pub(crate) fn lines(&self) -> Vec<&str> {
        let mut lines = Vec::new();
        for notice in &self.notices {
            if let Notice::Line { step: Some(_), text, .. } = notice {
                lines.push(text.as_str());
            }
        }
        lines
    }

    #[track_caller]
    pub(crate) fn assert_prints(&self, expected: &[&str]) {
        let shown: Vec<_> =
            self.lines().into_iter().filter(|line| !line.starts_with("##[")).collect();
        assert_eq!(shown, expected, "{}", self.log);
    }

    /// Asserts how each step ended: outcome, and conclusion where it differs.
    #[track_caller]
    pub(crate) fn assert_steps(&self, expected: &[&str]) {
        let shown = self.report.steps.iter().map(|step| {
            if step.outcome == step.conclusion {
                step.outcome.to_string()
            } else {
                format!("{} -> {}", step.outcome, step.conclusion)
            }
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected, "{}", self.log);
    }

    #[track_caller]
    pub(crate) fn assert_ends(&self, conclusion: Conclusion) {
        assert_eq!(self.report.conclusion, conclusion, "{:#?}\n{}", self.report, self.log);
    }

    pub(crate) fn annotations(&self, level: Level) -> Vec<&Annotation> {
        let mut annotations = Vec::new();
        for notice in &self.notices {
            if let Notice::Annotation { annotation, .. } = notice
                && annotation.level == level
            {
                annotations.push(annotation);
            }
        }
        annotations
    }

    #[track_caller]
    pub(crate) fn assert_says(&self, text: &str) {
        assert!(self.log.contains(text), "{text:?} is not in\n{}", self.log);
    }
}

/// Returns a path as text.
pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}
