//! S3 servers for the program: those that `OQ_TEST_S3` names (`localstack/start --run` sets it), or
//! an `oq dev` of its own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use oq_core::Queue;
use oq_core::env::Env;
use oq_core::protocol::Root;
use oq_core::record::QueueName;
use oq_core::store::Place;
use oq_core::store::s3::{S3Options, S3Store};
use oq_dev_server::DevServer;
use oq_lambda::emulator::Local;

use crate::proxy::Proxy;
use crate::world::{Folder, program};

/// A server, and what a program needs to use it.
pub struct Server {
    pub name: String,
    address: String,
    bucket: String,
    key: String,
    secret: String,
    /// It ends with this value.
    _dev: Option<DevServer>,
}

/// All that there are.
pub async fn servers() -> Vec<Server> {
    let named = std::env::var("OQ_TEST_S3").unwrap_or_default();
    let servers: Vec<Server> = named.split_whitespace().map(Server::named).collect();
    match servers.is_empty() {
        true => vec![Server::dev()],
        false => servers,
    }
}

impl Server {
    fn named(url: &str) -> Server {
        let (bucket, query) = url.split_once('?').unwrap();
        let endpoint = query.split('&').find_map(|q| q.strip_prefix("endpoint="));
        let address = endpoint.unwrap().trim_start_matches("http://");
        let said = |name| std::env::var(name).unwrap();
        Server {
            name: address.into(),
            address: address.into(),
            bucket: bucket
                .trim_start_matches("s3://")
                .trim_end_matches('/')
                .into(),
            key: said("AWS_ACCESS_KEY_ID"),
            secret: said("AWS_SECRET_ACCESS_KEY"),
            _dev: None,
        }
    }

    fn dev() -> Server {
        let oq = Path::new(env!("CARGO_BIN_EXE_bootstrap")).with_file_name("oq");
        let dev = DevServer::start(&oq, "memory:").unwrap();
        Server {
            name: "oq dev".into(),
            address: dev.address().into(),
            bucket: dev.bucket.clone(),
            key: dev.access_key_id.clone(),
            secret: dev.secret_access_key.clone(),
            _dev: Some(dev),
        }
    }

    /// A store of its own at this server, with a program in front of it.
    pub async fn site(&self, prefix: &str) -> Site {
        static SITES: AtomicU64 = AtomicU64::new(0);
        let n = SITES.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{prefix}-{}-{n}", std::process::id());
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://{}", self.address))
            .force_path_style(true)
            .credentials_provider(Credentials::new(
                &self.key,
                &self.secret,
                None,
                None,
                "test",
            ))
            .build();
        let options = S3Options::default();
        let store = S3Store::from_config(&config, &self.bucket, &prefix, &options).unwrap();
        let root = Root::new(Arc::new(store), Env::system());
        let queue = Queue::open(root, QueueName::new("default").unwrap())
            .await
            .unwrap();
        let proxy = Proxy::start(self.address.clone()).await;
        let folder = Folder::new();
        let url = format!(
            "s3://{}/{prefix}?endpoint=http://{}&region=us-east-1&path_style=true",
            self.bucket, proxy.address
        );
        let environment = [
            ("OQ_URL", url.as_str()),
            ("OQ_HANDLERS", folder.handlers().to_str().unwrap()),
            ("AWS_ACCESS_KEY_ID", &self.key),
            ("AWS_SECRET_ACCESS_KEY", &self.secret),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        let minutes = Duration::from_secs(180);
        let mut function = Local::start(&program(), environment, minutes)
            .await
            .unwrap();
        function.ready().await.unwrap();
        let opened = proxy.seen().connections;
        Site {
            place: Place {
                bucket: self.bucket.clone(),
                prefix: format!("{prefix}/"),
            },
            queue: queue.silent().await.unwrap(),
            proxy,
            function,
            opened,
            _folder: folder,
        }
    }
}

/// A store at a server: a producer that asks it directly, and a function that asks through a proxy.
pub struct Site {
    pub place: Place,
    pub queue: Queue,
    pub proxy: Proxy,
    pub function: Local,
    /// How many connections it had open before its first event.
    pub opened: u64,
    _folder: Folder,
}
