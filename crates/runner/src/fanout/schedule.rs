//! Decides which job starts next, which is stopped, and what each one's end means.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::plan::{Fault, resolve};
use super::{Job, JobId, Outcome, Verdict};

/// How many jobs run at once, and what a failure means for the others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Window {
    /// How many at most.
    pub max_parallel: Option<NonZeroUsize>,
    /// What happens to the others when a critical job fails.
    pub on_failure: OnFailure,
}

/// What happens to the others when a critical job fails.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnFailure {
    /// They go on; only those that need it are skipped.
    #[default]
    Continue,
    /// Those that run are stopped, and no other starts.
    Stop,
}

/// Jobs on their way.
#[derive(Clone, Debug)]
pub struct Schedule {
    jobs: Vec<Entry>,
    window: Window,
    /// Whether there may be more jobs.
    open: bool,
    started: bool,
    /// Why nothing starts any more.
    stopped: Option<String>,
    finished: bool,
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// It may begin.
    Start,
    /// There is one more job; only if the schedule is open.
    Add(Job),
    /// There will be no more jobs.
    Close,
    /// An attempt ended.
    Ended {
        /// Whose.
        job: JobId,
        /// How.
        outcome: Outcome,
    },
    /// A moment that was asked for has come.
    Due,
    /// Everything should end.
    Cancel,
    /// This job should end.
    CancelJob(JobId),
}

/// What is to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Start this attempt of a job.
    Start {
        /// Which job.
        job: JobId,
        /// Counted from one.
        attempt: u32,
    },
    /// Stop this job; its end is still to be told.
    Stop {
        /// Which job.
        job: JobId,
    },
    /// Say [`Event::Due`] at this time.
    Wake {
        /// When, on the clock of `now`.
        at: Duration,
    },
    /// This job has its result.
    Settled {
        /// Which job.
        job: JobId,
        /// For good.
        verdict: Verdict,
        /// How many attempts there were.
        attempts: u32,
    },
    /// Every job has its result, and there will be no more.
    Finished,
}

#[derive(Clone, Debug)]
struct Entry {
    job: Job,
    needs: Vec<usize>,
    state: State,
    attempts: u32,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum State {
    Waiting,
    /// Until it may be tried again.
    Resting(Duration),
    Running,
    /// Told to stop, and still there.
    Stopping,
    Settled(Verdict),
}

impl Schedule {
    /// Returns a schedule of these jobs and no others.
    pub fn new(jobs: Vec<Job>, window: Window) -> Result<Self, Fault> {
        let needs = resolve(&jobs)?;
        let entry = |(job, needs)| Entry { job, needs, state: State::Waiting, attempts: 0 };
        let jobs = jobs.into_iter().zip(needs).map(entry).collect();
        Ok(Self { jobs, window, open: false, started: false, stopped: None, finished: false })
    }

    /// Returns a schedule without jobs, to which they are added as they come; it has started.
    pub fn open(window: Window) -> Self {
        let jobs = Vec::new();
        Self { jobs, window, open: true, started: true, stopped: None, finished: false }
    }

    /// Returns the jobs in order.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().map(|entry| &entry.job)
    }

    /// Returns a job's result, if it has one.
    pub fn verdict(&self, job: JobId) -> Option<&Verdict> {
        match &self.jobs.get(job.0)?.state {
            State::Settled(verdict) => Some(verdict),
            State::Waiting | State::Resting(_) | State::Running | State::Stopping => None,
        }
    }
}

/// Takes in what happened and returns what is to be done.
pub fn apply(schedule: &mut Schedule, event: Event, now: Duration) -> Vec<Effect> {
    let mut effects = Vec::new();
    match event {
        Event::Start => schedule.started = true,
        Event::Add(job) => schedule.add(job, &mut effects),
        Event::Close => schedule.open = false,
        Event::Ended { job, outcome } => schedule.end(job, outcome, now, &mut effects),
        Event::Due => {}
        Event::Cancel => schedule.stop_all("cancelled before it started", &mut effects),
        Event::CancelJob(job) => schedule.stop_one(job, &mut effects),
    }
    schedule.advance(now, &mut effects);
    effects
}

impl Schedule {
    fn add(&mut self, job: Job, effects: &mut Vec<Effect>) {
        if !self.open {
            return;
        }
        let place = |need: &String| self.jobs.iter().position(|entry| entry.job.name == *need);
        let needs: Option<Vec<usize>> = job.needs.iter().map(place).collect();
        let known = needs.is_some();
        let needs = needs.unwrap_or_default();
        self.jobs.push(Entry { job, needs, state: State::Waiting, attempts: 0 });
        if !known {
            // It can only need what was there before it.
            let why = "it needs a job that does not exist";
            self.settle(self.jobs.len() - 1, Verdict::Skipped(why.to_owned()), effects);
        }
    }

