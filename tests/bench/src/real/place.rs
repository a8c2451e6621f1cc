//! A store to measure on, and this program on it in processes of their own.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use oq_dev_server::{DevServer, beside_this_program};
use tempfile::TempDir;

use super::run::{Role, Took};

/// A store that is there until this is dropped.
pub struct Place {
    pub url: String,
    env: BTreeMap<&'static str, String>,
    _dev: Option<DevServer>,
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
                _dev: None,
                _folder: None,
            },
            Kind::Sqlite => {
                let folder = tempfile::tempdir().expect("a temporary folder");
                Place {
                    url: format!("sqlite:{}", folder.path().join("bench.db").display()),
                    env: BTreeMap::new(),
                    _dev: None,
                    _folder: Some(folder),
                }
            }
            Kind::Dev => dev(),
        }
    }
}

fn dev() -> Place {
    let dev = DevServer::start(&beside_this_program(), "memory:").unwrap_or_else(|e| panic!("{e}"));
    let mut env = BTreeMap::from(dev.credentials());
    env.insert("AWS_ENDPOINT_URL", dev.endpoint.clone());
    Place {
        url: dev.url.clone(),
        env,
        _dev: Some(dev),
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
        self.start(tasks, pack, roles, false).took()
    }

    /// From the first submission to the last recorded outcome: one process works, and when it is
    /// there another submits.
    pub fn both(&self, tasks: u64, pack: usize) -> Took {
        let worker = self.start(tasks, pack, &[Role::Drain], true);
        let client = self.start(tasks, pack, &[Role::Submit], true).took()[0];
        let worker = worker.took()[0];
        Took {
            began: client.began,
            ..worker
        }
    }

    fn start(&self, tasks: u64, pack: usize, roles: &[Role], warm: bool) -> Running {
        let name = |role: &Role| format!("{role:?}").to_lowercase();
        let child = self
            .command()
            .args(["run", &self.url, &tasks.to_string(), &pack.to_string()])
            .args(roles.iter().map(name))
            .args(warm.then_some("--warm"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let what = format!("{roles:?} of {tasks} tasks on {}", self.url);
        Running { child, what }
    }
}

/// A process of this program.
struct Running {
    child: Child,
    what: String,
}

impl Running {
    /// What each of its roles took, at its end.
    fn took(self) -> Vec<Took> {
        let output = self.child.wait_with_output().expect("a process ends");
        assert!(output.status.success(), "{}: failed", self.what);
        let text = String::from_utf8_lossy(&output.stdout);
        let took = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("figures"));
        took.collect()
    }
}
