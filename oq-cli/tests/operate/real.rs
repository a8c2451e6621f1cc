//! The real binary in a folder of its own.

use std::path::Path;
use std::process::{Command, Stdio};

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
