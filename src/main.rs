//! The program `creditd`: see `creditd --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    creditd::cli::main()
}
