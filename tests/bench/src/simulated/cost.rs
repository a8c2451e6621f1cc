//! Requests a task, counted at the store.

use std::time::Duration;

use oq_core::Result;
use oq_core::store::{Latency, Prices};

use super::burst::{Burst, Come, Ran};
use super::caps::{HUNDRED, LONE, Most, cells, head};
use super::crew::{Hands, Work};
use super::flow::Flow;
use super::world::virtually;
use crate::table::{Cell, Table, at_most, plain, text};

/// The tables of `oq-bench print cost`.
pub fn tables() -> Result<Vec<Table>> {
    Ok(vec![
        lone()?,
        packed()?,
        steady()?,
        contention()?,
        hardship()?,
        beside()?,
    ])
}

fn come(come: Come) -> Cell {
    text(match come {
        Come::Before => "are there, idle",
        Come::After => "start at that moment",
    })
}

fn lone() -> Result<Table> {
    let mut table = Table::grid(
        "A burst of 10,000 lone tasks, ten workers",
        "From the submission to the end of the last worker: rings, discovery, presence and shutdown are included.",
        &head(&["the workers", "seconds"]),
    );
    for when in [Come::Before, Come::After] {
        let burst = Burst {
            come: when,
            ..Burst::default()
        };
        let ran = virtually(burst.run())?;
        let mut row = vec![plain(ran.seconds, "s")];
        row.extend(cells(&ran, LONE));
        table.row(come(when).to_string(), row);
    }
    Ok(table)
}

fn packed() -> Result<Table> {
    let mut table = Table::grid(
        "Tasks that share objects",
        "Submitted at once, as many to an object as the first column says.",
        &head(&["to an object", "tasks", "workers", "that"]),
    );
    for (pack, tasks) in [(10, 100_000), (100, 100_000), (1000, 1_000_000)] {
        for workers in [1, 10] {
            for when in [Come::Before, Come::After] {
                let burst = Burst {
                    tasks,
                    pack,
                    workers,
                    come: when,
                    ..Burst::default()
                };
                let ran = virtually(burst.run())?;
                let most = if pack == 100 {
                    HUNDRED
                } else {
                    Most::default()
                };
                let mut row = vec![
                    plain(tasks as f64, ""),
                    plain(workers as f64, ""),
                    come(when),
                ];
                row.extend(cells(&ran, most));
                table.row(pack.to_string(), row);
            }
        }
    }
    // Few objects: what ten workers cost by being there weighs more.
    for when in [Come::Before, Come::After] {
        let burst = Burst {
            tasks: 10_000,
            pack: 100,
            come: when,
            ..Burst::default()
        };
        let ran = virtually(burst.run())?;
        let mut row = vec![plain(10_000.0, ""), plain(10.0, ""), come(when)];
        row.extend(cells(&ran, HUNDRED));
        table.row("100", row);
    }
    Ok(table)
}

fn steady() -> Result<Table> {
    let mut table = Table::grid(
        "Lone tasks at a steady rate",
        "Each at a random moment, from four producers (one below 100 a second); a minute (ten below 100 a second) after half a minute of settling. Tries in vain are claims that somebody else won, and objects found held when they were read, for each claim.",
        &head(&["a second", "workers", "tries in vain"]),
    );
    let fast = Most {
        put: Some(3.15),
        get: Some(2.7),
        list: Some(0.4),
        dollars: Some(19.0),
    };
    for (rate, workers) in [
        (1.0, 1),
        (10.0, 1),
        (10.0, 10),
        (100.0, 10),
        (1000.0, 10),
        (1000.0, 50),
    ] {
        let flow = Flow {
            rate,
            workers,
            producers: if rate < 100.0 { 1 } else { 4 },
            seconds: if rate < 100.0 { 600 } else { 60 },
            ..Flow::default()
        };
        let flowed = virtually(flow.run())?;
        let hardest = rate == 1000.0 && workers == 50;
        let vain = flowed.ran.tries.in_vain();
        let mut row = vec![
            plain(workers as f64, ""),
            if hardest {
                at_most(vain, "", 0.2)
            } else {
                plain(vain, "")
            },
        ];
        row.extend(cells(
            &flowed.ran,
            if hardest { fast } else { Most::default() },
        ));
        table.row(format!("{rate}"), row);
    }
    Ok(table)
}

fn contention() -> Result<Table> {
    let mut table = Table::grid(
        "More workers on one queue",
        "Bursts on workers that are there: 10,000 lone tasks, and 100,000 with 100 to an object. Lone tasks at a steady rate for a minute, at 1,000 a second on workers with 128 slots, since one with 32 could not keep up. The ratio is to one worker, which takes all at once: more must not cost a tenth more.",
        &head(&["load", "workers", "cost"]),
    );
    let burst = |workers, tasks, pack| {
        let burst = Burst {
            tasks,
            pack,
            workers,
            ..Burst::default()
        };
        virtually(burst.run())
    };
    let flow = |workers, rate, slots| {
        let flow = Flow {
            rate,
            workers,
            hands: Hands {
                slots,
                ..Hands::default()
            },
            ..Flow::default()
        };
        virtually(flow.run()).map(|flowed| flowed.ran)
    };
    compare(&mut table, "burst", |workers| burst(workers, 10_000, 1))?;
    compare(&mut table, "burst, 100 to an object", |workers| {
        burst(workers, 100_000, 100)
    })?;
    compare(&mut table, "200 a second", |workers| {
        flow(workers, 200.0, 32)
    })?;
    compare(&mut table, "1,000 a second", |workers| {
        flow(workers, 1000.0, 128)
    })?;
    Ok(table)
}

