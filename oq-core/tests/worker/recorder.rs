//! A recorder of the `metrics` facade that remembers everything.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use oq_core::metric::Kind;

/// Sum and number of what was recorded.
#[derive(Default)]
struct Cell(Mutex<(f64, u64)>);

impl Cell {
    fn add(&self, value: f64) {
        let mut cell = self.0.lock().unwrap();
        cell.0 += value;
        cell.1 += 1;
    }
}

impl CounterFn for Cell {
    fn increment(&self, value: u64) {
        self.add(value as f64);
    }

    fn absolute(&self, value: u64) {
        self.0.lock().unwrap().0 = value as f64;
    }
}

impl GaugeFn for Cell {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        self.0.lock().unwrap().0 = value;
    }
}

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        self.add(value);
    }
}

/// Everything that was told.
#[derive(Default)]
pub struct Told {
    cells: Mutex<BTreeMap<(Kind, Key), Arc<Cell>>>,
    described: Mutex<BTreeMap<String, (Kind, String)>>,
}

impl Told {
    fn cell(&self, kind: Kind, key: &Key) -> Arc<Cell> {
        let mut cells = self.cells.lock().unwrap();
        cells.entry((kind, key.clone())).or_default().clone()
    }

    fn describe(&self, kind: Kind, name: KeyName, says: SharedString) {
        let name = name.as_str().to_owned();
        let mut described = self.described.lock().unwrap();
        described.insert(name, (kind, says.into_owned()));
    }

    /// The name, kind and labels of each metric that was told.
    pub fn shapes(&self) -> Vec<(String, Kind, String)> {
        let cells = self.cells.lock().unwrap();
        let mut shapes: Vec<_> = cells
            .keys()
            .map(|(kind, key)| {
                let labels: Vec<&str> = key.labels().map(|label| label.key()).collect();
                (key.name().to_owned(), *kind, labels.join(" "))
            })
            .collect();
        shapes.sort();
        shapes.dedup();
        shapes
    }

    /// What was said of a metric.
    pub fn described(&self, name: &str) -> Option<(Kind, String)> {
        self.described.lock().unwrap().get(name).cloned()
    }

    fn all(&self, name: &str, labels: &[(&str, &str)]) -> (f64, u64) {
        let cells = self.cells.lock().unwrap();
        let has = |key: &Key, (label, value): &(&str, &str)| {
            key.labels()
                .any(|l| l.key() == *label && l.value() == *value)
        };
        let these = cells.iter().filter(|((_, key), _)| {
            key.name() == name && labels.iter().all(|label| has(key, label))
        });
        these.fold((0.0, 0), |(sum, times), (_, cell)| {
            let cell = cell.0.lock().unwrap();
            (sum + cell.0, times + cell.1)
        })
    }

    /// The sum of what was recorded under a name with these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.all(name, labels).0
    }

    /// How often something was recorded under a name.
    pub fn times(&self, name: &str) -> u64 {
        self.all(name, &[]).1
    }
}

impl Recorder for Told {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, says: SharedString) {
        self.describe(Kind::Counter, name, says);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, says: SharedString) {
        self.describe(Kind::Gauge, name, says);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, says: SharedString) {
        self.describe(Kind::Histogram, name, says);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(Kind::Counter, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(Kind::Gauge, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell(Kind::Histogram, key))
    }
}
