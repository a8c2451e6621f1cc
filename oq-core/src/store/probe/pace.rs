//! How long the store takes, and what its clock shows.

use std::time::Duration;

use serde::Serialize;

use super::finding::Finding;
use super::ground::{Ground, Tried};
use crate::store::{Etag, Verb, Write};
use crate::time::StoreTime;

/// How long one kind of request takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pace {
    /// Which.
    pub verb: &'static str,
    /// How many were timed.
    pub samples: usize,
    /// Half of them took no longer, in microseconds.
    pub p50_us: u64,
    /// Of a hundred, 99 took no longer.
    pub p99_us: u64,
}

/// Above this the default lease leaves too little room for repetitions.
const SLOW: Duration = Duration::from_secs(2);

fn pace(verb: Verb, mut took: Vec<Duration>) -> Pace {
    took.sort();
    let at = |percent: usize| {
        let rank = (took.len() * percent).div_ceil(100).saturating_sub(1);
        let time = took.get(rank).copied().unwrap_or_default();
        u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
    };
    Pace {
        verb: verb.as_str(),
        samples: took.len(),
        p50_us: at(50),
        p99_us: at(99),
    }
}

/// Times each verb, one request at a time.
pub(super) async fn measure(ground: &Ground, samples: usize) -> Tried<Vec<Pace>> {
    const KINDS: [Verb; 6] = [
        Verb::Create,
        Verb::Get,
        Verb::GetIfChanged,
        Verb::Update,
        Verb::List,
        Verb::Delete,
    ];
    let mut took: [Vec<Duration>; 6] = Default::default();
    for n in 0..samples {
        let (name, body) = (format!("pace-{n}"), format!("{n} {:512}", ""));
        let key = ground.key(&name);
        let mut etag = Etag::new("");
        for (verb, took) in KINDS.into_iter().zip(&mut took) {
            let start = ground.env.now();
            match verb {
                Verb::Create => {
                    if let Write::Won { etag: new, .. } = ground.create(&name, body.clone()).await?
                    {
                        etag = new;
                    }
                }
                Verb::Get => {
                    ground.get(&name).await?;
                }
                Verb::Update => {
                    ground.update(&name, format!("{body}!"), &etag).await?;
                }
                Verb::List => {
                    ground.names(ground.below(&name)).await?;
                }
                Verb::Delete => ground.delete(&name).await?,
                _ => {
                    let answer = ground.store.get_if_changed(&key, &etag);
                    ground.timely("a conditional read", answer).await?;
                }
            }
            took.push(ground.env.now().since(start));
        }
    }
    let all = KINDS.into_iter().zip(took);
    Ok(all.map(|(verb, took)| pace(verb, took)).collect())
}

pub(super) fn judged(paces: &[Pace]) -> Finding {
    let name = "latency";
    let ms = |us: u64| us as f64 / 1000.0;
    let slowest = paces.iter().max_by_key(|p| p.p99_us);
    match slowest {
        Some(slow) if Duration::from_micros(slow.p99_us) > SLOW => Finding::warning(
            name,
            format!("{} takes up to {:.0} ms", slow.verb, ms(slow.p99_us)),
            "run workers nearer to the store, or use longer leases",
        ),
        Some(slow) => Finding::ok(
            name,
            format!(
                "99 of 100 requests within {:.1} ms ({})",
                ms(slow.p99_us),
                slow.verb
            ),
        ),
        None => Finding::note(name, "not measured"),
    }
}

/// S3 refuses requests that were signed with a clock further off than 15 minutes.
const REFUSED: Duration = Duration::from_secs(15 * 60);
const NEAR: Duration = Duration::from_secs(5 * 60);

/// Dates of answers and of objects must be of one clock, exact to this.
const ONE_CLOCK: Duration = Duration::from_secs(2);

/// The store's clock against this machine's, and against itself.
pub(super) async fn clock(ground: &Ground, machine: StoreTime) -> Tried<Vec<Finding>> {
    let name = "clock";
    let start = ground.env.now();
    let date = match ground.create("clock", "x").await? {
        Write::Won { date, .. } => date,
        _ => return Ok(vec![Finding::refusal(name, "a key cannot be created")]),
    };
    let took = ground.env.now().since(start);
    let skew = date
        .since(machine)
        .max(machine.since(date))
        .saturating_sub(took);
    let side = if date < machine { "ahead of" } else { "behind" };
    let said = format!(
        "this machine's clock is {:.0} s {side} the store's",
        skew.as_secs_f64()
    );
    // No bucket: a store of this machine, whose time is the machine's clock and never goes back.
    let went_back = ground.store.place().is_none() && date > machine;
    let mut found = vec![if went_back && skew > NEAR {
        let what = format!("{said}: somebody wrote to it while this machine's clock was ahead");
        Finding::fault(
            name,
            what,
            "its time goes on from there while a program has it open, and stands still in between; \
             let a worker stay, or begin with a new store",
        )
    } else if skew > NEAR {
        let what = format!(
            "{said}; beyond {} minutes S3 refuses requests",
            REFUSED.as_secs() / 60
        );
        Finding::fault(name, what, "set this machine's clock (NTP)")
    } else if skew > Duration::from_secs(2) {
        Finding::note(name, format!("{said}; oq goes by the store's alone"))
    } else {
        Finding::ok(name, "this machine's clock and the store's agree")
    }];
    if let Some(object) = ground.get("clock").await? {
        let written = object.last_modified;
        let apart = written.since(date).max(date.since(written));
        if apart > ONE_CLOCK {
            found.push(Finding::fault(
                "clock of objects",
                format!(
                    "LastModified and Date are {:.1} s apart: take-overs would be early or late",
                    apart.as_secs_f64()
                ),
                "let the store's servers keep one time (NTP)",
            ));
        } else {
            found.push(Finding::ok(
                "clock of objects",
                "LastModified and Date are of one clock",
            ));
        }
    }
    Ok(found)
}
