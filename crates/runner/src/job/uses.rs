//! A `uses` step: which action it is, where it lies and how it runs.

use std::path::{Component, Path, PathBuf};
use std::sync::atomic::Ordering;

use indexmap::IndexMap;
use workflow::{Action, Runs, Source, Spanned, Token};

use super::frame::Done;
use super::task::{Task, texts};
use super::{checkout, composite, node};
use crate::files;

/// How many actions may stand one within another.
const MAX_DEPTH: usize = 10;

/// How large an `action.yml` may be.
const MAX_ACTION_FILE: u64 = 1 << 20;

/// Runs an action.
pub(super) async fn run(task: &Task, uses: &Spanned<String>, with: Option<&Token>) -> Done {
    let found = match kind(&uses.value) {
        Kind::Checkout => match inputs_given(task, with) {
            Ok(given) => return checkout::run(task, given).await,
            Err(message) => Err(message),
        },
        Kind::Local(path) => local(task, &path, with).await,
        Kind::Other(what) => Err(refusal(task, uses, what)),
    };
    match found {
        Ok(found) => act(task, found).await,
        Err(message) => {
            task.error(&message);
            Done::failed(message)
        }
    }
}

/// An action that was found, with its inputs.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) action: Action,
    /// Its directory.
    pub(super) directory: PathBuf,
    pub(super) inputs: IndexMap<String, String>,
}

async fn act(task: &Task, found: Found) -> Done {
    match &found.action.runs {
        Runs::Composite { .. } => composite::run(task, found).await,
        Runs::Node { .. } => node::run(task, found).await,
        Runs::Docker { span } => {
            let place = place(&found.action.source, span.start);
            let message = format!(
                "{place}: this action runs in a container, and Interlock runs steps on the host. Use a composite \
                 or JavaScript action, or a `run` step"
            );
            task.error(&message);
            Done::failed(message)
        }
    }
}

enum Kind {
    Checkout,
    Local(PathBuf),
    Other(&'static str),
}

fn kind(uses: &str) -> Kind {
    let name = uses.split_once('@').map_or(uses, |(name, _)| name);
    if name.eq_ignore_ascii_case("actions/checkout") {
        return Kind::Checkout;
    }
    if uses.starts_with("docker://") {
        return Kind::Other("a container");
    }
    let Some(path) = uses.strip_prefix("./").or_else(|| (uses == ".").then_some("")) else {
        return Kind::Other("an action of another repository");
    };
    let mut inside = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(part) => inside.push(part),
            Component::CurDir => {}
            Component::ParentDir if inside.pop() => {}
            _ => return Kind::Other("an action outside of the workspace"),
        }
    }
    Kind::Local(inside)
}

fn refusal(task: &Task, uses: &Spanned<String>, what: &str) -> String {
    let source = match &task.frame.action {
        Some(action) => &action.source,
        None => &task.job.plan.workflow.source,
    };
    format!(
        "{}: `uses: {}` is {what}, which Interlock does not run. Put the action into the repository and use it as \
         `./path`, or do its work in a `run` step",
        place(source, uses.span.start),
        uses.value
    )
}

pub(super) fn place(source: &Source, offset: usize) -> String {
    let (line, column) = source.line_column(offset);
    format!("{}:{line}:{column}", source.path)
}

/// Finds a local action, now that its step runs, and evaluates its inputs.
async fn local(task: &Task, path: &Path, with: Option<&Token>) -> Result<Found, String> {
    if task.frame.depth >= MAX_DEPTH {
        return Err(format!(
            "'./{}' stands within {MAX_DEPTH} other actions; GitHub allows no more",
            path.display()
        ));
    }
    let root = root_of(task, path).await?;
    let directory = root.join(path);
    // A link could lead anywhere; an action is a part of the repository.
    let (real, real_root) = (directory.canonicalize(), root.canonicalize());
    if let (Ok(real), Ok(real_root)) = (real, real_root)
        && !real.starts_with(&real_root)
    {
        return Err(format!("'./{}' leads out of the workspace", path.display()));
    }
    let action = read(task, path, &directory)?;
    let inputs = inputs(task, path, &action, inputs_given(task, with)?)?;
    Ok(Found { action, directory, inputs })
}

const FILES: [&str; 2] = ["action.yml", "action.yaml"];

fn is_action(directory: &Path) -> bool {
    FILES.iter().any(|file| directory.join(file).is_file())
        || directory.join("Dockerfile").is_file()
}

