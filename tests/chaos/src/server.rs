//! A real S3 server for one scenario: `oq dev`, LocalStack or moto. It ends with this process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::ValueEnum;
use oq_dev_server::DevServer;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    Dev,
    #[value(name = "localstack")]
    LocalStack,
    Moto,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Dev => "oq dev",
            Kind::LocalStack => "LocalStack",
            Kind::Moto => "moto",
        }
    }
}

/// The credentials that every server here takes, and every program here has.
pub const CREDENTIALS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "oqchaos"),
    ("AWS_SECRET_ACCESS_KEY", "oqchaos-is-no-secret"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    process: Process,
    pub host: String,
    bucket: String,
}

#[derive(Debug)]
enum Process {
    Dev {
        _ends_with_it: DevServer,
    },
    /// This process holds the other end of its stdin, without which it ends.
    Script(Child),
}

/// The repository's folder.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// The `oq` beside this program, or the one that `OQ_BIN` names.
pub fn oq() -> PathBuf {
    if let Some(named) = std::env::var_os("OQ_BIN") {
        return named.into();
    }
    oq_dev_server::beside_this_program()
}

/// One server of each kind that is needed.
#[derive(Debug)]
pub struct Servers(BTreeMap<Kind, Server>);

impl Servers {
    pub async fn start(kinds: BTreeSet<Kind>) -> Result<Servers, String> {
        let starts = kinds.into_iter().map(|kind| async move {
            let server = Server::start(kind).await?;
            Ok((kind, server))
        });
        let all = futures::future::join_all(starts).await;
        Ok(Servers(all.into_iter().collect::<Result<_, String>>()?))
    }

    pub fn get(&self, kind: Kind) -> Result<&Server, String> {
        let server = self.0.get(&kind);
        server.ok_or_else(|| format!("{} was not started", kind.name()))
    }

    pub async fn end(self) {
        for server in self.0.into_values() {
            server.end().await;
        }
    }
}

impl Server {
    pub async fn start(kind: Kind) -> Result<Server, String> {
        Server::start_with(kind, &oq()).await
    }

    /// With another `oq` than the one beside this program.
    pub async fn start_with(kind: Kind, oq: &Path) -> Result<Server, String> {
        if kind == Kind::Dev {
            let own = [
                ("OQ_DEV_ACCESS_KEY_ID", CREDENTIALS[0].1),
                ("OQ_DEV_SECRET_ACCESS_KEY", CREDENTIALS[1].1),
            ];
            let dev = DevServer::start_with(oq, "memory:", &own)?;
            return Ok(Server {
                host: dev.address().to_owned(),
                bucket: dev.bucket.clone(),
                process: Process::Dev { _ends_with_it: dev },
            });
        }
        let mut command = Command::new(repository().join("localstack/start"));
        if kind == Kind::Moto {
            command.arg("--moto");
        }
        // It tells its URL and stays until its stdin ends.
        let stay = "printf '{\"url\":\"%s\"}\\n' \"$OQ_URL\"; cat >/dev/null";
        command.args(["--run", "--", "sh", "-c", stay]);
        command.env("OQ_START_TIMEOUT", "600");
        let mut child = command
            .env_remove("OQ_URL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(false)
            .spawn()
            .map_err(|e| format!("{}: {e}", kind.name()))?;
        let out = child.stdout.take().ok_or("it has a stdout")?;
        let mut lines = BufReader::new(out).lines();
        let url = loop {
            let line = lines.next_line().await.map_err(|e| e.to_string())?;
            let line = line.ok_or(format!("{} ended before it was ready", kind.name()))?;
            let told: Option<Value> = serde_json::from_str(&line).ok();
            if let Some(url) = told.as_ref().and_then(|told| told["url"].as_str()) {
                break url.to_owned();
            }
        };
        // What it says later must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let said = url
            .strip_prefix("s3://")
            .and_then(|rest| rest.split_once('?'));
        let (bucket, query) = said.ok_or(format!("{url}: not a URL of a bucket"))?;
        let endpoint = query
            .split('&')
            .find_map(|part| part.strip_prefix("endpoint=http://"));
        Ok(Server {
            host: endpoint.ok_or(format!("{url}: no endpoint"))?.to_owned(),
            bucket: bucket.to_owned(),
            process: Process::Script(child),
        })
    }

    /// The URL of a prefix of the bucket, through this endpoint.
    pub fn url(&self, prefix: &str, endpoint: &str) -> String {
        format!(
            "s3://{}/{prefix}?endpoint={endpoint}&region=us-east-1&path_style=true",
            self.bucket
        )
    }

    pub fn direct(&self, prefix: &str) -> String {
        self.url(prefix, &format!("http://{}", self.host))
    }

    /// Ends it.
    pub async fn end(self) {
        if let Process::Script(mut child) = self.process {
            drop(child.stdin.take());
            let _ended = child.wait().await;
        }
    }
}
