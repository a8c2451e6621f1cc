//! The whole key space, in one enum: every object that oq reads or writes has its variant here.
//!
//! Keys are made only from validated parts and read back strictly; what does not parse is not ours
//! and is left alone.

use std::fmt;

use super::id::{ObjectId, Priority, Shard, TaskId};
use super::name::QueueName;
use super::token::{Token, WorkerId};
use crate::store::StoreKey;

/// The key of one object, below the root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// `oq.json`: the format version of the root.
    Format,
    /// `.probe/{run}/{name}`: scratch objects of store checks, deleted at their end.
    Probe(Token, String),
    /// `{q}/queue.json`: the queue's settings.
    Settings(QueueName),
    /// `{q}/live/{s}/{p}/{id}`: one or more tasks that have no outcome yet.
    Live(QueueName, ObjectId),
    /// `{q}/done/{s}/{id}`: their outcomes, or the seal of a take-over.
    Done(QueueName, ObjectId),
    /// `{q}/dead/{s}/{task}`: points at one failed task's outcome.
    Dead(QueueName, TaskId),
    /// `{q}/payload/{s}/{id}/{token}/{part}`: a large input or output, never changed.
    Payload(QueueName, ObjectId, Token, Part),
    /// `{q}/key/{hash}`: which task an idempotency key stands for.
    Idempotency(QueueName, KeyHash),
    /// `{q}/bell`: the doorbell.
    Bell(QueueName),
    /// `{q}/fleet/here/{worker}`: a worker is present.
    Presence(QueueName, WorkerId),
}

/// Which payload of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The input of a task.
    Input(u16),
    /// The output of a task.
    Output(u16),
}

/// SHA-256 of an idempotency key, in hexadecimal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct KeyHash(String);

impl KeyHash {
    /// The hash of a user's key.
    pub fn of(key: &str) -> KeyHash {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(key.as_bytes());
        KeyHash(digest.iter().map(|b| format!("{b:02x}")).collect())
    }

