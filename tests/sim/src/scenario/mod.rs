//! What one seed says: which store, which machines, which tasks, and what happens when.

mod cut;
mod drains;
mod draw;
mod handlers;
mod theme;

use std::collections::BTreeSet;
use std::time::Duration;

use oq_core::testing::sim_entropy::Dice;
use oq_core::testing::sim_store::{Modes, Plan};

pub use cut::Cut;
pub use drains::Draining;

/// One run, before it is played.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub seed: u64,
    pub kind: Kind,
    pub theme: Theme,
    pub modes: Modes,
    pub plan: Plan,
    pub queues: usize,
    pub workers: Vec<Machine>,
    /// The first is the operators' as well, and does not die.
    pub producers: Vec<Machine>,
    /// Objects of a newer format, and damaged ones, lie in the way.
    pub foreign: bool,
    pub submissions: Vec<Submission>,
    pub scripts: Vec<Script>,
    /// Inputs and results longer than this get an object of their own, if it is set.
    pub inline: Option<usize>,
    /// The first process of this machine dies when it is about to go on for the so-many-th time.
    pub crash: Option<(Who, u64)>,
    /// In the order of time.
    pub events: Vec<(Duration, Event)>,
    /// From here on nothing new goes wrong.
    pub quiet_at: Duration,
    /// How long the last worker goes on when everything is finished.
    pub idle: Duration,
}

/// Which worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// oq's own.
    Real,
    /// One that stands on the protocol alone, see [`crate::small`].
    Small,
}

/// What a run has more of than others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// A bit of everything.
    Mixed,
    /// Copies of writes that land late, and reads that take long.
    Late,
    /// Cancellations.
    Cancels,
    /// Workers that are cut off while they run long tasks.
    CutOff,
    /// A store that refuses a lot, and tasks that fail.
    Storm,
    /// Nothing goes wrong, so that it shows how soon tasks start and what they cost.
    Calm,
    /// Hours without workers, in which outcomes come to the end of their retention.
    Long,
    /// Whoever repairs what another left behind dies over it, again and again.
    Relapse,
}

/// A machine and the program on it.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its program is of a newer version, see [`crate::newer`].
    pub newer: bool,
    /// It is a clone of the worker machine with this number: both draw the same at first.
    pub twin: Option<usize>,
    /// Its worker does not stay.
    pub drain: Option<Draining>,
    pub concurrency: usize,
    pub drift_ppm: i64,
    pub poll: Duration,
    pub grace: Duration,
}

/// One object that a producer submits.
#[derive(Debug, Clone)]
pub struct Submission {
    pub producer: usize,
    pub queue: usize,
    /// Indices into [`Scenario::scripts`].
    pub tasks: std::ops::Range<usize>,
    pub delay: Option<Duration>,
    pub priority: u8,
    pub attempts: u32,
    pub retry_base: Duration,
    pub lease: Duration,
    pub timeout: Duration,
    pub expires_in: Option<Duration>,
    /// The idempotency key.
    pub key: Option<u8>,
    pub retention: Duration,
}

/// How the handler of one task behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Script {
    pub run: Duration,
    /// The first attempts that fail, and how they do it.
    pub fail: u32,
    pub way: Way,
    /// How often it answers "later" first.
    pub later: u32,
    /// Its handler kills the worker, until the faults stop.
    pub poison: bool,
    /// It stops by itself when it is cancelled.
    pub heeds_cancel: bool,
    /// In so many steps, after each of which it saves where it is; zero: it saves nothing.
    pub steps: u32,
    /// It has each of them written at once.
    pub flushes: bool,
    /// Its time is short, and it asks for more first.
    pub extends: bool,
    /// How many bytes its input has besides its number, and its result.
    pub load: usize,
    pub result: usize,
}

/// How a handler fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    #[default]
    Error,
    /// Not to be tried again.
    Fatal,
    Panic,
}

impl Script {
    /// How much time it asks for.
    pub fn extension(&self) -> Duration {
        self.run * 2 + 5 * S
    }

    /// How long it may run with this timeout.
    pub fn time(&self, timeout: Duration) -> Duration {
        match self.extends {
            true => timeout.max(self.extension()),
            false => timeout,
        }
    }
}

