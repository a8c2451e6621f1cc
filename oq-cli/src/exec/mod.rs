//! A program as a handler: what `oq worker --task NAME='program args'` runs.
//!
//! What a program is told and what its end means is [`oq_core::program`]. Beyond that it keeps notes
//! for its next attempt in a file ([`notes`]). It runs in a process group of its own, which ends with
//! the attempt whatever happens ([`group`]); [`attempt`] brings these together.

mod attempt;
mod group;
mod lines;
mod notes;
mod program;

use std::time::Duration;

use oq_core::env::Env;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use attempt::run;
pub use group::Groups;
pub use notes::check as check_folder;
pub use program::{Program, Said};

/// What all programs of one worker share.
#[derive(Debug, Clone)]
pub struct Setting {
    pub env: Env,
    /// How long a program may take to end when it is asked to.
    pub kill_after: Duration,
    /// When a program that exits with 75 is tried again, unless it says.
    pub later: Duration,
    /// The store, for programs that submit tasks themselves.
    pub url: String,
    pub groups: Groups,
    /// Cancelled when the grace period of the worker's end is over.
    pub stopping: CancellationToken,
    /// Where lines of stderr go, with the id of their task, if somebody wants to see them.
    pub lines: Option<mpsc::Sender<(String, String)>>,
}
