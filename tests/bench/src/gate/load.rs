//! The loads that are compared: small bursts on virtual time, in one thread, without a draw that is
//! not from a seed.

use std::time::Duration;

use clap::ValueEnum;
use oq_core::Result;
use oq_core::store::Latency;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::util::SubscriberInitExt;

use super::valgrind;
use crate::recorder;
use crate::simulated::{Burst, Hands, Work, virtually};

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Name {
    Lone,
    Packed,
    Retried,
    Long,
}

impl Name {
    pub const ALL: [Name; 4] = [Name::Lone, Name::Packed, Name::Retried, Name::Long];

    pub fn as_str(self) -> &'static str {
        match self {
            Name::Lone => "lone",
            Name::Packed => "packed",
            Name::Retried => "retried",
            Name::Long => "long",
        }
    }

    /// So many that what is done once weighs little, and as few as that allows.
    pub fn tasks(self) -> u64 {
        match self {
            Name::Lone => 500,
            Name::Packed => 10_000,
            Name::Retried => 250,
            Name::Long => 250,
        }
    }

    pub fn burst(self, tasks: u64) -> Burst {
        let work = match self {
            Name::Lone | Name::Packed => Work::Nothing,
            Name::Retried => Work::FailsFirst,
            Name::Long => Work::Takes(Duration::from_secs(55)),
        };
        Burst {
            tasks,
            pack: if self == Name::Packed { 100 } else { 1 },
            workers: 4,
            hands: Hands {
                work,
                slots: if self == Name::Long { 128 } else { 32 },
                ..Hands::default()
            },
            latency: Latency::S3,
            ..Burst::default()
        }
    }
}

#[derive(clap::Args)]
pub struct Load {
    pub name: Name,
    /// How many tasks
    pub tasks: u64,
    /// With a recorder of metrics and a subscriber to traces
    #[arg(long)]
    pub observed: Option<Observed>,
}

/// What a subscriber does with the traces at the level INFO.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Observed {
    /// Keeps them while they last
    Kept,
    /// Formats them as well, as a program's log is, and writes that nowhere
    Formatted,
}

impl Observed {
    fn install(self) {
        recorder::install();
        let kept = registry().with(LevelFilter::INFO);
        match self {
            Observed::Kept => kept.init(),
            Observed::Formatted => {
                let lines = fmt::layer().with_writer(std::io::sink).with_ansi(false);
                kept.with(lines).init();
            }
        }
    }
}

impl Load {
    pub fn run(&self) -> Result<()> {
        if let Some(observed) = self.observed {
            observed.install();
        }
        virtually(self.name.burst(self.tasks).run())?;
        Ok(())
    }

    fn args(&self) -> Vec<String> {
        let mut args = vec![
            "load".to_owned(),
            self.name.as_str().to_owned(),
            self.tasks.to_string(),
        ];
        let observed = self.observed.map(|how| format!("--observed={how:?}"));
        args.extend(observed.map(|arg| arg.to_lowercase()));
        args
    }

    /// In a process of its own, by callgrind; nothing without valgrind.
    pub fn instructions(&self) -> Option<u64> {
        valgrind::instructions(&self.args())
    }

    /// How often memory was asked for, and for how many bytes in all.
    #[cfg_attr(not(feature = "real"), allow(dead_code))]
    pub fn allocations(&self) -> Option<(u64, u64)> {
        valgrind::allocations(&self.args())
    }
}
