//! Hearing: what a step's lines say to the runner, and what remains to be shown.

use indexmap::IndexMap;

use super::task::Task;
use crate::commands::{self, WorkflowCommand};
use crate::files;
use crate::matcher::{self, Match};
use crate::notice::{Annotation, Level};
use crate::process::{Chunk, Stream};

/// The commands there are.
const COMMANDS: [&str; 17] = [
    "stop-commands",
    "set-output",
    "save-state",
    "set-env",
    "add-path",
    "add-mask",
    "add-matcher",
    "remove-matcher",
    "error",
    "warning",
    "notice",
    "debug",
    "group",
    "endgroup",
    "echo",
    "command",
    "section",
];

/// Those that are plain lines all the same: they only change how a log looks.
const SHOWN: [&str; 2] = ["command", "section"];

/// The variable that allows the commands that once let any output change the environment.
const ALLOW_UNSECURE: &str = "ACTIONS_ALLOW_UNSECURE_COMMANDS";

/// How large a file of matchers may be.
const MAX_MATCHER_FILE: u64 = 1 << 20;

/// How much of a line that does not end is kept together to look for secrets.
const MAX_PENDING: usize = 2 << 20;

/// What a step has said to the runner.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) outputs: IndexMap<String, String>,
    pub(super) state: IndexMap<String, String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) paths: Vec<String>,
    /// Whether something it said could not be understood, which fails a step.
    pub(super) failed: bool,
}

/// Listens to one process.
#[derive(Debug)]
pub(super) struct Hearing<'a> {
    task: &'a Task,
    said: Said,
    /// The word that commands wait for after `stop-commands`.
    stopped: Option<String>,
    echo: bool,
    /// Lines whose end has not come, of both pipes.
    pending: [String; 2],
    warned: bool,
}

impl<'a> Hearing<'a> {
    pub(super) fn new(task: &'a Task) -> Self {
        let (said, pending) = (Said::default(), Default::default());
        Self { task, said, stopped: None, echo: task.job.place.debug, pending, warned: false }
    }

    /// Hears whole lines, or a piece of one that is very long.
    pub(super) fn hear(&mut self, chunk: &Chunk) {
        let pipe = usize::from(chunk.stream == Stream::Stderr);
        let mut lines = chunk.lines().peekable();
        while let Some(line) = lines.next() {
            let unfinished = chunk.continues && lines.peek().is_none();
            if unfinished {
                self.pending[pipe].push_str(&line);
                self.show_part(chunk.stream, pipe);
            } else if self.pending[pipe].is_empty() {
                self.line(chunk.stream, &line);
            } else {
                let mut whole = std::mem::take(&mut self.pending[pipe]);
                whole.push_str(&line);
                self.line(chunk.stream, &whole);
            }
        }
        self.task.job.desk.flush();
    }

    /// Returns what was said, when nothing more will be.
    pub(super) fn end(mut self) -> Said {
        for (pipe, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
            let rest = std::mem::take(&mut self.pending[pipe]);
            if !rest.is_empty() {
                self.line(stream, &rest);
            }
        }
        self.said
    }

    /// Shows what can be shown of a line that is longer than anybody reads.
    fn show_part(&mut self, stream: Stream, pipe: usize) {
        let pending = &mut self.pending[pipe];
        if pending.len() < MAX_PENDING {
            return;
        }
        let rest = pending.split_off(self.task.job.desk.safe_length(pending));
        let part = std::mem::replace(pending, rest);
        self.show(stream, &part);
    }

    fn line(&mut self, stream: Stream, line: &str) {
        if self.is_command(line) {
            return;
        }
        let found = self.task.job.matchers().look(line);
        if let Some(found) = found
            && self.problem(&found, line)
        {
            return;
        }
        self.show(stream, line);
    }

    fn show(&self, stream: Stream, line: &str) {
        self.task.job.desk.line(Some(self.task.spot.step), stream, line);
    }

