//! What was counted: requests by verb and outcome, and their price.

use std::fmt;
use std::ops::{Add, Sub};

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them, in order.
            pub const ALL: [$name; [$($text),*].len()] = [$($name::$variant),*];

            /// As it stands in metrics and tables.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

names! {
    /// What was asked of the store.
    Verb {
        /// [`Store::get`](crate::store::Store::get).
        Get = "get",
        /// [`Store::get_if_changed`](crate::store::Store::get_if_changed).
        GetIfChanged = "get_if_changed",
        /// [`Store::create`](crate::store::Store::create).
        Create = "create",
        /// [`Store::update`](crate::store::Store::update).
        Update = "update",
        /// [`Store::delete`](crate::store::Store::delete).
        Delete = "delete",
        /// [`Store::delete_many`](crate::store::Store::delete_many): one request for many keys.
        DeleteMany = "delete_many",
        /// [`Store::delete_if`](crate::store::Store::delete_if).
        DeleteIf = "delete_if",
        /// [`Store::list`](crate::store::Store::list).
        List = "list",
    }
}

names! {
    /// How it was answered.
    Outcome {
        /// [`Write::Won`](crate::store::Write::Won).
        Won = "won",
        /// [`Write::Lost`](crate::store::Write::Lost).
        Lost = "lost",
        /// [`Write::Again`](crate::store::Write::Again).
        Again = "again",
        /// [`Write::Unknown`](crate::store::Write::Unknown).
        Unknown = "unknown",
        /// A read or deletion was answered.
        Ok = "ok",
        /// A read found nothing.
        Missing = "missing",
        /// [`Changed::Same`](crate::store::Changed::Same).
        Same = "same",
        /// A [`StoreError`](crate::store::StoreError).
        Error = "error",
    }
}

pub(super) const VERBS: usize = Verb::ALL.len();
pub(super) const OUTCOMES: usize = Outcome::ALL.len();

/// Dollars for a million requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    /// PUT.
    pub put: f64,
    /// GET, also one that finds nothing or nothing new.
    pub get: f64,
    /// LIST.
    pub list: f64,
    /// DELETE, of one key or many.
    pub delete: f64,
}

impl Prices {
    /// The list prices of S3 Standard in us-east-1, 2026.
    pub const S3_STANDARD: Prices = Prices {
        put: 5.0,
        get: 0.4,
        list: 5.0,
        delete: 0.0,
    };
    /// The list prices of S3 Express One Zone in us-east-1, 2026.
    pub const S3_EXPRESS: Prices = Prices {
        put: 1.13,
        get: 0.03,
        list: 1.13,
        delete: 0.0,
    };
}

/// How many requests were made, and how many bytes went with them.
///
/// Every attempt counts, also one that lost its condition, as S3 bills them. S3 does not bill its
/// own failures, which are counted here: the cost is an upper bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Requests {
    pub(super) counts: [[u64; OUTCOMES]; VERBS],
    /// Bytes of the bodies that were read.
    pub bytes_in: u64,
    /// Bytes of the bodies that were sent.
    pub bytes_out: u64,
}

impl Requests {
    /// Requests of this verb with this outcome.
    pub fn count(&self, verb: Verb, outcome: Outcome) -> u64 {
        self.counts[verb as usize][outcome as usize]
    }

    /// Requests of this verb.
    pub fn verb(&self, verb: Verb) -> u64 {
        self.counts[verb as usize].iter().sum()
    }

    /// Requests with this outcome.
    pub fn outcome(&self, outcome: Outcome) -> u64 {
        self.counts.iter().map(|verb| verb[outcome as usize]).sum()
    }

    /// What S3 bills as PUT.
    pub fn put(&self) -> u64 {
        self.verb(Verb::Create) + self.verb(Verb::Update)
    }

    /// What S3 bills as GET.
    pub fn get(&self) -> u64 {
        self.verb(Verb::Get) + self.verb(Verb::GetIfChanged)
    }

    /// What S3 bills as LIST.
    pub fn list(&self) -> u64 {
        self.verb(Verb::List)
    }

    /// What S3 does not bill: deletions, of one key or many.
    pub fn delete(&self) -> u64 {
        self.verb(Verb::Delete) + self.verb(Verb::DeleteMany) + self.verb(Verb::DeleteIf)
    }

    /// All requests.
    pub fn total(&self) -> u64 {
        self.put() + self.get() + self.list() + self.delete()
    }

    /// What they cost, in dollars.
    pub fn cost(&self, prices: &Prices) -> f64 {
        let dollars = |requests: u64, million: f64| requests as f64 * million / 1e6;
        dollars(self.put(), prices.put)
            + dollars(self.get(), prices.get)
            + dollars(self.list(), prices.list)
            + dollars(self.delete(), prices.delete)
    }
}

/// What was asked since an earlier snapshot of the same meter.
impl Sub for Requests {
    type Output = Requests;
    fn sub(mut self, earlier: Requests) -> Requests {
        for (verb, before) in self.counts.iter_mut().zip(earlier.counts) {
            for (count, before) in verb.iter_mut().zip(before) {
                *count = count.saturating_sub(before);
            }
        }
        self.bytes_in = self.bytes_in.saturating_sub(earlier.bytes_in);
        self.bytes_out = self.bytes_out.saturating_sub(earlier.bytes_out);
        self
    }
}

/// Both together.
impl Add for Requests {
    type Output = Requests;
    fn add(mut self, other: Requests) -> Requests {
        for (verb, more) in self.counts.iter_mut().zip(other.counts) {
            for (count, more) in verb.iter_mut().zip(more) {
                *count = count.saturating_add(more);
            }
        }
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self
    }
}

/// A table with a line for each verb that was used.
impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for verb in Verb::ALL {
            if self.verb(verb) == 0 {
                continue;
            }
            write!(f, "{:<14} {:>10}  ", verb.as_str(), self.verb(verb))?;
            let shown = Outcome::ALL.map(|outcome| (outcome, self.count(verb, outcome)));
            let mut between = "";
            for (outcome, count) in shown.into_iter().filter(|(_, count)| *count > 0) {
                write!(f, "{between}{} {count}", outcome.as_str())?;
                between = ", ";
            }
            writeln!(f)?;
        }
        writeln!(
            f,
            "{:<14} {:>10}  PUT {}, GET {}, LIST {}, DELETE {}",
            "all",
            self.total(),
            self.put(),
            self.get(),
            self.list(),
            self.delete(),
        )?;
        write!(
            f,
            "{} bytes read, {} sent; ${:.6} at the prices of S3 Standard",
            self.bytes_in,
            self.bytes_out,
            self.cost(&Prices::S3_STANDARD),
        )
    }
}
