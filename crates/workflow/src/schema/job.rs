//! The grammar of a job.

use super::{
    ANY, Allowed, BOOL, Field, Fields, NON_EMPTY, NON_EMPTY_LIST, NUMBER, Rule, Shape, TEXT,
    Variants,
    step::STEPS,
    workflow::{CONCURRENCY, PERMISSIONS, RUN_DEFAULTS, VARIABLES},
};

/// What `jobs.<id>.if` may use.
pub(crate) static JOB_IF: Allowed = Allowed::new(
    &["github", "inputs", "vars", "needs"],
    &["always(0,0)", "failure(0,MAX)", "cancelled(0,0)", "success(0,MAX)"],
);
static NEEDS: Allowed = Allowed::new(&["github", "inputs", "vars", "needs"], &[]);
static STRATEGY: Allowed =
    Allowed::new(&["github", "inputs", "vars", "needs", "strategy", "matrix"], &[]);
static SECRETS: Allowed =
    Allowed::new(&["github", "inputs", "vars", "needs", "secrets", "strategy", "matrix"], &[]);
static CREDENTIALS: Allowed = Allowed::new(&["github", "inputs", "vars", "secrets", "env"], &[]);
static RUN_DEFAULTS_NAMES: Allowed =
    Allowed::new(&["github", "inputs", "vars", "strategy", "matrix", "needs", "env"], &[]);
static RUNNER: Allowed = Allowed::new(
    &[
        "github", "inputs", "vars", "needs", "strategy", "matrix", "secrets", "steps", "job",
        "runner", "env",
    ],
    &[],
);
static RUNNER_NO_SECRETS: Allowed = Allowed::new(
    &["github", "inputs", "vars", "needs", "strategy", "matrix", "steps", "job", "runner", "env"],
    &[],
);

/// `jobs.<id>`.
pub(super) static JOB: Rule = Rule::of(&[Shape::Variants(&Variants {
    noun: "a job",
    kinds: &[("uses", &CALL), ("runs-on", &STEPS_JOB)],
})]);

static STEPS_JOB: Fields = Fields {
    noun: "a job",
    known: &[
        Field::new("needs", &NON_EMPTY_LIST),
        Field::new("if", &IF),
        Field::new("strategy", &STRATEGY_RULE),
        Field::new("name", &STRATEGY_TEXT),
        Field::required("runs-on", &RUNS_ON),
        Field::new("timeout-minutes", &STRATEGY_NUMBER),
        Field::new("cancel-timeout-minutes", &STRATEGY_NUMBER),
        Field::new("continue-on-error", &Rule::with(&STRATEGY, &[Shape::Bool])),
        Field::new("container", &CONTAINER),
        Field::new("services", &SERVICES),
        Field::new("env", &Rule::with(&SECRETS, &[Shape::Mapping(&VARIABLES)])),
        Field::new("environment", &ENVIRONMENT),
        Field::new("permissions", &PERMISSIONS),
        Field::new("concurrency", &CONCURRENCY_RULE),
        Field::new("outputs", &OUTPUTS),
        Field::new("defaults", &DEFAULTS),
        Field::new("steps", &STEPS),
        Field::new("snapshot", &SNAPSHOT),
    ],
    rest: None,
};

static CALL: Fields = Fields {
    noun: "a job that calls a workflow",
    known: &[
        Field::new("name", &STRATEGY_TEXT),
        Field::required("uses", &NON_EMPTY),
        Field::new("with", &CALL_WITH),
        Field::new("secrets", &CALL_SECRETS),
        Field::new("needs", &NON_EMPTY_LIST),
        Field::new("if", &IF),
        Field::new("permissions", &PERMISSIONS),
        Field::new("concurrency", &CONCURRENCY_RULE),
        Field::new("strategy", &STRATEGY_RULE),
    ],
    rest: None,
};

static IF: Rule = Rule::with(&JOB_IF, &[Shape::Condition]);
static STRATEGY_TEXT: Rule = Rule::with(&STRATEGY, &[Shape::Text]);
static STRATEGY_NUMBER: Rule = Rule::with(&STRATEGY, &[Shape::Number]);

static CALL_WITH: Rule = Rule::of(&[Shape::Mapping(&Fields {
    noun: "'with'",
    known: &[],
    rest: Some(&Rule::with(&STRATEGY, &[Shape::Bool, Shape::Number, Shape::Text])),
})]);

static CALL_SECRETS: Rule = Rule::of(&[
    Shape::Words(&["inherit"]),
    Shape::Mapping(&Fields {
        noun: "'secrets'",
        known: &[],
        rest: Some(&Rule::with(&SECRETS, &[Shape::Bool, Shape::Number, Shape::Text])),
    }),
]);