    /// Follows a command; other lines are not for us.
    fn is_command(&mut self, line: &str) -> bool {
        let stopped = self.stopped.as_deref();
        let known = |name: &str| {
            COMMANDS.iter().any(|known| known.eq_ignore_ascii_case(name))
                || stopped.is_some_and(|token| token.eq_ignore_ascii_case(name))
        };
        let Some(command) = commands::parse(line, known) else { return false };
        let name = command.name.to_ascii_lowercase();
        if let Some(token) = stopped {
            let resumes = token.eq_ignore_ascii_case(&name);
            if resumes {
                self.show(Stream::Stdout, line);
                self.stopped = None;
            }
            return resumes;
        }
        if SHOWN.contains(&name.as_str()) {
            return false;
        }
        if self.echo
            && !matches!(
                name.as_str(),
                "add-mask"
                    | "error"
                    | "warning"
                    | "notice"
                    | "debug"
                    | "group"
                    | "endgroup"
                    | "echo"
                    | "stop-commands"
            )
        {
            self.show(Stream::Stdout, line);
        }
        if let Err(why) = self.follow(&name, &command, line) {
            let shown = if name == "add-mask" { &name } else { line };
            self.error(format!("Unable to process command '{shown}' successfully."));
            self.error(why);
            self.said.failed = true;
        }
        true
    }

    fn follow(&mut self, name: &str, command: &WorkflowCommand, line: &str) -> Result<(), String> {
        match name {
            "stop-commands" => self.stop(command, line)?,
            "set-output" => {
                self.deprecated(name);
                self.said.outputs.insert(named(command)?, command.data.clone());
            }
            "save-state" => {
                self.deprecated(name);
                self.said.state.insert(named(command)?, command.data.clone());
            }
            "set-env" => {
                self.allow(name)?;
                self.set_env(named(command)?, &command.data);
            }
            "add-path" => {
                self.allow(name)?;
                if command.data.is_empty() {
                    return Err("path must not be empty".to_owned());
                }
                self.said.paths.push(command.data.clone());
            }
            "add-mask" => self.mask(&command.data),
            "add-matcher" => self.add_matcher(&command.data)?,
            "remove-matcher" => self.remove_matcher(command)?,
            "error" => self.annotate(Level::Error, command),
            "warning" => self.annotate(Level::Warning, command),
            "notice" => self.annotate(Level::Notice, command),
            "debug" if self.task.job.place.debug => {
                self.show(Stream::Stdout, &format!("##[debug]{}", command.data));
            }
            "group" => self.show(Stream::Stdout, &format!("##[group]{}", command.data)),
            "endgroup" => self.show(Stream::Stdout, "##[endgroup]"),
            "echo" => match command.data.trim().to_ascii_lowercase().as_str() {
                "on" => self.echo = true,
                "off" => self.echo = false,
                other => {
                    return Err(format!(
                        "Invalid echo command value. Possible values can be: 'on', 'off'. Current value is: '{other}'."
                    ));
                }
            },
            _ => {}
        }
        Ok(())
    }

    fn stop(&mut self, command: &WorkflowCommand, line: &str) -> Result<(), String> {
        let token = command.data.trim();
        let is_command = COMMANDS.iter().any(|known| known.eq_ignore_ascii_case(token));
        if token.is_empty() || is_command || token.eq_ignore_ascii_case("pause-logging") {
            return Err(format!(
                "Invalid stop-commands token '{token}'. It must not be empty and not the name of a command."
            ));
        }
        self.show(Stream::Stdout, line);
        self.stopped = Some(token.to_owned());
        Ok(())
    }

    fn allow(&self, name: &str) -> Result<(), String> {
        let allowed = self
            .task
            .variable(ALLOW_UNSECURE)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if allowed {
            return Ok(());
        }
        Err(format!(
            "The `{name}` command is disabled. Please upgrade to using Environment Files or opt into unsecure \
             command execution by setting the `{ALLOW_UNSECURE}` environment variable to `true`."
        ))
    }

    fn set_env(&mut self, name: String, value: &str) {
        if files::may_set(&name) {
            self.said.env.push((name, value.to_owned()));
        } else {
            self.error(format!(
                "Can't update {name} environment variable using ::set-env:: command."
            ));
        }
    }

