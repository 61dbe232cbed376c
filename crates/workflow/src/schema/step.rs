//! The grammar of the steps of a job and of a composite action.

use super::{Allowed, BOOL, Field, Fields, NON_EMPTY, NON_EMPTY_LIST, Rule, Shape, TEXT, Variants};

/// What `if` of a step may use.
pub(crate) static STEP_IF: Allowed = Allowed::new(
    &["github", "inputs", "vars", "needs", "strategy", "matrix", "steps", "job", "runner", "env"],
    &["always(0,0)", "failure(0,0)", "cancelled(0,0)", "success(0,0)", "hashFiles(1,255)"],
);
static STEP: Allowed = Allowed::new(
    &[
        "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets", "steps", "job",
        "runner", "env",
    ],
    &["hashFiles(1,255)"],
);
static SHELL: Allowed = Allowed::beyond(
    &["github", "inputs", "vars", "needs", "strategy", "matrix", "steps", "job", "runner", "env"],
    &[],
);

/// What `if` of a step of a composite action may use.
pub(crate) static COMPOSITE_IF: Allowed = Allowed::new(
    &["github", "inputs", "strategy", "matrix", "steps", "job", "runner", "env"],
    &["always(0,0)", "failure(0,0)", "cancelled(0,0)", "success(0,0)", "hashFiles(1,255)"],
);
static COMPOSITE: Allowed = Allowed::new(
    &["github", "inputs", "strategy", "matrix", "steps", "job", "runner", "env"],
    &["hashFiles(1,255)"],
);

/// `steps` of a job.
pub(super) static STEPS: Rule = Rule::of(&[Shape::Sequence(&STEP_RULE)]);

static STEP_RULE: Rule = Rule::of(&[Shape::Variants(&Variants {
    noun: "a step",
    kinds: &[
        ("run", &RUN),
        ("uses", &USES),
        ("wait", &WAIT),
        ("wait-all", &WAIT_ALL),
        ("cancel", &CANCEL),
        ("parallel", &PARALLEL),
    ],
})]);

static RUN: Fields = Fields {
    noun: "a step with 'run'",
    known: &[
        Field::new("name", &STEP_TEXT),
        Field::new("id", &NON_EMPTY),
        Field::new("if", &IF),
        Field::new("timeout-minutes", &STEP_NUMBER),
        Field::required("run", &STEP_TEXT),
        Field::new("continue-on-error", &STEP_BOOL),
        Field::new("env", &ENV),
        Field::new("working-directory", &STEP_TEXT),
        Field::new("shell", &STEP_SHELL),
        Field::new("background", &BOOL),
    ],
    rest: None,
};

static USES: Fields = Fields {
    noun: "a step with 'uses'",
    known: &[
        Field::new("name", &STEP_TEXT),
        Field::new("id", &NON_EMPTY),
        Field::new("if", &IF),
        Field::new("continue-on-error", &STEP_BOOL),
        Field::new("timeout-minutes", &STEP_NUMBER),
        Field::required("uses", &NON_EMPTY),
        Field::new("with", &WITH),
        Field::new("env", &ENV),
        Field::new("background", &BOOL),
    ],
    rest: None,
};

static WAIT: Fields = Fields {
    noun: "a step with 'wait'",
    known: &[
        Field::new("name", &STEP_TEXT),
        Field::new("id", &NON_EMPTY),
        Field::new("continue-on-error", &STEP_BOOL),
        Field::required("wait", &NON_EMPTY_LIST),
    ],
    rest: None,
};

static WAIT_ALL: Fields = Fields {
    noun: "a step with 'wait-all'",
    known: &[
        Field::new("name", &STEP_TEXT),
        Field::new("id", &NON_EMPTY),
        Field::new("continue-on-error", &STEP_BOOL),
        Field::required("wait-all", &Rule::of(&[Shape::Null, Shape::True])),
    ],
    rest: None,
};

static CANCEL: Fields = Fields {
    noun: "a step with 'cancel'",
    known: &[
        Field::new("name", &STEP_TEXT),
        Field::new("id", &NON_EMPTY),
        Field::new("continue-on-error", &STEP_BOOL),
        Field::required("cancel", &NON_EMPTY),
    ],
    rest: None,
};

static PARALLEL: Fields = Fields {
    noun: "a step with 'parallel'",
    known: &[Field::required("parallel", &STEPS)],
    rest: None,
};

static IF: Rule = Rule::with(&STEP_IF, &[Shape::Condition]);
static STEP_TEXT: Rule = Rule::with(&STEP, &[Shape::Text]);
static STEP_SHELL: Rule = Rule::with(&SHELL, &[Shape::NonEmpty]);
static STEP_BOOL: Rule = Rule::with(&STEP, &[Shape::Bool]);
static STEP_NUMBER: Rule = Rule::with(&STEP, &[Shape::Number]);
static ENV: Rule =
    Rule::with(&STEP, &[Shape::Mapping(&Fields { noun: "'env'", known: &[], rest: Some(&TEXT) })]);
static WITH: Rule =
    Rule::with(&STEP, &[Shape::Mapping(&Fields { noun: "'with'", known: &[], rest: Some(&TEXT) })]);

/// `steps` of a composite action.
pub(super) static COMPOSITE_STEPS: Rule = Rule::of(&[Shape::Sequence(&COMPOSITE_STEP)]);

static COMPOSITE_STEP: Rule = Rule::of(&[Shape::Variants(&Variants {
    noun: "a step",
    kinds: &[("run", &COMPOSITE_RUN), ("uses", &COMPOSITE_USES)],
})]);

static COMPOSITE_RUN: Fields = Fields {
    noun: "a step with 'run' of a composite action",
    known: &[
        Field::new("name", &COMPOSITE_TEXT),
        Field::new("id", &NON_EMPTY),
        Field::new("if", &COMPOSITE_CONDITION),
        Field::required("run", &COMPOSITE_TEXT),
        Field::expected("shell", &COMPOSITE_TEXT),
        Field::new("env", &COMPOSITE_ENV),
        Field::new("continue-on-error", &COMPOSITE_BOOL),
        Field::new("working-directory", &COMPOSITE_TEXT),
    ],
    rest: None,
};

static COMPOSITE_USES: Fields = Fields {
    noun: "a step with 'uses' of a composite action",
    known: &[
        Field::new("name", &COMPOSITE_TEXT),
        Field::new("id", &NON_EMPTY),
        Field::new("if", &COMPOSITE_CONDITION),
        Field::required("uses", &NON_EMPTY),
        Field::new("with", &COMPOSITE_WITH),
        Field::new("env", &COMPOSITE_ENV),
        Field::new("continue-on-error", &COMPOSITE_BOOL),
    ],
    rest: None,
};

static COMPOSITE_CONDITION: Rule = Rule::with(&COMPOSITE_IF, &[Shape::Condition]);
static COMPOSITE_TEXT: Rule = Rule::with(&COMPOSITE, &[Shape::Text]);
static COMPOSITE_BOOL: Rule = Rule::with(&COMPOSITE, &[Shape::Bool]);
static COMPOSITE_ENV: Rule = Rule::with(
    &COMPOSITE,
    &[Shape::Mapping(&Fields { noun: "'env'", known: &[], rest: Some(&TEXT) })],
);
static COMPOSITE_WITH: Rule = Rule::with(
    &COMPOSITE,
    &[Shape::Mapping(&Fields { noun: "'with'", known: &[], rest: Some(&TEXT) })],
);
