//! `oq dev`: the endpoint, the worker, and their end.

mod told;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::queue::Queue;
use oq_core::store::{Delayed, Faulty, Latency, Store, StoreError, open_served};
use oq_core::worker::{Event, Worker};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::demo_tasks;
use crate::endpoint::{
    Credentials, Endpoint, Hardship, HttpFaults, REGION, SECRET, Server, check_listener,
};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::print::Printer;
use crate::session::Session;
use crate::signals::Signals;

/// Events that wait to be printed; what comes on top is counted and not printed.
const WAITING: usize = 10_000;

/// Serve a store of this machine as S3, with a worker beside it; for development.
///
/// The store is memory: unless --url says sqlite:PATH. Prints the endpoint and the environment that
/// programs need, then a line for each thing that happens, until Ctrl-C. The worker runs the
/// demonstration tasks echo, sleep, fail, flaky and later.
///
/// Credentials of your own come from OQ_DEV_ACCESS_KEY_ID and OQ_DEV_SECRET_ACCESS_KEY; an address
/// that other machines can reach needs them.
#[derive(Debug, clap::Args)]
pub struct Dev {
    /// Where to listen; port 0 is any free one.
    #[arg(long, default_value = "127.0.0.1:7070", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,

    /// The bucket that shows the store.
    #[arg(long, default_value = "oq-dev", value_parser = bucket)]
    bucket: String,

    /// Answer as slowly as a store far away: s3, express, or medians and spread as in
    /// get=20ms,put=40ms,list=40ms,delete=20ms,sigma=0.45.
    #[arg(long, default_value = "none", value_name = "PROFILE", value_parser = latency)]
    latency: Latency,

    /// Fail on purpose: a share of 503s as 0.05, or each fault as in 503=0.05,500=0.01,cut=0.01.
    #[arg(long, default_value = "0", value_name = "SHARE", value_parser = faults)]
    faults: HttpFaults,

    /// Serve only; start no worker.
    #[arg(long)]
    no_worker: bool,

    /// End also when stdin does, so that it ends with the program that started it.
    #[arg(long)]
    until_eof: bool,

    /// How many tasks the worker runs at once.
    #[arg(long, default_value_t = 8, value_name = "TASKS")]
    concurrency: usize,
}

fn bucket(name: &str) -> Result<String, String> {
    if s3s::path::check_bucket_name(name) {
        return Ok(name.to_owned());
    }
    Err("a bucket has 3 to 63 small letters, digits, '-' and '.'".to_owned())
}

fn latency(profile: &str) -> Result<Latency, StoreError> {
    profile.parse()
}

fn faults(faults: &str) -> Result<HttpFaults, StoreError> {
    faults.parse()
}

impl Dev {
    pub async fn run(self, oq: &Session<'_>) -> Result<Exit, Failed> {
        let credentials = Credentials::of_environment();
        check_listener(&self.listen, &credentials).map_err(|why| {
            let next = format!("set {SECRET} to 16 characters or more, or listen on 127.0.0.1");
            Failed::usage(why, next)
        })?;
        let url = oq.global.url.as_deref().unwrap_or("memory:");
        let store = open_served(url).await.map_err(|e| {
            let next = "add --url memory: or --url sqlite:PATH; OQ_URL counts as --url";
            Failed::unusable(e.to_string(), next)
        })?;
        let env = Env::system();
        let endpoint = Endpoint::new(store.clone(), &self.bucket, env.clone());
        endpoint.look().await.map_err(oq_core::Error::from)?;
        let hardship = Hardship::new(self.latency, self.faults, env.clone());
        let server = Server::bind(self.listen, endpoint, credentials.clone(), hardship);
        let server = server.await.map_err(|e| {
            let next = "choose another with --listen; port 0 is any free one";
            Failed::unusable(format!("cannot listen on {}: {e}", self.listen), next)
        })?;
        let (events, heard) = mpsc::channel(WAITING);
        let missed = Arc::new(AtomicU64::new(0));
        let worker = if self.no_worker {
            // With nobody left to tell, the telling ends.
            drop(events);
            None
        } else {
            Some(self.worker(oq, store, &env, events, missed.clone()).await?)
        };
        // Asked for before anything is said: who reads that it is ready may end it at once.
        let mut signals = Signals::new(self.until_eof)?;
        let ready = Ready {
            url,
            bucket: &self.bucket,
            address: server.address(),
            credentials: &credentials,
        };
        ready.print(oq.print)?;

        // The worker goes first: it uses the store to the last. Then the endpoint.
        let (ending, worked) = (CancellationToken::new(), CancellationToken::new());
        let working = async {
            let end = ending.clone().cancelled_owned();
            let done = match worker {
                Some(worker) => worker.run(end).await,
                None => {
                    end.await;
                    Ok(())
                }
            };
            worked.cancel();
            done
        };
        let serving = server.run(worked.cancelled());
        // Whoever read what is printed may go away (`| head`): then it ends too.
        let unread = CancellationToken::new();
        let telling = async {
            let told = told::tell(oq.print, heard, &missed).await;
            if told.is_err() {
                unread.cancel();
            }
            told
        };
        let all = async { tokio::join!(working, serving, telling) };
        tokio::pin!(all);
        tokio::select! {
            (worked, (), told) = all.as_mut() => return ended(worked, told),
            () = signals.next() => {}
            () = unread.cancelled() => {}
        }
        oq.print
            .note("ending: running tasks may finish; once more to end at once");
        ending.cancel();
        tokio::select! {
            (worked, (), told) = all => ended(worked, told),
            () = signals.next() => Ok(Exit::Interrupted),
        }
    }

