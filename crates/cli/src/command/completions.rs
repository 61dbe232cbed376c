//! `interlock completions`: the script that completes commands in a shell.

use clap::{Args, CommandFactory};

use crate::exit::Exit;
use crate::session::Session;

/// The arguments of `interlock completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell to complete in.
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run<A: CommandFactory>(self, session: &Session) -> Exit {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut A::command(), "interlock", &mut script);
        session.line(String::from_utf8_lossy(&script).trim_end());
        Exit::Done
    }
}
