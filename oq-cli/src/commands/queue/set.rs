//! `oq queue set`.

use std::time::Duration;

use oq_core::record::Settings;

use super::Which;
use super::shown::settings;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::said;
use crate::session::Session;

/// Change the settings of a queue: its shards, and what tasks get that ask for nothing else.
///
/// Producers notice within 15 s, workers at their next look at the bell. Costs 3 GET and 2 PUT.
#[derive(Debug, clap::Args)]
pub struct Set {
    #[command(flatten)]
    which: Which,

    /// Into how many shards the queue is cut, 1 to 1024; 16 unless set
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    shards: Option<u16>,

    /// How long one attempt may run
    #[arg(long, value_name = "SPAN", value_parser = said::duration, allow_hyphen_values = true)]
    timeout: Option<Duration>,

    /// How long a worker may be silent before its tasks are taken over: 15s to 10m
    #[arg(long, value_name = "SPAN", value_parser = said::duration, allow_hyphen_values = true)]
    lease: Option<Duration>,

    /// How long outcomes are kept: 1h to 366d
    #[arg(long, value_name = "SPAN", value_parser = said::duration, allow_hyphen_values = true)]
    retention: Option<Duration>,

    /// How many attempts a task has
    #[arg(long, value_name = "N", value_parser = said::attempts, allow_negative_numbers = true)]
    attempts: Option<u32>,
}

impl Set {
    /// Whether it changes anything.
    pub fn asks(&self) -> bool {
        self.shards.is_some()
            || self.timeout.is_some()
            || self.lease.is_some()
            || self.retention.is_some()
            || self.attempts.is_some()
    }

    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let queue = self.which.open(oq).await?;
        if !self.asks() {
            said::is_there(&queue).await?;
            return settings(oq, &queue, &queue.settings().await?);
        }
        let is_new = matches!(queue.exists().await, Ok(false));
        let changed = queue
            .change_settings(|settings| self.apply(settings))
            .await?;
        if is_new {
            oq.print.note(&format!("the queue {} is new", queue.name()));
        }
        settings(oq, &queue, &changed)
    }

    fn apply(&self, settings: &mut Settings) {
        let defaults = &mut settings.defaults;
        if let Some(shards) = self.shards {
            settings.shards = shards;
        }
        if let Some(timeout) = self.timeout {
            defaults.timeout = timeout;
        }
        if let Some(lease) = self.lease {
            defaults.lease = lease;
        }
        if let Some(retention) = self.retention {
            defaults.retention = retention;
        }
        if let Some(attempts) = self.attempts {
            defaults.retry.attempts = attempts;
        }
    }
}
