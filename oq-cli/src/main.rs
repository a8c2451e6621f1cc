//! The `oq` program; all of it is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    oq_cli::main(std::env::args_os())
}
