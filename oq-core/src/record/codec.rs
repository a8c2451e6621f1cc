//! What all bodies have in common: JSON, a format version, a stamp that tells who wrote it, and a
//! length that hints at the state so that a listing alone is often enough.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::options::MAX_LEASE;
use super::token::WriteId;
use crate::env::Entropy;
use crate::error::Error;
use crate::store::{Etag, Object, StoreKey};
use crate::time::StoreTime;

/// How many write ids a stamp remembers.
const REMEMBERED: usize = 8;

/// Who wrote a body: enough to tell one's own write from another's after a lost answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Grows by one with every update.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// The ids of the last eight writes, newest last.
    pub by: Vec<WriteId>,
    /// The id of the write that created the object; kept for ever.
    pub created_by: WriteId,
    /// When what it is about came into being.
    pub created: StoreTime,
}

impl Stamp {
    /// The stamp of a new object.
    pub fn first(now: StoreTime, entropy: &dyn Entropy) -> Stamp {
        let id = WriteId::new(entropy);
        Stamp {
            generation: 1,
            by: vec![id.clone()],
            created_by: id,
            created: now,
        }
    }

    /// The stamp of the next version, with a fresh write id.
    pub fn next(&self, entropy: &dyn Entropy) -> Stamp {
        let mut by = self.by.clone();
        by.push(WriteId::new(entropy));
        if by.len() > REMEMBERED {
            by.remove(0);
        }
        Stamp {
            generation: self.generation.saturating_add(1),
            by,
            ..self.clone()
        }
    }

    /// The id of the write that made this version.
    pub fn last(&self) -> &WriteId {
        self.by.last().unwrap_or(&self.created_by)
    }

    /// Whether this version came to be by that write or builds on it.
    pub fn contains(&self, id: &WriteId) -> bool {
        self.by.contains(id) || self.created_by == *id
    }
}

/// The one format version that this program reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct V1;

impl Serialize for V1 {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u64(1)
    }
}

impl<'de> Deserialize<'de> for V1 {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<V1, D::Error> {
        match u64::deserialize(d)? {
            1 => Ok(V1),
            v => Err(serde::de::Error::custom(newer(v))),
        }
    }
}

fn newer(v: u64) -> String {
    format!("it has format version {v}, this program reads version 1: use a newer oq")
}

/// What the length of a body says, so that pollers need not read what runs or waits: two bits of
/// state and four of a coarse duration. A hint, never trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// It may be claimed now.
    Runnable,
    /// It runs; its lease is at least this long.
    Running(Duration),
    /// It waits at least this long after it was written.
    Waiting(Duration),
    /// It is over; with an outcome: kept for at most this long.
    Terminal(Duration),
}

/// The lengths of bodies differ by this much or less for the sake of the hint.
const MODULUS: u64 = 64;

impl Hint {
    /// What a body of `size` bytes says.
    pub fn of_size(size: u64) -> Hint {
        let class = (size % MODULUS) as u32 / 4;
        match size % 4 {
            0 => Hint::Runnable,
            // No lease is longer, whatever somebody wrote.
            1 => Hint::Running(at_least(class).min(MAX_LEASE)),
            2 => Hint::Waiting(at_least(class)),
            _ => Hint::Terminal(Duration::from_secs(3600 << class)),
        }
    }

    fn residue(self) -> u64 {
        match self {
            Hint::Runnable => 0,
            Hint::Running(d) => 1 + 4 * class_below(d),
            Hint::Waiting(d) => 2 + 4 * class_below(d),
            Hint::Terminal(d) => 3 + 4 * class_above_hours(d),
        }
    }
}

/// Classes 0 to 15 stand for at least 0, 1, 2, 4 … 16384 seconds.
fn at_least(class: u32) -> Duration {
    Duration::from_secs(if class == 0 { 0 } else { 1 << (class - 1) })
}

fn class_below(d: Duration) -> u64 {
    let secs = d.as_secs();
    if secs == 0 {
        0
    } else {
        u64::from(secs.ilog2() + 1).min(15)
    }
}

fn class_above_hours(d: Duration) -> u64 {
    (0..15)
        .find(|class| d <= Duration::from_secs(3600 << class))
        .unwrap_or(15)
}

/// A kind of object with a JSON body.
pub trait Record: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static {
    /// Who wrote it.
    fn stamp(&self) -> &Stamp;
    /// The same, to be replaced by the next write.
    fn stamp_mut(&mut self) -> &mut Stamp;
    /// What its length shall say.
    fn hint(&self) -> Hint {
        Hint::Runnable
    }
}

/// The body of a record.
pub fn encode<R: Record>(record: &R) -> Bytes {
    let mut body = Vec::with_capacity(512);
    // Records are plain data with string keys; serialising them to memory cannot fail.
    #[allow(clippy::expect_used)]
    serde_json::to_writer(&mut body, record).expect("a record is plain data");
    let residue = record.hint().residue();
    let pad = (MODULUS + residue - body.len() as u64 % MODULUS) % MODULUS;
    body.resize(body.len() + pad as usize, b' ');
    Bytes::from(body)
}

/// The record in a body, or why it cannot be read.
pub fn decode<R: Record>(key: &StoreKey, body: &[u8]) -> Result<R, Error> {
    serde_json::from_slice(body).map_err(|e| Error::Unreadable {
        key: key.to_string(),
        why: explain(body, &e),
    })
}

/// A newer format may differ anywhere, so its version is the better explanation.
fn explain(body: &[u8], e: &serde_json::Error) -> String {
    #[derive(Deserialize)]
    struct Version {
        v: u64,
    }
    match serde_json::from_slice::<Version>(body) {
        Ok(Version { v }) if v != 1 => newer(v),
        _ if body.is_empty() => "it is empty".into(),
        _ if e.is_eof() => "its end is missing".into(),
        _ => format!("it is not a record of format version 1 ({e})"),
    }
}

/// A record together with the witness of the version that was read or written.
#[derive(Debug, Clone)]
pub struct Seen<R> {
    /// What it says.
    pub record: R,
    /// Which version it is.
    pub etag: Etag,
    /// When that version was written; unknown (`None`) right after an own write.
    pub last_modified: Option<StoreTime>,
}

/// The record in an object that was read.
pub fn seen<R: Record>(key: &StoreKey, object: Object) -> Result<Seen<R>, Error> {
    let record = decode(key, &object.body)?;
    Ok(Seen {
        record,
        etag: object.etag,
        last_modified: Some(object.last_modified),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hints_are_bounds(secs in 0u64..100_000_000) {
            let d = Duration::from_secs(secs);
            let Hint::Waiting(lower) = Hint::of_size(640 + Hint::Waiting(d).residue()) else { panic!() };
            prop_assert!(lower <= d);
            prop_assert!(secs >= 16384 || d < lower.max(Duration::from_millis(500)) * 2);
            let Hint::Running(lower) = Hint::of_size(640 + Hint::Running(d).residue()) else { panic!() };
            prop_assert!(lower <= d);
            let Hint::Terminal(upper) = Hint::of_size(640 + Hint::Terminal(d).residue()) else { panic!() };
            prop_assert!(upper >= d);
        }
    }

    #[test]
    fn the_residues_fit_the_modulus() {
        for d in [Duration::ZERO, Duration::MAX] {
            for hint in [
                Hint::Running(d),
                Hint::Waiting(d),
                Hint::Terminal(d.min(Duration::from_secs(3600 << 15))),
            ] {
                assert!(hint.residue() < MODULUS, "{hint:?}");
            }
        }
    }
}
