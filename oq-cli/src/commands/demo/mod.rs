//! `oq demo`: one of everything that may become of a task, on a store of its own.

mod acts;
mod report;
mod stage;

use oq_core::store::{Latency, StoreError};

use self::report::Report;
use self::stage::Stage;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::session::Session;
use crate::signals::Signals;

/// See what oq does: tasks of every fate on a store of its own, and what they would cost on S3.
///
/// Starts a store in memory behind an S3 endpoint on 127.0.0.1, as slow as S3 is, and a worker.
/// Nothing is left when it ends.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Answer as slowly as a store far away: s3, express or none.
    #[arg(long, default_value = "s3", value_name = "PROFILE", value_parser = latency)]
    latency: Latency,

    /// How many tasks share objects.
    #[arg(long, default_value_t = 1000, value_name = "TASKS",
          value_parser = clap::value_parser!(u64).range(1..=100_000))]
    packed: u64,
}

fn latency(profile: &str) -> Result<Latency, StoreError> {
    profile.parse()
}

impl Demo {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        if oq.global.said.url.is_some() {
            return Err(Failed::usage(
                "oq demo has a store of its own",
                "leave --url out; oq bench measures a store of yours",
            ));
        }
        let mut signals = Signals::new(false)?;
        tokio::select! {
            played = self.play(oq) => {
                played?.print(oq.print)?;
                Ok(Exit::Ok)
            }
            // All of it is in this process, and goes with it.
            () = signals.next() => Ok(Exit::Interrupted),
        }
    }

    async fn play(&self, oq: &Session<'_>) -> Result<Report, Failed> {
        let stage = Stage::set(self.latency).await?;
        oq.print.note(&format!(
            "a store in memory, as S3 on http://{}; a worker with {} slots",
            stage.address,
            stage::SLOTS
        ));
        acts::all(&stage, self.packed, oq.print).await
    }
}
