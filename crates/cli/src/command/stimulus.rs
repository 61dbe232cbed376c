//! What `run` and `plan` are asked to react to: workflows, events, payloads and what goes with them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use dispatch::delivery::{self, Delivery};
use dispatch::occasion::Facts;
use dispatch::planner::{Given, Planner};
use dispatch::project::{FOLDER, Project};
use dispatch::trees::Trees;
use indexmap::IndexMap;
use serde_json::{Value, json};
use workdir::{Mirrors, Repository, Snapshot, Want};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;

/// Largest list of deliveries read.
const MAX_FILE: u64 = 1024 * 1024 * 1024;

/// The arguments that `run` and `plan` share.
#[derive(Debug, Args)]
pub(crate) struct Stimulus {
    /// Workflows to look at: paths, or names of files in .github/workflows [default: all]
    #[arg(value_name = "WORKFLOW")]
    workflows: Vec<String>,
    /// The event that happens [default: push of the checked-out commit].
    #[arg(long, value_name = "NAME", conflicts_with = "deliveries")]
    event: Option<String>,
    /// The webhook payload of the event, a JSON file; `-` reads standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "deliveries")]
    payload: Option<PathBuf>,
    /// Many events: a JSON object a line with `event`, `payload` and `delay_ms`, which counts from the line before.
    #[arg(long, value_name = "FILE")]
    deliveries: Option<PathBuf>,
    /// An input of `workflow_dispatch`.
    #[arg(long = "input", value_name = "K=V")]
    inputs: Vec<String>,
    /// A variable for the `vars` context.
    #[arg(long = "var", value_name = "K=V")]
    vars: Vec<String>,
    /// A secret; without a value it is taken from the environment.
    #[arg(long = "secret", value_name = "K[=V]")]
    secrets: Vec<String>,
    /// Run this job and what it needs, nothing else.
    #[arg(long = "job", value_name = "ID")]
    jobs: Vec<String>,
    /// The commit, branch or tag whose tree the jobs see.
    #[arg(long = "ref", value_name = "REF")]
    pub(crate) reference: Option<String>,
    /// Leave uncommitted changes out.
    #[arg(long, conflicts_with = "reference")]
    pub(crate) committed: bool,
}

impl Stimulus {
    /// Returns the deliveries, in order.
    pub(crate) fn deliveries(&self, session: &Session) -> Result<Vec<Delivery>, Failure> {
        if let Some(path) = &self.deliveries {
            let text = read(session, path)?;
            let refused = |error: delivery::Malformed| {
                Failure::new(
                    Exit::Usage,
                    format!("{}:{}: {}", path.display(), error.line, error.why),
                )
                .hinted("a line is {\"event\": NAME, \"payload\": {…}, \"delay_ms\": N}")
            };
            return delivery::parse(&text).map_err(refused);
        }
        let event = self.event_name();
        delivery::check_event(&event)
            .map_err(|why| Failure::new(Exit::Usage, format!("--event: {why}")))?;
        let payload = match &self.payload {
            Some(path) => payload(session, path)?,
            None => json!({}),
        };
        Ok(vec![Delivery { event, payload, delay: Duration::ZERO }])
    }

    /// Returns the event; inputs without an event can only mean `workflow_dispatch`.
    pub(crate) fn event_name(&self) -> String {
        let implied = if self.inputs.is_empty() { "push" } else { "workflow_dispatch" };
        self.event.clone().unwrap_or_else(|| implied.to_owned())
    }

    /// Says whether the user named workflows.
    pub(crate) fn names_workflows(&self) -> bool {
        !self.workflows.is_empty()
    }

    /// Says whether this is one event that the user did not describe by a payload.
    pub(crate) fn is_bare(&self) -> bool {
        self.deliveries.is_none() && self.payload.is_none()
    }

    /// Collects what the user gives to every run, and adds named files to the project.
    pub(crate) fn given(
        &self,
        session: &Session,
        root: &Path,
        project: &mut Project,
    ) -> Result<Given, Failure> {
        let mut workflows = Vec::new();
        for name in &self.workflows {
            workflows.push(named(session, root, project, name)?);
        }
        Ok(Given {
            inputs: pairs("--input", &self.inputs)?,
            vars: pairs("--var", &self.vars)?.into_iter().collect(),
            secrets: self.secrets(session)?,
            only: self.jobs.clone(),
            workflows,
            as_github: session.settings.groups.as_github,
        })
    }

    /// Finds out what the deliveries start, without starting anything.
    pub(crate) async fn planner(
        &self,
        session: &Session,
        repository: &Repository,
        mirrors: &Mirrors,
    ) -> Result<Planner, Failure> {
        let mut project = Project::read(repository.root())
            .map_err(|error| Failure::from_error(Exit::Usage, &error))?;
        let given = self.given(session, repository.root(), &mut project)?;
        let deliveries = self.deliveries(session)?;
        let want = match (&self.reference, self.committed) {
            (Some(name), _) => Want::Revision(name.clone()),
            (None, true) => Want::Committed,
            (None, false) => Want::WorkingTree,
        };
        let tree = repository.snapshot(mirrors, &want).await.map_err(|error| advise(&error))?;
        let facts = facts(session, repository, &tree);
        let mut trees = Trees::new(tree, self.reference.is_some());
        trees
            .prepare(&deliveries, &facts, repository, mirrors)
            .await
            .map_err(|error| advise(&error))?;
        let policies = session.settings.groups.policies()?;
        if policies.need_positions() {
            let finding = trees.find_positions(&deliveries, &facts, repository);
            finding.await.map_err(|error| advise(&error))?;
        }
        Ok(Planner { project, deliveries, facts, given, trees, policies })
    }

