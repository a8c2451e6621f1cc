//! What a month costs at list prices, from what was counted.

use oq_core::store::Prices;

use crate::counts::Counted;

/// Dollars an invocation, us-east-1, 2026.
const INVOCATION: f64 = 0.20 / 1e6;

/// Dollars a second of one GB on ARM.
const GB_SECOND: f64 = 0.000_013_333_4;

/// The memory of the templates.
const GB: f64 = 0.25;

/// Ticks of a month of 730 hours, one a minute.
const TICKS: f64 = 730.0 * 60.0;

/// Dollars, by what they are paid for.
struct Bill {
    store: f64,
    invocations: f64,
    time: f64,
}

impl Bill {
    /// Of one of these.
    fn each(counted: &Counted) -> Bill {
        let times = counted.times as f64;
        Bill {
            store: counted.requests.cost(&Prices::S3_STANDARD) / times,
            invocations: counted.invocations as f64 / times * INVOCATION,
            time: counted.billed.as_secs_f64() / times * GB * GB_SECOND,
        }
    }

    fn all(&self) -> f64 {
        self.store + self.invocations + self.time
    }
}

/// The table of costs.
pub fn markdown(lone: &Counted, packed: &Counted, tick: &Counted) -> String {
    let (lone, packed, tick) = (Bill::each(lone), Bill::each(packed), Bill::each(tick));
    let schedule = tick.all() * TICKS;
    let mut table = String::from("| a month | lone | packed |\n|---|---|---|\n");
    let mut row = |what: &str, lone: f64, packed: f64| {
        table.push_str(&format!(
            "| {what} | {} | {} |\n",
            dollars(lone),
            dollars(packed)
        ));
    };
    let parts = [
        ("requests to S3", lone.store, packed.store),
        ("invocations", lone.invocations, packed.invocations),
        ("their time", lone.time, packed.time),
    ];
    for (what, lone, packed) in parts {
        row(
            &format!("{what}, a million tasks"),
            lone * 1e6,
            packed * 1e6,
        );
    }
    row("the schedule of a queue", schedule, schedule);
    for (what, tasks) in [
        ("10 thousand", 1e4),
        ("1 million", 1e6),
        ("100 million", 1e8),
    ] {
        let sum = |bill: &Bill| bill.all() * tasks + schedule;
        row(&format!("**{what} tasks**"), sum(&lone), sum(&packed));
    }
    table
}

fn dollars(amount: f64) -> String {
    match amount {
        a if a >= 1000.0 => format!("${},{:03.0}", (a / 1000.0).trunc(), a % 1000.0),
        a if a >= 100.0 => format!("${a:.0}"),
        a => format!("${a:.2}"),
    }
}
