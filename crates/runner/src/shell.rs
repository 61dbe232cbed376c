//! Shells: which program runs a script, from which file and with which arguments.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// A shell that cannot run a script.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ShellError {
    /// It is no shell that is known by name, and its command has no place for the script.
    #[error(
        "Invalid shell option '{0}'. Shell must be a valid built-in (bash, sh, python, pwsh) or a \
         format string containing '{{0}}'"
    )]
    Invalid(String),
    /// It is a shell of another operating system.
    #[error("The shell '{0}' is only there on Windows; this machine has bash, sh, python and pwsh")]
    Windows(String),
    /// The program is not there.
    #[error("{program}: command not found. The shell '{shell}' needs it in PATH")]
    Missing {
        /// As `shell` says.
        shell: String,
        /// The program that was looked for.
        program: String,
    },
}

/// A program that runs a script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shell {
    /// The program, as found in `PATH`.
    pub program: PathBuf,
    /// Its arguments; `{0}` stands for the script's path.
    pub arguments: Vec<String>,
    /// What the script's file name ends with, with its dot.
    pub extension: &'static str,
    /// Whether the script is wrapped as `PowerShell` needs it.
    powershell: bool,
}

impl Shell {
    /// Finds the shell that a step names, or the one that is taken where none is named.
    pub fn find(shell: Option<&str>, search: &Search<'_>) -> Result<Self, ShellError> {
        let Some(text) = shell.map(str::trim).filter(|text| !text.is_empty()) else {
            let bash = Self::built_in("bash", "bash", "-e {0}", search);
            return bash.or_else(|_| Self::built_in("sh", "sh", "-e {0}", search));
        };
        let (command, format) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let format = format.trim();
        if format.is_empty() {
            return Self::named(command, search);
        }
        if !format.contains("{0}") {
            return Err(ShellError::Invalid(text.to_owned()));
        }
        let mut found = Self::built_in(text, command, format, search)?;
        found.extension = extension(command);
        Ok(found)
    }

    fn named(name: &str, search: &Search<'_>) -> Result<Self, ShellError> {
        match name {
            "bash" => Self::built_in(name, name, "--noprofile --norc -eo pipefail {0}", search),
            "sh" => Self::built_in(name, name, "-e {0}", search),
            "python" => {
                let python = Self::built_in(name, "python", "{0}", search);
                python.or_else(|error| {
                    Self::built_in(name, "python3", "{0}", search).map_err(|_| error)
                })
            }
            "pwsh" => {
                let mut found = Self::built_in(name, name, "-command \". '{0}'\"", search)?;
                found.powershell = true;
                Ok(found)
            }
            "cmd" | "powershell" => Err(ShellError::Windows(name.to_owned())),
            _ => Err(ShellError::Invalid(name.to_owned())),
        }
    }

    fn built_in(
        shell: &str,
        program: &str,
        format: &str,
        search: &Search<'_>,
    ) -> Result<Self, ShellError> {
        let found = search.find(program).ok_or_else(|| ShellError::Missing {
            shell: shell.to_owned(),
            program: program.to_owned(),
        })?;
        let extension = extension(program);
        Ok(Self { program: found, arguments: split(format), extension, powershell: false })
    }

    /// Returns the arguments for a script that stands in a file.
    pub fn arguments_for(&self, script: &Path) -> Vec<String> {
        let script = script.to_string_lossy();
        self.arguments.iter().map(|argument| argument.replace("{0}", &script)).collect()
    }

    /// Returns what the script's file holds.
    pub fn contents(&self, script: &str) -> String {
        if self.powershell {
            format!(
                "$ErrorActionPreference = 'stop'\n{script}\nif ((Test-Path -LiteralPath \
                 variable:\\LASTEXITCODE)) {{ exit $LASTEXITCODE }}\n"
            )
        } else {
            script.replace("\r\n", "\n")
        }
    }

    /// Returns the command as a log shows it.
    pub fn display(&self) -> String {
        let words = std::iter::once(self.program.display().to_string());
        words.chain(self.arguments.iter().cloned()).collect::<Vec<_>>().join(" ")
    }
}

