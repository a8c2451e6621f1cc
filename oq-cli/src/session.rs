//! Where a command runs: the options said, the store they name, the requests made.

use std::sync::{Arc, OnceLock};

use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::queue::Queue;
use oq_core::store::{Meter, Metered, Prices, Requests, open};

use crate::config::Global;
use crate::failed::Failed;
use crate::print::Printer;

/// What every command is given.
#[derive(Debug)]
pub struct Session<'a> {
    pub global: Global,
    pub print: &'a Printer,
    meter: OnceLock<Meter>,
}

impl<'a> Session<'a> {
    /// A session that has not asked the store for anything yet.
    pub fn new(global: Global, print: &'a Printer) -> Session<'a> {
        Session {
            global,
            print,
            meter: OnceLock::new(),
        }
    }

    /// The queue that was named, in the store that was named.
    pub async fn queue(&self) -> Result<Queue, Failed> {
        Ok(Queue::open(self.root().await?, self.global.queue.clone()).await?)
    }

    /// The store that was named, its requests counted.
    pub async fn root(&self) -> Result<Root, Failed> {
        let store = Metered::new(open(self.url()?).await.map_err(oq_core::Error::from)?);
        // Of several stores the first is counted; no command opens two.
        let _first = self.meter.set(store.meter());
        Ok(Root::new(Arc::new(store), Env::system()))
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
