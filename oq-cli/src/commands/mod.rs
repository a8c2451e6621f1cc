//! The commands, one file each: their arguments, and `run`.

pub mod dev;
pub mod get;
pub mod lambda;
pub mod submit;
pub mod wait;

use crate::args::{Args, Command};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::Printer;
use crate::session::Session;

/// Runs one command.
pub async fn run(args: Args, print: &Printer) -> Result<Exit, Failed> {
    let oq = Session::new(args.global, print);
    let end = match args.command {
        Command::Dev(dev) => dev.run(&oq).await,
        Command::Submit(submit) => submit.run(&oq).await,
        Command::Get(get) => get.run(&oq).await,
        Command::Lambda(lambda) => lambda.run(&oq).await,
        Command::Wait(wait) => wait.run(&oq).await,
    };
    oq.footer();
    end
}
