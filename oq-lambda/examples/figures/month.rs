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

/// Dollars an alarm, and a metric of one's own, beyond those that are free.
const ALARM: f64 = 0.10;
const METRIC: f64 = 0.30;

/// What the templates make of them, without schedules and a function that only submits: failed tasks are
/// such a metric.
const ALARMS: f64 = 5.0;

/// What a million tasks ask for, submission included, from which the bill follows.
pub fn asked(lone: &Counted, packed: &Counted) -> String {
    let mut table = String::from(
        "| a million tasks, with their submission | GET | PUT | DELETE | LIST | invocations | seconds |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for (what, counted) in [("lone", lone), ("packed", packed)] {
        let r = &counted.requests;
        let counts = [r.get(), r.put(), r.delete(), r.list(), counted.invocations];
        let of_million = |n: f64| grouped((n / counted.times as f64 * 1e6).round() as u64);
        let cells = counts.map(|n| of_million(n as f64)).join(" | ");
        let seconds = of_million(counted.billed.as_secs_f64());
        table.push_str(&format!("| {what} | {cells} | {seconds} |\n"));
    }
    let of = &Prices::S3_STANDARD;
    let [get, put, delete, list] = [of.get, of.put, of.delete, of.list].map(dollars);
    let (invocation, second) = (dollars(INVOCATION * 1e6), dollars(GB * GB_SECOND * 1e6));
    table.push_str(&format!(
        "| the price of a million | {get} | {put} | {delete} | {list} | {invocation} | {second} |\n"
    ));
    table
}

fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
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
    let watched = ALARMS * ALARM + METRIC;
    row("its alarms and their metric", watched, watched);
    for (what, tasks) in [
        ("10 thousand", 1e4),
        ("1 million", 1e6),
        ("100 million", 1e8),
    ] {
        let sum = |bill: &Bill| bill.all() * tasks + schedule + watched;
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
