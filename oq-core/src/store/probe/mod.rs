//! Whether a store does what oq needs: the checks that `oq doctor` and `oq init` make on a store
//! that others use.
//!
//! The conformance suite (`store::conformance`) is for tests: it has more checks, takes its time and
//! panics. This one is for users: it asks a bounded number of requests that is known beforehand, says
//! what is wrong and what to do about it, and leaves nothing behind. It writes below a random folder
//! of `.probe/` only.

mod conditions;
mod finding;
mod ground;
mod listing;
mod pace;
mod races;

use std::future::Future;
use std::sync::Arc;

use crate::env::Env;
use crate::store::{List, Metered, Prices, Requests, Store};
use crate::time::StoreTime;

pub use self::finding::{Finding, Verdict};
pub use self::pace::Pace;

use self::ground::{Ground, Tried};

/// How much is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// How often 32 writers race, once for creates and once for updates.
    pub rounds: usize,
    /// How often each verb is timed.
    pub samples: usize,
}

impl Plan {
    /// Enough to see whether conditions are kept at all.
    pub const QUICK: Plan = Plan {
        rounds: 1,
        samples: 5,
    };

    /// Enough to see races that are lost now and then, and for percentiles.
    pub const FULL: Plan = Plan {
        rounds: 10,
        samples: 100,
    };

    /// At most so many PUT, GET and LIST are made, if the store asks for no repetitions.
    pub fn at_most(self) -> (u64, u64, u64) {
        let (rounds, samples) = (self.rounds as u64, self.samples as u64);
        let writers = races::WRITERS as u64;
        let put = 30 + 2 * rounds * writers + 2 * samples;
        (put, 30 + 2 * rounds + 2 * samples, 40 + samples)
    }

    /// What they cost at most, in dollars.
    pub fn cost(self, prices: &Prices) -> f64 {
        let (put, get, list) = self.at_most();
        (put as f64 * prices.put + get as f64 * prices.get + list as f64 * prices.list) / 1e6
    }
}

/// What a probe found.
#[derive(Debug, Clone)]
pub struct Report {
    /// One or more for each check.
    pub findings: Vec<Finding>,
    /// How long requests took.
    pub paces: Vec<Pace>,
    /// What it asked of the store.
    pub requests: Requests,
}

impl Report {
    /// Whether the store must not be used.
    pub fn refuses(&self) -> bool {
        self.findings.iter().any(|f| f.verdict == Verdict::Refusal)
    }
}

/// Puts a store through the checks. `machine` is the time of day on this machine.
///
/// ```
/// use std::sync::Arc;
/// use oq_core::env::Env;
/// use oq_core::store::{MemoryStore, machine_time};
/// use oq_core::store::probe::{Plan, probe};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let store = Arc::new(MemoryStore::new());
/// let report = probe(store, Env::system(), Plan::QUICK, machine_time()).await;
/// assert!(!report.refuses());
/// # }
/// ```
pub async fn probe(store: Arc<dyn Store>, env: Env, plan: Plan, machine: StoreTime) -> Report {
    let store = Metered::new(store);
    let meter = store.meter();
    let ground = Ground::new(Arc::new(store), env);
    let mut report = Report {
        findings: Vec::new(),
        paces: Vec::new(),
        requests: Requests::default(),
    };
    if let Err(stuck) = reached(&ground).await {
        // Nothing else can be asked of a store that does not answer.
        report.findings.push(stuck.finding("access"));
    } else {
        report.findings.push(Finding::ok(
            "access",
            "the store answers, and may be listed",
        ));
        checks(&ground, plan, machine, &mut report).await;
        leave_nothing(&ground, &mut report.findings).await;
    }
    report.requests = meter.snapshot();
    report
}

async fn reached(ground: &Ground) -> Tried<()> {
    let list = List::prefix(ground.prefix()).limit(1);
    ground.timely("a listing", ground.store.list(&list)).await?;
    Ok(())
}

async fn checks(ground: &Ground, plan: Plan, machine: StoreTime, report: &mut Report) {
    let findings = &mut report.findings;
    match pace::clock(ground, machine).await {
        Ok(found) => findings.extend(found),
        Err(stuck) => {
            // Without writing there is nothing more to learn.
            findings.push(stuck.finding("writing"));
            return;
        }
    }
    check(findings, "create if absent", conditions::create(ground)).await;
    check(findings, "update if match", conditions::update(ground)).await;
    check(findings, "missing keys", conditions::missing(ground)).await;
    check(findings, "etags", conditions::etags(ground)).await;
    check(
        findings,
        "race of creates",
        races::create(ground, plan.rounds),
    )
    .await;
    check(
        findings,
        "race of updates",
        races::update(ground, plan.rounds),
    )
    .await;
    check(findings, "listings", listing::order(ground)).await;
    check(findings, "delete if match", conditions::delete_if(ground)).await;
    match pace::measure(ground, plan.samples).await {
        Ok(paces) => {
            findings.push(pace::judged(&paces));
            report.paces = paces;
        }
        Err(stuck) => findings.push(stuck.finding("latency")),
    }
}

async fn check(
    findings: &mut Vec<Finding>,
    name: &'static str,
    check: impl Future<Output = Tried<Finding>>,
) {
    findings.push(check.await.unwrap_or_else(|stuck| stuck.finding(name)));
}

async fn leave_nothing(ground: &Ground, findings: &mut Vec<Finding>) {
    let left = match ground.clear().await {
        Ok(0) => return,
        Ok(left) => format!("{left} objects"),
        Err(_) => "some objects".to_owned(),
    };
    findings.push(Finding::fault(
        "cleaning up",
        format!(
            "{left} of this check could not be deleted below {}",
            ground.prefix()
        ),
        "allow s3:DeleteObject, then delete them: nothing needs them",
    ));
}

#[cfg(test)]
mod tests;
