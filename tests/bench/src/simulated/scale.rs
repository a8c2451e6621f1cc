//! How cost and speed change with the number of workers, shards and waiting tasks.

use oq_core::Result;

use super::backlog::{Backlog, PACK};
use super::burst::Burst;
use super::flow::Flow;
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

const HEAD: [&str; 8] = [
    "PUT a task",
    "GET a task",
    "LIST a task",
    "$ a million",
    "tasks a second",
    "start p50",
    "cost",
    "start",
];

/// As flat as a claim behind a crowd has to be.
const FLAT: f64 = 1.2;

fn workers() -> Result<(Table, Picture)> {
    grown(
        "workers",
        "A burst of 20,000 lone tasks on 16 shards; the workers are there, with 32 slots each, and wait for S3's answers only. The start is of tasks at 200 a second, for a minute, on as many workers: from the submission to the handler. The ratios are to one worker.",
        1,
        |workers| (workers, 16),
    )
}

fn shards() -> Result<(Table, Picture)> {
    let note = "The same on ten workers; the ratios are to 16 shards.";
    grown("shards", note, 16, |shards| (10, shards as u16))
}

/// A burst and a steady rate on ever more of something: of workers, and of shards.
fn grown(
    what: &str,
    note: &str,
    base: usize,
    of: impl Fn(usize) -> (usize, u16),
) -> Result<(Table, Picture)> {
    let mut table = Table::grid(
        &format!("From 1 to 64 {what}"),
        note,
        &[&[what], &HEAD[..]].concat(),
    );
    let mut all = Vec::new();
    for many in DOUBLING {
        let (workers, shards) = of(many);
        let burst = Burst {
            tasks: 20_000,
            workers,
            shards,
            ..Burst::default()
        };
        let flow = Flow {
            rate: 200.0,
            workers,
            shards,
            ..Flow::default()
        };
        let ran = virtually(burst.run())?;
        all.push((many, ran, virtually(flow.run())?.to_start.p50));
    }
    let base = all.iter().find(|(many, ..)| *many == base);
    let (_, base, soon) = *base.expect("it is one of the doublings");
    let (mut cost, mut rate, mut start) = (Vec::new(), Vec::new(), Vec::new());
    for (many, ran, wait) in all {
        let dollars = ran.per_million();
        table.row(
            many.to_string(),
            vec![
                plain(ran.a_task(ran.all.put()), ""),
                plain(ran.a_task(ran.all.get()), ""),
                plain(ran.a_task(ran.all.list()), ""),
                plain(dollars, "$"),
                plain(ran.rate(), ""),
                plain(wait, "s"),
                at_most(dollars / base.per_million(), "×", FLAT),
                at_most(wait / soon, "×", FLAT),
            ],
        );
        cost.push((many as f64, dollars));
        rate.push((many as f64, ran.rate()));
        start.push((many as f64, wait));
    }
    let lone = |title, points| Chart::new(title, what, vec![Series::new("lone", points)]);
    let picture = Picture::new(
        what,
        vec![
            lone("tasks a second", rate).log_y(),
            lone("$ a million tasks", cost),
            lone("200 a second: seconds to start", start),
        ],
    );
    let shown = picture.markdown(&format!(
        "Tasks a second, dollars a million and the wait for the start over the number of {what}"
    ));
    Ok((table.below(&shown), picture))
}

fn waiting() -> Result<(Table, Picture)> {
    let mut table = Table::grid(
        "From a thousand to ten million waiting tasks",
        &format!(
            "{PACK} to an object. Four workers start and work off 500,000 of them (or all), while an urgent task comes every 50 ms: what a task takes, start of the workers included, and how long the urgent ones wait. Smaller backlogs than a million are worked off before the workers have settled, and their urgent tasks find free slots: the ratios are to a million."
        ),
        &[
            "waiting tasks",
            "requests an object",
            "seconds",
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
        let base = (tasks >= 1_000_000).then(|| *first.get_or_insert((object, urgent.p50)));
        let ratio = |now: f64, base: Option<f64>| match base {
            Some(base) => at_most(now / base, "×", FLAT),
            None => crate::table::text(""),
        };
        table.row(
            crate::table::number(tasks as f64),
            vec![
                plain(object, ""),
                plain(ran.seconds, "s"),
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