/// Which machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Worker(usize),
    Producer(usize),
}

/// What happens at one moment.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// A worker starts on this machine, unless one runs there.
    Start(usize),
    /// Its process dies.
    Crash(usize),
    /// It is asked to stop.
    Stop(usize),
    /// It dies while it stops.
    Kill(usize),
    /// A producer's process dies, and another takes its place.
    Bereave(usize),
    /// Objects that oq can do without are deleted by hand: bells and the lists of who is present.
    Vanish,
    /// Somebody undoes deletions of objects whose outcome is recorded.
    Undelete,
    Stall(Who, Duration),
    /// A handler on this worker machine keeps everything else in its process from going on.
    Starve(usize, Duration),
    CutOut(Who, Duration),
    CutBack(Who, Duration),
    Submit(usize),
    /// Somebody submits the same again; only under a key.
    Again(usize),
    /// Somebody tries a task of a submission again.
    Retry(usize, usize),
    /// Somebody cancels all tasks of a queue that have this priority.
    CancelMany(usize, u8),
    /// Somebody lists a queue, with or without a filter.
    List(usize, bool),
    /// An operator purges a queue.
    Purge(usize),
    /// Somebody cancels a task of a submission.
    Cancel(usize, usize),
    /// Somebody looks a task of a submission up.
    Look(usize, usize),
    /// Somebody waits for a task of a submission.
    Wait(usize, usize),
    /// An operator pauses a queue for so long.
    Pause(usize, Duration),
    /// An operator sets the number of shards of a queue.
    Shards(usize, u16),
    /// An operator leaves a queue one shard.
    Shrink(usize),
    /// A process sweeps the outcomes of a queue, and its keys; thoroughly, if so.
    Sweep(usize, bool),
}

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const S: Duration = Duration::from_secs(1);

impl Scenario {
    /// What this seed says.
    pub fn of(seed: u64) -> Scenario {
        let mut d = Dice::new(seed, 2);
        let calm = d.chance(0.15);
        let plan = Plan::draw(&mut d);
        let small = d.chance(0.3);
        let mut s = Scenario {
            seed,
            theme: Theme::draw(&mut d),
            kind: if small { Kind::Small } else { Kind::Real },
            modes: Modes::draw(&mut d),
            plan: if calm { Plan::calm() } else { plan },
            queues: if d.chance(0.3) { 2 } else { 1 },
            workers: Vec::new(),
            producers: Vec::new(),
            foreign: d.chance(0.15),
            submissions: Vec::new(),
            scripts: Vec::new(),
            inline: None,
            crash: None,
            events: Vec::new(),
            quiet_at: d.between(60 * S, 360 * S),
            idle: 40 * S,
        };
        s.draw(&mut d);
        s.draw_handlers(&mut Dice::new(seed, 5));
        s.draw_drains(&mut Dice::new(seed, 6));
        s.apply_theme(&mut d);
        s.events.sort_by_key(|(at, _)| *at);
        s
    }

    /// How long it may take, once the faults have stopped, until these tasks are finished: three
    /// leases with their margins, the work that is left in the worst case on so many slots, and some
    /// polls.
    pub fn time_to_recover(&self, left: &BTreeSet<usize>, slots: usize) -> Duration {
        let (mut lease, mut sum, mut longest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        for submission in &self.submissions {
            let mut pack = Duration::ZERO;
            for index in submission.tasks.clone().filter(|n| left.contains(n)) {
                let script = &self.scripts[index];
                let fails = script.fail.min(submission.attempts);
                let runs = script.run.min(script.time(submission.timeout)) * (fails + 1)
                    + (script.run * 2 + S) * script.later;
                let waits = submission.retry_base * ((1 << fails) - 1);
                // After take-overs the tasks of a pack may run one by one.
                pack += runs + waits;
                sum += runs;
                lease = lease.max(submission.lease);
            }
            if !pack.is_zero() {
                longest = longest.max(pack + submission.delay.unwrap_or_default());
            }
        }
        let slots = u32::try_from(slots).unwrap_or(u32::MAX).max(1);
        (lease + 5 * S) * 3 + sum / slots + longest + 60 * S
    }
}
