//! A store to measure on, and this program on it in processes of their own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::run::{Role, Took};

/// A store that is there until this is dropped.
pub struct Place {
    pub url: String,
    env: BTreeMap<&'static str, String>,
    dev: Option<Child>,
    _folder: Option<TempDir>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Memory,
    Sqlite,
    /// `oq dev`, over HTTP.
    Dev,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Memory, Kind::Sqlite, Kind::Dev];

    pub fn what(self) -> &'static str {
        match self {
            Kind::Memory => "`memory:`",
            Kind::Sqlite => "`sqlite:`",
            Kind::Dev => "`oq dev`, HTTP",
        }
    }

    /// A new store of this kind.
    pub fn open(self) -> Place {
        match self {
            Kind::Memory => Place {
                url: "memory:".into(),
                env: BTreeMap::new(),
                dev: None,
                _folder: None,
            },
            Kind::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                Place {
                    url: format!("sqlite:{}", folder.path().join("bench.db").display()),
                    env: BTreeMap::new(),
                    dev: None,
                    _folder: Some(folder),
                }
            }
            Kind::Dev => dev(),
        }
    }
}

/// The `oq` that was built beside this program.
fn dev() -> Place {
    let me = std::env::current_exe().expect("this program has a path");
    let oq = me.with_file_name("oq");
    let mut child = Command::new(&oq)
        .args([
            "dev",
            "--listen",
            "127.0.0.1:0",
            "--no-worker",
            "--until-eof",
        ])
        .args(["-o", "jsonl", "--url", "memory:"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}; build oq-cli in the same profile", oq.display()));
    let stdout = child.stdout.take().expect("stdout is a pipe");
    let mut line = String::new();
    let read = BufReader::new(stdout).read_line(&mut line);
    read.expect("it says that it is ready");
    let ready: serde_json::Value = serde_json::from_str(&line).expect("as JSON");
    let text = |name: &str| ready[name].as_str().expect(name).to_owned();
    let env = BTreeMap::from([
        ("AWS_ENDPOINT_URL", text("endpoint")),
        ("AWS_ACCESS_KEY_ID", text("access_key_id")),
        ("AWS_SECRET_ACCESS_KEY", text("secret_access_key")),
        ("AWS_REGION", text("region")),
    ]);
    Place {
        url: text("url"),
        env,
        dev: Some(child),
        _folder: None,
    }
}

impl Place {
    /// This program in a process of its own, told where the store is.
    pub fn command(&self) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.envs(&self.env);
        command
    }

    /// The roles, one after the other in one process; what each took.
    pub fn run(&self, tasks: u64, pack: usize, roles: &[Role]) -> Vec<Took> {
        let name = |role: &Role| format!("{role:?}").to_lowercase();
        let output = self
            .command()
            .args(["run", &self.url, &tasks.to_string(), &pack.to_string()])
            .args(roles.iter().map(name))
            .stderr(Stdio::inherit())
            .output()
            .expect("a process");
        assert!(
            output.status.success(),
            "{tasks} tasks on {}: failed",
            self.url
        );
        let text = String::from_utf8_lossy(&output.stdout);
        let took = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("figures"));
        took.collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(dev) = &mut self.dev {
            // It has nothing to finish that anybody waits for.
            let _gone = dev.kill();
            let _gone = dev.wait();
        }
    }
}
