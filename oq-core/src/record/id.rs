//! Ids: which object a task lives in, and which task in it.
//!
//! An [`ObjectId`] is a ULID whose low bits are not all random: besides the time at which the
//! object is first due it says how urgent it is, how many tasks it holds and which shard it is in,
//! so an id alone names its object and a listing alone tells a worker what to look at.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

use crate::env::Entropy;
use crate::error::Error;
use crate::record::name::quoted;
use crate::time::StoreTime;

/// The most tasks that one object holds.
pub const MAX_PACK: usize = 1024;

/// The alphabet of ids, in ascending byte order.
pub(crate) const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const RANDOM_BITS: u32 = 55;
const PRIORITY_SHIFT: u32 = 20;
const COUNT_SHIFT: u32 = 10;

/// How urgent: 0 is the most urgent, 31 the least, 16 the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Priority(u8);

impl Priority {
    /// The most urgent.
    pub const HIGHEST: Priority = Priority(0);
    /// More urgent than the default.
    pub const HIGH: Priority = Priority(8);
    /// The default.
    pub const NORMAL: Priority = Priority(16);
    /// Less urgent than the default.
    pub const LOW: Priority = Priority(24);

    /// From 0 (most urgent) to 31.
    pub fn new(value: u8) -> Result<Priority, Error> {
        if value < 32 {
            return Ok(Priority(value));
        }
        Err(Error::invalid(
            format!("priority {value}"),
            "use 0 (most urgent) to 31; 16 is normal",
        ))
    }

    /// 0 to 31.
    pub fn value(self) -> u8 {
        self.0
    }

    /// Its one character in a key.
    pub fn char(self) -> char {
        char::from(CROCKFORD[usize::from(self.0)])
    }

    /// From its one character in a key.
    pub fn from_char(c: char) -> Option<Priority> {
        let at = CROCKFORD.iter().position(|x| char::from(*x) == c)?;
        u8::try_from(at).ok().map(Priority)
    }
}

impl Default for Priority {
    fn default() -> Self {
        Priority::NORMAL
    }
}

/// 0 to 31, or `high`, `normal`, `low`.
impl FromStr for Priority {
    type Err = Error;

    fn from_str(text: &str) -> Result<Priority, Error> {
        match text {
            "high" => Ok(Priority::HIGH),
            "normal" => Ok(Priority::NORMAL),
            "low" => Ok(Priority::LOW),
            number => number.parse().ok().map(Priority::new).unwrap_or_else(|| {
                Err(Error::invalid(
                    format!("priority {}", super::quoted(text)),
                    "use 0 to 31, high, normal or low",
                ))
            }),
        }
    }
}