    fn end(&mut self, job: JobId, outcome: Outcome, now: Duration, effects: &mut Vec<Effect>) {
        let Some(entry) = self.jobs.get_mut(job.0) else { return };
        let verdict = entry.job.judge(outcome);
        match entry.state {
            State::Running if entry.job.retry.wants(entry.attempts, &verdict) => {
                entry.state = State::Resting(now + entry.job.retry.delay);
            }
            // Of one that was told to stop, only who ran it knows whether it ended by that.
            State::Running | State::Stopping => self.settle(job.0, verdict, effects),
            State::Waiting | State::Resting(_) | State::Settled(_) => {}
        }
    }

    fn settle(&mut self, place: usize, verdict: Verdict, effects: &mut Vec<Effect>) {
        let entry = &mut self.jobs[place];
        entry.state = State::Settled(verdict.clone());
        let (critical, attempts, failed) = (entry.job.critical, entry.attempts, !verdict.passed());
        let why = format!("`{}` {}", entry.job.name, past(&verdict));
        effects.push(Effect::Settled { job: JobId(place), verdict, attempts });
        if failed && critical && self.window.on_failure == OnFailure::Stop && self.stopped.is_none()
        {
            self.stop_all(&why, effects);
        }
    }

    fn stop_all(&mut self, why: &str, effects: &mut Vec<Effect>) {
        self.stopped.get_or_insert_with(|| why.to_owned());
        for place in 0..self.jobs.len() {
            self.stop_one(JobId(place), effects);
        }
    }

    fn stop_one(&mut self, job: JobId, effects: &mut Vec<Effect>) {
        let Some(entry) = self.jobs.get_mut(job.0) else { return };
        match entry.state {
            State::Running => {
                entry.state = State::Stopping;
                effects.push(Effect::Stop { job });
            }
            State::Waiting => {
                let why = self.stopped.clone();
                let why = why.unwrap_or_else(|| "cancelled before it started".to_owned());
                self.settle(job.0, Verdict::Skipped(why), effects);
            }
            State::Resting(_) => self.settle(job.0, Verdict::Cancelled, effects),
            State::Stopping | State::Settled(_) => {}
        }
    }

    /// Starts what may start, skips what cannot, and finds out whether all is done.
    fn advance(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if !self.started || self.finished {
            return;
        }
        self.skip_hopeless(effects);
        self.start_ready(now, effects);
        let settled = |entry: &Entry| matches!(entry.state, State::Settled(_));
        if !self.open && self.jobs.iter().all(settled) {
            self.finished = true;
            effects.push(Effect::Finished);
            return;
        }
        let resting = self.jobs.iter().filter_map(|entry| match entry.state {
            State::Resting(until) if until > now => Some(until),
            _ => None,
        });
        effects.extend(resting.min().map(|at| Effect::Wake { at }));
    }

    fn skip_hopeless(&mut self, effects: &mut Vec<Effect>) {
        // A job that is skipped can make another one hopeless that stands before it.
        loop {
            let hopeless = (0..self.jobs.len()).find_map(|place| {
                let waits = self.jobs[place].state == State::Waiting;
                let why = waits.then(|| self.hopeless(place)).flatten()?;
                Some((place, why))
            });
            match hopeless {
                Some((place, why)) => self.settle(place, Verdict::Skipped(why), effects),
                None => return,
            }
        }
    }

    fn hopeless(&self, place: usize) -> Option<String> {
        if let Some(why) = &self.stopped {
            return Some(why.clone());
        }
        self.jobs[place].needs.iter().find_map(|need| match &self.jobs[*need].state {
            State::Settled(verdict) if !verdict.passed() => {
                Some(format!("needs `{}`, which {}", self.jobs[*need].job.name, past(verdict)))
            }
            _ => None,
        })
    }

