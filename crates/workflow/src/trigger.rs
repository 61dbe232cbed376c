//! The trigger: which events start a workflow, and with what.

use expr::Value;
use indexmap::IndexMap;

use crate::{
    input::{self, Input, InputFault},
    span::{Span, Spanned},
    token::Token,
};

/// `on`.
#[derive(Clone, Debug, Default)]
pub struct Triggers {
    /// The place of the value of `on`.
    pub span: Span,
    /// The events by name, in the order they are written.
    pub events: IndexMap<String, Trigger>,
    /// `schedule`.
    pub schedules: Vec<Schedule>,
    /// `workflow_dispatch.inputs`; empty where there are none.
    pub dispatch_inputs: IndexMap<String, Input>,
    /// `workflow_call`.
    pub call: Option<Call>,
}

/// One event of `on` with its filters; a filter that is not written is `None`.
#[derive(Clone, Debug, Default)]
pub struct Trigger {
    /// The place of the event's name.
    pub span: Span,
    /// `types`.
    pub types: Option<Vec<Spanned<String>>>,
    /// `branches`.
    pub branches: Option<Vec<Spanned<String>>>,
    /// `branches-ignore`.
    pub branches_ignore: Option<Vec<Spanned<String>>>,
    /// `tags`.
    pub tags: Option<Vec<Spanned<String>>>,
    /// `tags-ignore`.
    pub tags_ignore: Option<Vec<Spanned<String>>>,
    /// `paths`.
    pub paths: Option<Vec<Spanned<String>>>,
    /// `paths-ignore`.
    pub paths_ignore: Option<Vec<Spanned<String>>>,
    /// `workflows` of `workflow_run`.
    pub workflows: Option<Vec<Spanned<String>>>,
    /// `names` of `image_version`.
    pub names: Option<Vec<Spanned<String>>>,
    /// `versions` of `image_version`.
    pub versions: Option<Vec<Spanned<String>>>,
}

/// One line of `schedule`.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// `cron`.
    pub cron: Spanned<String>,
    /// `timezone`.
    pub timezone: Option<Spanned<String>>,
}

/// `workflow_call`.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// `inputs`, in the order they are written.
    pub inputs: IndexMap<String, Input>,
    /// `outputs`, in the order they are written.
    pub outputs: IndexMap<String, CallOutput>,
    /// `secrets`, in the order they are written.
    pub secrets: IndexMap<String, CallSecret>,
}

/// An output of a called workflow.
#[derive(Clone, Debug)]
pub struct CallOutput {
    /// The place of the key.
    pub span: Span,
    /// `value`.
    pub value: Spanned<Token>,
}

/// A secret of a called workflow.
#[derive(Clone, Debug)]
pub struct CallSecret {
    /// The place of the key.
    pub span: Span,
    /// `required`.
    pub required: bool,
}

impl Triggers {
    /// Returns whether an event is named, whatever its filters say.
    pub fn has(&self, event: &str) -> bool {
        self.events.contains_key(event)
    }

    /// Gives every input of `workflow_dispatch` its value: the one given, its default, or what its type has.
    pub fn resolve_inputs(
        &self,
        given: &IndexMap<String, String>,
    ) -> Result<IndexMap<String, Value>, Vec<InputFault>> {
        input::resolve(&self.dispatch_inputs, given)
    }
}
