//! Properties of every run, whatever its jobs are and whatever happens to them.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Conclusion, Effect, Event, JobKey, JobReport, Member, Run, RunSpec, State};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::world::{spec, with_called};

#[derive(Clone, Debug)]
struct Shape {
    needs: Vec<prop::sample::Index>,
    condition: usize,
    legs: usize,
    window: usize,
    fail_fast: bool,
    may_fail: bool,
    group: usize,
    calls: bool,
}

const CONDITIONS: [&str; 8] = [
    "",
    "",
    "always()",
    "failure()",
    "cancelled()",
    "'!cancelled()'",
    "failure() || cancelled()",
    "github.ref == 'refs/heads/other'",
];

const GROUPS: [&str; 5] = ["", "", "one", "${{ strategy.job-index }}", "${{ vars.NONE || 'top' }}"];

fn shape() -> impl Strategy<Value = Shape> {
    (
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        0..CONDITIONS.len(),
        0..5_usize,
        0..4_usize,
        any::<bool>(),
        any::<bool>(),
        0..GROUPS.len(),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(needs, condition, legs, window, fail_fast, may_fail, group, calls)| {
            Shape { needs, condition, legs, window, fail_fast, may_fail, group, calls }
        })
}

fn write(index: usize, shape: &Shape) -> String {
    let mut lines = vec![format!("  j{index}:")];
    if index > 0 && !shape.needs.is_empty() {
        let needs: BTreeSet<String> =
            shape.needs.iter().map(|need| format!("j{}", need.index(index))).collect();
        let needs: Vec<String> = needs.into_iter().collect();
        lines.push(format!("    needs: [{}]", needs.join(", ")));
    }
    if !CONDITIONS[shape.condition].is_empty() {
        lines.push(format!("    if: {}", CONDITIONS[shape.condition]));
    }
    if shape.legs > 0 {
        let values: Vec<String> = (0..shape.legs).map(|value| value.to_string()).collect();
        lines.push(format!("    strategy:\n      fail-fast: {}", shape.fail_fast));
        if shape.window > 0 {
            lines.push(format!("      max-parallel: {}", shape.window));
        }
        lines.push(format!("      matrix: {{x: [{}]}}", values.join(", ")));
    }
    if !GROUPS[shape.group].is_empty() {
        lines.push(format!("    concurrency: {}", GROUPS[shape.group]));
    }
    if shape.calls {
        lines.push("    uses: ./.github/workflows/lib.yml".to_owned());
    } else {
        lines.push(format!("    continue-on-error: {}", shape.may_fail));
        lines.push("    runs-on: ubuntu-latest\n    steps: [{run: 'true'}]".to_owned());
    }
    lines.join("\n") + "\n"
}

const LIB: &str = "
on: workflow_call
concurrency: one
jobs:
  x:
    runs-on: ubuntu-latest
    steps: [{run: 'true'}]
  y:
    needs: x
    if: always()
    concurrency: two
    runs-on: ubuntu-latest
    steps: [{run: 'true'}]
";

fn make(shapes: &[Shape], has_group: bool) -> RunSpec {
    let jobs: String = shapes.iter().enumerate().map(|(i, shape)| write(i, shape)).collect();
    let group = if has_group { "concurrency: top\n" } else { "" };
    with_called(spec(&format!("{group}jobs:\n{jobs}")), &[("lib", LIB)])
}

/// Plays the world around a run and watches what it asks for.
struct Watch {
    run: Run,
    windows: BTreeMap<String, usize>,
    waiting: Vec<Member>,
    left: Vec<Member>,
    inside: BTreeSet<Member>,
    running: Vec<JobKey>,
    started: BTreeSet<JobKey>,
    ended: BTreeSet<JobKey>,
    told: BTreeSet<JobKey>,
    is_finished: bool,
    events: Vec<(Event, Timestamp)>,
}

impl Watch {
    fn new(spec: RunSpec, shapes: &[Shape]) -> Self {
        let window = |shape: &Shape| {
            if shape.legs > 0 && shape.window > 0 { shape.window } else { usize::MAX }
        };
        Self {
            run: Run::new(spec).unwrap(),
            windows: shapes
                .iter()
                .enumerate()
                .map(|(index, shape)| (format!("j{index}"), window(shape)))
                .collect(),
            waiting: Vec::new(),
            left: Vec::new(),
            inside: BTreeSet::new(),
            running: Vec::new(),
            started: BTreeSet::new(),
            ended: BTreeSet::new(),
            told: BTreeSet::new(),
            is_finished: false,
            events: Vec::new(),
        }
    }

    fn apply(&mut self, event: Event) {
        let now = Timestamp::from_second(i64::try_from(self.events.len()).unwrap()).unwrap();
        self.events.push((event.clone(), now));
        let before = format!("{:?}", self.run);
        let effects = engine::apply(&mut self.run, event, now);
        if self.is_finished {
            assert!(effects.is_empty());
            assert_eq!(before, format!("{:?}", self.run));
        }
        for effect in effects {
            self.watch(effect);
        }
        self.check_windows();
    }