    fn start_ready(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let most = self.window.max_parallel.map_or(usize::MAX, NonZeroUsize::get);
        // Those that run, and those that stand before in the line: nobody overtakes them on a resource,
        // so that a writer does not wait for ever.
        let mut ahead: Vec<usize> = (0..self.jobs.len()).filter(|it| self.runs(*it)).collect();
        let mut running = ahead.len();
        for place in 0..self.jobs.len() {
            if running >= most {
                return;
            }
            if !self.is_ready(place, now) {
                continue;
            }
            let job = &self.jobs[place].job;
            if !ahead.iter().any(|other| job.conflicts_with(&self.jobs[*other].job)) {
                let entry = &mut self.jobs[place];
                entry.state = State::Running;
                entry.attempts += 1;
                running += 1;
                effects.push(Effect::Start { job: JobId(place), attempt: entry.attempts });
            }
            ahead.push(place);
        }
    }

    fn runs(&self, place: usize) -> bool {
        matches!(self.jobs[place].state, State::Running | State::Stopping)
    }

    fn is_ready(&self, place: usize, now: Duration) -> bool {
        let passed = |need: &usize| self.jobs[*need].state == State::Settled(Verdict::Passed);
        match self.jobs[place].state {
            State::Waiting => self.jobs[place].needs.iter().all(passed),
            State::Resting(until) => until <= now,
            State::Running | State::Stopping | State::Settled(_) => false,
        }
    }
}

