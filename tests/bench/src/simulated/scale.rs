//! How cost and speed change with the number of workers, shards and waiting tasks.

use oq_core::Result;

use super::backlog::{Backlog, PACK};
use super::burst::Burst;
use super::world::virtually;
use crate::plot::{Chart, Picture, Series};
use crate::table::{Table, at_most, plain};

const DOUBLING: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const WAITING: [u64; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// The tables and pictures of `oq-bench print scale`.
pub fn tables() -> Result<(Vec<Table>, Vec<Picture>)> {
    let (workers, a) = workers()?;
    let (shards, b) = shards()?;
    let (waiting, c) = waiting()?;
    Ok((vec![workers, shards, waiting], vec![a, b, c]))
}

const HEAD: [&str; 5] = [
    "PUT a task",
    "GET a task",
    "LIST a task",
    "$ a million",
    "tasks a second",
];

fn workers() -> Result<(Table, Picture)> {
    let mut table = Table::grid(
        "From 1 to 64 workers",
        "A burst of 20,000 lone tasks on 16 shards; the workers are there, with 32 slots each, and wait for S3's answers only.",
        &[&["workers"], &HEAD[..]].concat(),
    );
    let (mut cost, mut rate) = (Vec::new(), Vec::new());
    for workers in DOUBLING {
        let ran = virtually(
            Burst {
                tasks: 20_000,
                workers,
                ..Burst::default()
            }
            .run(),
        )?;
        table.row(workers.to_string(), row(&ran));
        cost.push((workers as f64, ran.per_million()));
        rate.push((workers as f64, ran.rate()));
    }
    let picture = Picture::new(
        "workers",
        vec![
            Chart::new("tasks a second", "workers", vec![Series::new("lone", rate)]).log_y(),
            Chart::new(
                "$ a million tasks",
                "workers",
                vec![Series::new("lone", cost)],
            ),
        ],
    );
    Ok((
        table.below(
            &picture.markdown("Tasks a second and dollars a million over the number of workers"),
        ),
        picture,
    ))
}

fn row(ran: &super::burst::Ran) -> Vec<crate::table::Cell> {
    vec![
        plain(ran.a_task(ran.all.put()), ""),
        plain(ran.a_task(ran.all.get()), ""),
        plain(ran.a_task(ran.all.list()), ""),
        plain(ran.per_million(), "$"),
        plain(ran.rate(), ""),
    ]
}

fn shards() -> Result<(Table, Picture)> {
    let mut table = Table::grid(
        "From 1 to 64 shards",
        "The same burst on ten workers.",
        &[&["shards"], &HEAD[..]].concat(),
    );
    let (mut cost, mut rate) = (Vec::new(), Vec::new());
    for shards in DOUBLING {
        let ran = virtually(
            Burst {
                tasks: 20_000,
                shards: shards as u16,
                ..Burst::default()
            }
            .run(),
        )?;
        table.row(shards.to_string(), row(&ran));
        cost.push((shards as f64, ran.per_million()));
        rate.push((shards as f64, ran.rate()));
    }
    let picture = Picture::new(
        "shards",
        vec![
            Chart::new("tasks a second", "shards", vec![Series::new("lone", rate)]),
            Chart::new(
                "$ a million tasks",
                "shards",
                vec![Series::new("lone", cost)],
            ),
        ],
    );
    Ok((
        table.below(
            &picture.markdown("Tasks a second and dollars a million over the number of shards"),
        ),
        picture,
    ))
}

fn waiting() -> Result<(Table, Picture)> {
    let mut table = Table::grid(
        "From a thousand to ten million waiting tasks",
        &format!(
            "{PACK} to an object. Four workers start and work off 500,000 of them (or all), while an urgent task comes every 50 ms: what a task takes, start of the workers included, and how long the urgent ones wait."
        ),
        &[
            "waiting tasks",
            "requests an object",
            "tasks a second",
            "urgent p50",
            "urgent p99",
            "requests",
            "urgent p50",
        ],
    );
    let (mut each, mut rate, mut wait) = (Vec::new(), Vec::new(), Vec::new());
    let mut first = None;
    for tasks in WAITING {
        let worked = virtually(Backlog { tasks, workers: 4 }.run())?;
        let ran = &worked.ran;
        let object = ran.all.total() as f64 / ran.tries.claimed.max(1) as f64;
        let urgent = worked.urgent;
        // Below that the workers run dry before they have settled.
        let base = (tasks >= 1_000_000).then(|| *first.get_or_insert((object, urgent.p50)));
        let ratio = |now: f64, base: Option<f64>| match base {
            Some(base) => at_most(now / base, "×", 1.2),
            None => crate::table::text(""),
        };
        table.row(
            crate::table::number(tasks as f64),
            vec![
                plain(object, ""),
                plain(ran.rate(), ""),
                plain(urgent.p50, "s"),
                plain(urgent.p99, "s"),
                ratio(object, base.map(|b| b.0)),
                ratio(urgent.p50, base.map(|b| b.1)),
            ],
        );
        each.push((tasks as f64, object));
        rate.push((tasks as f64, ran.rate()));
        wait.push((tasks as f64, urgent.p50));
    }
    let picture = Picture::new(
        "backlog",
        vec![
            Chart::new(
                "requests an object of 100 tasks",
                "waiting tasks",
                vec![Series::new("all requests", each)],
            ),
            Chart::new(
                "tasks a second",
                "waiting tasks",
                vec![Series::new("packed by 100", rate)],
            ),
            Chart::new(
                "urgent task: seconds to start",
                "waiting tasks",
                vec![Series::new("p50", wait)],
            ),
        ],
    );
    Ok((table.below(&picture.markdown("Requests, tasks a second and the wait of an urgent task over the number of waiting tasks")), picture))
}
