//! The requests of each kind of event, counted at a store with S3's latencies on virtual time.

use std::time::Duration;

use oq_core::Result;
use oq_core::queue::Task;
use oq_core::store::Requests;

use crate::region::{PACK, Region};
use crate::table::Table;

const TICK: &str = r#"{ "detail-type": "Scheduled Event", "source": "aws.events" }"#;

const LONE: u64 = 200;
const PACKS: u64 = 50;
const TICKS: u64 = 1200;
const STALE: u64 = 20;

/// One kind of thing, done many times.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted {
    pub what: &'static str,
    /// How many times it was done.
    pub times: u64,
    pub requests: Requests,
    pub invocations: u64,
    /// What Lambda bills: each invocation's time in whole milliseconds.
    pub billed: Duration,
}

impl Counted {
    fn of(what: &'static str) -> Counted {
        Counted {
            what,
            ..Counted::default()
        }
    }
}

/// What a lone task is from its submission to its end, and the kinds of events that it causes.
pub struct Lone {
    pub whole: Counted,
    pub event: Counted,
    pub own: Counted,
    pub at_once: Counted,
    pub later: Counted,
}

/// What a process asks before its first event.
pub async fn cold() -> Result<Counted> {
    let url = "memory:cold";
    let _made = oq_lambda::open(url, None).await?;
    Ok(Counted {
        times: 1,
        requests: oq_lambda::open(url, None).await?.requests(),
        ..Counted::of("a cold start")
    })
}

/// Tasks one by one, a second apart.
pub async fn lone() -> Result<Lone> {
    let region = Region::new();
    let producer = region.queue().await?;
    let function = region.function(1).await?;
    let mut lone = Lone {
        whole: Counted::of("a lone task"),
        event: Counted::of("a lone task by its event, settings read within a minute"),
        own: Counted::of("the event of an own write"),
        at_once: Counted::of("the same event again, at once"),
        later: Counted::of("the same event again, ten minutes later"),
    };
    let mut events = Vec::new();
    for n in 0..LONE {
        let before = region.requests();
        producer.submit(Task::new("work", &n)?).await?;
        lone.whole.requests = lone.whole.requests + (region.requests() - before);
        lone.whole.times += 1;
        for event in region.events() {
            let into = &mut [&mut lone.event, &mut lone.whole];
            let answer = region.answer(&function, &event, into).await?;
            assert_eq!(answer["completed"], 1, "{answer}");
            lone.event.times += 1;
            events.push(event);
        }
        while !region.is_quiet() {
            for event in region.events() {
                let into = &mut [&mut lone.own, &mut lone.whole];
                region.answer(&function, &event, into).await?;
                lone.own.times += 1;
            }
        }
        let again = events.last().expect("a task was told of");
        let answer = region
            .answer(&function, again, &mut [&mut lone.at_once])
            .await?;
        assert_eq!(answer["leads"]["over"], 1, "{answer}");
        lone.at_once.times += 1;
        region.pause(1).await;
    }
    for event in events {
        region.pause(600).await;
        let answer = region
            .answer(&function, &event, &mut [&mut lone.later])
            .await?;
        assert_eq!(answer["leads"]["over"], 1, "{answer}");
        lone.later.times += 1;
    }
    region.assert_empty().await?;
    Ok(lone)
}

/// Tasks one by one, so far apart that the function reads the settings again for each.
pub async fn stale() -> Result<Counted> {
    let region = Region::new();
    let producer = region.queue().await?;
    let function = region.function(1).await?;
    let mut counted = Counted::of("a lone task by its event, settings older than a minute");
    for n in 0..STALE {
        region.pause(90).await;
        producer.submit(Task::new("work", &n)?).await?;
        for event in region.events() {
            let into = &mut [&mut counted];
            let answer = region.answer(&function, &event, into).await?;
            assert_eq!(answer["completed"], 1, "{answer}");
            counted.times += 1;
        }
        region.events();
    }
    assert_eq!(counted.times, STALE);
    region.assert_empty().await?;
    Ok(counted)
}

/// Tasks that share objects, run one after the other as if they computed.
pub async fn packed() -> Result<Counted> {
    let region = Region::new();
    let producer = region.queue().await?;
    let function = region.function(1).await?;
    let mut counted = Counted::of("a packed task");
    for _ in 0..PACKS {
        let before = region.requests();
        region.submit(&producer, PACK).await?;
        counted.requests = counted.requests + (region.requests() - before);
        counted.times += PACK as u64;
        while !region.is_quiet() {
            for event in region.events() {
                let into = &mut [&mut counted];
                region.answer(&function, &event, into).await?;
            }
        }
        region.pause(1).await;
    }
    region.assert_empty().await?;
    Ok(counted)
}

/// A thousand packed tasks in one invocation.
pub async fn thousand() -> Result<Counted> {
    let region = Region::new();
    let producer = region.queue().await?;
    let function = region.function(32).await?;
    region.submit(&producer, 1000).await?;
    let mut counted = Counted::of("1,000 packed tasks in one invocation");
    counted.times = 1;
    let drain = r#"{ "drain": true }"#;
    let answer = region.answer(&function, drain, &mut [&mut counted]).await?;
    assert_eq!(answer["completed"], 1000, "{answer}");
    Ok(counted)
}

/// Minutes in which nothing happens.
pub async fn tick() -> Result<Counted> {
    let region = Region::new();
    let function = region.function(32).await?;
    let mut counted = Counted::of("a tick with nothing to do");
    for _ in 0..TICKS {
        region.pause(60).await;
        region.answer(&function, TICK, &mut [&mut counted]).await?;
        counted.times += 1;
    }
    Ok(counted)
}

/// The table of requests.
pub fn markdown(rows: &[&Counted]) -> String {
    let mut table = String::from("| | GET | PUT | DELETE | LIST |\n|---|---|---|---|---|\n");
    for row in rows {
        let each = |n: u64| match n % row.times {
            0 => format!("{}", n / row.times),
            _ => format!("{:.2}", n as f64 / row.times as f64),
        };
        let r = &row.requests;
        let cells = [r.get(), r.put(), r.delete(), r.list()]
            .map(each)
            .join(" | ");
        table.push_str(&format!("| {} | {cells} |\n", row.what));
    }
    table
}

/// What is promised of them.
pub fn bounds(lone: &Lone, stale: &Counted, thousand: &Counted) -> Table {
    let mut table = Table::new("Counted, and held to a bound:".into());
    let each = |counted: &Counted, n: u64| n as f64 / counted.times as f64;
    let (event, r) = (&lone.event, &lone.event.requests);
    for (verb, n, most) in [
        // The settings are read again once a minute.
        ("GET", r.get(), 2.0 + 1.5 / 60.0),
        ("PUT", r.put(), 2.0),
        ("DELETE", r.delete(), 1.0),
        ("LIST", r.list(), 0.0),
    ] {
        let what = format!("{verb} of a lone task by its event");
        table.bound(what, each(event, n), "", most);
    }
    let settings = each(stale, stale.requests.get());
    let what = "GET of a lone task, settings older than a minute";
    table.bound(what, settings, "", 3.0);
    let own = each(&lone.own, lone.own.requests.total());
    table.bound("requests of an own write's event", own, "", 0.0);
    let invocations = each(&lone.whole, lone.whole.invocations);
    table.bound("invocations of a lone task", invocations, "", 2.0);
    let invocations = thousand.invocations as f64;
    table.bound("invocations of 1,000 packed tasks", invocations, "", 1.0);
    let requests = thousand.requests.total() as f64;
    table.bound("their requests", requests, "", 200.0);
    table
}
