//! The grammar of `on`: the events, their activity types and their filters.

use super::{Allowed, BOOL, Field, Fields, NON_EMPTY, NON_EMPTY_LIST, NULL, Rule, Shape, TEXT};

static GITHUB_INPUTS_VARS: Allowed = Allowed::new(&["github", "inputs", "vars"], &[]);
static CALL_OUTPUT: Allowed = Allowed::new(&["github", "inputs", "vars", "jobs"], &[]);

/// Declares one event: its name, its activity types, its other filters and those it ignores.
macro_rules! events {
    ($($name:literal [$($activity:literal)*] $($filter:literal)* $(ignores $($ignored:literal)*)?;)*) => {
        /// The events that have activity types, each with all of them.
        pub(crate) static ACTIVITIES: &[(&str, &[&str])] = &[
            $(($name, &[$($activity),*]),)*
        ];
        /// The events that may be named alone or in a list.
        const NAMES: &[&str] = &[
            $($name,)*
            "create", "delete", "deployment", "deployment_status", "fork", "gollum", "page_build",
            "public", "push", "repository_dispatch", "schedule", "status", "workflow_call",
            "workflow_dispatch",
        ];
        static EVENTS: Fields = Fields {
            noun: "'on'",
            known: &[
                $(Field::new($name, &Rule::of(&[
                    Shape::Null,
                    Shape::Mapping(&Fields {
                        noun: concat!("'", $name, "'"),
                        known: &[
                            Field::new("types", &Rule::of(&[
                                Shape::Words(&[$($activity),*]),
                                Shape::Sequence(&Rule::of(&[Shape::Words(&[$($activity),*])])),
                            ])),
                            $(Field::new($filter, &NON_EMPTY_LIST),)*
                            $($(Field::new($ignored, &IGNORED),)*)?
                        ],
                        rest: None,
                    }),
                ])),)*
                Field::new("create", &NULL),
                Field::new("delete", &NULL),
                Field::new("deployment", &NULL),
                Field::new("deployment_status", &NULL),
                Field::new("fork", &NULL),
                Field::new("gollum", &NULL),
                Field::new("page_build", &NULL),
                Field::new("public", &NULL),
                Field::new("push", &PUSH),
                Field::new("repository_dispatch", &REPOSITORY_DISPATCH),
                Field::new("schedule", &SCHEDULE),
                Field::new("status", &NULL),
                Field::new("workflow_call", &WORKFLOW_CALL),
                Field::new("workflow_dispatch", &WORKFLOW_DISPATCH),
            ],
            rest: None,
        };
    };
}

events! {
    "branch_protection_rule" ["created" "edited" "deleted"];
    "check_run" ["completed" "created" "rerequested" "requested_action"];
    "check_suite" ["completed"];
    "discussion" [
        "created" "edited" "deleted" "transferred" "pinned" "unpinned" "labeled" "unlabeled"
        "locked" "unlocked" "category_changed" "answered" "unanswered"
    ];
    "discussion_comment" ["created" "edited" "deleted"];
    "image_version" ["created" "ready" "deleted"] "names" "versions";
    "issue_comment" ["created" "edited" "deleted"];
    "issues" [
        "opened" "edited" "deleted" "transferred" "pinned" "unpinned" "closed" "reopened"
        "assigned" "unassigned" "labeled" "unlabeled" "locked" "unlocked" "milestoned"
        "demilestoned" "field_added" "field_removed" "typed" "untyped"
    ];
    "label" ["created" "edited" "deleted"];
    "merge_group" ["checks_requested"] "branches" "branches-ignore"
        ignores "paths" "paths-ignore";
    "milestone" ["created" "closed" "opened" "edited" "deleted"];
    "project" ["created" "closed" "reopened" "edited" "deleted"];
    "project_card" ["created" "moved" "converted" "edited" "deleted"];
    "project_column" ["created" "updated" "moved" "deleted"];
    "pull_request" [
        "assigned" "unassigned" "labeled" "unlabeled" "opened" "edited" "closed" "reopened"
        "synchronize" "converted_to_draft" "locked" "unlocked" "enqueued" "dequeued" "milestoned"
        "demilestoned" "ready_for_review" "review_requested" "review_request_removed"
        "auto_merge_enabled" "auto_merge_disabled" "stacked"
    ] "branches" "branches-ignore" "paths" "paths-ignore";
    "pull_request_comment" ["created" "edited" "deleted"];
    "pull_request_review" ["submitted" "edited" "dismissed"];
    "pull_request_review_comment" ["created" "edited" "deleted"];
    "pull_request_target" [
        "assigned" "unassigned" "labeled" "unlabeled" "opened" "edited" "closed" "reopened"
        "synchronize" "converted_to_draft" "locked" "unlocked" "enqueued" "dequeued" "milestoned"
        "demilestoned" "ready_for_review" "review_requested" "review_request_removed"
        "auto_merge_enabled" "auto_merge_disabled" "stacked"
    ] "branches" "branches-ignore" "paths" "paths-ignore";
    "registry_package" ["published" "updated"];
    "release" [
        "published" "unpublished" "created" "edited" "deleted" "prereleased" "released"
    ];
    "watch" ["started"];
    "workflow_run" ["requested" "completed" "in_progress"] "workflows" "branches"
        "branches-ignore";
}

