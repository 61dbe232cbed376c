//! The command line: one file a command, and the rim where errors become advice.
//!
//! **Invariant:** results go to standard output alone; progress, logs and errors to standard error.
//! **Invariant:** only this crate chooses exit codes and writes hints.

mod arguments;
mod caller;
mod command;
mod exit;
mod failure;
mod forge;
mod keeper;
mod kept;
mod moving_line;
mod session;
mod settings;
mod surroundings;
mod terminal;
mod wrapped;

use std::process::ExitCode;

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    arguments::main()
}
