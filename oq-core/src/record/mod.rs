//! The formats of everything that oq stores: one file for each kind of object, with its key and
//! its value. Nothing here does I/O, and nothing outside builds a key or a body by hand.

mod bell;
mod codec;
mod data;
mod dead;
mod done;
mod fingerprint;
mod finite;
mod format;
mod id;
mod idempotency;
mod key;
mod live;
mod name;
mod options;
mod outcome;
mod presence;
mod role;
mod settings;
mod token;

pub use bell::{Bell, Help, NAMED, Named};
pub use codec::{Hint, Record, Seen, Stamp, V1, decode, encode, seen};
pub(crate) use data::reader_says;
pub use data::{Data, Json, PayloadRef};
pub use dead::Dead;
pub use done::{Done, DoneTask};
pub use fingerprint::Fingerprint;
pub use format::Format;
pub(crate) use id::CROCKFORD;
pub use id::{MAX_PACK, ObjectId, Priority, Shard, ShardCode, TaskId};
pub use idempotency::Idempotency;
pub use key::{Key, KeyHash, Part, prefix};
pub use live::{Event, Keyed, Lease, Live, LiveState, MAX_HISTORY, Progress, Slot, Step};
pub use name::{MAX_TAGS, QueueName, TaskType};
pub(crate) use name::{check_tag, quoted};
pub(crate) use options::span;
pub use options::{
    Growth, MAX_ATTEMPTS, MAX_LEASE, MAX_SPAN, MIN_LEASE, MIN_RETENTION, Options, Retry,
};
pub use outcome::{Ending, Failure, MAX_MESSAGE, Outcome};
pub use presence::Presence;
pub use role::{Access, Role, Space};
pub use settings::{DEFAULT_SHARDS, Settings};
pub use token::{Token, WorkerId, WriteId};

#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod tests;