/// Says what became of a job, for another one's sentence.
fn past(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed(_) => "failed",
        Verdict::Killed(_) => "was killed",
        Verdict::TimedOut => "timed out",
        Verdict::CouldNotStart(_) => "could not start",
        Verdict::Cancelled => "was cancelled",
        Verdict::Skipped(_) => "was skipped",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const NOW: Duration = Duration::ZERO;

    /// Jobs as `name: needs… <read… >write… !advisory ~retries`.
    fn job(line: &str) -> Job {
        let (name, rest) = line.split_once(':').unwrap_or((line, ""));
        let mut job = Job::new(name);
        for word in rest.split_whitespace() {
            match word.split_at(1) {
                ("<", name) => job.reads.push(name.to_owned()),
                (">", name) => job.writes.push(name.to_owned()),
                ("!", _) => job.critical = false,
                ("~", times) => job.retry.times = times.parse().expect("a number"),
                _ => job.needs.push(word.to_owned()),
            }
        }
        job
    }

    fn schedule(lines: &[&str], most: usize, on_failure: OnFailure) -> Schedule {
        let window = Window { max_parallel: NonZeroUsize::new(most), on_failure };
        Schedule::new(lines.iter().map(|line| job(line)).collect(), window).expect("no fault")
    }

    /// Writes effects as words.
    fn words(schedule: &Schedule, effects: &[Effect]) -> String {
        let name = |job: &JobId| &schedule.jobs[job.0].job.name;
        let word = |effect: &Effect| match effect {
            Effect::Start { job, attempt: 1 } => format!("+{}", name(job)),
            Effect::Start { job, attempt } => format!("+{}#{attempt}", name(job)),
            Effect::Stop { job } => format!("-{}", name(job)),
            Effect::Wake { at } => format!("@{}", at.as_secs()),
            Effect::Settled { job, verdict, .. } => format!("{}={verdict}", name(job)),
            Effect::Finished => ".".to_owned(),
        };
        effects.iter().map(word).collect::<Vec<_>>().join(" ")
    }

    /// Plays `start`, `cancel`, `cancel a`, `a=0`, `a=cancelled`, `due 5`, and checks the answers.
    #[track_caller]
    fn play(mut schedule: Schedule, script: &[(&str, &str)]) {
        for (line, expected) in script {
            let mut now = NOW;
            let place = |name: &str| {
                JobId(schedule.jobs().position(|job| job.name == name).expect("a job"))
            };
            let event = match line.split_once(['=', ' ']) {
                None if *line == "start" => Event::Start,
                None => Event::Cancel,
                Some(("due", seconds)) => {
                    now = Duration::from_secs(seconds.parse().expect("seconds"));
                    Event::Due
                }
                Some(("cancel", name)) => Event::CancelJob(place(name)),
                Some((name, "cancelled")) => {
                    Event::Ended { job: place(name), outcome: Outcome::Cancelled }
                }
                Some((name, code)) => {
                    let outcome = Outcome::Exited(code.parse().expect("a code"));
                    Event::Ended { job: place(name), outcome }
                }
            };
            let effects = apply(&mut schedule, event, now);
            assert_eq!(words(&schedule, &effects), *expected, "after {line}");
        }
    }

    #[test]
    fn needs_are_waited_for() {
        let script = [
            ("start", "+a +c"),
            ("c=0", "c=passed"),
            ("a=0", "a=passed +b"),
            ("b=1", "b=failed (1) ."),
        ];
        play(schedule(&["b: a c", "a", "c"], 0, OnFailure::Continue), &script[..]);
    }

    #[test]
    fn who_needs_a_failure_is_skipped_and_so_on() {
        let script = [(
            "a=3",
            "a=failed (3) b=skipped (needs `a`, which failed) \
             c=skipped (needs `b`, which was skipped) .",
        )];
        let mut schedule = schedule(&["c: b", "b: a", "a: !"], 0, OnFailure::Continue);
        apply(&mut schedule, Event::Start, NOW);
        play(schedule, &script);
    }

    #[test]
    fn the_window_slides() {
        let script = [
            ("start", "+a +b"),
            ("b=0", "b=passed +c"),
            ("c=0", "c=passed +d"),
            ("a=0", "a=passed"),
            ("d=0", "d=passed ."),
        ];
        play(schedule(&["a", "b", "c", "d"], 2, OnFailure::Continue), &script);
    }

    #[test]
    fn readers_share_and_writers_do_not() {
        let script = [
            ("start", "+a +b +e"),
            ("a=0", "a=passed"),
            ("b=0", "b=passed +c"),
            ("c=0", "c=passed +d"),
        ];
        let jobs = ["a: <x", "b: <x", "c: >x", "d: <x", "e: >y"];
        play(schedule(&jobs, 0, OnFailure::Continue), &script);
    }

    #[test]
    fn a_critical_failure_stops_the_rest_if_wanted() {
        let jobs = ["a", "b", "c: b", "d: !"];
        let script = [
            ("start", "+a +b +d"),
            ("d=1", "d=failed (1)"),
            ("a=1", "a=failed (1) -b c=skipped (`a` failed)"),
            ("b=cancelled", "b=cancelled ."),
        ];
        play(schedule(&jobs, 0, OnFailure::Stop), &script);
    }

    #[test]
    fn what_fails_may_be_tried_again_later() {
        let mut job = job("a: ~2");
        job.retry.delay = Duration::from_secs(5);
        let schedule = Schedule::new(vec![job], Window::default()).expect("no fault");
        let script = [
            ("start", "+a"),
            ("a=1", "@5"),
            ("due 4", "@5"),
            ("due 5", "+a#2"),
            ("a=0", "a=passed ."),
        ];
        play(schedule, &script);
    }

    #[test]
    fn a_cancel_reaches_everything() {
        let mut resting = job("r: ~1");
        resting.retry.delay = Duration::from_secs(5);
        let jobs = vec![resting, job("a"), job("b: a")];
        let schedule = Schedule::new(jobs, Window::default()).expect("no fault");
        let script = [
            ("start", "+r +a"),
            ("r=1", "@5"),
            ("cancel", "r=cancelled -a b=skipped (cancelled before it started)"),
            ("cancel", ""),
            ("a=0", "a=passed ."),
        ];
        play(schedule, &script);
    }

    #[test]
    fn one_job_can_be_cancelled_alone() {
        let jobs = ["a", "b", "c: a"];
        let script = [
            ("start", "+a +b"),
            ("cancel a", "-a"),
            ("a=cancelled", "a=cancelled c=skipped (needs `a`, which was cancelled)"),
            ("b=0", "b=passed ."),
        ];
        play(schedule(&jobs, 0, OnFailure::Continue), &script);
    }

    #[test]
    fn an_open_schedule_takes_jobs_until_it_is_closed() {
        let window = Window { max_parallel: NonZeroUsize::new(1), ..Window::default() };
        let mut schedule = Schedule::open(window);
        let mut say = |event| {
            let effects = apply(&mut schedule, event, NOW);
            words(&schedule, &effects)
        };
        assert_eq!(say(Event::Add(job("a"))), "+a");
        assert_eq!(say(Event::Add(job("b: a"))), "");
        assert_eq!(say(Event::Ended { job: JobId(0), outcome: Outcome::Exited(0) }), "a=passed +b");
        assert_eq!(say(Event::Add(job("c: x"))), "c=skipped (it needs a job that does not exist)");
        assert_eq!(say(Event::Ended { job: JobId(1), outcome: Outcome::Exited(0) }), "b=passed");
        assert_eq!(say(Event::Cancel), "");
        let after = "d=skipped (cancelled before it started)";
        assert_eq!(say(Event::Add(job("d"))), after);
        assert_eq!(say(Event::Close), ".");
        assert_eq!(say(Event::Add(job("e"))), "");
    }

    /// A job that needs some before it and touches a few resources.
    fn any_job(place: usize) -> impl Strategy<Value = Job> {
        let names = || prop::collection::vec("[xyz]", 0..2);
        let needs = prop::collection::vec(0..place.max(1), 0..3);
        (needs, names(), names(), any::<bool>(), 0_u32..3, 0_u64..3).prop_map(
            move |(needs, reads, writes, critical, times, delay)| {
                let mut job = Job { reads, writes, critical, ..Job::new(format!("j{place}")) };
                job.retry.times = times;
                job.retry.delay = Duration::from_secs(delay);
                if place > 0 {
                    job.needs = needs.iter().map(|need| format!("j{need}")).collect();
                }
                job
            },
        )
    }

    fn any_jobs() -> impl Strategy<Value = Vec<Job>> {
        (1_usize..12).prop_flat_map(|count| (0..count).map(any_job).collect::<Vec<_>>())
    }

    /// What the outside knows.
    #[derive(Default)]
    struct Outside {
        now: Duration,
        wake: Option<Duration>,
        running: Vec<JobId>,
        settled: HashMap<usize, Verdict>,
        cancelled: bool,
        finished: bool,
    }

    impl Outside {
        fn take(&mut self, schedule: &Schedule, effects: Vec<Effect>) {
            let job = |id: JobId| &schedule.jobs[id.0].job;
            for effect in effects {
                assert!(!self.finished, "the end was not the end");
                match effect {
                    Effect::Start { job: id, attempt } => {
                        assert!(attempt <= job(id).retry.times + 1);
                        assert!(!self.running.contains(&id));
                        assert!(!self.settled.contains_key(&id.0));
                        let meets = self.running.iter().any(|it| job(*it).conflicts_with(job(id)));
                        assert!(!meets, "a writer met a reader");
                        for need in &job(id).needs {
                            let need = need[1..].parse::<usize>().expect("a number");
                            assert_eq!(self.settled.get(&need), Some(&Verdict::Passed));
                        }
                        self.running.push(id);
                    }
                    Effect::Stop { job } => assert!(self.running.contains(&job)),
                    Effect::Wake { at } => self.wake = Some(at),
                    Effect::Settled { job, verdict, .. } => {
                        assert_eq!(self.settled.insert(job.0, verdict), None);
                    }
                    Effect::Finished => self.finished = true,
                }
            }
            let most = schedule.window.max_parallel.map_or(usize::MAX, NonZeroUsize::get);
            assert!(self.running.len() <= most, "the window is full");
        }

        /// Lets something happen, as the dice say.
        fn next(&mut self, dice: u8) -> Event {
            if dice == 255 && !std::mem::replace(&mut self.cancelled, true) {
                return Event::Cancel;
            }
            let pick = usize::from(dice) / 8;
            match self.wake.take() {
                Some(at) if self.running.is_empty() || dice.is_multiple_of(5) => {
                    self.now = self.now.max(at);
                    return Event::Due;
                }
                wake => self.wake = wake,
            }
            assert!(
                !self.running.is_empty(),
                "nothing runs, nothing waits, and it is not finished"
            );
            let job = self.running.swap_remove(pick % self.running.len());
            let outcome = match dice % 8 {
                0 => Outcome::Exited(1),
                1 => Outcome::Signalled(9),
                2 => Outcome::TimedOut,
                3 => Outcome::CouldNotStart("no".to_owned()),
                4 => Outcome::Cancelled,
                _ => Outcome::Exited(0),
            };
            Event::Ended { job, outcome }
        }
    }

    proptest! {
        #[test]
        fn every_job_ends_and_no_rule_is_broken(
            jobs in any_jobs(),
            most in 0_usize..4,
            stop in any::<bool>(),
            dice in prop::collection::vec(any::<u8>(), 1..80),
        ) {
            let on_failure = if stop { OnFailure::Stop } else { OnFailure::Continue };
            let window = Window { max_parallel: NonZeroUsize::new(most), on_failure };
            let count = jobs.len();
            let mut schedule = Schedule::new(jobs, window).expect("needs point backward");
            let mut outside = Outside::default();
            let effects = apply(&mut schedule, Event::Start, NOW);
            outside.take(&schedule, effects);
            let mut dice = dice.into_iter().cycle();
            let mut rounds = 0;
            while !outside.finished {
                let event = outside.next(dice.next().expect("it cycles"));
                let effects = apply(&mut schedule, event, outside.now);
                outside.take(&schedule, effects);
                rounds += 1;
                prop_assert!(rounds < 10_000, "it never ends");
            }
            prop_assert_eq!(outside.settled.len(), count);
            prop_assert!(outside.running.is_empty());
        }
    }
}