    fn mask(&mut self, secret: &str) {
        if secret.trim().is_empty() {
            let message = "Can't add secret mask for empty string in ##[add-mask] command.";
            return self.task.job.desk.warning(Some(self.task.spot.step), message);
        }
        self.task.job.desk.mask(secret);
        if self.echo {
            self.show(Stream::Stdout, "::add-mask::***");
        }
    }

    fn add_matcher(&mut self, file: &str) -> Result<(), String> {
        if file.trim().is_empty() {
            return Err("File path must not be empty".to_owned());
        }
        let path = self.task.job.place.directories.workspace.join(file);
        let text =
            files::read_within(&path, MAX_MATCHER_FILE).map_err(|error| error.to_string())?;
        if text.is_empty() {
            return Err(format!("The file of problem matchers '{file}' is not there"));
        }
        let matchers = matcher::read(&text).map_err(|error| error.to_string())?;
        let owners: Vec<_> = matchers.iter().map(|matcher| matcher.owner().to_owned()).collect();
        self.task.job.matchers().add(matchers);
        self.debug(&format!("Added matchers: '{}'", owners.join("', '")));
        Ok(())
    }

    fn remove_matcher(&mut self, command: &WorkflowCommand) -> Result<(), String> {
        let owner = command.property("owner").unwrap_or_default();
        match (owner.is_empty(), command.data.is_empty()) {
            (false, true) => self.task.job.matchers().remove(owner),
            (true, false) => {
                let path = self.task.job.place.directories.workspace.join(&command.data);
                let text = files::read_within(&path, MAX_MATCHER_FILE)
                    .map_err(|error| error.to_string())?;
                let matchers = matcher::read(&text).map_err(|error| error.to_string())?;
                for matcher in matchers {
                    self.task.job.matchers().remove(matcher.owner());
                }
            }
            _ => return Err("Either the file path or the owner must be specified".to_owned()),
        }
        Ok(())
    }

    fn annotate(&self, level: Level, command: &WorkflowCommand) {
        let text = |name: &str| command.property(name).map(str::to_owned);
        let number = |name: &str| command.property(name).and_then(|text| text.trim().parse().ok());
        let annotation = Annotation {
            level,
            message: command.data.clone(),
            title: text("title"),
            file: text("file").map(|file| self.task.job.workspace_path(&file)),
            line: number("line"),
            end_line: number("endLine"),
            column: number("col"),
            end_column: number("endColumn"),
        };
        self.task.job.desk.annotate(Some(self.task.spot.step), annotation);
    }

    /// Makes an annotation of what a matcher has found; without a message or a known severity there is none.
    fn problem(&self, found: &Match, line: &str) -> bool {
        let level = match found.severity.as_deref().unwrap_or("").to_ascii_lowercase().as_str() {
            "" | "error" => Level::Error,
            "warning" => Level::Warning,
            "notice" => Level::Notice,
            _ => return false,
        };
        let Some(message) = found.message.as_deref().filter(|text| !text.trim().is_empty()) else {
            return false;
        };
        let number =
            |text: &Option<String>| text.as_deref().and_then(|text| text.trim().parse().ok());
        let annotation = Annotation {
            file: self.task.job.file_of(found),
            line: number(&found.line),
            column: number(&found.column),
            ..Annotation::new(level, message)
        };
        let line = matcher::without_colours(line);
        self.task.job.desk.annotate_line(Some(self.task.spot.step), annotation, &line);
        true
    }

    fn deprecated(&mut self, name: &str) {
        if std::mem::replace(&mut self.warned, true) {
            return;
        }
        let message = format!(
            "The `{name}` command is deprecated and will be disabled soon. Please upgrade to using Environment Files."
        );
        self.task.job.desk.warning(Some(self.task.spot.step), message);
    }

    fn debug(&self, message: &str) {
        if self.task.job.place.debug {
            self.show(Stream::Stdout, &format!("##[debug]{message}"));
        }
    }

    fn error(&self, message: impl Into<String>) {
        self.task.job.desk.error(Some(self.task.spot.step), message);
    }
}

fn named(command: &WorkflowCommand) -> Result<String, String> {
    let name = command.property("name").filter(|name| !name.is_empty());
    name.map(str::to_owned)
        .ok_or_else(|| format!("Required field 'name' is missing in ##[{}] command.", command.name))
}
