//! The formats of everything that oq stores: one file for each kind of object, with its key and
//! its value. Nothing here does I/O, and nothing outside builds a key or a body by hand.

mod id;
mod key;
mod name;

pub use id::{MAX_PACK, ObjectId, Priority, Shard, ShardCode, TaskId, Token, WorkerId, WriteId};
pub use key::{Key, KeyHash, Part, prefix};
pub use name::{MAX_TAGS, QueueName, TaskType};
