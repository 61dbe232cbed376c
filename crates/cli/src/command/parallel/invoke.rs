//! From the text of a job to the program that is started.

use std::ffi::OsString;
use std::io::Write as _;

use runner::guardian;
use runner::process::Command;
use tempfile::NamedTempFile;

use super::plan::Task;

/// Characters that a shell would do something with, as GNU make lists them.
const SYNTAX: &str = "#;\"'*?[]&|<>(){}$`^~!\\\n\r\0";

/// Words that are commands of the shell itself, or that it treats otherwise than the program of that name.
const BUILTINS: [&str; 55] = [
    ".", ":", "[", "alias", "bg", "bind", "break", "builtin", "caller", "case", "cd", "command",
    "continue", "coproc", "declare", "dirs", "disown", "echo", "enable", "eval", "exec", "exit",
    "export", "fc", "fg", "for", "function", "getopts", "hash", "help", "history", "if", "jobs",
    "kill", "let", "local", "mapfile", "popd", "printf", "pushd", "pwd", "read", "readonly",
    "return", "select", "set", "shift", "shopt", "source", "test", "time", "times", "trap", "type",
    "typeset",
];

/// The rest of them.
const MORE_BUILTINS: [&str; 11] = [
    "ulimit",
    "umask",
    "unalias",
    "unset",
    "until",
    "wait",
    "while",
    "suspend",
    "logout",
    "readarray",
    "compgen",
];

/// Something that can be started, as long as this lives.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) command: Command,
    /// The file with the text, where the shell wants one.
    _script: Option<NamedTempFile>,
}

/// Returns the environment of jobs: ours, without what is between our own processes.
pub(crate) fn environment() -> Vec<(OsString, OsString)> {
    let ours = |name: &OsString| guardian::VARIABLES.iter().any(|other| name == *other);
    std::env::vars_os().filter(|(name, _)| !ours(name)).collect()
}

impl Invocation {
    /// Decides how a task is started: directly if it is a plain command, else by its shell.
    pub(crate) fn new(
        task: &Task,
        shell: Option<&str>,
        environment: &[(OsString, OsString)],
    ) -> std::io::Result<Self> {
        let (words, script) = match task.shell.as_deref().or(shell) {
            Some(shell) => by_shell(shell, &task.run)?,
            None => (plain(&task.run).unwrap_or_else(|| by_bash(&task.run)), None),
        };
        let mut words = words.into_iter().map(OsString::from);
        let mut environment = environment.to_vec();
        environment.extend(task.env.iter().map(|(name, value)| (name.into(), value.into())));
        let command = Command {
            program: words.next().unwrap_or_default(),
            arguments: words.collect(),
            environment,
            directory: task.directory.clone(),
            inherited: Vec::new(),
        };
        Ok(Self { command, _script: script })
    }
}

/// Returns the words of a command in which there is nothing for a shell to do.
fn plain(text: &str) -> Option<Vec<String>> {
    if text.contains(|character| SYNTAX.contains(character)) {
        return None;
    }
    let words: Vec<String> = text.split_ascii_whitespace().map(ToOwned::to_owned).collect();
    let first = words.first()?.as_str();
    let special =
        BUILTINS.contains(&first) || MORE_BUILTINS.contains(&first) || first.contains('=');
    (!special).then_some(words)
}

fn by_bash(text: &str) -> Vec<String> {
    ["bash", "-eo", "pipefail", "-c", text].map(ToOwned::to_owned).into()
}

/// Reads a shell as people name it: a known name, or a command line that the text completes.
fn by_shell(shell: &str, text: &str) -> std::io::Result<(Vec<String>, Option<NamedTempFile>)> {
    let known = match shell.trim() {
        "bash" => "bash -eo pipefail -c",
        "sh" => "sh -e -c",
        "node" => "node -e",
        "pwsh" => "pwsh -NoLogo -NonInteractive -Command",
        "ruby" | "perl" => &format!("{} -e", shell.trim()),
        // Such as `python`, `zsh` or `fish`.
        name if !name.contains(char::is_whitespace) && !name.contains("{0}") => {
            &format!("{name} -c")
        }
        whole => whole,
    };
    let mut words: Vec<String> = known.split_whitespace().map(ToOwned::to_owned).collect();
    if !words.iter().any(|word| word.contains("{0}")) {
        words.push(text.to_owned());
        return Ok((words, None));
    }
    let mut script = NamedTempFile::with_prefix("interlock-")?;
    script.write_all(text.as_bytes())?;
    script.flush()?;
    let path = script.path().to_string_lossy().into_owned();
    let words = words.into_iter().map(|word| word.replace("{0}", &path)).collect();
    Ok((words, Some(script)))
}

#[cfg(test)]
mod tests {
    use runner::fanout::Job;

    use super::*;

    fn words(run: &str, shell: Option<&str>) -> Vec<String> {
        let task = Task::new(Job::new("a"), run.to_owned(), "/".into());
        let command = Invocation::new(&task, shell, &[]).expect("no file").command;
        let words = std::iter::once(command.program).chain(command.arguments);
        words.map(|word| word.into_string().expect("UTF-8")).collect()
    }

    #[test]
    fn a_plain_command_needs_no_shell() {
        assert_eq!(words("python  validate.py --all", None), ["python", "validate.py", "--all"]);
        assert_eq!(words("true", None), ["true"]);
    }

    #[test]
    fn syntax_and_builtins_go_to_bash() {
        for run in [
            "a | b",
            "a; b",
            "echo $HOME",
            "a 'b c'",
            "cd x",
            "exit 3",
            "A=1 b",
            "a &",
            "a > b",
            "a\nb",
            "ls *.x",
            "! a",
            "time a",
            "echo x",
            "{ a; }",
            "~/a",
            "",
        ] {
            assert_eq!(words(run, None), ["bash", "-eo", "pipefail", "-c", run]);
        }
    }

    #[test]
    fn a_named_shell_is_always_used() {
        assert_eq!(words("true", Some("sh")), ["sh", "-e", "-c", "true"]);
        assert_eq!(words("1 + 1", Some("python3")), ["python3", "-c", "1 + 1"]);
        assert_eq!(words("x", Some("bash -x -c")), ["bash", "-x", "-c", "x"]);
    }

    #[test]
    fn a_shell_may_want_a_file() {
        let mut task = Task::new(Job::new("a"), "text\n".to_owned(), "/".into());
        task.shell = Some("awk -f {0}".to_owned());
        let invocation = Invocation::new(&task, Some("sh"), &[]).expect("a file");
        let file = invocation.command.arguments.last().expect("the file");
        assert_eq!(std::fs::read_to_string(file).expect("it is there"), "text\n");
    }

    #[test]
    fn a_tasks_variables_win() {
        let mut task = Task::new(Job::new("a"), "true".to_owned(), "/".into());
        task.env = vec![("A".into(), "own".into())];
        let base = [("A".into(), "outer".into())];
        let command = Invocation::new(&task, None, &base).expect("no file").command;
        assert_eq!(command.environment.last(), Some(&("A".into(), "own".into())));
    }
}