/// `on`.
pub(super) static ON: Rule = Rule::of(&[
    Shape::Words(NAMES),
    Shape::Sequence(&Rule::of(&[Shape::Words(NAMES)])),
    Shape::Mapping(&EVENTS),
]);

static PUSH: Rule = Rule::of(&[
    Shape::Null,
    Shape::Mapping(&Fields {
        noun: "'push'",
        known: &[
            Field::new("branches", &NON_EMPTY_LIST),
            Field::new("branches-ignore", &NON_EMPTY_LIST),
            Field::new("tags", &NON_EMPTY_LIST),
            Field::new("tags-ignore", &NON_EMPTY_LIST),
            Field::new("paths", &NON_EMPTY_LIST),
            Field::new("paths-ignore", &NON_EMPTY_LIST),
        ],
        rest: None,
    }),
]);

/// A filter that GitHub lets stand and does not look at.
static IGNORED: Rule = Rule::of(&[Shape::Ignored]);

static REPOSITORY_DISPATCH: Rule = Rule::of(&[
    Shape::Null,
    Shape::Mapping(&Fields {
        noun: "'repository_dispatch'",
        known: &[Field::new("types", &NON_EMPTY_LIST)],
        rest: None,
    }),
]);

static SCHEDULE: Rule = Rule::of(&[Shape::Sequence(&Rule::of(&[Shape::Mapping(&Fields {
    noun: "an entry of 'schedule'",
    known: &[Field::required("cron", &NON_EMPTY), Field::new("timezone", &NON_EMPTY)],
    rest: None,
})]))]);

static WORKFLOW_CALL: Rule = Rule::of(&[
    Shape::Null,
    Shape::Mapping(&Fields {
        noun: "'workflow_call'",
        known: &[
            Field::new("inputs", &CALL_INPUTS),
            Field::new("secrets", &CALL_SECRETS),
            Field::new("outputs", &CALL_OUTPUTS),
        ],
        rest: None,
    }),
]);

static CALL_INPUTS: Rule = Rule::of(&[
    Shape::Null,
    Shape::Mapping(&Fields { noun: "'inputs'", known: &[], rest: Some(&CALL_INPUT) }),
]);

static CALL_INPUT: Rule = Rule::of(&[Shape::Mapping(&Fields {
    noun: "an input",
    known: &[
        Field::new("description", &TEXT),
        Field::required("type", &Rule::of(&[Shape::Words(&["string", "boolean", "number"])])),
        Field::new("required", &BOOL),
        Field::new(
            "default",
            &Rule::with(&GITHUB_INPUTS_VARS, &[Shape::Bool, Shape::Number, Shape::Text]),
        ),
        // Not in the published grammar, and accepted by GitHub.
        Field::new("deprecationMessage", &TEXT),
    ],
    rest: None,
})]);

static CALL_SECRETS: Rule = Rule::of(&[
    Shape::Null,
    Shape::Mapping(&Fields { noun: "'secrets'", known: &[], rest: Some(&CALL_SECRET) }),
]);

static CALL_SECRET: Rule = Rule::of(&[
    Shape::Null,
    Shape::Mapping(&Fields {
        noun: "a secret",
        known: &[Field::new("description", &TEXT), Field::new("required", &BOOL)],
        rest: None,
    }),
]);

static CALL_OUTPUTS: Rule = Rule::of(&[
    Shape::Null,
    Shape::Mapping(&Fields { noun: "'outputs'", known: &[], rest: Some(&CALL_OUTPUT_RULE) }),
]);

static CALL_OUTPUT_RULE: Rule = Rule::of(&[Shape::Mapping(&Fields {
    noun: "an output",
    known: &[
        Field::new("description", &TEXT),
        Field::required("value", &Rule::with(&CALL_OUTPUT, &[Shape::Text])),
    ],
    rest: None,
})]);

static WORKFLOW_DISPATCH: Rule = Rule::of(&[
    Shape::Null,
    Shape::Mapping(&Fields {
        noun: "'workflow_dispatch'",
        known: &[Field::new("inputs", &DISPATCH_INPUTS)],
        rest: None,
    }),
]);

static DISPATCH_INPUTS: Rule = Rule::of(&[
    Shape::Null,
    Shape::Mapping(&Fields { noun: "'inputs'", known: &[], rest: Some(&DISPATCH_INPUT) }),
]);

static DISPATCH_INPUT: Rule = Rule::of(&[
    Shape::Null,
    Shape::Mapping(&Fields {
        noun: "an input",
        known: &[
            Field::new("description", &TEXT),
            Field::new(
                "type",
                &Rule::of(&[Shape::Words(&[
                    "string",
                    "boolean",
                    "number",
                    "choice",
                    "environment",
                ])]),
            ),
            Field::new("required", &BOOL),
            Field::new("default", &Rule::of(&[Shape::Bool, Shape::Number, Shape::Text])),
            Field::new("options", &Rule::of(&[Shape::Sequence(&TEXT)])),
            Field::new("deprecationMessage", &TEXT),
        ],
        rest: None,
    }),
]);