fn extension(command: &str) -> &'static str {
    match Path::new(command).file_name().and_then(|name| name.to_str()) {
        Some("bash" | "sh") => ".sh",
        Some("python" | "python3") => ".py",
        Some("pwsh" | "powershell") => ".ps1",
        Some("cmd") => ".cmd",
        _ => "",
    }
}

/// Splits a command line into words; double quotes keep blanks together, and `\"` is a quote.
fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&'"') => {
                word.get_or_insert_default().push('"');
                characters.next();
            }
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            blank if blank.is_whitespace() && !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// Where programs are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The value of `PATH`.
    pub path: &'a str,
    /// What relative entries count from.
    pub directory: &'a Path,
}

impl Search<'_> {
    /// Returns the path of a program that may be executed.
    pub fn find(&self, program: &str) -> Option<PathBuf> {
        if program.contains('/') {
            let path = self.directory.join(program);
            return executable(&path).then_some(path);
        }
        let mut directories = self.path.split(':').filter(|entry| !entry.is_empty());
        directories.find_map(|entry| {
            let path = self.directory.join(entry).join(program);
            executable(&path).then_some(path)
        })
    }
}

fn executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use proptest::prelude::*;

    use super::*;

    fn with_programs(programs: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for program in programs {
            let path = directory.path().join(program);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        directory
    }

    #[track_caller]
    fn check(programs: &[&str], shell: Option<&str>, expected: &str) {
        let directory = with_programs(programs);
        let path = directory.path().to_str().unwrap();
        let search = Search { path, directory: Path::new("/") };
        let found = match Shell::find(shell, &search) {
            Ok(shell) => format!(
                "{} {} {}",
                shell.program.file_name().unwrap().to_str().unwrap(),
                shell.arguments_for(Path::new("/a b")).join("|"),
                shell.extension
            ),
            Err(error) => error.to_string(),
        };
        assert!(found.starts_with(expected), "{found}");
    }

    const ALL: [&str; 6] = ["bash", "sh", "python", "python3", "pwsh", "perl"];

    #[test]
    fn shells_are_called_as_on_github() {
        check(&ALL, None, "bash -e|/a b .sh");
        check(&ALL, Some("bash"), "bash --noprofile|--norc|-eo|pipefail|/a b .sh");
        check(&ALL, Some("sh"), "sh -e|/a b .sh");
        check(&ALL, Some("python"), "python /a b .py");
        check(&ALL, Some("pwsh"), "pwsh -command|. '/a b' .ps1");
        check(&ALL, Some("perl {0}"), "perl /a b ");
        check(&ALL, Some("bash -l {0}"), "bash -l|/a b .sh");
        check(&ALL, Some("perl -e \"a b\" -- \"{0}\""), "perl -e|a b|--|/a b ");
    }

    #[test]
    fn another_shell_stands_in_where_github_has_one() {
        check(&["sh"], None, "sh -e|/a b .sh");
        check(&["python3"], Some("python"), "python3 /a b .py");
    }

    #[test]
    fn what_cannot_run_says_why() {
        check(&ALL, Some("perl"), "Invalid shell option 'perl'");
        check(&ALL, Some("bash -x"), "Invalid shell option 'bash -x'");
        check(&ALL, Some("cmd"), "The shell 'cmd' is only there on Windows");
        check(&[], Some("pwsh"), "pwsh: command not found");
        check(&["sh"], Some("bash"), "bash: command not found");
    }

    #[test]
    fn only_what_may_be_executed_is_found() {
        let directory = with_programs(&["a"]);
        std::fs::write(directory.path().join("b"), "").unwrap();
        std::fs::create_dir(directory.path().join("c")).unwrap();
        let search = Search { path: directory.path().to_str().unwrap(), directory: Path::new("/") };
        assert!(search.find("a").is_some());
        assert_eq!(search.find("b"), None);
        assert_eq!(search.find("c"), None);
    }

    proptest! {
        #[test]
        fn no_format_makes_it_panic(text in any::<String>()) {
            let words = split(&text);
            prop_assert!(words.len() <= text.len());
        }
    }
}
