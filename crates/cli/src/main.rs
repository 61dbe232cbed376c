//! The `interlock` binary: it hands the process over to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