    /// Sixty-four hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From the text in a key.
    pub fn parse(text: &str) -> Option<KeyHash> {
        let ok = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        ok.then(|| KeyHash(text.to_owned()))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Key {
    /// The key as the store knows it.
    pub fn store_key(&self) -> StoreKey {
        StoreKey::listed(self.to_string())
    }

    /// The key that a listing shows, if it is one of ours.
    pub fn parse(text: &str) -> Option<Key> {
        if text == "oq.json" {
            return Some(Key::Format);
        }
        let (first, rest) = text.split_once('/')?;
        if first == ".probe" {
            let (run, name) = rest.split_once('/')?;
            return Token::parse(run).map(|run| Key::Probe(run, name.to_owned()));
        }
        let queue = QueueName::new(first).ok()?;
        let parts: Vec<&str> = rest.split('/').collect();
        match parts.as_slice() {
            ["queue.json"] => Some(Key::Settings(queue)),
            ["bell"] => Some(Key::Bell(queue)),
            ["live", s, p, id] => {
                let id = in_shard(s, id)?;
                (p.parse() == Ok(id.priority().char())).then_some(Key::Live(queue, id))
            }
            ["done", s, id] => Some(Key::Done(queue, in_shard(s, id)?)),
            ["dead", s, task] => {
                let task: TaskId = task.parse().ok()?;
                (task.object().shard().code().as_str() == *s).then_some(Key::Dead(queue, task))
            }
            ["payload", s, id, token, part] => {
                let id = in_shard(s, id)?;
                Some(Key::Payload(
                    queue,
                    id,
                    Token::parse(token)?,
                    Part::parse(part)?,
                ))
            }
            ["key", hash] => Some(Key::Idempotency(queue, KeyHash::parse(hash)?)),
            ["fleet", "here", worker] => Some(Key::Presence(queue, WorkerId::parse(worker)?)),
            _ => None,
        }
    }
}

fn in_shard(shard: &str, id: &str) -> Option<ObjectId> {
    let id: ObjectId = id.parse().ok()?;
    (id.shard().code().as_str() == shard).then_some(id)
}

impl Part {
    pub(super) fn parse(text: &str) -> Option<Part> {
        let (kind, index) = text.split_once('-')?;
        let n: u16 = index
            .parse()
            .ok()
            .filter(|n: &u16| n.to_string() == index)?;
        match kind {
            "in" => Some(Part::Input(n)),
            "out" => Some(Part::Output(n)),
            _ => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Input(n) => write!(f, "in-{n}"),
            Part::Output(n) => write!(f, "out-{n}"),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Format => f.write_str("oq.json"),
            Key::Probe(run, name) => write!(f, ".probe/{run}/{name}"),
            Key::Settings(q) => write!(f, "{q}/queue.json"),
            Key::Live(q, id) => {
                write!(
                    f,
                    "{q}/live/{}/{}/{id}",
                    id.shard().code(),
                    id.priority().char()
                )
            }
            Key::Done(q, id) => write!(f, "{q}/done/{}/{id}", id.shard().code()),
            Key::Dead(q, task) => {
                write!(f, "{q}/dead/{}/{task}", task.object().shard().code())
            }
            Key::Payload(q, id, token, part) => {
                write!(f, "{q}/payload/{}/{id}/{token}/{part}", id.shard().code())
            }
            Key::Idempotency(q, hash) => write!(f, "{q}/key/{}", hash.as_str()),
            Key::Bell(q) => write!(f, "{q}/bell"),
            Key::Presence(q, worker) => write!(f, "{q}/fleet/here/{worker}"),
        }
    }
}

/// Prefixes that listings use; each ends in `/`.
pub mod prefix {
    use super::{ObjectId, Priority, QueueName, Shard};
    use crate::time::StoreTime;

    /// All live objects of a queue.
    pub fn live(q: &QueueName) -> String {
        format!("{q}/live/")
    }

    /// The live objects of a shard.
    pub fn live_shard(q: &QueueName, s: Shard) -> String {
        format!("{q}/live/{}/", s.code())
    }

    /// A key that sorts behind every live object of this shard and priority and before the next
    /// priority: where a listing goes on that met an object not yet due.
    pub fn behind_priority(q: &QueueName, s: Shard, p: Priority) -> String {
        format!("{q}/live/{}/{}/~", s.code(), p.char())
    }

    /// A key that sorts before every live object of this shard and priority that is due at this
    /// moment or later, and behind those that were due before.
    pub fn live_since(q: &QueueName, s: Shard, p: Priority, due: StoreTime) -> String {
        format!("{q}/live/{}/{}/{}", s.code(), p.char(), since(due))
    }

    /// The same among the outcomes of a shard.
    pub fn done_since(q: &QueueName, s: Shard, due: StoreTime) -> String {
        format!("{q}/done/{}/{}", s.code(), since(due))
    }

    /// The same among the dead letters of a shard.
    pub fn dead_since(q: &QueueName, s: Shard, due: StoreTime) -> String {
        format!("{q}/dead/{}/{}", s.code(), since(due))
    }

    /// The first ten characters of an id, which are its time.
    fn since(due: StoreTime) -> String {
        let id = ObjectId::from_parts(due, 0, Priority::HIGHEST, 1, Shard::default());
        id.to_string()[..10].to_owned()
    }

    /// All outcomes of a queue.
    pub fn done(q: &QueueName) -> String {
        format!("{q}/done/")
    }

    /// The outcomes of a shard.
    pub fn done_shard(q: &QueueName, s: Shard) -> String {
        format!("{q}/done/{}/", s.code())
    }

    /// The dead letters of a queue.
    pub fn dead(q: &QueueName) -> String {
        format!("{q}/dead/")
    }

    /// The dead letters of a shard.
    pub fn dead_shard(q: &QueueName, s: Shard) -> String {
        format!("{q}/dead/{}/", s.code())
    }

    /// The payloads of a queue.
    pub fn payloads(q: &QueueName) -> String {
        format!("{q}/payload/")
    }

    /// The payloads of a shard.
    pub fn payload_shard(q: &QueueName, s: Shard) -> String {
        format!("{q}/payload/{}/", s.code())
    }

    /// The idempotency keys of a queue.
    pub fn keys(q: &QueueName) -> String {
        format!("{q}/key/")
    }

    /// The presences of a queue.
    pub fn fleet(q: &QueueName) -> String {
        format!("{q}/fleet/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::StoreTime;
    use proptest::prelude::*;

    fn any_key() -> impl Strategy<Value = Key> {
        (
            0u64..1 << 48,
            any::<u64>(),
            0u8..32,
            1usize..=1024,
            0u16..1024,
            0usize..10,
        )
            .prop_map(|(due, random, p, n, s, kind)| {
                let (p, s) = (Priority::new(p).unwrap(), Shard::new(s).unwrap());
                let id = ObjectId::from_parts(StoreTime(due), random, p, n, s);
                let q = QueueName::new("mail.v1").unwrap();
                match kind {
                    0 => Key::Format,
                    1 => Key::Probe(Token::parse("PROBE").unwrap(), "l/B/1".to_owned()),
                    2 => Key::Settings(q),
                    3 => Key::Live(q, id),
                    4 => Key::Done(q, id),
                    5 => Key::Dead(q, id.task(n - 1)),
                    6 => Key::Payload(q, id, Token::parse("T0K").unwrap(), Part::Output(7)),
                    7 => Key::Idempotency(q, KeyHash::of(&random.to_string())),
                    8 => Key::Bell(q),
                    _ => Key::Presence(q, WorkerId::parse("W-1").unwrap()),
                }
            })
    }

    proptest! {
        #[test]
        fn every_key_reads_back(key in any_key()) {
            prop_assert_eq!(Key::parse(&key.to_string()), Some(key));
        }

        #[test]
        fn parsing_anything_never_panics_and_is_canonical(text in "[a-zA-Z0-9./_%+~-]{0,80}") {
            if let Some(key) = Key::parse(&text) {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }

    #[test]
    fn keys_are_where_the_layout_says() {
        let q = QueueName::new("mail").unwrap();
        let s = Shard::new(33).unwrap();
        let id = ObjectId::from_parts(StoreTime(1_700_000_000_000), 5, Priority::HIGH, 2, s);
        assert_eq!(
            Key::Live(q.clone(), id).to_string(),
            format!("mail/live/11/8/{id}")
        );
        assert_eq!(
            Key::Dead(q.clone(), id.task(1)).to_string(),
            format!("mail/dead/11/{id}.1")
        );
        assert!(prefix::behind_priority(&q, s, Priority::HIGH) > Key::Live(q, id).to_string());
    }

    #[test]
    fn a_due_time_parts_the_keys_before_it_from_those_behind() {
        let q = QueueName::new("mail").unwrap();
        let s = Shard::new(33).unwrap();
        let at = StoreTime(1_700_000_000_000);
        let live = |due: u64, random| {
            let id = ObjectId::from_parts(StoreTime(due), random, Priority::LOW, 1, s);
            (
                Key::Live(q.clone(), id).to_string(),
                Key::Done(q.clone(), id).to_string(),
            )
        };
        let (before, over_before) = live(at.0 - 1, u64::MAX);
        let (behind, over_behind) = live(at.0, 0);
        let since = prefix::live_since(&q, s, Priority::LOW, at);
        assert!(before < since && since < behind);
        let since = prefix::done_since(&q, s, at);
        assert!(over_before < since && since < over_behind);
    }

    #[test]
    fn foreign_keys_are_not_ours() {
        for foreign in [
            "",
            "/",
            "mail",
            "mail/",
            "mail/live/",
            "mail/live/00/G/x",
            "../oq.json",
            "Mail/bell",
            "mail/bell/",
            "mail/fleet/here/../x",
            ".probe/",
            "mail/key/XYZ",
        ] {
            assert_eq!(Key::parse(foreign), None, "{foreign:?}");
        }
    }
}
