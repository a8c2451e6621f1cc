//! `oq dev` as a child process: starts it on a free port, reads what a client needs from its first
//! line, and ends it. What is done with the server is the caller's.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A running `oq dev`. It ends when this is dropped, and with this process, which holds the other end
/// of its stdin.
#[derive(Debug)]
pub struct DevServer {
    child: Child,
    /// The URL of its store, as `OQ_URL` has it.
    pub url: String,
    /// The URL of its S3 endpoint.
    pub endpoint: String,
    /// Its bucket.
    pub bucket: String,
    /// The id of the access key that it takes.
    pub access_key_id: String,
    /// The secret of the access key that it takes.
    pub secret_access_key: String,
    /// Its region.
    pub region: String,
}

impl DevServer {
    /// Starts this `oq` on a store such as `memory:`; it makes its credentials up.
    pub fn start(oq: &Path, store: &str) -> Result<DevServer, String> {
        DevServer::start_with(oq, store, &[])
    }

    /// The same with more variables in its environment.
    pub fn start_with(oq: &Path, store: &str, env: &[(&str, &str)]) -> Result<DevServer, String> {
        let mut child = Command::new(oq)
            .args(["dev", "--listen", "127.0.0.1:0", "--no-worker"])
            .args(["--until-eof", "-o", "jsonl", "--url", store])
            // Those of whoever runs the tests are not meant.
            .env_remove("OQ_DEV_ACCESS_KEY_ID")
            .env_remove("OQ_DEV_SECRET_ACCESS_KEY")
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{}: {e}; build it in the same profile", oq.display()))?;
        let ready = ready(&mut child).inspect_err(|_| end(&mut child))?;
        let said = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        Ok(DevServer {
            child,
            url: said("url"),
            endpoint: said("endpoint"),
            bucket: said("bucket"),
            access_key_id: said("access_key_id"),
            secret_access_key: said("secret_access_key"),
            region: said("region"),
        })
    }

    /// Its host and port.
    pub fn address(&self) -> &str {
        self.endpoint.trim_start_matches("http://")
    }

    /// The credentials that a program needs to use it, as variables of its environment.
    pub fn credentials(&self) -> [(&'static str, String); 3] {
        [
            ("AWS_ACCESS_KEY_ID", self.access_key_id.clone()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_access_key.clone()),
            ("AWS_REGION", self.region.clone()),
        ]
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for DevServer {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// The `oq` that was built beside this program.
pub fn beside_this_program() -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    here.with_file_name("oq")
}

/// The first line that it says.
fn ready(child: &mut Child) -> Result<Value, String> {
    let mut out = BufReader::new(child.stdout.take().ok_or("its stdout is no pipe")?);
    let mut line = String::new();
    out.read_line(&mut line).map_err(|e| e.to_string())?;
    // What it says later must not fill the pipe.
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    serde_json::from_str(&line)
        .map_err(|e| format!("oq dev did not say that it is ready: {e}: {line}"))
}

/// It has nothing to finish that anybody waits for.
fn end(child: &mut Child) {
    let _gone = child.kill();
    let _gone = child.wait();
}
