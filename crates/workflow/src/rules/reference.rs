//! References: jobs, steps and inputs that an expression names, and that are not there.
//!
//! GitHub makes nothing of them, silently, so that these are warnings.

use std::ops::Range;

use expr::{Condition, Reference};

use crate::{
    action::{Action, Runs},
    conform::list,
    diagnostic::{Diagnostic, MOST},
    model::{Body, Job, Step, StepAction, Workflow},
    source::Source,
    span::{Span, Spanned},
    suggest::did_you_mean,
    token::Token,
    yaml::locate,
};

/// The most names that a hint lists or compares.
const LISTED: usize = 30;

/// Checks the expressions of a workflow.
pub(super) fn check(workflow: &Workflow, diagnostics: &mut Vec<Diagnostic>) {
    let called = workflow.on.call.iter().flat_map(|call| call.inputs.keys());
    let inputs = workflow.on.dispatch_inputs.keys().chain(called).map(String::as_str).collect();
    let mut known = Known { source: &workflow.source, inputs, needs: None, steps: None };
    let mut found = Vec::new();
    for token in [&workflow.run_name, &workflow.concurrency, &workflow.env].into_iter().flatten() {
        known.token(token, &mut found);
    }
    for job in workflow.jobs.values() {
        known.needs = Some(job.needs.iter().map(|need| need.as_str()).collect());
        known.job(job, &mut found);
        if found.len() >= MOST {
            break;
        }
    }
    diagnostics.append(&mut found);
}

/// Checks the expressions of a composite action.
pub(super) fn check_action(action: &Action, diagnostics: &mut Vec<Diagnostic>) {
    let Runs::Composite { steps } = &action.runs else { return };
    let inputs = action.inputs.keys().map(String::as_str).collect();
    let mut known = Known { source: &action.source, inputs, needs: None, steps: None };
    known.steps(steps, diagnostics);
    for output in action.outputs.values().filter_map(|output| output.value.as_ref()) {
        known.token(output, diagnostics);
    }
}

/// What may be named at a place; none where the grammar has a say.
struct Known<'a> {
    source: &'a Source,
    inputs: Vec<&'a str>,
    needs: Option<Vec<&'a str>>,
    steps: Option<Vec<&'a str>>,
}

impl<'a> Known<'a> {
    fn job(&mut self, job: &'a Job, found: &mut Vec<Diagnostic>) {
        if let Some(condition) = &job.condition {
            self.condition(condition, found);
        }
        let strategy = job
            .strategy
            .iter()
            .flat_map(|strategy| [&strategy.matrix, &strategy.fail_fast, &strategy.max_parallel]);
        let keys = [
            &job.name,
            &job.env,
            &job.defaults,
            &job.concurrency,
            &job.continue_on_error,
            &job.timeout_minutes,
            &job.container,
            &job.services,
        ];
        for token in keys.into_iter().chain(strategy).flatten() {
            self.token(token, found);
        }
        match &job.body {
            Body::Call { with, secrets, .. } => {
                for token in [with, secrets].into_iter().flatten() {
                    self.token(token, found);
                }
            }
            Body::Steps { runs_on, steps } => {
                self.token(runs_on, found);
                self.steps(steps, found);
            }
        }
        // These are evaluated when all steps have ended.
        for token in [&job.outputs, &job.environment].into_iter().flatten() {
            self.token(token, found);
        }
        self.steps = None;
    }

    /// Checks steps, each of which knows those before it.
    fn steps(&mut self, steps: &'a [Step], found: &mut Vec<Diagnostic>) {
        self.steps.get_or_insert_default();
        for step in steps {
            if let Some(condition) = &step.condition {
                self.condition(condition, found);
            }
            let own = match &step.action {
                StepAction::Run { run, shell, working_directory } => {
                    [Some(run), shell.as_ref(), working_directory.as_ref()]
                }
                StepAction::Uses { with, .. } => [with.as_ref(), None, None],
                StepAction::Parallel { steps } => {
                    self.steps(steps, found);
                    [None; 3]
                }
                _ => [None; 3],
            };
            let keys = [&step.name, &step.env, &step.continue_on_error, &step.timeout_minutes];
            for token in keys.into_iter().flatten().chain(own.into_iter().flatten()) {
                self.token(token, found);
            }
            if let (Some(id), Some(steps)) = (&step.id, &mut self.steps) {
                steps.push(id);
            }
        }
    }

    fn token(&self, token: &Spanned<Token>, found: &mut Vec<Diagnostic>) {
        for (template, span) in token.texts(token.span) {
            for reference in template.references() {
                let place =
                    |part: Range<usize>| locate(&self.source.text, span, template.source(), part);
                self.reference(&reference, &place, found);
            }
        }
    }

    fn condition(&self, condition: &Spanned<Condition>, found: &mut Vec<Diagnostic>) {
        let span = condition.span;
        for reference in condition.references() {
            // The text of a condition is not kept; on one line and without quotes it is that of the file.
            let place = |part: Range<usize>| {
                let there = Span::new(span.start + part.start, span.start + part.end);
                let text = self.source.text.get(there.start..there.end).unwrap_or_default();
                let context = reference.path.first().map_or("", String::as_str);
                let starts = text.get(..context.len());
                if starts.is_some_and(|start| start.eq_ignore_ascii_case(context)) {
                    there
                } else {
                    span
                }
            };
            self.reference(&reference, &place, found);
        }
    }

    fn reference(
        &self,
        reference: &Reference,
        place: &dyn Fn(Range<usize>) -> Span,
        found: &mut Vec<Diagnostic>,
    ) {
        let [context, name, ..] = reference.path.as_slice() else { return };
        let (known, what, hint) = match context.as_str() {
            "inputs" => (Some(&self.inputs), "input", "add it to 'inputs'"),
            "needs" => (self.needs.as_ref(), "job", "add it to 'needs' of this job"),
            "steps" => (self.steps.as_ref(), "step", "a step before this one needs the 'id'"),
            _ => return,
        };
        let Some(known) = known else { return };
        if known.iter().any(|known| known.eq_ignore_ascii_case(name)) || found.len() >= MOST {
            return;
        }
        let message = format!("there is no {what} '{name}' here, so that this is empty");
        let listed = &known[..known.len().min(LISTED)];
        let hint = did_you_mean(name, listed.iter().copied()).unwrap_or_else(|| {
            if listed.is_empty() {
                hint.to_owned()
            } else {
                format!("{hint}; known here: {}", list(listed))
            }
        });
        let span = place(reference.span.clone());
        found.push(Diagnostic::warning("unknown-reference", span, message).hinted(hint));
    }
}
