//! The grammar of `action.yml`.

use super::{
    ANY, Allowed, Field, Fields, NON_EMPTY, Rule, Shape, TEXT, Variants, step::COMPOSITE_STEPS,
};

/// What `pre-if` and `post-if` may use.
pub(crate) static RUNS_IF: Allowed = Allowed::new(
    &["runner", "github", "job", "strategy", "matrix", "env", "inputs"],
    &["always(0,0)", "success(0,0)", "failure(0,0)", "cancelled(0,0)", "hashFiles(1,255)"],
);
static DEFAULT: Allowed =
    Allowed::new(&["github", "strategy", "matrix", "job", "runner"], &["hashFiles(1,255)"]);
static OUTPUT: Allowed =
    Allowed::new(&["github", "strategy", "matrix", "steps", "inputs", "job", "runner", "env"], &[]);
static INPUTS_ONLY: Allowed = Allowed::new(&["inputs"], &[]);

/// A whole `action.yml`.
pub(crate) static ACTION: Rule = Rule::of(&[Shape::Mapping(&Fields {
    noun: "an action",
    known: &[
        // GitHub asks for both in the Marketplace, and runs an action without them.
        Field::new("name", &TEXT),
        Field::new("description", &TEXT),
        Field::new("author", &TEXT),
        Field::new("inputs", &INPUTS),
        Field::new("outputs", &OUTPUTS),
        Field::required("runs", &RUNS),
        Field::new("branding", &BRANDING),
    ],
    rest: None,
})]);

static INPUTS: Rule = Rule::of(&[
    Shape::Null,
    Shape::Mapping(&Fields {
        noun: "'inputs'",
        known: &[],
        rest: Some(&Rule::of(&[
            Shape::Null,
            Shape::Mapping(&Fields {
                noun: "an input",
                known: &[
                    Field::new("description", &TEXT),
                    // GitHub's runner does not read it, so that texts are common here.
                    Field::new("required", &ANY),
                    Field::new("default", &Rule::with(&DEFAULT, &[Shape::Text])),
                    Field::new("deprecationMessage", &TEXT),
                ],
                rest: Some(&ANY),
            }),
        ])),
    }),
]);

static OUTPUTS: Rule = Rule::of(&[
    Shape::Null,
    Shape::Mapping(&Fields {
        noun: "'outputs'",
        known: &[],
        rest: Some(&Rule::of(&[
            Shape::Null,
            Shape::Mapping(&Fields {
                noun: "an output",
                known: &[
                    Field::new("description", &TEXT),
                    Field::new("value", &Rule::with(&OUTPUT, &[Shape::Text])),
                ],
                rest: None,
            }),
        ])),
    }),
]);

static RUNS: Rule = Rule::of(&[Shape::Variants(&Variants {
    noun: "'runs'",
    kinds: &[("main", &NODE), ("steps", &COMPOSITE), ("image", &DOCKER)],
})]);

static NODE: Fields = Fields {
    noun: "'runs' of a Node action",
    known: &[
        Field::required("using", &USING_NODE),
        Field::required("main", &NON_EMPTY),
        Field::new("pre", &NON_EMPTY),
        Field::new("pre-if", &IF),
        Field::new("post", &NON_EMPTY),
        Field::new("post-if", &IF),
    ],
    rest: None,
};

static COMPOSITE: Fields = Fields {
    noun: "'runs' of a composite action",
    known: &[
        Field::required("using", &Rule::of(&[Shape::Words(&["composite"])])),
        Field::required("steps", &COMPOSITE_STEPS),
    ],
    rest: None,
};

static DOCKER: Fields = Fields {
    noun: "'runs' of a Docker action",
    known: &[
        Field::required("using", &Rule::of(&[Shape::Words(&["docker"])])),
        Field::required("image", &NON_EMPTY),
        Field::new("entrypoint", &NON_EMPTY),
        Field::new("args", &ARGUMENTS),
        Field::new(
            "env",
            &Rule::with(
                &INPUTS_ONLY,
                &[Shape::Mapping(&Fields { noun: "'env'", known: &[], rest: Some(&TEXT) })],
            ),
        ),
        Field::new("pre-entrypoint", &NON_EMPTY),
        Field::new("pre-if", &IF),
        Field::new("post-entrypoint", &NON_EMPTY),
        Field::new("post-if", &IF),
    ],
    rest: None,
};

static USING_NODE: Rule = Rule::of(&[Shape::Words(&["node12", "node16", "node20", "node24"])]);
static IF: Rule = Rule::with(&RUNS_IF, &[Shape::Condition]);
static ARGUMENTS: Rule = Rule::of(&[Shape::Sequence(&Rule::with(&INPUTS_ONLY, &[Shape::Text]))]);

static BRANDING: Rule = Rule::of(&[Shape::Mapping(&Fields {
    noun: "'branding'",
    // The names of icons and colours are for the Marketplace, and nothing here shows them.
    known: &[Field::new("icon", &TEXT), Field::new("color", &TEXT)],
    rest: None,
})]);
