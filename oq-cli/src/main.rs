//! `oq`: submits tasks, shows them, waits for them. Data goes to stdout, everything else to stderr.

mod args;
mod exit;
mod input;
mod run;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::exit::Failed;

fn main() -> ExitCode {
    // Wrong usage ends here, with exit code 2.
    let args = Args::parse();
    match started(args) {
        Ok(code) => ExitCode::from(code),
        Err(failed) => {
            eprintln!("{failed}");
            ExitCode::from(failed.code())
        }
    }
}

fn started(args: Args) -> Result<u8, Failed> {
    // One thread does: a command makes a few requests and waits for them.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failed::other(format!("no runtime: {e}")))?;
    runtime.block_on(run::run(args))
}