/// Rows of the same load on ever more workers.
fn compare(table: &mut Table, load: &str, run: impl Fn(usize) -> Result<Ran>) -> Result<()> {
    let mut first = None;
    for workers in [1, 10, 50] {
        let ran = run(workers)?;
        let cost = ran.per_million();
        let one = *first.get_or_insert(cost);
        let mut row = vec![plain(workers as f64, ""), at_most(cost / one, "×", 1.1)];
        row.extend(cells(&ran, Most::default()));
        table.row(load, row);
    }
    Ok(())
}

fn hardship() -> Result<Table> {
    let mut table = Table::grid(
        "Tasks that are tried again, and long ones",
        "Ten workers. A retry is one PUT, and its claim 2 GET and 1 PUT. A lease of 30 s is renewed every 10 s: one PUT each, five in 55 s. What the workers write to show that they are there, while they work for minutes, is included.",
        &head(&["tasks", "how many"]),
    );
    let long = Duration::from_secs(55);
    for (what, tasks, pack, work, most) in [
        (
            "lone, the first attempt fails",
            10_000,
            1,
            Work::FailsFirst,
            Most {
                put: Some(5.1),
                get: Some(4.4),
                list: Some(0.1),
                ..Most::default()
            },
        ),
        (
            "100 to an object, each first attempt fails",
            10_000,
            100,
            Work::FailsFirst,
            Most {
                put: Some(0.06),
                ..Most::default()
            },
        ),
        (
            "lone, 55 s long",
            3_000,
            1,
            Work::Takes(long),
            Most {
                put: Some(8.2),
                ..Most::default()
            },
        ),
        (
            "100 to an object, 55 s long",
            3_000,
            100,
            Work::Takes(long),
            Most::default(),
        ),
    ] {
        let burst = Burst {
            tasks,
            pack,
            hands: Hands {
                work,
                ..Hands::default()
            },
            ..Burst::default()
        };
        let ran = virtually(burst.run())?;
        let mut row = vec![plain(tasks as f64, "")];
        row.extend(cells(&ran, most));
        table.row(what, row);
    }
    Ok(table)
}

/// The other queue's figures: not measured here, and no publication of them is known to us.
const OTHER: (f64, f64, f64) = (7.7, 2.4, 9.3);
const OTHER_IDLE_LISTS: f64 = 546.0;

/// What Amazon SQS charges a request, standard queues, us-east-1, 2026; 64 KiB of payload are one.
const SQS: f64 = 0.40;

fn beside() -> Result<Table> {
    let (put, list, get) = OTHER;
    let mut table = Table::grid(
        "Beside others",
        &format!(
            "Dollars a million tasks. What is not oq's is not measured here. SQS by its price list of 2026, ${SQS:.2} a million requests: send, receive and delete are one each, and up to ten messages go in one; an idle consumer that polls for 20 s at a time asks 131,400 times a month. S3 Express by its price list of 2026, ${} a million PUT and LIST, ${} a million GET. The other queue on S3 keeps an index of what is ready and one of leases; the notes that oq was designed by, of 2026, give {put} PUT, {list} LIST and {get} GET a task for it, measured on LocalStack with ten workers, and {OTHER_IDLE_LISTS} LIST a minute for one idle worker, and do not name it.",
            Prices::S3_EXPRESS.put,
            Prices::S3_EXPRESS.get
        ),
        &["", "$ a million tasks", "$ a month idle, one worker"],
    );
    let lone = virtually(Burst::default().run())?;
    let express = Burst {
        latency: Latency::EXPRESS,
        ..Burst::default()
    };
    let express = virtually(express.run())?;
    let packed = Burst {
        tasks: 100_000,
        pack: 100,
        ..Burst::default()
    };
    let packed = virtually(packed.run())?;
    let on_express = express.all.cost(&Prices::S3_EXPRESS) * 1e6 / express.tasks as f64;
    table.row(
        "oq, lone tasks",
        vec![plain(lone.per_million(), "$"), text("see above")],
    );
    table.row(
        "oq, lone tasks on S3 Express",
        vec![plain(on_express, "$"), text("")],
    );
    table.row(
        "oq, 100 to an object",
        vec![plain(packed.per_million(), "$"), text("see above")],
    );
    let idle = SQS * 131_400.0 / 1e6;
    table.row(
        "SQS, one message to a request",
        vec![plain(3.0 * SQS, "$"), plain(idle, "$")],
    );
    table.row(
        "SQS, ten messages to a request",
        vec![plain(0.3 * SQS, "$"), plain(idle, "$")],
    );
    let prices = Prices::S3_STANDARD;
    let other = put * prices.put + list * prices.list + get * prices.get;
    let idle = OTHER_IDLE_LISTS * 60.0 * 730.0 * prices.list / 1e6;
    table.row(
        "another queue on S3, as told",
        vec![plain(other, "$"), plain(idle, "$")],
    );
    Ok(table)
}
