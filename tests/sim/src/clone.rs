//! The randomness of a cloned machine: at first the same as the other's, then its own.

use std::sync::atomic::{AtomicU32, Ordering};

use oq_core::env::Entropy;
use oq_core::testing::sim_entropy::SimEntropy;

/// So many draws are the same. The worker's id is among them.
const SHARED: u32 = 6;

/// What a clone draws.
#[derive(Debug)]
pub struct Cloned {
    left: AtomicU32,
    original: SimEntropy,
    own: SimEntropy,
}

impl Cloned {
    /// Of the client with this number, for the client `own`.
    pub fn new(seed: u64, original: u16, own: u16) -> Cloned {
        let stream = |client: u16| SimEntropy::new(seed, u64::from(client) + 1000);
        Cloned {
            left: AtomicU32::new(SHARED),
            original: stream(original),
            own: stream(own),
        }
    }
}

impl Entropy for Cloned {
    fn next_u64(&self) -> u64 {
        let one_less = |left: u32| left.checked_sub(1);
        let shared = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        match shared {
            Ok(_) => self.original.next_u64(),
            Err(_) => self.own.next_u64(),
        }
    }
}
