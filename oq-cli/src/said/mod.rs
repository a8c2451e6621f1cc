//! Texts of the command line as values: durations, times, priorities, tags, inputs.

mod input;
mod value;

pub use input::text;
pub use value::{duration, priority, shown, tag};