    fn watch(&mut self, effect: Effect) {
        assert!(!self.is_finished, "nothing follows the end: {effect:?}");
        match effect {
            Effect::Enter { member, .. } => {
                assert!(!self.inside.contains(&member) && !self.waiting.contains(&member));
                self.waiting.push(member);
            }
            Effect::Leave { member } => {
                let waited = self.waiting.iter().position(|waiting| *waiting == member);
                if let Some(waited) = waited {
                    self.waiting.remove(waited);
                } else {
                    assert!(self.inside.remove(&member), "{member:?} left what it was not in");
                }
                self.left.push(member);
            }
            Effect::StartJob(plan) => {
                assert!(self.started.insert(plan.key.clone()), "{} started twice", plan.key);
                assert!(!self.ended.contains(&plan.key));
                if plan.group.is_some() {
                    assert!(self.inside.contains(&Member::Job(plan.key.clone())));
                }
                self.check_needs(&plan.key);
                self.running.push(plan.key);
            }
            Effect::CancelJob { job, .. } => {
                assert!(self.running.contains(&job), "{job} was cancelled and does not run");
                assert!(self.told.insert(job), "told twice");
            }
            Effect::JobSkipped { job, .. } => {
                assert!(!self.started.contains(&job));
                assert!(self.ended.insert(job));
            }
            Effect::Finished { .. } => self.is_finished = true,
            Effect::Notice(_) => {}
        }
    }

    fn check_needs(&self, key: &JobKey) {
        let views = self.run.jobs();
        let own = views.iter().find(|view| view.key == *key).unwrap();
        let above = &key.path[..key.path.len() - 1];
        for need in &own.needs {
            let same = views.iter().filter(|view| {
                view.key.path[..view.key.path.len() - 1] == *above && view.key.id() == need
            });
            for view in same {
                assert_eq!(view.state, State::Completed, "{key} started before {}", view.key);
            }
        }
    }

    fn check_windows(&self) {
        let mut active: BTreeMap<String, usize> = BTreeMap::new();
        for view in self.run.jobs().iter().filter(|view| view.key.path.len() == 1) {
            if view.key.leg.is_some()
                && matches!(view.state, State::Pending | State::Queued | State::InProgress)
            {
                *active.entry(view.key.id().to_owned()).or_default() += 1;
            }
        }
        for (job, count) in active {
            assert!(count <= self.windows[&job], "{count} legs of {job} at once");
        }
    }

    /// Does one thing that may happen now; says whether anything could.
    fn play(&mut self, choice: u32, result: u32) -> bool {
        let index = |count: usize| usize::try_from(choice).unwrap() % count;
        let reason = || "Something newer.".to_owned();
        if choice.is_multiple_of(23) && self.events.len() > 1 {
            self.apply(Event::Cancel { reason: reason() });
        }
        if choice.is_multiple_of(7) && !self.left.is_empty() {
            // An answer to somebody who has left.
            let member = self.left[index(self.left.len())].clone();
            if !self.waiting.contains(&member) && !self.inside.contains(&member) {
                self.apply(Event::Entered { member });
            }
        }
        if choice.is_multiple_of(11) && !self.inside.is_empty() {
            let member = self.inside.iter().nth(index(self.inside.len())).unwrap().clone();
            self.apply(Event::Refused { member, reason: reason() });
        }
        let count = self.waiting.len() + self.running.len();
        if count == 0 {
            return false;
        }
        let index = index(count);
        if index < self.waiting.len() {
            let member = self.waiting.remove(index);
            self.inside.insert(member.clone());
            if result.is_multiple_of(5) {
                self.apply(Event::Refused { member, reason: reason() });
            } else {
                self.apply(Event::Entered { member });
            }
        } else {
            let job = self.running.remove(index - self.waiting.len());
            assert!(self.ended.insert(job.clone()));
            if result.is_multiple_of(2) {
                self.apply(Event::JobStarted { job: job.clone() });
            }
            let conclusion = match result % 4 {
                0 => Conclusion::Failure,
                1 if self.told.contains(&job) => Conclusion::Cancelled,
                _ => Conclusion::Success,
            };
            let report = JobReport::new(conclusion);
            self.apply(Event::JobEnded { job: job.clone(), report: report.clone() });
            if result.is_multiple_of(3) {
                self.apply(Event::JobEnded { job, report });
            }
        }
        true
    }

    fn check_end(&self) {
        assert!(self.is_finished, "the run waits for ever: {:#?}", self.run.jobs());
        assert_eq!(self.run.state(), State::Completed);
        assert!(self.waiting.is_empty() && self.inside.is_empty() && self.running.is_empty());
        for view in self.run.jobs() {
            assert_eq!(view.state, State::Completed, "{}", view.key);
        }
        let counted = self.run.jobs().into_iter().filter(|view| view.key.path.len() == 1);
        let joined = Conclusion::join(counted.filter_map(|view| {
            if view.warning { Some(Conclusion::Success) } else { view.conclusion }
        }));
        assert_eq!(self.run.conclusion(), Some(joined));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_run_ends_and_asks_for_nothing_wrong(
        shapes in prop::collection::vec(shape(), 1..8),
        has_group in any::<bool>(),
        choices in prop::collection::vec((any::<u32>(), any::<u32>()), 1..40),
    ) {
        let spec = make(&shapes, has_group);
        let mut watch = Watch::new(spec.clone(), &shapes);
        watch.apply(Event::Start);
        let mut choices = choices.iter().cycle();
        // Every round ends a job or answers a member, so this is more than enough.
        for _ in 0..1000 {
            let (choice, result) = *choices.next().expect("the list is not empty");
            if !watch.play(choice, result) {
                break;
            }
        }
        watch.check_end();

        let mut again = Run::new(spec).unwrap();
        for (event, now) in &watch.events {
            engine::apply(&mut again, event.clone(), *now);
        }
        prop_assert_eq!(format!("{again:?}"), format!("{:?}", watch.run));
    }
}
