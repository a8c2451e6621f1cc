//! The server under measurement, and what processes have used of the processors.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, StalledStreamProtectionConfig,
};

/// A running `oq dev`. It ends with this process: it holds the other end of its stdin.
pub struct Dev {
    child: Child,
    pub client: Client,
    pub address: String,
    pub bucket: String,
}

impl Dev {
    /// Starts the binary that stands beside this one, or another.
    pub fn start(oq: Option<PathBuf>, url: &str) -> Dev {
        let beside = || {
            let here = std::env::current_exe().expect("this program has a path");
            here.with_file_name("oq")
        };
        let oq = oq.unwrap_or_else(beside);
        let mut child = Command::new(&oq)
            .args([
                "dev",
                "--listen",
                "127.0.0.1:0",
                "--no-worker",
                "--until-eof",
            ])
            .args(["-o", "jsonl", "--url", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}; build it in the same profile", oq.display()));
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it says that it is ready");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("as JSON");
        let text = |name: &str| ready[name].as_str().expect(name).to_owned();
        let credentials = Credentials::new(
            text("access_key_id"),
            text("secret_access_key"),
            None,
            None,
            "oq dev",
        );
        // As oq's own client has it.
        let config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .credentials_provider(credentials)
            .region(Region::new(text("region")))
            .endpoint_url(text("endpoint"))
            .force_path_style(true)
            .retry_config(RetryConfig::disabled())
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Dev {
            client: Client::from_conf(config),
            address: text("endpoint").trim_start_matches("http://").to_owned(),
            bucket: text("bucket"),
            child,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It has nothing to finish that anybody waits for.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
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
