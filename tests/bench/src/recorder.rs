//! A recorder for the `metrics` facade that keeps what a scrape would show: counts, gauges, and
//! histograms as their sum and number.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

#[derive(Default)]
struct Kept {
    counters: Mutex<BTreeMap<Key, Arc<AtomicU64>>>,
    histograms: Mutex<BTreeMap<Key, Arc<Spread>>>,
}

/// Upper bounds in seconds, as exporters have them.
const BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

#[derive(Default)]
struct Spread {
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl HistogramFn for Spread {
    fn record(&self, value: f64) {
        let bucket = BUCKETS.partition_point(|bound| *bound < value);
        self.buckets[bucket].increment(1);
        self.micros.increment((value * 1e6) as u64);
    }
}

static KEPT: OnceLock<Kept> = OnceLock::new();

struct Keeper;

impl Keeper {
    fn counter(key: &Key) -> Arc<AtomicU64> {
        let kept = KEPT.get_or_init(Kept::default);
        let mut counters = kept.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.entry(key.clone()).or_default().clone()
    }
}

impl Recorder for Keeper {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Keeper::counter(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Keeper::counter(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let kept = KEPT.get_or_init(Kept::default);
        let mut all = kept
            .histograms
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Histogram::from_arc(all.entry(key.clone()).or_default().clone())
    }
}

/// Keeps what is measured from now on, in all of this process.
pub fn install() {
    // A second call finds the first one's.
    let _installed = metrics::set_global_recorder(Keeper);
}

/// What a counter shows now, over all its labels.
pub fn count(name: &str) -> u64 {
    let Some(kept) = KEPT.get() else { return 0 };
    let counters = kept.counters.lock().unwrap_or_else(PoisonError::into_inner);
    let named = counters.iter().filter(|(key, _)| key.name() == name);
    named.map(|(_, count)| count.load(Ordering::Relaxed)).sum()
}
