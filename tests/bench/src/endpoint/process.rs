//! The server under measurement, and what processes have used of the processors.

use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use oq_dev_server::{DevServer, beside_this_program};

/// A running `oq dev`, and a client of it.
pub struct Dev {
    server: DevServer,
    pub client: Client,
    pub address: String,
    pub bucket: String,
}

impl Dev {
    /// Starts the binary that stands beside this one, or another.
    pub fn start(oq: Option<PathBuf>, url: &str) -> Dev {
        let oq = oq.unwrap_or_else(beside_this_program);
        let server = DevServer::start(&oq, url).unwrap_or_else(|e| panic!("{e}"));
        let credentials = Credentials::new(
            &server.access_key_id,
            &server.secret_access_key,
            None,
            None,
            "oq dev",
        );
        // As oq's own client has it.
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(credentials)
            .region(Region::new(server.region.clone()))
            .endpoint_url(&server.endpoint)
            .force_path_style(true)
            .retry_config(RetryConfig::disabled())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Dev {
            client: Client::from_conf(config),
            address: server.address().to_owned(),
            bucket: server.bucket.clone(),
            server,
        }
    }

    pub fn id(&self) -> u32 {
        self.server.id()
    }
}

/// The processor time that a process has used, from Linux's `/proc`; zero elsewhere.
pub fn cpu_of(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = |n: usize| fields.split(' ').nth(n).and_then(|f| f.parse::<u64>().ok());
    let (user, system) = (ticks(11).unwrap_or(0), ticks(12).unwrap_or(0));
    // The kernel shows hundredths of a second on every Linux.
    Duration::from_millis((user + system) * 10)
}
