//! The real binary in a folder of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A folder, and the environment that commands get in it.
pub struct Oq {
    folder: tempfile::TempDir,
    env: Vec<(String, String)>,
}

/// What a command came to.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The lines of stdout, as JSON.
    pub fn rows(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines.map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }

    /// It did what it was asked for.
    #[track_caller]
    pub fn fine(self) -> Ran {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }
}

impl Oq {
    /// With a store in a file.
    pub fn with_file() -> Oq {
        Oq::at("sqlite:oq.db", &[])
    }

    /// With a store elsewhere.
    pub fn at(url: &str, env: &[(&str, &str)]) -> Oq {
        let mut all = vec![("OQ_URL".to_owned(), url.to_owned())];
        all.extend(env.iter().map(|(k, v)| (k.to_string(), v.to_string())));
        Oq {
            folder: tempfile::tempdir().unwrap(),
            env: all,
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oq"));
        command
            .args(args)
            .env_clear()
            .envs(self.env.iter().cloned())
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// `oq dev` on a free port; it ends with the test, also when that dies.
pub struct Dev {
    child: Child,
    pub url: String,
    pub env: Vec<(String, String)>,
}

impl Dev {
    pub fn start() -> Dev {
        let mut child = Command::new(env!("CARGO_BIN_EXE_oq"))
            .args([
                "dev",
                "--listen",
                "127.0.0.1:0",
                "--no-worker",
                "--until-eof",
                "-o",
                "jsonl",
            ])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let said = |name: &str| ready[name].as_str().unwrap().to_owned();
        let url = said("url");
        let env = [
            ("AWS_ACCESS_KEY_ID", "access_key_id"),
            ("AWS_SECRET_ACCESS_KEY", "secret_access_key"),
            ("AWS_REGION", "region"),
        ];
        let env = env.map(|(name, of)| (name.to_owned(), said(of))).to_vec();
        Dev { child, url, env }
    }

    /// A folder whose commands use it.
    pub fn oq(&self) -> Oq {
        let env: Vec<_> = self
            .env
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        Oq::at(&self.url, &env)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It ends when its stdin does.
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}
