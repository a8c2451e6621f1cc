//! What can go wrong between a client and the store, how often, and which kind of store it is.

use std::time::Duration;

use crate::testing::sim_entropy::Dice;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $most:literal;)*) => {
        /// One kind of fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $($(#[$doc])* $name,)* }

        impl Fault {
            /// All kinds.
            pub const ALL: &'static [Fault] = &[$(Fault::$name,)*];

            /// Its name in reports.
            pub fn name(self) -> &'static str {
                match self { $(Fault::$name => $text,)* }
            }

            /// The highest rate, per request, that a plan draws for it.
            fn most(self) -> f64 {
                match self { $(Fault::$name => $most,)* }
            }
        }
    };
}

faults! {
    /// 503 before a write is applied.
    Refused = "503 before applying", 0.10;
    /// 409 or 429: nothing landed, come again.
    Conflict = "409", 0.05;
    /// 500 or 504 although nothing was or will be applied.
    FailedUnapplied = "500 without applying", 0.05;
    /// Applied, then 500.
    AppliedThen500 = "applied, then 500", 0.08;
    /// Applied, then the connection is reset.
    AppliedThenReset = "applied, then reset", 0.08;
    /// Applied, and no answer ever comes.
    AppliedThenSilence = "applied, then silence", 0.05;
    /// The request never arrives and nobody says so.
    LostRequest = "lost request", 0.05;
    /// The caller gives up, or is told of a reset; the write lands 2 to 900 seconds later.
    Zombie = "zombie", 0.05;
    /// The write is applied twice, at different moments; the answer is the first one's.
    Duplicate = "duplicate delivery", 0.05;
    /// The answer takes 1 to 20 seconds.
    SlowAnswer = "slow answer", 0.05;
    /// The request takes 1 to 20 seconds to arrive.
    SlowRequest = "slow request", 0.03;
    /// A read takes 1 to 20 seconds to arrive.
    SlowRead = "slow read", 0.02;
    /// A read or listing fails.
    ReadError = "read error", 0.10;
    /// A deletion fails and deletes nothing.
    DeleteError = "delete error", 0.10;
    /// A read gives an empty body.
    EmptyBody = "empty body", 0.02;
    /// A read gives the beginning of a body.
    CutBody = "cut body", 0.02;
    /// A read gives a body with a byte that cannot be.
    CorruptBody = "corrupt body", 0.02;
    /// The two halves of a page of a listing are taken at different times.
    SplitList = "split list", 0.20;
    /// Some keys of a batch are not deleted.
    PartialDelete = "partial delete", 0.50;
    /// For 5 to 60 seconds most requests of everybody are refused.
    ThrottleStorm = "throttle storm", 0.002;
    /// For 5 to 60 seconds the client's credentials are refused.
    Denied = "denied", 0.002;
    /// For 5 to 60 seconds the client may not list: it is told of no missing key, but that it may not
    /// see it.
    Hidden = "403 for 404", 0.002;
    /// The store allows one write of a key in a second, and this was one too many.
    TooSoon = "written too soon", 0.0;
    /// The machine is cut off: its requests vanish.
    CutOut = "partition, requests", 0.0;
    /// The machine is cut off: answers to it vanish.
    CutBack = "partition, answers", 0.0;
    /// A listing shows the past; only in a store with [`Modes::stale_lists`].
    StaleList = "stale list", 0.30;
    /// A second delivery's refusal hides the first one's success; only with
    /// [`Modes::hidden_retry`].
    HiddenRetry = "hidden retry", 0.05;
}

/// How often each kind of fault happens, per request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan([f64; Fault::ALL.len()]);

impl Plan {
    /// Nothing fails.
    pub fn calm() -> Plan {
        Plan::default()
    }

    /// Each kind is switched off with probability one half, else has a rate of its own.
    pub fn draw(dice: &mut Dice) -> Plan {
        let mut plan = Plan::default();
        for fault in Fault::ALL {
            let (on, most) = (dice.chance(0.5), fault.most());
            let rate = dice.log_rate(most.max(1e-6) / 30.0, most.max(1e-6));
            if on && most > 0.0 {
                plan.set(*fault, rate);
            }
        }
        plan
    }

    /// The rate of one kind.
    pub fn rate(&self, fault: Fault) -> f64 {
        self.0[fault as usize]
    }

    /// Sets the rate of one kind.
    pub fn set(&mut self, fault: Fault, rate: f64) {
        self.0[fault as usize] = rate;
    }
}

/// What a store's ETag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EtagKind {
    /// A hash of the body, as on S3: the same body has the same ETag again.
    Content,
    /// A number that grows with every write of the store.
    Counter,
    /// Random.
    Opaque,
}

/// Which kind of store this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes {
    /// What its ETags are.
    pub etag: EtagKind,
    /// `Date` and `LastModified` are truncated to a second.
    pub whole_seconds: bool,
    /// It deletes conditionally.
    pub delete_if: bool,
    /// The shortest time between two writes of a key.
    pub write_interval: Option<Duration>,
    /// Pages of listings hold no more than this, whatever was asked for.
    pub page_limit: Option<u16>,
    /// Listings may show the past, at most so long ago. Reads never do: what oq promises is not
    /// promised for a store whose reads are stale. (S3 is strongly consistent in both since 2020.)
    pub stale_lists: Option<Duration>,
    /// Something between client and store, a proxy perhaps, repeats writes and passes on the last
    /// answer, so that a write that landed is answered with 412. Nothing is lost for it; claims and
    /// attempts may be.
    pub hidden_retry: bool,
}

impl Default for Modes {
    fn default() -> Modes {
        Modes {
            etag: EtagKind::Content,
            whole_seconds: true,
            delete_if: true,
            write_interval: None,
            page_limit: None,
            stale_lists: None,
            hidden_retry: false,
        }
    }
}

impl Modes {
    /// A kind of store that oq makes promises for.
    pub fn draw(dice: &mut Dice) -> Modes {
        let etags = [EtagKind::Content, EtagKind::Counter, EtagKind::Opaque];
        let slow_key = dice.chance(0.15);
        let (short_pages, limit) = (dice.chance(0.3), dice.range(2, 12));
        Modes {
            etag: dice.pick(&etags).copied().unwrap_or(EtagKind::Content),
            whole_seconds: dice.chance(0.5),
            delete_if: dice.chance(0.5),
            write_interval: slow_key.then_some(Duration::from_secs(1)),
            page_limit: short_pages.then_some(limit as u16),
            stale_lists: dice.chance(0.2).then_some(Duration::from_secs(10)),
            hidden_retry: dice.chance(0.08),
        }
    }
}

/// How often each kind of fault was to be expected, by the rates of the requests that were sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expected([f64; Fault::ALL.len()]);

impl Expected {
    /// One more request to which this may happen.
    pub fn add(&mut self, fault: Fault, rate: f64) {
        self.0[fault as usize] += rate;
    }

    /// How many of this kind were to be expected.
    pub fn of(&self, fault: Fault) -> f64 {
        self.0[fault as usize]
    }
}

/// How often each kind of fault happened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fired([u64; Fault::ALL.len()]);

impl Fired {
    /// Counts one.
    pub fn count(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// How often this kind happened.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// How many happened in all.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds another run's counts.
    pub fn add(&mut self, other: &Fired) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }
}
