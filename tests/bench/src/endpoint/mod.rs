//! What `oq dev` answers a second: the real binary, asked by the AWS SDK, by
//! oq's own store and by a bare HTTP client.
//!
//! Client and server share the machine. So beside the rate stands what a request costs each of them
//! in processor time, which does not depend on what else the machine does.

mod bare;
mod ours;
mod process;
mod sdk;

use std::future::Future;
use std::path::PathBuf;
use std::time::Instant;

use self::process::{Dev, cpu_of};
use crate::table::{Bound, Table, bounded, plain, text};

/// Requests of one run, after as many tenths of it to warm up.
const REQUESTS: usize = 20_000;
const CONNECTIONS: usize = 64;
const BODY: &[u8] = &[b'x'; 256];
const RUNS: usize = 5;

/// One run.
#[derive(Debug, Clone, Copy)]
struct Rate {
    a_second: f64,
    /// Microseconds of processor time a request.
    server: f64,
    client: f64,
}

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    /// If-None-Match: *, each to a key of its own.
    Create,
    /// Without a condition.
    Put,
    Get,
}

/// Measures `requests` in all, [`CONNECTIONS`] at a time; `ask` makes the n-th.
#[allow(clippy::disallowed_methods)] // a benchmark measures the machine's time
async fn measure<F: Future<Output = ()> + Send + 'static>(
    server: u32,
    ask: impl Fn(usize, std::ops::Range<usize>) -> F,
) -> Rate {
    let share = REQUESTS / CONNECTIONS;
    let before = (cpu_of(server), cpu_of(std::process::id()));
    let begin = Instant::now();
    let asking: Vec<_> = (0..CONNECTIONS)
        .map(|n| tokio::spawn(ask(n, n * share..(n + 1) * share)))
        .collect();
    for one in asking {
        one.await.expect("every request is answered");
    }
    let (took, made) = (begin.elapsed(), (share * CONNECTIONS) as f64);
    Rate {
        a_second: made / took.as_secs_f64(),
        server: (cpu_of(server) - before.0).as_secs_f64() * 1e6 / made,
        client: (cpu_of(std::process::id()) - before.1).as_secs_f64() * 1e6 / made,
    }
}

fn median(mut rates: Vec<Rate>) -> Rate {
    rates.sort_by(|a, b| a.a_second.total_cmp(&b.a_second));
    rates[rates.len() / 2]
}

fn key(verb: Verb, run: usize, n: usize) -> String {
    // Gets read what the first run wrote.
    match verb {
        Verb::Get => format!("Create/0/{n:06}"),
        _ => format!("{verb:?}/{run}/{n:06}"),
    }
}

impl Verb {
    fn what(self) -> &'static str {
        match self {
            Verb::Create => "PUT if absent",
            Verb::Put => "PUT",
            Verb::Get => "GET",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    Sdk,
    Ours,
    Bare,
}

impl Client {
    const ALL: [Client; 3] = [Client::Sdk, Client::Ours, Client::Bare];

    fn what(self) -> &'static str {
        match self {
            Client::Sdk => "AWS SDK",
            Client::Ours => "oq",
            Client::Bare => "bare client",
        }
    }

    /// oq never puts without a condition.
    fn has(self, verb: Verb) -> bool {
        self != Client::Ours || verb != Verb::Put
    }

    /// `run` tells apart the keys of all runs on one server.
    async fn run(self, dev: &Dev, verb: Verb, run: usize) -> Rate {
        match self {
            Client::Sdk => sdk::run(dev, verb, run).await,
            Client::Ours => ours::run(dev, verb, RUNS + run).await,
            Client::Bare => bare::run(dev, verb, 2 * RUNS + run).await,
        }
    }
}

/// The table of `oq-bench endpoint`.
pub fn table(oq: Option<PathBuf>) -> Table {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let note = format!(
        "{REQUESTS} requests with bodies of {} bytes on {CONNECTIONS} connections, client and server \
         on the same processors; medians of {RUNS} runs. Processor time is a request's. oq asks as its \
         workers do: signed by itself, on the SDK's connections. The bare client sends what was \
         signed before, so what is left is the server's part.",
        BODY.len()
    );
    let head = [
        "store, request",
        "client",
        "a second",
        "client's processor",
        "server's",
    ];
    let mut table = Table::grid("The S3 endpoint of oq dev", &note, &head);
    for store in ["memory", "SQLite"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = match store {
            "memory" => "memory:".to_owned(),
            _ => format!("sqlite:{}", folder.path().join("oq.db").display()),
        };
        let dev = Dev::start(oq.clone(), &url);
        for verb in [Verb::Create, Verb::Put, Verb::Get] {
            for client in Client::ALL.into_iter().filter(|client| client.has(verb)) {
                let runs = (0..RUNS).map(|run| runtime.block_on(client.run(&dev, verb, run)));
                let rate = median(runs.collect());
                let cells = vec![
                    text(client.what()),
                    bounded(rate.a_second, "", bound(store, verb, client)),
                    plain(rate.client, "µs"),
                    plain(rate.server, "µs"),
                ];
                table.row(format!("{store}, {}", verb.what()), cells);
            }
        }
    }
    table
}

fn bound(store: &str, verb: Verb, client: Client) -> Bound {
    match (client, store, verb) {
        (Client::Sdk, "memory", Verb::Get) => Bound::AtLeast(10_000.0),
        (Client::Sdk, "memory", _) => Bound::AtLeast(8_000.0),
        (Client::Sdk, _, Verb::Create | Verb::Put) => Bound::AtLeast(4_000.0),
        _ => Bound::None,
    }
}
