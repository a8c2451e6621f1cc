//! Where the demonstration happens: a store in memory, served as S3 on a free port of this machine,
//! and a worker that reaches it as any program would.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials as Signer, Region};
use oq_core::env::Env;
use oq_core::measure::Count;
use oq_core::protocol::Root;
use oq_core::queue::{DEFAULT_QUEUE, Queue};
use oq_core::record::QueueName;
use oq_core::store::s3::{S3Options, S3Store};
use oq_core::store::{Latency, Meter, Metered, open_served};
use oq_core::worker::{Event, Worker};
use tokio_util::sync::CancellationToken;

use crate::demo_tasks;
use crate::endpoint::{Credentials, Endpoint, Hardship, HttpFaults, REGION, Server};
use crate::failed::Failed;

/// How many tasks run at once.
pub const SLOTS: usize = 16;

const BUCKET: &str = "oq-demo";

/// Everything that was started. It goes with this process.
pub struct Stage {
    pub address: SocketAddr,
    pub queue: Queue,
    /// Tasks whose outcome the worker recorded.
    pub over: Arc<Count>,
    /// Requests, as S3 would bill them.
    pub meter: Meter,
    /// Ends the worker when this is dropped.
    _end: tokio_util::sync::DropGuard,
}

impl Stage {
    pub async fn set(latency: Latency) -> Result<Stage, Failed> {
        let env = Env::system();
        let server = serve(latency, &env).await?;
        let address = server.address();
        let end = CancellationToken::new();
        tokio::spawn(server.run(end.clone().cancelled_owned()));

        let s3 = client(address).map_err(oq_core::Error::from)?;
        let metered = Metered::new(Arc::new(s3));
        let meter = metered.meter();
        let root = Root::new(Arc::new(metered), env);
        let queue = Queue::open(root, QueueName::new(DEFAULT_QUEUE)?).await?;

        let over = Arc::new(Count::default());
        let count = over.clone();
        let worker = Worker::builder()
            .queue(&queue)
            .concurrency(SLOTS)
            .on_event(move |event| {
                if let Event::Finished { .. } = event {
                    count.add();
                }
            });
        let worker = demo_tasks::add_to(worker).build()?;
        tokio::spawn(worker.run(end.clone().cancelled_owned()));
        Ok(Stage {
            address,
            queue,
            over,
            meter,
            _end: end.drop_guard(),
        })
    }
}

async fn serve(latency: Latency, env: &Env) -> Result<Server, Failed> {
    let store = open_served("memory:").await.map_err(oq_core::Error::from)?;
    let endpoint = Endpoint::new(store, BUCKET, env.clone());
    endpoint.look().await.map_err(oq_core::Error::from)?;
    let hardship = Hardship::new(latency, HttpFaults::default(), env.clone());
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::bind(here, endpoint, Credentials::well_known(), hardship).await;
    server.map_err(|e| {
        let next = "see what keeps programs from listening on this machine";
        Failed::unusable(format!("cannot listen on {here}: {e}"), next)
    })
}

/// A client of its own configuration: what is in this user's environment is for real buckets.
fn client(address: SocketAddr) -> Result<S3Store, oq_core::store::StoreError> {
    let credentials = Credentials::well_known();
    let signer = Signer::builder()
        .access_key_id(credentials.key_id.clone())
        .secret_access_key(credentials.shown_secret().unwrap_or_default())
        .provider_name("oq demo")
        .build();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(format!("http://{address}"))
        .force_path_style(true)
        .credentials_provider(signer)
        .build();
    S3Store::from_config(&config, BUCKET, "", &S3Options::default())
}
