//! Where a command runs: the options said, the store they name, the requests made.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::protocol::health::{Condition, Health};
use oq_core::queue::Queue;
use oq_core::record::QueueName;
use oq_core::store::{Meter, Metered, Prices, Requests, open, open_existing};
use oq_core::worker::Event;

use crate::config::Global;
use crate::failed::Failed;
use crate::print::{EventLine, Printer};

/// How often a live line is drawn of what cannot tell how far it is.
const DRAW: Duration = Duration::from_millis(100);

/// Who waits longer than this for a store that fails is told of it.
const A_WHILE: Duration = Duration::from_secs(2);

/// What every command is given.
#[derive(Debug)]
pub struct Session<'a> {
    pub global: Global,
    pub print: &'a Printer,
    /// A store that is not there is made; else it is a mistyped URL.
    makes: bool,
    meter: OnceLock<Meter>,
    health: OnceLock<Health>,
}

impl<'a> Session<'a> {
    /// A session that has not asked the store for anything yet. Who only looks `makes` no store.
    pub fn new(global: Global, print: &'a Printer, makes: bool) -> Session<'a> {
        Session {
            global,
            print,
            makes,
            meter: OnceLock::new(),
            health: OnceLock::new(),
        }
    }

    /// The queue that was named, in the store that was named.
    pub async fn queue(&self) -> Result<Queue, Failed> {
        self.queue_named(self.global.queue.clone()).await
    }

    /// Another queue of that store.
    pub async fn queue_named(&self, name: QueueName) -> Result<Queue, Failed> {
        let root = self.root().await?;
        Ok(match self.makes {
            true => Queue::open(root, name).await?,
            false => Queue::open_existing(root, name).await?,
        })
    }

    /// The store that was named, its requests counted.
    pub async fn root(&self) -> Result<Root, Failed> {
        let opened = match self.makes {
            true => open(self.url()?).await,
            false => open_existing(self.url()?).await,
        };
        let store = Metered::new(opened.map_err(oq_core::Error::from)?);
        // Of several stores the first is counted; no command opens two.
        let _first = self.meter.set(store.meter());
        let root = Root::new(Arc::new(store), Env::system());
        let _first = self.health.set(root.health().clone());
        Ok(root)
    }

    /// Tells of outages of the store while a command waits, in a worker's words. Never completes.
    pub async fn outages(&self) {
        let env = Env::system();
        let mut seen = Condition::default();
        loop {
            env.sleep(A_WHILE).await;
            let Some(health) = self.health.get() else {
                continue;
            };
            let is = health.other_than(&seen).await;
            let event = match (&seen.outage, &is.outage) {
                (None, Some((_, error))) => {
                    // A command that ends with the error says it itself.
                    env.sleep(A_WHILE).await;
                    let error = error.clone().into();
                    Some(Event::StoreFailing { error })
                }
                (Some(_), None) => Some(Event::StoreRecovered { after: is.lasted }),
                _ => None,
            };
            if let Some(line) = event.as_ref().and_then(EventLine::of) {
                self.print.note(&line.text());
            }
            seen = is;
        }
    }

    /// The store's URL.
    pub fn url(&self) -> Result<&str, Failed> {
        let Some(url) = &self.global.url else {
            return Err(Failed::usage(
                "no store was named",
                "add --url s3://BUCKET/PREFIX or --url sqlite:PATH, or set OQ_URL",
            ));
        };
        if url.starts_with("memory:") {
            return Err(Failed::usage(
                "a store in memory ends with this command",
                "use sqlite:PATH for one on this machine",
            ));
        }
        Ok(url)
    }

    /// The requests made so far.
    pub fn requests(&self) -> Requests {
        self.meter.get().map(Meter::snapshot).unwrap_or_default()
    }

    /// Does something long, and shows meanwhile how many requests it made, of at most so many.
    pub async fn watched<T>(&self, most: Option<u64>, long: impl Future<Output = T>) -> T {
        let (env, before) = (Env::system(), self.requests());
        let mut progress = self.print.progress("requests", most);
        let mut long = std::pin::pin!(long);
        loop {
            match env.within(DRAW, long.as_mut()).await {
                Some(done) => return done,
                None => progress.set((self.requests() - before).total()),
            }
        }
    }

    /// With `--cost`: says which requests were made.
    pub fn footer(&self) {
        let Some(made) = self.meter.get().map(Meter::snapshot) else {
            return;
        };
        if self.global.cost {
            self.print.note(&format!(
                "{} requests (PUT {}, GET {}, LIST {}, DELETE {}), ${:.7} at the prices of S3 Standard",
                made.total(),
                made.put(),
                made.get(),
                made.list(),
                made.delete(),
                made.cost(&Prices::S3_STANDARD),
            ));
        }
    }
}

/// Until somebody presses Ctrl-C; for ever where that cannot be listened for.
pub async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
