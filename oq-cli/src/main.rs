//! The `oq` program; all but the allocator is in the library.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    oq_cli::main(std::env::args_os())
}