static STRATEGY_RULE: Rule = Rule::with(
    &NEEDS,
    &[Shape::Mapping(&Fields {
        noun: "'strategy'",
        known: &[
            Field::new("fail-fast", &BOOL),
            Field::new("max-parallel", &NUMBER),
            Field::new("matrix", &MATRIX),
        ],
        rest: None,
    })],
);

static MATRIX: Rule = Rule::of(&[Shape::Mapping(&Fields {
    noun: "'matrix'",
    known: &[Field::new("include", &MATRIX_FILTER), Field::new("exclude", &MATRIX_FILTER)],
    rest: Some(&Rule::of(&[Shape::Sequence(&ANY)])),
})]);

static MATRIX_FILTER: Rule = Rule::of(&[Shape::Sequence(&Rule::of(&[Shape::Mapping(&Fields {
    noun: "an entry",
    known: &[],
    rest: Some(&ANY),
})]))]);

static RUNS_ON: Rule = Rule::with(
    &STRATEGY,
    &[
        Shape::NonEmpty,
        Shape::Sequence(&NON_EMPTY),
        Shape::Mapping(&Fields {
            noun: "'runs-on'",
            known: &[Field::new("group", &NON_EMPTY), Field::new("labels", &NON_EMPTY_LIST)],
            rest: None,
        }),
    ],
);

static CONCURRENCY_RULE: Rule =
    Rule::with(&STRATEGY, &[Shape::NonEmpty, Shape::Mapping(&CONCURRENCY)]);

static ENVIRONMENT: Rule = Rule::with(
    &STRATEGY,
    &[
        Shape::Text,
        Shape::Mapping(&Fields {
            noun: "'environment'",
            known: &[
                Field::required("name", &TEXT),
                Field::new("url", &Rule::with(&RUNNER_NO_SECRETS, &[Shape::Text])),
                Field::new("deployment", &BOOL),
            ],
            rest: None,
        }),
    ],
);

static OUTPUTS: Rule = Rule::of(&[Shape::Mapping(&Fields {
    noun: "'outputs'",
    known: &[],
    rest: Some(&Rule::with(&RUNNER, &[Shape::Text])),
})]);

static DEFAULTS: Rule = Rule::of(&[Shape::Mapping(&Fields {
    noun: "'defaults'",
    known: &[Field::new("run", &Rule::with(&RUN_DEFAULTS_NAMES, &[Shape::Mapping(&RUN_DEFAULTS)]))],
    rest: None,
})]);

static SNAPSHOT: Rule = Rule::of(&[
    Shape::NonEmpty,
    Shape::Mapping(&Fields {
        noun: "'snapshot'",
        known: &[
            Field::required("image-name", &NON_EMPTY),
            Field::new("if", &Rule::with(&STRATEGY, &[Shape::Condition])),
            Field::new("version", &NON_EMPTY),
        ],
        rest: None,
    }),
]);

static CONTAINER: Rule = Rule::with(
    &STRATEGY,
    &[
        Shape::Text,
        Shape::Mapping(&Fields {
            noun: "'container'",
            known: &[
                Field::new("image", &NON_EMPTY),
                Field::new("options", &TEXT),
                Field::new("env", &CONTAINER_ENV),
                Field::new("ports", &LIST),
                Field::new("volumes", &LIST),
                Field::new("credentials", &CREDENTIALS_RULE),
            ],
            rest: None,
        }),
    ],
);

static SERVICES: Rule = Rule::with(
    &STRATEGY,
    &[Shape::Mapping(&Fields { noun: "'services'", known: &[], rest: Some(&SERVICE) })],
);

static SERVICE: Rule = Rule::with(
    &STRATEGY,
    &[
        Shape::NonEmpty,
        Shape::Mapping(&Fields {
            noun: "a service",
            known: &[
                Field::new("image", &NON_EMPTY),
                Field::new("options", &TEXT),
                Field::new("env", &CONTAINER_ENV),
                Field::new("ports", &LIST),
                Field::new("volumes", &LIST),
                Field::new("credentials", &CREDENTIALS_RULE),
                Field::new("entrypoint", &TEXT),
                Field::new("command", &TEXT),
            ],
            rest: None,
        }),
    ],
);

static LIST: Rule = Rule::of(&[Shape::Sequence(&NON_EMPTY)]);

static CONTAINER_ENV: Rule = Rule::of(&[Shape::Mapping(&Fields {
    noun: "'env'",
    known: &[],
    rest: Some(&Rule::with(&RUNNER, &[Shape::Text])),
})]);

static CREDENTIALS_RULE: Rule = Rule::with(
    &CREDENTIALS,
    &[Shape::Mapping(&Fields {
        noun: "'credentials'",
        known: &[Field::new("username", &NON_EMPTY), Field::new("password", &NON_EMPTY)],
        rest: None,
    })],
);
