//! Texts of the command line as values: spans, times, priorities, tags, ids, filters, inputs.

mod filter;
mod ids;
mod input;
mod time;
mod value;

pub use filter::FilterArgs;
pub use ids::{Ids, ids};
pub use input::{Lines, text};
pub use time::Time;
pub use value::{duration, fingerprint, priority, reason, state, tag, tags};
