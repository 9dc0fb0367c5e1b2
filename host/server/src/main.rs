//! The `stepwell` command.

use std::process::ExitCode;

/// A run makes and drops many small values on several threads: half the cost of the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    stepwell::cli::main()
}
