//! Which tasks: the filter that listings and bulk commands have in common.

use oq_core::StoreTime;
use oq_core::queue::{Filter, TaskState};
use oq_core::record::{Priority, TaskType};

use super::{Time, priority, state, tag, tags};
use crate::failed::Failed;

/// A filter as options.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which tasks")]
pub struct FilterArgs {
    #[command(flatten)]
    pub whatever_state: AnyStateArgs,

    /// Only in this state; may be repeated
    #[arg(long = "state", value_name = "STATE", value_parser = state)]
    pub states: Vec<TaskState>,
}

/// The same where the state is known.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Which tasks")]
pub struct AnyStateArgs {
    /// Only of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    pub types: Vec<TaskType>,

    /// Only with this tag; if repeated, all of them must be there
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    pub tags: Vec<(String, String)>,

    /// Only this urgent: 0 to 31, high, normal or low
    #[arg(long, value_parser = priority, allow_negative_numbers = true)]
    pub priority: Option<Priority>,

    /// Only first due at this time or later: 2h (ago), yesterday, 2026-01-31, 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<Time>,

    /// Only first due before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub until: Option<Time>,
}

impl FilterArgs {
    /// Whether nothing was said, which would mean every task.
    pub fn is_empty(&self) -> bool {
        self.whatever_state.is_empty() && self.states.is_empty()
    }

    /// The filter, `now` on the store's clock.
    pub fn filter(&self, now: StoreTime) -> Result<Filter, Failed> {
        let mut filter = self.whatever_state.filter(now)?;
        for state in &self.states {
            filter = filter.state(*state);
        }
        Ok(filter)
    }
}

impl AnyStateArgs {
    /// Whether nothing was said, which would mean every task.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
            && self.tags.is_empty()
            && self.priority.is_none()
            && self.since.is_none()
            && self.until.is_none()
    }

    /// The filter, `now` on the store's clock.
    pub fn filter(&self, now: StoreTime) -> Result<Filter, Failed> {
        let mut filter = Filter::new();
        for task_type in &self.types {
            filter = filter.task_type(task_type.clone());
        }
        for (name, value) in tags(&self.tags)? {
            filter = filter.tag(name, value);
        }
        if let Some(priority) = self.priority {
            filter = filter.priority(priority);
        }
        let since = self.since.map(|time| time.before(now));
        let until = self.until.map(|time| time.before(now));
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Err(Failed::usage(
                format!("nothing is since {since} and before {until}"),
                "give a --since that lies before --until",
            ));
        }
        if let Some(since) = since {
            filter = filter.from(since);
        }
        if let Some(until) = until {
            filter = filter.until(until);
        }
        Ok(filter)
    }
}
