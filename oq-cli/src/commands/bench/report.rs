//! What was measured, beside an earlier run if there is one.

use std::collections::BTreeMap;
use std::path::Path;

use oq_core::measure::Measured;
use serde::{Deserialize, Serialize};

use crate::failed::Failed;
use crate::print::{Format, Printer, Row, count};

/// One run of the command: what `-o json` prints and `--compare` reads.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// The version of oq that measured.
    version: String,
    loads: BTreeMap<String, Numbers>,
}

/// The figures of one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Numbers {
    tasks_per_second: f64,
    dollars_per_million: f64,
    #[serde(flatten)]
    measured: Measured,
}

/// A line of the table.
#[derive(Debug, Serialize)]
struct Line {
    load: String,
    cells: Vec<String>,
}

impl Row for Line {
    const HEADS: &'static [&'static str] = &[
        "load",
        "tasks",
        "tasks/s",
        "start p50",
        "p95",
        "p99",
        "req/task",
        "$/million",
        "requests a task",
    ];

    fn cells(&self) -> Vec<String> {
        let mut cells = vec![self.load.clone()];
        cells.extend(self.cells.clone());
        cells
    }

    fn id(&self) -> String {
        self.load.clone()
    }
}

/// Reads what an earlier run printed.
pub fn read(path: &Path) -> Result<Report, Failed> {
    let wrong = |why: String| {
        Failed::usage(
            format!("{}: {why}", path.display()),
            "keep a run with `oq bench -o json > FILE`",
        )
    };
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    serde_json::from_str(&text).map_err(|e| wrong(format!("not a run of oq bench: {e}")))
}

impl Report {
    pub fn new(measured: Vec<(&'static str, Measured)>) -> Report {
        let numbers = |measured: Measured| Numbers {
            tasks_per_second: measured.rate(),
            dollars_per_million: measured.dollars_per_million(),
            measured,
        };
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            loads: measured
                .into_iter()
                .map(|(name, measured)| (name.to_owned(), numbers(measured)))
                .collect(),
        }
    }

    /// A table for people, one object for programs.
    pub fn print(&self, earlier: Option<&Report>, print: &Printer) -> Result<(), Failed> {
        if matches!(print.format(), Format::Json | Format::Jsonl) {
            let mut all = serde_json::json!(self);
            if let Some(earlier) = earlier {
                all["ratios"] = serde_json::json!(self.ratios(earlier));
            }
            return print.line(&all.to_string());
        }
        let mut rows = print.rows();
        for (load, numbers) in &self.loads {
            rows.push(&Line {
                load: load.clone(),
                cells: numbers.cells(),
            })?;
        }
        for (load, ratios) in earlier.map(|e| self.ratios(e)).unwrap_or_default() {
            let ratio = |name: &str| format!("×{:.2}", ratios[name]);
            rows.push(&Line {
                load: format!("{load}, to before"),
                cells: vec![
                    String::new(),
                    ratio("tasks_per_second"),
                    ratio("start_p50"),
                    ratio("start_p95"),
                    ratio("start_p99"),
                    ratio("requests_per_task"),
                    ratio("dollars_per_million"),
                    String::new(),
                ],
            })?;
        }
        rows.end()?;
        Ok(())
    }

    /// This run's figures divided by the earlier one's, for the loads that both have.
    fn ratios(&self, earlier: &Report) -> BTreeMap<String, BTreeMap<&'static str, f64>> {
        let both = self.loads.iter().filter_map(|(load, now)| {
            let before = earlier.loads.get(load)?;
            let figures = now.figures().into_iter().zip(before.figures());
            let ratios = figures.map(|((name, now), (_, before))| {
                (name, if before > 0.0 { now / before } else { f64::NAN })
            });
            Some((load.clone(), ratios.collect()))
        });
        both.collect()
    }
}

impl Numbers {
    fn requests_per_task(&self) -> f64 {
        self.measured.requests_per_task().map(|(_, n)| n).sum()
    }

    fn figures(&self) -> [(&'static str, f64); 6] {
        let start = self.measured.start;
        [
            ("tasks_per_second", self.tasks_per_second),
            ("start_p50", start.p50),
            ("start_p95", start.p95),
            ("start_p99", start.p99),
            ("requests_per_task", self.requests_per_task()),
            ("dollars_per_million", self.dollars_per_million),
        ]
    }

    fn cells(&self) -> Vec<String> {
        let ms = |seconds: f64| format!("{:.0} ms", seconds * 1e3);
        let start = self.measured.start;
        let each = self.measured.requests_per_task();
        let each: Vec<String> = each.map(|(verb, n)| format!("{verb} {n:.2}")).collect();
        vec![
            count(self.measured.tasks),
            count(self.tasks_per_second as u64),
            ms(start.p50),
            ms(start.p95),
            ms(start.p99),
            format!("{:.2}", self.requests_per_task()),
            format!("${:.2}", self.dollars_per_million),
            each.join(", "),
        ]
    }
}

#[cfg(test)]
mod tests {
    use oq_core::measure::Quantiles;

    use super::*;

    fn report(seconds: f64) -> Report {
        let measured = Measured {
            tasks: 100,
            pack: 1,
            seconds,
            start: Quantiles {
                p50: seconds / 4.0,
                p95: seconds / 2.0,
                p99: seconds,
                max: seconds,
            },
            requests: vec![("get".into(), 200), ("create".into(), 300)],
            dollars: 0.0016,
        };
        Report::new(vec![("lone", measured)])
    }

    #[test]
    fn a_kept_run_is_read_back_and_compared() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        std::fs::write(&path, serde_json::to_string(&report(2.0)).unwrap()).unwrap();
        let ratios = report(1.0).ratios(&read(&path).unwrap());
        assert_eq!(ratios["lone"]["tasks_per_second"], 2.0);
        assert_eq!(ratios["lone"]["start_p99"], 0.5);
        assert_eq!(ratios["lone"]["dollars_per_million"], 1.0);
        std::fs::write(&path, "{}").unwrap();
        assert!(
            read(&path)
                .unwrap_err()
                .to_string()
                .contains("oq bench -o json")
        );
    }
}