    async fn worker(
        &self,
        oq: &Session<'_>,
        store: Arc<dyn Store>,
        env: &Env,
        events: mpsc::Sender<Event>,
        missed: Arc<AtomicU64>,
    ) -> Result<Worker, Failed> {
        // It shares the store with the endpoint, and what the endpoint's clients suffer.
        let mut store = store;
        if self.latency != Latency::NONE {
            store = Arc::new(Delayed::new(store, self.latency, env.clone()));
        }
        if self.faults != HttpFaults::default() {
            store = Arc::new(Faulty::new(store, self.faults.of_store(), env.clone()));
        }
        let root = Root::new(store, env.clone());
        let queue = Queue::open(root, oq.global.queue.clone()).await?;
        let worker = Worker::builder()
            .queue(&queue)
            .concurrency(self.concurrency)
            .on_event(move |event| {
                if events.try_send(event.clone()).is_err() {
                    missed.fetch_add(1, Ordering::Relaxed);
                }
            });
        Ok(demo_tasks::add_to(worker).build()?)
    }
}

fn ended(worked: oq_core::Result<()>, told: Result<(), Failed>) -> Result<Exit, Failed> {
    told?;
    worked?;
    Ok(Exit::Ok)
}

/// What is said once it serves.
struct Ready<'a> {
    url: &'a str,
    bucket: &'a str,
    address: SocketAddr,
    credentials: &'a Credentials,
}

impl Ready<'_> {
    fn print(&self, print: &Printer) -> Result<(), Failed> {
        let endpoint = format!("http://{}", self.address);
        let url = format!("s3://{}?endpoint={endpoint}", self.bucket);
        if told::as_json(print) {
            let ready = json!({
                "event": "ready",
                "url": url,
                "endpoint": endpoint,
                "bucket": self.bucket,
                "region": REGION,
                "access_key_id": self.credentials.key_id,
                "secret_access_key": self.credentials.shown_secret(),
            });
            return print.line(&ready.to_string());
        }
        print.note(&format!(
            "serving {} as s3://{}; Ctrl-C ends it",
            self.url, self.bucket
        ));
        let key_id = &self.credentials.key_id;
        let secret = match self.credentials.shown_secret() {
            Some(secret) => secret.to_owned(),
            None => format!("\"${SECRET}\""),
        };
        for line in [
            format!("export OQ_URL='{url}'"),
            format!("export AWS_ENDPOINT_URL={endpoint}"),
            format!("export AWS_ACCESS_KEY_ID={key_id}"),
            format!("export AWS_SECRET_ACCESS_KEY={secret}"),
            format!("export AWS_REGION={REGION}"),
        ] {
            print.line(&line)?;
        }
        Ok(())
    }
}
