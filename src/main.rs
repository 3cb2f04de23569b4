//! The program `creditd`: see `creditd --help`.

use std::process::ExitCode;

/// Batches make and drop many small things; see docs/PERFORMANCE.md for what this allocator brings.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    creditd::cli::main()
}