impl<'de> Deserialize<'de> for Priority {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Priority, D::Error> {
        Priority::new(u8::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

/// One of up to 1024 parts of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Shard(u16);

impl Shard {
    /// How many there can be.
    pub const LIMIT: u16 = 1024;

    /// From 0 to 1023.
    pub fn new(value: u16) -> Result<Shard, Error> {
        if value < Shard::LIMIT {
            return Ok(Shard(value));
        }
        Err(Error::invalid(format!("shard {value}"), "use 0 to 1023"))
    }

    /// 0 to 1023.
    pub fn value(self) -> u16 {
        self.0
    }

    /// The two characters of a key.
    pub fn code(self) -> ShardCode {
        ShardCode([
            CROCKFORD[usize::from(self.0 >> 5)],
            CROCKFORD[usize::from(self.0 & 31)],
        ])
    }

    /// From the two characters of a key.
    pub fn from_code(text: &str) -> Option<Shard> {
        let [a, b] = text.as_bytes() else { return None };
        let digit = |c: u8| CROCKFORD.iter().position(|x| *x == c);
        u16::try_from(digit(*a)? * 32 + digit(*b)?).ok().map(Shard)
    }
}

impl<'de> Deserialize<'de> for Shard {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Shard, D::Error> {
        Shard::new(u16::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

/// A shard as it stands in keys.
#[derive(Clone, Copy)]
pub struct ShardCode([u8; 2]);

impl ShardCode {
    /// The two characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("00")
    }
}

impl fmt::Display for ShardCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id of one object: of a lone task, or of a pack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(Ulid);

impl ObjectId {
    /// A new id. `due` is store time; `count` is 1 to [`MAX_PACK`].
    pub fn new(
        due: StoreTime,
        priority: Priority,
        count: usize,
        shard: Shard,
        entropy: &dyn Entropy,
    ) -> ObjectId {
        let random = entropy.next_u64() >> (64 - RANDOM_BITS);
        ObjectId::from_parts(due, random, priority, count, shard)
    }

    /// An id that is the same for the same parts: for tasks of scheduled windows and for tests.
    pub fn from_parts(
        due: StoreTime,
        random: u64,
        priority: Priority,
        count: usize,
        shard: Shard,
    ) -> ObjectId {
        let count = count.clamp(1, MAX_PACK) - 1;
        let low = (u128::from(random & ((1 << RANDOM_BITS) - 1)) << (PRIORITY_SHIFT + 5))
            | (u128::from(priority.0) << PRIORITY_SHIFT)
            | ((count as u128) << COUNT_SHIFT)
            | u128::from(shard.0);
        ObjectId(Ulid((u128::from(due.0.min(StoreTime::MAX.0)) << 80) | low))
    }

    /// When the object was first due.
    pub fn due(self) -> StoreTime {
        StoreTime((self.0.0 >> 80) as u64)
    }

    /// How urgent its tasks are.
    pub fn priority(self) -> Priority {
        Priority(((self.0.0 >> PRIORITY_SHIFT) & 31) as u8)
    }

    /// How many tasks it holds.
    pub fn count(self) -> usize {
        ((self.0.0 >> COUNT_SHIFT) & 1023) as usize + 1
    }

    /// Which shard it is in.
    pub fn shard(self) -> Shard {
        Shard((self.0.0 & 1023) as u16)
    }

    /// The ids of its tasks.
    pub fn tasks(self) -> impl Iterator<Item = TaskId> {
        (0..self.count()).map(move |index| self.task(index))
    }

    /// The id of its task `index`.
    pub fn task(self, index: usize) -> TaskId {
        TaskId {
            object: self,
            index: u16::try_from(index).unwrap_or(u16::MAX),
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; ulid::ULID_LEN];
        f.write_str(self.0.array_to_str(&mut buffer))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ObjectId {
    type Err = Error;

    fn from_str(text: &str) -> Result<ObjectId, Error> {
        const FORM: &str = "an id has 26 characters of 0-9 and A-Z without I, L, O and U, and for a \
                            task of a pack '.' and its number";
        let bad = |why: String| Error::invalid(format!("id {}", quoted(text)), why);
        if text.is_empty() {
            return Err(bad(format!("it is empty; {FORM}")));
        }
        if text.len() != ulid::ULID_LEN {
            let n = text.chars().count();
            return Err(bad(format!("it has {n} characters; {FORM}")));
        }
        let id = Ulid::from_string(text).map_err(|_| bad(FORM.into()))?;
        // Only the canonical spelling: keys are compared byte by byte.
        let mut buffer = [0; ulid::ULID_LEN];
        if id.array_to_str(&mut buffer) == text {
            return Ok(ObjectId(id));
        }
        if text.bytes().any(|b| b.is_ascii_lowercase()) {
            return Err(bad(format!("write it in capitals; {FORM}")));
        }
        Err(bad(FORM.into()))
    }
}

/// The id of one task: its object's, and for a task of a pack `.` and its index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    object: ObjectId,
    index: u16,
}

impl TaskId {
    /// The object it lives in.
    pub fn object(self) -> ObjectId {
        self.object
    }

    /// Its place in the object.
    pub fn index(self) -> usize {
        usize::from(self.index)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.object, f)?;
        if self.object.count() > 1 {
            write!(f, ".{}", self.index)
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TaskId {
    type Err = Error;

    fn from_str(text: &str) -> Result<TaskId, Error> {
        let (object, index) = match text.split_once('.') {
            None => (text.parse::<ObjectId>()?, None),
            Some((object, index)) => (object.parse::<ObjectId>()?, Some(index)),
        };
        let bad = |why: String| Error::invalid(format!("id {}", quoted(text)), why);
        match (index, object.count()) {
            (None, 1) => Ok(object.task(0)),
            (None, n) => Err(bad(format!(
                "it is a pack of {n}: name one with .0 to .{}",
                n - 1
            ))),
            (Some(_), 1) => Err(bad(format!(
                "it holds one task, which has no number: leave '.' and what follows away, {object}"
            ))),
            (Some(""), n) => Err(bad(format!(
                "the number behind '.' is missing: its tasks are .0 to .{}",
                n - 1
            ))),
            (Some(index), n) => match index.parse::<u16>() {
                Ok(i) if usize::from(i) < n && i.to_string() == index => Ok(object.task(i.into())),
                _ => Err(bad(format!("its tasks are .0 to .{}", n - 1))),
            },
        }
    }
}

macro_rules! as_text {
    ($($name:ident)*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<$name, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
as_text!(ObjectId TaskId);

#[cfg(test)]
mod tests;