    fn secrets(&self, session: &Session) -> Result<BTreeMap<String, String>, Failure> {
        let mut secrets = BTreeMap::new();
        for given in &self.secrets {
            let (name, value) = if let Some((name, value)) = given.split_once('=') {
                (name, value.to_owned())
            } else {
                let value = session.surroundings.get(given).ok_or_else(|| {
                    let what = format!("--secret {given}: there is no such environment variable");
                    let hint = "give the value as --secret NAME=VALUE, or set the variable";
                    Failure::new(Exit::Usage, what).hinted(hint)
                })?;
                (given.as_str(), value.to_owned())
            };
            check_name("--secret", name)?;
            secrets.insert(name.to_uppercase(), value);
        }
        Ok(secrets)
    }
}

/// Collects what is known about the repository without asking anybody.
fn facts(session: &Session, repository: &Repository, tree: &Snapshot) -> Facts {
    let reference = tree.reference.as_deref().unwrap_or_default();
    let named = |prefix| reference.strip_prefix(prefix).map(ToOwned::to_owned);
    let actor =
        ["GITHUB_ACTOR", "USER", "LOGNAME"].iter().find_map(|name| session.surroundings.get(name));
    Facts {
        host: repository.origin().host.clone(),
        full_name: repository.origin().full_name(),
        branch: named("refs/heads/"),
        tag: named("refs/tags/"),
        default_branch: repository.default_branch().to_owned(),
        head: tree.sha.clone(),
        message: String::new(),
        actor: actor.unwrap_or("local").to_owned(),
    }
}

/// Turns trouble with directories and repositories into advice.
pub(crate) fn advise(error: &workdir::Error) -> Failure {
    let failure = Failure::from_error(Exit::Unavailable, error);
    match error.hint() {
        Some(hint) => failure.hinted(hint),
        None => failure,
    }
}

/// Splits `K=V` arguments.
pub(crate) fn pairs(flag: &str, given: &[String]) -> Result<IndexMap<String, String>, Failure> {
    let mut pairs = IndexMap::new();
    for pair in given {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            Failure::new(Exit::Usage, format!("{flag} {pair}: there is no `=`"))
                .hinted(format!("write {flag} NAME=VALUE"))
        })?;
        check_name(flag, name)?;
        pairs.insert(name.to_owned(), value.to_owned());
    }
    Ok(pairs)
}

fn check_name(flag: &str, name: &str) -> Result<(), Failure> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let starts_well = !name.starts_with(|c: char| c.is_ascii_digit());
    if !name.is_empty() && starts_well && name.bytes().all(legal) {
        return Ok(());
    }
    let hint = "names are letters, digits, `_` and `-`, and do not start with a digit";
    Err(Failure::new(Exit::Usage, format!("{flag}: `{name}` is not a name")).hinted(hint))
}

/// Finds the workflow a user means: a path, or the name of a file in the folder.
fn named(
    session: &Session,
    root: &Path,
    project: &mut Project,
    name: &str,
) -> Result<String, Failure> {
    let candidates = [session.directory.join(name), root.join(name), root.join(FOLDER).join(name)];
    let suffixes = ["", ".yml", ".yaml"];
    let paths = candidates.iter().flat_map(|path| {
        suffixes.iter().map(move |suffix| PathBuf::from(format!("{}{suffix}", path.display())))
    });
    if let Some(path) = paths.into_iter().find(|path| path.is_file()) {
        let path = path.canonicalize().unwrap_or(path);
        return project.add(root, &path).map_err(|error| Failure::from_error(Exit::Usage, &error));
    }
    let titled = |file: &&dispatch::project::File| {
        file.workflow
            .as_ref()
            .is_some_and(|workflow| workflow.name.as_ref().is_some_and(|title| title.value == name))
    };
    if let Some(file) = project.files.iter().find(titled) {
        return Ok(file.path.clone());
    }
    let known: Vec<_> = project.files.iter().map(|file| file.path.as_str()).collect();
    let hint = if known.is_empty() {
        format!("there are no workflows in {}", root.join(FOLDER).display())
    } else {
        format!("there are {}", known.join(", "))
    };
    Err(Failure::new(Exit::Usage, format!("there is no workflow `{name}`")).hinted(hint))
}

fn payload(session: &Session, path: &Path) -> Result<Value, Failure> {
    let text = read(session, path)?;
    let refused = |why: String| {
        Failure::new(Exit::Usage, format!("{}: {why}", path.display()))
            .hinted("--payload takes a JSON object, as GitHub posts it")
    };
    if text.len() > delivery::MAX_PAYLOAD {
        return Err(refused(format!("is larger than {} MB", delivery::MAX_PAYLOAD / 1024 / 1024)));
    }
    let value: Value = serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(refused("is not a JSON object".to_owned())) }
}

fn read(session: &Session, path: &Path) -> Result<String, Failure> {
    let refused =
        |why: String| Failure::new(Exit::Usage, format!("cannot read {}: {why}", path.display()));
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(MAX_FILE)
            .read_to_string(&mut text)
            .map_err(|error| refused(error.to_string()))?;
        return Ok(text);
    }
    // A path on the command line means what the shell completed, also with `-C`.
    let path = if path.exists() { path.to_owned() } else { session.directory.join(path) };
    let file = fs::File::open(&path).map_err(|error| refused(error.to_string()))?;
    file.take(MAX_FILE).read_to_string(&mut text).map_err(|error| refused(error.to_string()))?;
    Ok(text)
}
