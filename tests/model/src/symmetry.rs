//! Worlds that differ only in which worker is which, or which object is which, are one: what can
//! happen from them is the same under other numbers. Of up to four only the first is explored.
//!
//! In records the two workers are `_0` and `_1` wherever they are named. The hash of a world is the
//! least of those that it has under each way to number workers and objects.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::world::World;

/// A hash of something, and what it would be if the two workers changed places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Twofold {
    pub is: u64,
    pub mirrored: u64,
}

impl Twofold {
    pub const ZERO: Twofold = Twofold { is: 0, mirrored: 0 };

    /// Of a body in which workers are named.
    pub fn of(body: &[u8]) -> Twofold {
        let mut named = false;
        let renamed = body.iter().map(|byte| {
            let number = named && matches!(byte, b'0' | b'1');
            named = *byte == b'_';
            byte ^ u8::from(number)
        });
        let mirror: Vec<u8> = renamed.collect();
        let hash = |bytes: &[u8]| {
            let mut hasher = DefaultHasher::new();
            hasher.write(bytes);
            hasher.finish()
        };
        Twofold {
            is: hash(body),
            mirrored: hash(&mirror),
        }
    }

    pub fn plus(self, other: Twofold) -> Twofold {
        Twofold {
            is: self.is.wrapping_add(other.is),
            mirrored: self.mirrored.wrapping_add(other.mirrored),
        }
    }
}

impl Hash for Twofold {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u128(u128::from(self.mirrored) << 64 | u128::from(self.is));
    }
}

/// Hashes the number of an object.
pub fn object<H: Hasher>(of: usize, hasher: &mut H) {
    hasher.write_u16(of as u16);
}

/// Both hashes of something that is of one object.
pub fn both(value: &impl Hash) -> Twofold {
    let hash = |workers| {
        let mut hasher = Renaming::new(workers, false);
        value.hash(&mut hasher);
        hasher.finish()
    };
    Twofold {
        is: hash(false),
        mirrored: hash(true),
    }
}

/// Hashes under other numbers. Of all that is hashed here only a [`Twofold`] is written as `u128`,
/// and only the number of an object as `u16`.
struct Renaming {
    inner: DefaultHasher,
    workers: bool,
    objects: bool,
}

impl Renaming {
    fn new(workers: bool, objects: bool) -> Renaming {
        let inner = DefaultHasher::new();
        Renaming {
            inner,
            workers,
            objects,
        }
    }
}

impl Hasher for Renaming {
    fn finish(&self) -> u64 {
        self.inner.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.inner.write(bytes);
    }

    fn write_u128(&mut self, both: u128) {
        let hash = if self.workers { both >> 64 } else { both };
        self.inner.write_u64(hash as u64);
    }

    fn write_u16(&mut self, of: u16) {
        self.inner.write_u16(of ^ u16::from(self.objects));
    }
}

impl World {
    fn numbered(&self, workers: bool, objects: bool) -> u64 {
        let mut hasher = Renaming::new(workers, objects);
        (self.now, &self.left).hash(&mut hasher);
        for n in 0..self.things.len() {
            self.things[n ^ usize::from(objects)].hash(&mut hasher);
        }
        for n in 0..self.workers.len() {
            self.workers[n ^ usize::from(workers)].hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let one = self.numbered(false, false).min(self.numbered(true, false));
        let least = match self.things.len() {
            2 => one
                .min(self.numbered(false, true))
                .min(self.numbered(true, true)),
            _ => one,
        };
        hasher.write_u64(least);
    }
}
