//! The world of a run: feeds it events and writes its effects down as short lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::{
    Conclusion, Contexts, Effect, Event, JobKey, JobPlan, JobReport, JobView, Member, Run, RunId,
    RunSpec, State,
};
use expr::Value;
use jiff::Timestamp;
use workflow::{Source, Workflow};

pub(crate) struct World {
    pub(crate) run: Run,
    pub(crate) plans: BTreeMap<String, JobPlan>,
    pub(crate) notices: Vec<String>,
    spec: RunSpec,
    events: Vec<(Event, Timestamp)>,
    lines: Vec<String>,
    now: Timestamp,
}

/// Reads a workflow; `on: push` is added where there is no `on`.
#[track_caller]
pub(crate) fn workflow(path: &str, text: &str) -> Arc<Workflow> {
    let text = if text.contains("on:\n") || text.starts_with("on:") || text.contains("\non:") {
        text.to_owned()
    } else {
        format!("on: push\n{text}")
    };
    let reading = workflow::read(Source::new(path, text));
    match reading.value {
        Some(workflow) => Arc::new(workflow),
        None => panic!("{path}: {:#?}", reading.diagnostics),
    }
}

#[track_caller]
pub(crate) fn spec(text: &str) -> RunSpec {
    RunSpec {
        id: RunId(7),
        attempt: 1,
        workflow: workflow(".github/workflows/main.yml", text),
        called: BTreeMap::new(),
        contexts: contexts(serde_json::json!({
            "ref": "refs/heads/main",
            "workflow": "main",
            "event_name": "push",
            "event": {"issue": {"number": 5}},
        })),
        only: Vec::new(),
    }
}

pub(crate) fn contexts(github: serde_json::Value) -> Contexts {
    Contexts {
        github: Value::from_json(&github),
        vars: Value::from_json(&serde_json::json!({"MODE": "fast"})),
        secrets: Value::from_json(&serde_json::json!({"GITHUB_TOKEN": "t", "KEY": "k"})),
        ..Contexts::default()
    }
}

pub(crate) fn with_called(mut spec: RunSpec, called: &[(&str, &str)]) -> RunSpec {
    for (name, text) in called {
        let path = format!(".github/workflows/{name}.yml");
        spec.called.insert(format!("./{path}"), workflow(&path, text));
    }
    spec
}

impl World {
    #[track_caller]
    pub(crate) fn new(text: &str) -> Self {
        Self::of(spec(text))
    }

    #[track_caller]
    pub(crate) fn of(spec: RunSpec) -> Self {
        Self {
            run: Run::new(spec.clone()).unwrap(),
            plans: BTreeMap::new(),
            notices: Vec::new(),
            spec,
            events: Vec::new(),
            lines: Vec::new(),
            now: Timestamp::UNIX_EPOCH,
        }
    }

    pub(crate) fn apply(&mut self, event: Event) -> Vec<String> {
        self.now = self.now.checked_add(jiff::SignedDuration::from_secs(1)).unwrap();
        self.events.push((event.clone(), self.now));
        let effects = engine::apply(&mut self.run, event, self.now);
        let lines: Vec<String> = effects.iter().filter_map(|effect| self.line(effect)).collect();
        self.lines.extend(lines.iter().cloned());
        lines
    }

    pub(crate) fn start(&mut self) -> Vec<String> {
        self.apply(Event::Start)
    }

    pub(crate) fn end(&mut self, job: &str, conclusion: Conclusion) -> Vec<String> {
        self.report(job, JobReport::new(conclusion))
    }

    pub(crate) fn end_with(&mut self, job: &str, outputs: &[(&str, &str)]) -> Vec<String> {
        let mut report = JobReport::new(Conclusion::Success);
        for (name, value) in outputs {
            report.outputs.insert((*name).to_owned(), (*value).to_owned());
        }
        self.report(job, report)
    }

    pub(crate) fn report(&mut self, job: &str, report: JobReport) -> Vec<String> {
        self.apply(Event::JobEnded { job: job.parse().unwrap(), report })
    }

    pub(crate) fn entered(&mut self, member: &str) -> Vec<String> {
        self.apply(Event::Entered { member: read_member(member) })
    }

    pub(crate) fn refused(&mut self, member: &str) -> Vec<String> {
        self.apply(Event::Refused { member: read_member(member), reason: "A newer one.".into() })
    }

    pub(crate) fn cancel(&mut self) -> Vec<String> {
        self.apply(Event::Cancel { reason: "By hand.".into() })
    }

    #[track_caller]
    pub(crate) fn job(&self, key: &str) -> JobView {
        let key: JobKey = key.parse().unwrap();
        self.run.job(&key).unwrap_or_else(|| panic!("no job {key}"))
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.run.jobs().iter().map(|job| job.key.to_string()).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.run.jobs().into_iter().map(|job| job.name).collect()
    }

    /// Applies the same events to a fresh run, which must become the same.
    #[track_caller]
    pub(crate) fn replay(&self) {
        let mut run = Run::new(self.spec.clone()).unwrap();
        let journal = serde_json::to_string(&self.events).unwrap();
        let events: Vec<(Event, Timestamp)> = serde_json::from_str(&journal).unwrap();
        for (event, now) in events {
            engine::apply(&mut run, event, now);
        }
        assert_eq!(format!("{run:?}"), format!("{:?}", self.run));
    }

    #[track_caller]
    pub(crate) fn check_end(&self, conclusion: Conclusion) {
        assert_eq!(self.run.conclusion(), Some(conclusion), "{:#?}", self.lines);
        assert_eq!(self.run.state(), State::Completed);
        self.replay();
    }

    fn line(&mut self, effect: &Effect) -> Option<String> {
        Some(match effect {
            Effect::Enter { member, group } => {
                let cancels = if group.cancel_in_progress { "!" } else { "" };
                format!("enter {} {}{cancels}", show_member(member), group.name)
            }
            Effect::Leave { member } => format!("leave {}", show_member(member)),
            Effect::StartJob(plan) => {
                let key = plan.key.to_string();
                let old = self.plans.insert(key.clone(), (**plan).clone());
                assert!(old.is_none(), "{key} was started twice");
                format!("start {key}")
            }
            Effect::CancelJob { job, .. } => format!("cancel {job}"),
            Effect::JobSkipped { job, conclusion, .. } => format!("{conclusion} {job}"),
            Effect::Finished { conclusion } => format!("finished {conclusion}"),
            Effect::Notice(notice) => {
                self.notices.push(notice.message.clone());
                return None;
            }
        })
    }
}

pub(crate) fn show_member(member: &Member) -> String {
    match member {
        Member::Run => "run".to_owned(),
        Member::Job(key) => format!("job:{key}"),
        Member::Called(key) => format!("called:{key}"),
    }
}

fn read_member(text: &str) -> Member {
    match text.split_once(':') {
        Some(("job", key)) => Member::Job(key.parse().unwrap()),
        Some(("called", key)) => Member::Called(key.parse().unwrap()),
        _ => Member::Run,
    }
}

/// Writes a job with one step.
pub(crate) fn job(id: &str, keys: &str) -> String {
    let mut text = format!("  {id}:\n    runs-on: ubuntu-latest\n    steps: [{{run: 'true'}}]\n");
    for line in keys.lines().filter(|line| !line.trim().is_empty()) {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Writes a workflow of jobs with one step each: `(id, its other keys)`.
pub(crate) fn jobs(jobs: &[(&str, &str)]) -> String {
    let jobs: String = jobs.iter().map(|(id, keys)| job(id, keys)).collect();
    format!("jobs:\n{jobs}")
}
