//! The commands, one file each: their arguments, and `run`.

pub mod bench;
pub mod cancel;
pub mod completion;
pub mod config;
pub mod dead;
pub mod demo;
pub mod dev;
pub mod doctor;
pub mod explain;
pub mod get;
pub mod history;
pub mod iam;
pub mod init;
pub mod lambda;
pub mod list;
pub mod queue;
pub mod result;
pub mod retry;
pub mod submit;
pub mod tail;
pub mod task;
pub mod top;
pub mod wait;
pub mod worker;

mod bulk;
mod shown;

use crate::args::Command;
use crate::config::Global;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::Printer;
use crate::session::Session;

/// Runs one command.
pub async fn run(command: Command, global: Global, print: &Printer) -> Result<Exit, Failed> {
    let oq = Session::new(global, print, command.makes_store());
    let tells = command.tells_outages();
    let end = tokio::select! {
        biased;
        end = run_in(&oq, command) => end,
        () = oq.outages(), if !tells => Ok(Exit::Ok),
    };
    oq.footer();
    end
}

async fn run_in(oq: &Session<'_>, command: Command) -> Result<Exit, Failed> {
    match command {
        Command::Bench(bench) => bench.run(oq).await,
        Command::Cancel(cancel) => cancel.run(oq).await,
        Command::Completion(completion) => completion.run(oq).await,
        Command::Config(config) => config.run(oq).await,
        Command::Dead(dead) => dead.run(oq).await,
        Command::Demo(demo) => demo.run(oq).await,
        Command::Dev(dev) => dev.run(oq).await,
        Command::Doctor(doctor) => doctor.run(oq).await,
        Command::Explain(explain) => explain.run(oq).await,
        Command::Get(get) => get.run(oq).await,
        Command::History(history) => history.run(oq).await,
        Command::Iam(iam) => iam.run(oq).await,
        Command::Init(init) => init.run(oq).await,
        Command::Lambda(lambda) => lambda.run(oq).await,
        Command::List(list) => list.run(oq).await,
        Command::Queue(queue) => queue.run(oq).await,
        Command::Result(result) => result.run(oq).await,
        Command::Retry(retry) => retry.run(oq).await,
        Command::Submit(submit) => submit.run(oq).await,
        Command::Tail(tail) => tail.run(oq).await,
        Command::Top(top) => top.run(oq).await,
        Command::Wait(wait) => wait.run(oq).await,
        Command::Worker(worker) => worker.run(oq).await,
    }
}
