//! What the store remembers for the checks: every write that was applied, and a running hash of
//! everything that happened.

use std::time::Duration;

use crate::store::{Object, StoreKey};

/// One change that was applied to the store.
#[derive(Debug, Clone)]
pub struct Applied {
    /// When, since the beginning of the run.
    pub at: Duration,
    /// When it was sent.
    pub sent: Duration,
    /// Which client sent it.
    pub client: u16,
    /// The key.
    pub key: StoreKey,
    /// What was there before.
    pub old: Option<Object>,
    /// What is there now; `None` after a deletion.
    pub new: Option<Object>,
}

/// A while in which requests failed.
#[derive(Debug, Clone, Copy)]
pub struct Spell {
    /// Of which client; `None`: of each.
    pub client: Option<u16>,
    /// When it began.
    pub from: Duration,
    /// When it was over.
    pub until: Duration,
}

/// How many requests of each verb were sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// GET, conditional ones included.
    pub get: u64,
    /// PUT.
    pub put: u64,
    /// DELETE; a batch counts as one.
    pub delete: u64,
    /// LIST.
    pub list: u64,
}

/// A running hash (FNV-1a over 64-bit words) of all that happened. Two runs of one seed must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace(u64);

impl Default for Trace {
    fn default() -> Trace {
        Trace(0xcbf2_9ce4_8422_2325)
    }
}

impl Trace {
    /// Mixes a number in.
    pub fn number(&mut self, n: u64) {
        self.0 = (self.0 ^ n).wrapping_mul(0x0000_0100_0000_01b3);
        self.0 ^= self.0 >> 29;
    }

    /// Mixes bytes in.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            self.number(u64::from_le_bytes(word));
        }
        for byte in chunks.remainder() {
            self.number(u64::from(*byte));
        }
        self.number(bytes.len() as u64);
    }

    /// What it came to.
    pub fn value(self) -> u64 {
        self.0
    }
}
