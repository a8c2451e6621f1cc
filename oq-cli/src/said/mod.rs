//! Texts of the command line as values: spans, times, priorities, tags, ids, filters, inputs.

mod filter;
mod ids;
mod input;
mod there;
mod time;
mod value;

pub use filter::{AnyStateArgs, FilterArgs};
pub use ids::{Ids, ids};
pub use input::{Lines, text};
pub use there::is_there;
pub use time::Time;
pub use value::{attempts, duration, fingerprint, limit, priority, reason, state, tag, tags};
