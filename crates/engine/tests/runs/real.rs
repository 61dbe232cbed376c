//! Workflows of real projects, played to their end.

use std::path::Path;
use std::sync::Arc;

use engine::{Conclusion, Effect, Event, JobReport, Run, RunSpec, State};
use jiff::Timestamp;
use workflow::Source;

use crate::world::spec;

#[test]
fn every_real_workflow_comes_to_an_end() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/conformance/schemastore/valid/github-workflow");
    let Ok(files) = std::fs::read_dir(&folder) else {
        return skipped(&folder);
    };
    let mut played = 0;
    for file in files {
        let path = file.unwrap().path();
        let Ok(text) = String::from_utf8(std::fs::read(&path).unwrap()) else { continue };
        let reading = workflow::read(Source::new(path.display().to_string(), text));
        let Some(workflow) = reading.value else { continue };
        let spec = RunSpec {
            workflow: Arc::new(workflow),
            ..spec("jobs: {a: {runs-on: x, steps: [{run: x}]}}")
        };
        engine::plan(&spec).ok();
        engine::certain_skip(&spec.workflow, &spec.contexts);
        // One that calls a workflow which is not here is refused, and that is right.
        let Ok(run) = Run::new(spec) else { continue };
        play(run, &path);
        played += 1;
    }
    assert!(played > 10, "only {played} workflows were played");
}

fn play(mut run: Run, path: &Path) {
    let mut events = vec![Event::Start];
    while let Some(event) = events.pop() {
        for effect in engine::apply(&mut run, event, Timestamp::UNIX_EPOCH) {
            match effect {
                Effect::Enter { member, .. } => events.push(Event::Entered { member }),
                Effect::StartJob(plan) => events.push(Event::JobEnded {
                    job: plan.key,
                    report: JobReport::new(Conclusion::Success),
                }),
                _ => {}
            }
        }
    }
    assert_eq!(run.state(), State::Completed, "{}", path.display());
}

#[expect(clippy::print_stderr, reason = "a table that is not there must not pass in silence")]
fn skipped(path: &Path) {
    eprintln!("skipped: {} is not there", path.display());
}
