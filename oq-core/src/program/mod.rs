//! What a program that runs tasks is told, and what its end means: one contract for `oq worker --task`
//! and for the programs of a function on Lambda. Whoever starts programs feeds, reads and ends them: here
//! is no I/O but a look at the first line of one that cannot be started.

pub mod environment;
mod missing;
mod tail;
pub mod verdict;

use std::time::Duration;

pub use tail::Tail;

/// Longer outputs are refused: a worker has to hold them in memory.
pub const MAX_OUTPUT: usize = 16 << 20;

/// Of what a program writes to stderr, the last of it is kept as the error.
pub const MAX_ERROR: usize = 16 << 10;

/// When a program that exits with 75 is tried again, unless somebody says.
pub const LATER: Duration = Duration::from_secs(30);
