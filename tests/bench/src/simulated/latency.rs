//! How long a task waits for its start, and its submitter for the result.

use std::time::Duration;

use oq_core::Result;
use oq_core::env::Env;
use oq_core::measure::Quantiles;
use oq_core::store::Latency;
use oq_core::testing::sim_clock::SimHost;

use super::crew::Hands;
use super::flow::Flow;
use super::world::virtually;
use crate::table::{Bound, Cell, Table, bounded, plain, text};

const PROFILES: [(&str, Latency); 3] = [
    ("none", Latency::NONE),
    ("s3", Latency::S3),
    ("express", Latency::EXPRESS),
];

const HEAD: [&str; 9] = [
    "latencies",
    "what",
    "start p50",
    "p95",
    "p99",
    "recorded p50",
    "result p50",
    "p95",
    "p99",
];

/// The tables of `oq-bench print latency`.
pub fn tables() -> Result<Vec<Table>> {
    Ok(vec![idle()?, loaded()?])
}

/// The most that the start may take.
#[derive(Clone, Copy)]
struct Most {
    p50: Option<f64>,
    p99: f64,
}

fn cells(
    start: Quantiles,
    recorded: Quantiles,
    result: Quantiles,
    most: Option<Most>,
) -> Vec<Cell> {
    let held = |measured, most: Option<f64>| {
        bounded(measured, "s", most.map_or(Bound::None, Bound::AtMost))
    };
    vec![
        held(start.p50, most.and_then(|m| m.p50)),
        plain(start.p95, "s"),
        held(start.p99, most.map(|m| m.p99)),
        plain(recorded.p50, "s"),
        plain(result.p50, "s"),
        plain(result.p95, "s"),
        plain(result.p99, "s"),
    ]
}

/// The chain of requests that no queue on an object store alone can do without: write the task; list,
/// behind that write; read it; write the claim. For the result: write that; read it, behind that write.
/// A request is applied at a random moment of its time; who wants to see its effect need not wait for
/// its answer.
fn floor(latency: Latency) -> [Quantiles; 3] {
    const DRAWS: usize = 100_000;
    let env = virtually(async { SimHost::new(9, Duration::ZERO, 0).env(9) });
    let mut all = [const { Vec::new() }; 3];
    for _ in 0..DRAWS {
        let time = |median| latency.sample(median, &env).as_secs_f64();
        let part = |median| time(median) * unit(&env);
        let start = part(latency.put) + part(latency.list) + time(latency.get) + time(latency.put);
        let recorded = start + time(latency.put);
        let result = start + part(latency.put) + part(latency.get);
        for (all, one) in all.iter_mut().zip([start, recorded, result]) {
            all.push(one);
        }
    }
    all.map(Quantiles::of)
}

fn unit(env: &Env) -> f64 {
    (env.entropy.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

fn idle() -> Result<Table> {
    let mut table = Table::grid(
        "Seconds from a submission, when nothing else happens",
        "One worker; a task every twenty seconds on average, for four hours, so that the worker asks as seldom as it does. Start: the first line of the handler. Recorded: the outcome is written. Result: a client that waits for it has it. The floor is computed from the same latencies: the chain of requests that any queue on an object store alone must make, without any polling.",
        &HEAD,
    );
    for (name, latency) in PROFILES {
        let [start, recorded, result] = floor(latency);
        let mut row = vec![text("floor")];
        row.extend(cells(start, recorded, result, None));
        table.row(name, row);
        for (poll, what) in [(250, "0.25 s poll"), (1000, "1 s poll"), (2000, "2 s poll")] {
            let flow = Flow {
                rate: 0.05,
                seconds: 4 * 3600,
                workers: 1,
                producers: 1,
                hands: Hands {
                    poll: Duration::from_millis(poll),
                    ..Hands::default()
                },
                latency,
                watched: Some(1),
                ..Flow::default()
            };
            let flowed = virtually(flow.run())?;
            let most = (name == "s3" && poll == 250).then_some(Most {
                p50: Some(0.35),
                p99: 0.6,
            });
            let mut row = vec![text(what)];
            row.extend(cells(
                flowed.to_start,
                flowed.to_record,
                flowed.to_result,
                most,
            ));
            table.row(name, row);
        }
    }
    Ok(table)
}

fn loaded() -> Result<Table> {
    let mut table = Table::grid(
        "Seconds from a submission, under load",
        "Lone tasks at random moments from four producers, for a minute; one in twenty has a client that waits.",
        &HEAD,
    );
    for (name, latency) in PROFILES {
        let hot = Most {
            p50: None,
            p99: 3.6,
        };
        for (what, rate, workers, shards, used, most) in [
            ("100 a second, 10 workers", 100.0, 10, 16, 16, None),
            (
                "1,000 a second, 10 workers",
                1000.0,
                10,
                16,
                16,
                Some(Most {
                    p50: Some(0.3),
                    p99: 2.0,
                }),
            ),
            ("1,000 a second, 50 workers", 1000.0, 50, 16, 16, None),
            (
                "1,000 a second, 10 workers, all in one of 16 shards",
                1000.0,
                10,
                16,
                1,
                Some(hot),
            ),
            (
                "1,000 a second, 10 workers, one shard",
                1000.0,
                10,
                1,
                1,
                Some(hot),
            ),
        ] {
            let flow = Flow {
                rate,
                workers,
                shards,
                used: Some(used),
                latency,
                watched: Some(20),
                ..Flow::default()
            };
            let flowed = virtually(flow.run())?;
            let mut row = vec![text(what)];
            let most = most.filter(|_| name == "s3");
            row.extend(cells(
                flowed.to_start,
                flowed.to_record,
                flowed.to_result,
                most,
            ));
            table.row(name, row);
        }
    }
    Ok(table)
}