/// Returns the directory that a local action's path counts from: the workspace, or, where nothing was
/// checked out, the files of the run's commit.
async fn root_of(task: &Task, path: &Path) -> Result<PathBuf, String> {
    let directories = &task.job.place.directories;
    if is_action(&directories.workspace.join(path)) {
        return Ok(directories.workspace.clone());
    }
    let missing = || {
        format!(
            "Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '{}'. Did you forget to run \
             actions/checkout before running your local action?",
            directories.workspace.join(path).display()
        )
    };
    let checked_out = task.job.checked_out.load(Ordering::Relaxed);
    let Some(source) = task.job.place.source.as_ref().filter(|_| !checked_out) else {
        return Err(missing());
    };
    let export = async {
        let tree = directories.actions.join("tree");
        std::fs::create_dir_all(&tree).map_err(|error| error.to_string())?;
        source.snapshot.export("", &tree).await.map_err(|error| error.to_string())?;
        Ok(tree)
    };
    let tree = task.job.tree_of_commit.get_or_try_init(|| export).await;
    let tree = tree.map_err(|error: String| {
        format!("The files of the run's commit could not be taken: {error}")
    })?;
    if !is_action(&tree.join(path)) {
        return Err(missing());
    }
    let message = format!(
        "Nothing was checked out, so './{}' is taken from the run's commit. GitHub needs actions/checkout before it.",
        path.display()
    );
    let notice = crate::notice::Annotation::new(crate::notice::Level::Notice, message);
    task.job.desk.annotate(Some(task.spot.step), notice);
    Ok(tree.clone())
}

fn read(task: &Task, path: &Path, directory: &Path) -> Result<Action, String> {
    let shown = |file: &str| Path::new(".").join(path).join(file).display().to_string();
    let Some(file) = FILES.iter().find(|file| directory.join(file).is_file()) else {
        return Err(format!(
            "{}: this action runs in a container, and Interlock runs steps on the host",
            shown("Dockerfile")
        ));
    };
    let text = files::read_within(&directory.join(file), MAX_ACTION_FILE);
    let text = text.map_err(|error| format!("{}: {error}", shown(file)))?;
    let source = Source { path: shown(file), text: text.into() };
    let reading = workflow::read_action(source.clone());
    for diagnostic in &reading.diagnostics {
        let place = place(&source, diagnostic.span.start);
        let hint = diagnostic.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let message = format!("{place}: {}{hint}", diagnostic.message);
        match diagnostic.severity {
            workflow::Severity::Error => task.error(message),
            workflow::Severity::Warning => task.say(&format!("##[warning]{message}")),
        }
    }
    reading.value.ok_or_else(|| format!("Failed to load {}", shown(file)))
}

fn inputs_given(task: &Task, with: Option<&Token>) -> Result<IndexMap<String, String>, String> {
    let Some(with) = with else { return Ok(IndexMap::new()) };
    let value = with.evaluate(&task.scope);
    let value = value
        .map_err(|error| format!("The step's `with` could not be evaluated: {}", error.message))?;
    Ok(texts(&value))
}

/// Returns the value of every input: as given, else the default, else nothing.
fn inputs(
    task: &Task,
    path: &Path,
    action: &Action,
    given: IndexMap<String, String>,
) -> Result<IndexMap<String, String>, String> {
    let declared = |name: &str| action.inputs.keys().any(|known| known.eq_ignore_ascii_case(name));
    let mut unexpected: Vec<_> =
        given.keys().filter(|name| !declared(name)).map(String::as_str).collect();
    // A JavaScript action's program may read these whatever `action.yml` says.
    unexpected.retain(|name| !matches!(name.to_ascii_lowercase().as_str(), "entrypoint" | "args"));
    if !unexpected.is_empty() {
        let valid: Vec<_> = action.inputs.keys().map(String::as_str).collect();
        task.warning(format!(
            "Unexpected input(s) '{}', valid inputs are ['{}']",
            unexpected.join("', '"),
            valid.join("', '")
        ));
    }
    let mut inputs = IndexMap::new();
    for (name, input) in &action.inputs {
        let given = given.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        if given.is_some()
            && let Some(message) = &input.deprecation
        {
            task.warning(format!(
                "Input '{name}' has been deprecated with message: {}",
                message.value
            ));
        }
        let value = match (given, &input.default) {
            (Some((_, value)), _) => value.clone(),
            (None, Some(default)) => {
                let value = default.evaluate(&task.scope).map(|value| value.to_text());
                value.map_err(|error| {
                    format!(
                        "The default of input '{name}' could not be evaluated: {}",
                        error.message
                    )
                })?
            }
            (None, None) => {
                if input.required {
                    task.warning(format!(
                        "Input required and not supplied: '{name}' of the action './{}'",
                        path.display()
                    ));
                }
                String::new()
            }
        };
        inputs.insert(name.clone(), value);
    }
    let others = given.into_iter().filter(|(name, _)| !declared(name));
    inputs.extend(others.collect::<Vec<_>>());
    Ok(inputs)
}
