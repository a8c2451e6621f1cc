//! What a claim costs and how long it takes behind tasks that wait.

use oq_core::Result;

use super::burst::{Burst, Come, Ran};
use super::caps::{HUNDRED, LONE, Most, cells, head};
use super::flow::{Flow, Flowed};
use super::front::Front;
use super::world::virtually;
use crate::plot::{Chart, Picture, Series};
use crate::table::{Cell, Table, at_most, number, plain, text};

const EACH: u64 = 100_000;

const FRONTS: [Front; 4] = [
    Front::Nothing,
    Front::Delayed(EACH),
    Front::PutOff(EACH),
    Front::Both(EACH),
];

/// No more than a fifth is added.
const FIFTH: f64 = 1.2;

/// The tables and the picture of `oq-bench print front`.
pub fn tables() -> Result<(Vec<Table>, Vec<Picture>)> {
    let lone = bursts(
        "A burst of 10,000 lone tasks behind tasks that wait",
        &Burst::default(),
        LONE,
    )?;
    let packed = Burst {
        tasks: 100_000,
        pack: 100,
        ..Burst::default()
    };
    let short = bursts(
        "A burst of 100,000 tasks, 100 to an object, behind tasks that wait",
        &packed,
        HUNDRED,
    )?;
    let long = Burst {
        tasks: 1_000_000,
        ..packed
    };
    let long = bursts(
        "A burst of 1,000,000 tasks, 100 to an object, behind tasks that wait",
        &long,
        HUNDRED,
    )?;
    let (crowd, picture) = crowd()?;
    Ok((vec![lone, short, long, one_by_one()?, crowd], vec![picture]))
}

/// Cost, requests and time, each against what they are with nothing in front.
#[derive(Clone, Copy)]
struct Free {
    cost: f64,
    requests: f64,
    seconds: f64,
}

impl Free {
    fn of(ran: &Ran) -> Free {
        Free {
            cost: ran.per_million(),
            requests: ran.a_task(ran.all.total()),
            seconds: ran.seconds,
        }
    }

    fn cells(self, ran: &Ran) -> [Cell; 3] {
        let now = Free::of(ran);
        let ratio = |now: f64, free: f64| at_most(now / free, "×", FIFTH);
        [
            ratio(now.cost, self.cost),
            ratio(now.requests, self.requests),
            ratio(now.seconds, self.seconds),
        ]
    }
}

fn bursts(title: &str, load: &Burst, most: Most) -> Result<Table> {
    let mut head = head(&["in front", "workers"]);
    head.extend(["seconds", "cost", "requests", "time"]);
    let note =
        "Ten workers, S3's latencies. The ratios are to the same burst with nothing in front.";
    let mut table = Table::grid(title, note, &head);
    for come in [Come::Before, Come::After] {
        let mut free = None;
        for front in FRONTS {
            let burst = Burst {
                front,
                come,
                ..*load
            };
            let ran = virtually(burst.run())?;
            let free = *free.get_or_insert(Free::of(&ran));
            let mut row = vec![text(match come {
                Come::Before => "idle",
                Come::After => "start",
            })];
            row.extend(cells(&ran, most));
            row.push(plain(ran.seconds, "s"));
            row.extend(free.cells(&ran));
            table.row(front.what(), row);
        }
    }
    Ok(table)
}

fn ten_a_second(front: Front) -> Result<Flowed> {
    let flow = Flow {
        front,
        rate: 10.0,
        seconds: 300,
        workers: 4,
        producers: 1,
        ..Flow::default()
    };
    virtually(flow.run())
}

fn one_by_one() -> Result<Table> {
    let mut table = Table::grid(
        "Ten tasks a second behind tasks that wait",
        "Four workers, S3's latencies, for five minutes: how long from a submission to the handler, and what it costs.",
        &[
            "in front",
            "p50",
            "p95",
            "p99",
            "requests a task",
            "time (p50)",
            "requests",
        ],
    );
    let mut free = None;
    for front in FRONTS {
        let flowed = ten_a_second(front)?;
        let start = flowed.to_start;
        let requests = flowed.ran.a_task(flowed.ran.all.total());
        let (p50, each) = *free.get_or_insert((start.p50, requests));
        table.row(
            front.what(),
            vec![
                plain(start.p50, "s"),
                plain(start.p95, "s"),
                plain(start.p99, "s"),
                plain(requests, ""),
                at_most(start.p50 / p50, "×", FIFTH),
                at_most(requests / each, "×", FIFTH),
            ],
        );
    }
    Ok(table)
}

fn crowd() -> Result<(Table, Picture)> {
    let mut table = Table::grid(
        "A growing crowd in front",
        "So many delayed urgent tasks and as many rate-limited ones. The burst of 10,000 lone tasks on ten workers that start at that moment, and ten a second on four workers, as above.",
        &[
            "of each in front",
            "burst: requests a task",
            "seconds",
            "ten a second: requests a task",
            "start p50",
        ],
    );
    let (mut burst_asks, mut flow_asks) = (Vec::new(), Vec::new());
    let (mut took, mut start) = (Vec::new(), Vec::new());
    for each in [0, 1_000, 10_000, EACH] {
        let front = if each == 0 {
            Front::Nothing
        } else {
            Front::Both(each)
        };
        let burst = Burst {
            front,
            come: Come::After,
            ..Burst::default()
        };
        let ran = virtually(burst.run())?;
        let flowed = ten_a_second(front)?;
        let asks = |ran: &Ran| ran.a_task(ran.all.total());
        let at = each as f64;
        burst_asks.push((at, asks(&ran)));
        took.push((at, ran.seconds));
        flow_asks.push((at, asks(&flowed.ran)));
        start.push((at, flowed.to_start.p50));
        let row = vec![
            plain(asks(&ran), ""),
            plain(ran.seconds, "s"),
            plain(asks(&flowed.ran), ""),
            plain(flowed.to_start.p50, "s"),
        ];
        table.row(number(at), row);
    }
    let chart = |title, series| Chart::new(title, "of each in front", series);
    let picture = Picture::new(
        "front",
        vec![
            chart(
                "requests a task",
                vec![
                    Series::new("burst", burst_asks),
                    Series::new("ten a second", flow_asks),
                ],
            ),
            chart(
                "burst: seconds until all have run",
                vec![Series::new("burst", took)],
            ),
            chart(
                "ten a second: seconds to start",
                vec![Series::new("p50", start)],
            ),
        ],
    );
    let shown = picture.markdown("Requests a task, seconds of a burst and the wait for the start over the number of tasks in front");
    Ok((table.below(&shown), picture))
}
