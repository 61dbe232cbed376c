//! The grammar of a workflow outside its jobs.

use super::{Allowed, BOOL, Field, Fields, NON_EMPTY, Rule, Shape, TEXT, event::ON, job::JOB};

static NAME: Allowed = Allowed::new(&["github", "inputs", "vars"], &[]);
static ENV: Allowed = Allowed::new(&["github", "inputs", "vars", "secrets"], &[]);

/// A whole workflow file.
pub(crate) static WORKFLOW: Rule = Rule::of(&[Shape::Mapping(&Fields {
    noun: "a workflow",
    known: &[
        Field::required("on", &ON),
        Field::new("name", &TEXT),
        Field::new("description", &TEXT),
        Field::new("run-name", &Rule::with(&NAME, &[Shape::Text])),
        Field::new("defaults", &DEFAULTS),
        Field::new("env", &Rule::with(&ENV, &[Shape::Mapping(&VARIABLES)])),
        Field::new("permissions", &PERMISSIONS),
        Field::new("concurrency", &Rule::with(&NAME, &[Shape::Text, Shape::Mapping(&CONCURRENCY)])),
        Field::required("jobs", &JOBS),
    ],
    rest: None,
})]);

static JOBS: Rule =
    Rule::of(&[Shape::Mapping(&Fields { noun: "'jobs'", known: &[], rest: Some(&JOB) })]);

/// Names and texts, as in `env`.
pub(super) static VARIABLES: Fields = Fields { noun: "'env'", known: &[], rest: Some(&TEXT) };

static DEFAULTS: Rule = Rule::of(&[Shape::Mapping(&Fields {
    noun: "'defaults'",
    known: &[Field::new("run", &Rule::of(&[Shape::Mapping(&RUN_DEFAULTS)]))],
    rest: None,
})]);

/// `defaults.run`.
pub(super) static RUN_DEFAULTS: Fields = Fields {
    noun: "'defaults.run'",
    known: &[Field::new("shell", &NON_EMPTY), Field::new("working-directory", &NON_EMPTY)],
    rest: None,
};

/// `concurrency` as a mapping.
pub(super) static CONCURRENCY: Fields = Fields {
    noun: "'concurrency'",
    known: &[
        Field::required("group", &NON_EMPTY),
        Field::new("cancel-in-progress", &BOOL),
        Field::new("queue", &Rule::of(&[Shape::Words(&["single", "max"])])),
    ],
    rest: None,
};

/// `permissions`.
pub(super) static PERMISSIONS: Rule = Rule::of(&[
    Shape::Words(&["read-all", "write-all"]),
    Shape::Mapping(&Fields {
        noun: "'permissions'",
        known: &[
            Field::new("actions", &LEVEL),
            Field::new("artifact-metadata", &LEVEL),
            Field::new("attestations", &LEVEL),
            Field::new("checks", &LEVEL),
            Field::new("code-quality", &LEVEL),
            Field::new("contents", &LEVEL),
            Field::new("copilot-requests", &WRITE_OR_NONE),
            Field::new("deployments", &LEVEL),
            Field::new("discussions", &LEVEL),
            Field::new("drives", &LEVEL),
            Field::new("id-token", &WRITE_OR_NONE),
            Field::new("issues", &LEVEL),
            Field::new("models", &READ_OR_NONE),
            Field::new("packages", &LEVEL),
            Field::new("pages", &LEVEL),
            Field::new("pull-requests", &LEVEL),
            Field::new("repository-projects", &LEVEL),
            Field::new("security-events", &LEVEL),
            Field::new("statuses", &LEVEL),
            Field::new("vulnerability-alerts", &READ_OR_NONE),
        ],
        rest: None,
    }),
]);

static LEVEL: Rule = Rule::of(&[Shape::Words(&["read", "write", "none"])]);
static READ_OR_NONE: Rule = Rule::of(&[Shape::Words(&["read", "none"])]);
static WRITE_OR_NONE: Rule = Rule::of(&[Shape::Words(&["write", "none"])]);
