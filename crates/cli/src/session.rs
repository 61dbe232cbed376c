//! One call of a command: where its answer goes, how it looks, which store it talks to.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use store::Store;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::Settings;
use crate::surroundings::Surroundings;
use crate::terminal;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text for people.
    #[default]
    Human,
    /// JSON for programs, on standard output alone.
    Json,
}

/// What every command is given.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) format: Format,
    /// Whether lists are printed as one JSON object a line.
    pub(crate) lines: bool,
    /// Whether a text for people is to be Markdown.
    pub(crate) is_markdown: bool,
    pub(crate) surroundings: Surroundings,
    pub(crate) settings: Settings,
    /// The directory that relative paths mean: `-C`, or the current one.
    pub(crate) directory: PathBuf,
}

#[expect(
    clippy::unused_self,
    reason = "a command says things through its session, whatever that needs"
)]
impl Session {
    /// Prints one line of a result to standard output.
    pub(crate) fn line(&self, text: &str) {
        // Control characters in JSON are data, which is shown as it is.
        match self.format {
            Format::Json => write_quietly(&mut anstream::stdout().lock(), text),
            Format::Human => write_quietly(&mut anstream::stdout().lock(), &terminal::lines(text)),
        }
    }

    /// Prints one line of progress or advice to standard error.
    pub(crate) fn note(&self, text: &str) {
        write_quietly(&mut anstream::stderr().lock(), &terminal::lines(text));
    }

    /// Says whether a person looks at standard error right now.
    pub(crate) fn is_watched(&self) -> bool {
        std::io::stderr().is_terminal() && self.format == Format::Human
    }

    /// Answers a question: text for people or JSON for programs, and step outputs in a job.
    ///
    /// `answer` must be an object; its top-level fields become step outputs in kebab-case.
    pub(crate) fn answer(&self, answer: &Value, human: &str) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.line(&answer.to_string()),
            Format::Human if human.is_empty() => {}
            Format::Human => self.line(human.trim_end_matches('\n')),
        }
        self.step_outputs(answer)
    }

    /// Writes the top-level fields of `answer` as step outputs, if the job takes any.
    pub(crate) fn step_outputs(&self, answer: &Value) -> Result<(), Failure> {
        let (Some(path), Some(fields)) = (self.surroundings.output_file(), answer.as_object())
        else {
            return Ok(());
        };
        let mut text = String::new();
        for (name, value) in fields {
            let value = match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let delimiter = format!("interlock_{}", uuid::Uuid::new_v4().simple());
            let name = name.replace('_', "-");
            writeln!(text, "{name}<<{delimiter}\n{value}\n{delimiter}")
                .expect("a string takes all that is written");
        }
        append(&path, &text)
    }

    /// Adds Markdown to the step summary, if the job has one.
    pub(crate) fn summarize(&self, markdown: &str) -> Result<(), Failure> {
        match self.surroundings.summary_file() {
            Some(path) => append(&path, &format!("{markdown}\n")),
            None => Ok(()),
        }
    }

    /// Shows an annotation in GitHub Actions, a line on standard error elsewhere.
    pub(crate) fn annotate(&self, level: Level, title: &str, message: &str) {
        let word = level.word();
        if self.surroundings.in_github_actions() {
            let title = escape(title).replace(':', "%3A").replace(',', "%2C");
            // Standard output carries JSON; the runner reads commands from both streams.
            self.note(&format!("::{word} title={title}::{}", escape(message)));
        } else {
            self.note(&format!("{word}: {title}: {message}"));
        }
    }

    /// Returns the exit code for a "no": 0 where step outputs carry the answer, unless it was asked for.
    pub(crate) fn no(&self, exit_code_wanted: bool) -> Exit {
        if self.surroundings.output_file().is_some() && !exit_code_wanted {
            Exit::Done
        } else {
            Exit::NotOurs
        }
    }

    /// Runs a future to its end on a runtime of its own.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Failure::from_error(Exit::Unavailable, &error))?;
        let result = runtime.block_on(future);
        runtime.shutdown_background();
        Ok(result)
    }

    /// Returns the state directory, made if it does not exist.
    pub(crate) fn state_directory(&self) -> Result<PathBuf, Failure> {
        let path = self.surroundings.state_directory().ok_or_else(|| {
            Failure::new(Exit::Usage, "there is no directory for Interlock's state")
                .hinted("set HOME, or INTERLOCK_STATE_DIR to a directory")
        })?;
        std::fs::create_dir_all(&path).map_err(|error| {
            let what = format!("cannot create the state directory {}: {error}", path.display());
            Failure::new(Exit::Unavailable, what)
                .hinted("set INTERLOCK_STATE_DIR to a directory you may write")
        })?;
        Ok(path)
    }

    /// Returns the store URL in force: flag, environment, `interlock.toml`, else the embedded store.
    pub(crate) fn store_url(&self, flag: Option<&str>) -> Result<String, Failure> {
        let configured = flag
            .or_else(|| self.surroundings.get("INTERLOCK_STORE"))
            .or(self.settings.store.as_deref());
        match configured {
            Some(url) => Ok(url.to_owned()),
            None => Ok(format!("file:{}", self.state_directory()?.join("store.db").display())),
        }
    }

    /// Says whether somebody chose a store, by flag, environment or `interlock.toml`.
    pub(crate) fn has_configured_store(&self, flag: Option<&str>) -> bool {
        flag.is_some()
            || self.surroundings.get("INTERLOCK_STORE").is_some()
            || self.settings.store.is_some()
    }

    /// Opens the store in force.
    pub(crate) async fn open_store(&self, flag: Option<&str>) -> Result<Arc<dyn Store>, Failure> {
        let variables = self.surroundings.variables().clone();
        let surroundings = store::Surroundings { variables, state: self.state_directory()? };
        Ok(store::open(&self.store_url(flag)?, &surroundings).await?)
    }
}

/// How loud an annotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// For information.
    Notice,
    /// Somebody should look.
    Warning,
    /// Somebody must look.
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Escapes text for a workflow command, as `@actions/core` does.
fn escape(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Writes a line and ignores a reader that went away: `| head` is not an error.
fn write_quietly(stream: &mut impl std::io::Write, text: &str) {
    drop(writeln!(stream, "{text}").and_then(|()| stream.flush()));
}

fn append(path: &Path, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        Failure::new(Exit::Unavailable, format!("cannot write {}: {error}", path.display()))
    })
}
